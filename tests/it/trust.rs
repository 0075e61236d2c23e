//! Blocks, trust and the book: what is said is on disk, what is blocked is never heard, and what
//! nobody watches takes only who was chosen.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use rsachat::crypto::Identity;
use rsachat::wire::Purpose;

use crate::support::hostile_peer::HostilePeer;
use crate::support::{Home, PATIENCE, Process, all_of, eventually, read};

/// 하나 calls, and keeps the last record of her handshake back.
fn hana_calls(at: &str) -> (HostilePeer, Vec<u8>) {
    let identity = Identity::from_pem(&read("tests/keys/test-3.pem"), None).unwrap();
    HostilePeer::calls_unconfirmed(at, &identity, "하나", Purpose::Chat, 1)
}

/// Somebody whose book has 하나 and who listens, and where.
fn knowing_hana(trust: &str, args: &[&str]) -> (Process, String) {
    let home = Home::of("민지");
    home.private("peers", format!("하나 {} {trust}\n", Home::of("하나").fingerprint()));
    home.start(&[&["--listen", "127.0.0.1:0"], args].concat()).and_where()
}

/// Makes every change of the book fail: the lock cannot be taken.
fn break_book(home: &Home) {
    // A thread of the program may be opening it, and makes it again.
    eventually("the lock is no file any more", PATIENCE, || {
        let _ = fs::remove_file(home.file(".lock"));
        fs::create_dir(home.file(".lock")).is_ok()
    });
}

fn mend_book(home: &Home) {
    fs::remove_dir(home.file(".lock")).unwrap();
}

fn book(home: &Home) -> String {
    let text = fs::read_to_string(home.file("peers")).unwrap_or_default();
    text.split_inclusive('\n').filter(|row| !row.starts_with('#')).collect()
}

#[test]
fn a_key_is_judged_by_the_book_as_it_is_when_the_connection_is_established() {
    for (before, change) in [("unverified", "block"), ("verified", "forget"), ("verified", "block elsewhere")]
    {
        // Whoever is forgotten is a stranger, which this listener does not take.
        let args: &[&str] = if change == "forget" { &["--known-only"] } else { &[] };
        let (mut minji, at) = knowing_hana(before, args);
        let (mut hana, confirm) = hana_calls(&at);
        match change {
            "block" => {
                minji.types(":block 하나");
                minji.sees("* 하나 is blocked");
            }
            "forget" => {
                minji.types(":forget 하나");
                minji.sees("* 하나 is forgotten");
            }
            // By another process, which this one is not told of.
            _ => drop(minji.home.answer(&["peers", "block", "하나"])),
        }
        // The listener may have closed already.
        let _ = hana.stream.write_all(&confirm);
        all_of(hana.stream);
        minji.is_done_typing();
        assert!(!minji.has_seen("joined"), "{change}: {}", minji.output());
        assert_eq!(book(&minji.home).contains(" blocked"), change != "forget");
    }
}

#[test]
fn a_peer_that_another_process_blocks_is_closed() {
    let (mut junho, minji, _) = Process::pair("준호", "민지");
    minji.home.has_met("준호");
    minji.home.answer(&["peers", "block", "준호"]);
    minji.sees("! 준호 is blocked and was refused");
    junho.sees("! 민지 no longer accepts this key");
    assert_ne!(junho.ends(), 0);
}

#[test]
fn a_change_of_the_book_is_said_when_it_is_on_disk_and_its_failure_says_what_holds() {
    let (_junho, mut minji, _) = Process::pair("준호", "민지");
    let before = book(&minji.home);
    minji.types(":verify 준호");
    break_book(&minji.home);
    for (command, failure) in [
        (":trust 준호", "! 준호 is not marked verified: cannot lock "),
        (":name 준호 jun", "! 준호 keeps its name: cannot lock "),
        (":forget 준호", "! 준호 is not forgotten: cannot lock "),
    ] {
        minji.types(command);
        minji.sees(failure);
    }
    minji.is_done_typing();
    let shown = minji.output();
    for wrong in ["is marked verified", "is called", "is forgotten", "nobody is accepted", "closed"] {
        assert!(!shown.contains(wrong), "{wrong}: {shown}");
    }
    assert_eq!(book(&minji.home), before);
    mend_book(&minji.home);
    minji.types(":trust 준호");
    minji.sees("* 준호 is marked verified");
    assert!(book(&minji.home).contains(" verified"));
}

#[test]
fn a_peer_that_another_process_blocks_is_closed_though_a_newcomer_made_the_book_be_read_first() {
    let (minji, at) = knowing_hana("verified", &[]);
    let hana = Process::start("하나", &["--connect", &at]);
    minji.sees("하나 joined");
    minji.home.answer(&["peers", "block", "하나"]);
    // Its key is judged by the book as it is now.
    let junho = Process::start("준호", &["--connect", &at]);
    minji.sees("준호 joined");
    minji.sees("conversation with 하나 closed");
    hana.sees("no longer accepts this key");
    junho.sees("민지 joined");
}

#[test]
fn a_block_that_cannot_be_written_holds_in_memory_and_is_tried_again() {
    let (junho, mut minji, at) = Process::pair("준호", "민지");
    break_book(&minji.home);
    minji.types(":block 준호");
    minji.sees("! 준호 is blocked only until this program ends; that was not saved: cannot lock ");
    junho.sees("! 민지 no longer accepts this key");
    minji.types(":status");
    minji.sees("blocked, but not saved: 준호");
    let _again = junho.home.start(&["--connect", &at]);
    minji.sees("! 준호 is blocked and was refused");
    assert!(!book(&minji.home).contains("blocked"));
    // The next change of the book takes the block with it.
    mend_book(&minji.home);
    minji.types(":unblock nobody");
    minji.sees("! no peer is named nobody");
    let (_hana, at) = Process::listening("하나");
    minji.types(&format!(":connect {at}"));
    minji.sees("* 하나 joined");
    minji.is_done_typing();
    assert!(book(&minji.home).contains(" blocked"), "{}", book(&minji.home));
    // For `:unblock nobody`.
    assert_eq!(minji.closes_input().ends(), 1);
}

#[test]
fn a_process_that_holds_the_lock_of_the_home_stalls_no_conversation() {
    let (mut junho, mut minji, at) = Process::pair("준호", "민지");
    let hana = Process::start("하나", &["--connect", &at]);
    minji.sees("하나 joined");
    let lock = minji.home.hold_lock();
    minji.types(":block 하나");
    // It holds at once, and is said once it is on disk or cannot be written.
    hana.sees("no longer accepts this key");
    for number in 1..=50 {
        junho.types(&format!("말 {number}"));
    }
    assert_eq!(minji.hears("준호", 50)[49], "말 50");
    // A newcomer is judged by a book that is read without the lock.
    let again = Process::start("하나", &["--connect", &at]);
    again.sees("refused the handshake");
    assert!(!minji.has_seen("* 하나 is blocked"), "{}", minji.output());
    assert!(!book(&minji.home).contains("blocked"));
    drop(lock);
    // On a busy machine the wait for the lock may have ended before.
    minji.sees("하나 is blocked");
    minji.types(":quit");
    assert_eq!(minji.ends(), 0, "{}", minji.output());
    assert!(book(&minji.home).contains(" blocked"));
}

#[test]
fn the_reply_to_a_request_comes_when_its_change_is_on_disk() {
    let (minji, at) = Process::listening("민지");
    let mut junho = Home::of("준호").start(&["--json", "--connect", &at]);
    minji.sees("준호 joined");
    junho.types(r#"{"command":"verify","arguments":["민지"]}"#);
    junho.sees(r#""event":"safety""#);
    let lock = junho.home.hold_lock();
    junho.types(r#"{"id":7,"command":"trust","arguments":["민지"]}"#);
    junho.types(r#"{"id":8,"command":"status"}"#);
    let mut minji = minji;
    minji.types(":to 준호");
    minji.types("안녕");
    junho.sees("안녕");
    assert!(!junho.has_seen(r#""id":7"#) && !junho.has_seen(r#""id":8"#), "{}", junho.output());
    drop(lock);
    junho.sees(r#""id":8,"event":"reply""#);
    let rows = junho.output();
    let is_about = |row: &&str| row.contains(r#""id":7"#);
    let about: Vec<_> = rows.lines().filter(is_about).collect();
    let saved = book(&junho.home).contains(" verified");
    assert!(about.last().unwrap().contains(&format!(r#""event":"reply","ok":{saved}"#)), "{rows}");
    assert!(about[0].contains("marked verified"), "{rows}");
}

#[test]
fn a_block_that_is_never_written_is_said_at_the_end_with_code_3() {
    let (_junho, mut minji, _) = Process::pair("준호", "민지");
    break_book(&minji.home);
    minji.types(":block 준호");
    minji.sees("that was not saved");
    minji.types(":quit");
    assert_eq!(minji.ends(), 3);
    minji.sees("! not saved: the block of 준호; :block again next time: cannot lock ");
}

#[test]
fn a_message_arrives_though_nothing_can_be_remembered_and_one_warning_says_so() {
    let args = ["recv", "--listen", "127.0.0.1:0", "--accept-new", "--count", "1"];
    let (recv, at) = Home::of("준호").run(&args, Stdio::null()).and_where();
    let minji = Home::of("민지");
    break_book(&minji);
    let mut send = minji.run(&["send", &at, "--accept-new", "-m", "도착"], Stdio::null());
    assert_eq!(send.ends(), 0, "{}", send.complaints());
    recv.sees("도착");
    let said = send.complaints();
    assert_eq!(said.matches("is not remembered").count(), 1, "{said}");
    assert!(said.lines().all(|row| row.starts_with("rsachat: warning: ")), "{said}");
}

#[test]
fn a_block_is_lifted_by_unblock_alone_which_gives_back_the_trust_before() {
    let home = Home::of("민지");
    let hana = Home::of("하나").fingerprint();
    home.answer(&["peers", "add", "하나", &hana]);
    home.answer(&["peers", "block", "하나"]);
    let blocked = book(&home);
    let refused: [&[&str]; 6] = [
        &["peers", "trust", "하나"],
        &["peers", "trust", "하나", &hana],
        &["peers", "forget", "하나"],
        &["peers", "name", "하나", "hana"],
        &["send", "127.0.0.1:9", "--to", "하나", "-m", "x"],
        &["send", "127.0.0.1:9", "--pin", &hana, "-m", "x"],
    ];
    for args in refused {
        let mut tried = home.run(args, Stdio::null());
        assert_ne!(tried.ends(), 0, "{args:?}");
        tried.complains("하나 is blocked");
        tried.complains(" peers unblock 하나");
        assert_eq!(book(&home), blocked, "{args:?}");
    }
    let mut minji = home.start(&[]);
    let trust = format!(":trust 하나 {hana}");
    let typed = [":trust 하나", &trust, ":forget 하나", ":name 하나 hana"];
    for line in typed {
        minji.types(line);
    }
    minji.sees_times("! 하나 is blocked; :unblock 하나 first", typed.len(), PATIENCE);
    assert_eq!(book(&home), blocked);
    minji.types(":unblock 하나");
    minji.sees("* 하나 is no longer blocked, and is verified again");
    assert!(home.answer(&["peers", "list"]).contains(" verified"));
}

#[test]
fn a_peer_is_added_renamed_blocked_and_unblocked_from_the_command_line() {
    let home = Home::of("민지");
    let hana = Home::of("하나").fingerprint();
    home.answer(&["peers", "add", "하나", &hana]);
    assert_eq!(home.answer(&["peers", "list"]), format!("하나 {hana} verified\n"));
    home.answer(&["peers", "name", "하나", "hana"]);
    home.answer(&["peers", "block", "hana"]);
    assert_eq!(home.answer(&["peers", "list"]), format!("hana {hana} blocked\n"));
    home.answer(&["peers", "unblock", "hana"]);
    assert_eq!(home.answer(&["peers", "list"]), format!("hana {hana} verified\n"));
    for args in [&["peers", "add", "other", &hana][..], &["peers", "unblock", "hana"]] {
        assert_eq!(home.run(args, Stdio::null()).ends(), 1, "{args:?}");
    }
    let another = Home::of("준호").fingerprint();
    let mut trust = home.run(&["peers", "trust", "hana", &another], Stdio::null());
    trust.ends_saying(4, &format!("the key of hana is {hana}, not {another}; nothing was changed"));
}

#[test]
fn a_caller_that_was_only_met_is_not_taken_by_a_command_that_nobody_watches() {
    let (_junho, minji, _) = Process::pair("준호", "민지");
    minji.home.has_met("준호");
    let (recv, at) = minji.home.run(&["recv", "--listen", "127.0.0.1:0"], Stdio::null()).and_where();
    let junho = Home::of("준호");
    assert_eq!(junho.run(&["send", &at, "--accept-new", "-m", "문 열어"], Stdio::null()).ends(), 4);
    recv.complains(&format!("peers trust 준호 {}", junho.fingerprint()));
    assert_eq!(recv.output(), "");
    // What the refusal names lets it in.
    minji.home.answer(&["peers", "trust", "준호", &junho.fingerprint()]);
    let mut send = junho.run(&["send", &at, "--accept-new", "-m", "열렸다"], Stdio::null());
    assert_eq!(send.ends(), 0, "{}", send.complaints());
    recv.sees("열렸다");
}

#[test]
fn a_changed_key_is_seen_however_the_address_is_spelled() {
    let (junho, at) = Process::listening("준호");
    let port = at.rsplit(':').next().unwrap();
    let home = Home::of("민지");
    let mut send = home.run(&["send", &at, "--accept-new", "-m", "x"], Stdio::null());
    assert_eq!(send.ends(), 0, "{}", send.complaints());
    junho.sees("x");
    // The same place with another key.
    let text = book(&home).replace(&Home::of("준호").fingerprint(), &Home::of("하나").fingerprint());
    home.private("peers", text);
    for spelling in ["localhost", "localhost.", "127.0.0.1", "[::ffff:127.0.0.1]"] {
        let at = format!("{spelling}:{port}");
        let mut send = home.run(&["send", &at, "-4", "--accept-new", "-m", "들려요?"], Stdio::null());
        assert_eq!(send.ends(), 4, "{spelling}: {}", send.complaints());
        send.complains("has CHANGED");
    }
    assert!(!junho.has_seen("들려요?"));
}

#[test]
fn a_copy_of_the_identity_is_no_key_for_the_raw_wire() {
    let home = Home::of("민지").with_raw_key("test-1.pem");
    let mut minji = home.start(&[]);
    minji.types(":listen 127.0.0.1:0 --wire oaep");
    minji.sees("raw.pem: it is a copy of your identity key");
    minji.is_done_typing();
    assert!(!minji.has_seen("listening on"));
}

#[test]
fn a_book_whose_last_line_was_cut_off_refuses_everybody() {
    let home = Home::of("민지");
    home.private("peers", format!("하나 {} blocked", Home::of("하나").fingerprint()));
    let minji = home.start(&["--listen", "127.0.0.1:0"]);
    let mut hana = Home::of("하나").start(&["--connect", &minji.listens_at()]);
    hana.sees("refused the handshake");
    eventually("the damage is said", PATIENCE, || minji.has_seen("the line does not end with a newline"));
    assert!(!minji.has_seen("joined"));
    assert_eq!(hana.ends(), 4);
}
