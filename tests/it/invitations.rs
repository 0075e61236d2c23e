//! Invitations between real processes: used, used again, late, by another key, by whoever only
//! connects; over the second address; and where their secret does not go.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use rsachat::crypto::{Identity, Seed};
use rsachat::peers::invitation::Invitation;
use rsachat::session::{CloseReason, Event};
use rsachat::wire::{Introduction, Lifetime, Token};

use crate::support::caller::Caller;
use crate::support::wire::call_from;
use crate::support::{Home, PATIENCE, Process, eventually, file_with, held_address, read, socket};

/// Somebody who takes known callers only, and where she listens.
fn known_only(name: &str) -> (Process, String) {
    Process::start(name, &["--listen", "127.0.0.1:0", "--known-only"]).and_where()
}

/// The invitation that is shown after a command.
fn invited(host: &mut Process, command: &str) -> String {
    host.types(command);
    let row = host.sees("rsachat://");
    row[row.find("rsachat://").unwrap()..].to_owned()
}

fn identity(key: &str) -> Identity {
    Identity::from_pem(&read(&format!("tests/keys/{key}")), None).unwrap()
}

/// The lines of the book, comments included.
fn book(home: &Home) -> String {
    fs::read_to_string(home.file("peers")).unwrap_or_default()
}

#[test]
fn whoever_has_an_invitation_is_let_in_once_and_stays_unverified() {
    let (mut minji, at) = known_only("민지");
    let url = invited(&mut minji, ":invite 준호");
    let mut junho = Home::of("준호").start(&[&url]);
    junho.sees("민지 joined, key as in the invitation, unverified; compare with :verify 민지");
    minji.sees("준호 joined by your invitation, new key SHA256:");
    junho.types("안녕");
    minji.hears("준호", 1);
    assert!(book(&minji.home).contains(" used-by=SHA256:"), "{}", book(&minji.home));
    eventually("the caller has written its book", PATIENCE, || book(&junho.home).contains(&at));
    for home in [&minji.home, &junho.home] {
        let rows = book(home);
        let peer = rows.lines().find(|row| !row.starts_with('#')).unwrap();
        assert!(peer.contains(" unverified"), "{peer}");
    }
    // The same line again, by its owner and by somebody else.
    junho.types(":quit");
    junho.ends();
    let mut again = junho.home.start(&[&url]);
    again.sees("민지 joined, known key, unverified");
    let mut hana = Home::of("하나").start(&[&url]);
    hana.sees("does not take this invitation: it was used, taken back, or has expired");
    assert_eq!(hana.ends(), 4);
    minji.sees("came with an invitation that somebody else has used before: SHA256:");
    again.types("still here");
    minji.sees("준호: still here");
}

#[test]
fn nothing_but_the_right_token_in_a_finished_handshake_uses_an_invitation_up() {
    let (mut minji, at) = known_only("민지");
    let url = invited(&mut minji, ":invite --once");
    let invitation: Invitation = url.parse().unwrap();
    // Scanners: a bare connection, one that speaks HTTP, one that breaks off in the handshake. Those
    // that follow have a source of their own, since one source calls only so often.
    let address = at.parse().unwrap();
    drop(call_from(1 << 12, address));
    let mut http = call_from(2 << 12, address);
    http.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    drop(http);
    let mut broken = Caller::new(&at, "test-3.pem", "하나", Lifetime::Lasting);
    broken.flushes();
    broken.read();
    drop(broken);
    // A handshake without a token, and one with another.
    let mut stranger = Caller::new(&at, "test-3.pem", "하나", Lifetime::Lasting);
    stranger.until(|event| matches!(event, Event::Closed(_)));
    let guess = Introduction::Invitation(Token::new([1; 16]));
    let mut guesser = Caller::introduced(&at, identity("test-3.pem"), "하나", guess.clone());
    let end = guesser.until(|event| matches!(event, Event::Closed(_)));
    assert_eq!(end, Some(Event::Closed(CloseReason::NotAdmitted(guess))));
    // One that gets as far as the lobby, and is cut there before its token is read.
    let token = Introduction::Invitation(invitation.token.clone());
    let mut cut = Caller::introduced(&at, identity("test-3.pem"), "하나", token.clone());
    loop {
        let sent = cut.sent();
        if cut.events.contains(&Event::Presented) {
            break;
        }
        cut.write(&sent);
        assert!(cut.read(), "{:?}", cut.events);
    }
    drop(cut);
    assert!(!book(&minji.home).contains("used-by"), "{}", book(&minji.home));
    let mut junho = Caller::introduced(&at, identity("test-2.pem"), "준호", token);
    let established = junho.until(|event| matches!(event, Event::Established { .. }));
    assert!(established.is_some(), "{:?}", junho.events);
    minji.sees("준호 joined by your invitation");
    assert!(!minji.has_seen("하나 joined"), "{}", minji.output());
}

#[test]
fn another_key_at_an_address_is_told_nothing_and_ends_the_call_with_4() {
    let (mut minji, at) = known_only("민지");
    let url = invited(&mut minji, ":invite");
    let (mut hana, elsewhere) = Process::listening("하나");
    let url = url.replace(&at, &elsewhere);
    let mut junho = Home::of("준호").start(&[&url]);
    junho.sees("does not have the key of SHA256:");
    assert_eq!(junho.ends(), 4);
    hana.is_done_typing();
    assert!(!hana.has_seen("joined") && !hana.has_seen("knocks"), "{}", hana.output());
}

#[test]
fn the_next_address_is_tried_where_nobody_answers() {
    let (mut minji, at) = known_only("민지");
    let (_held, dead) = held_address();
    let url = invited(&mut minji, &format!(":invite --at {dead},{at}"));
    let mut junho = Home::of("준호").start(&[&url]);
    junho.sees("cannot reach");
    junho.sees("민지 joined, key as in the invitation");
    eventually("both addresses are in the book", PATIENCE, || {
        let rows = book(&junho.home);
        rows.contains(&at) && rows.contains(&format!("?{dead}"))
    });
    junho.types(":quit");
    assert_eq!(junho.ends(), 0);
}

#[test]
fn an_invitation_of_the_command_line_counts_at_a_prompt_that_runs_until_it_is_dropped() {
    let (minji, at) = known_only("민지");
    let make =
        |args: &[&str]| minji.home.answer(&[&["invite", "--at", &at], args].concat()).trim().to_owned();
    let url = make(&["준호"]);
    let mut junho = Home::of("준호").start(&[&url]);
    junho.sees("민지 joined, key as in the invitation");
    let second = make(&["--for", "2h"]);
    assert!(minji.home.answer(&["invite", "--list"]).contains("2\t-\tmany\t"));
    minji.home.answer(&["invite", "--drop", "2"]);
    let mut hana = Home::of("하나").start(&[&second]);
    assert_eq!(hana.ends(), 4);
    assert!(!minji.has_seen("하나 joined"), "{}", minji.output());
    junho.closes_input();
}

#[test]
fn an_invitation_in_an_input_that_nobody_types_calls_nobody() {
    let (listener, at) = socket();
    let key = Identity::generate(2048, &mut Seed::new([3; 32]).rng("key")).unwrap().public().fingerprint();
    let url = format!("rsachat://{at}/?i={}#{key}", "A".repeat(22));
    let mut junho = Home::of("준호").start_with_input(&[], file_with(format!("{url}\n").as_bytes()));
    junho.sees("nobody was called: an invitation in an input is not used by itself");
    assert_eq!(junho.ends(), 1);
    let say = format!("{{\"say\":\"{url}\"}}\n");
    let mut program = Home::of("준호").start_with_input(&["--json"], file_with(say.as_bytes()));
    assert_eq!(program.ends(), 1);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody was called");
    // A damaged one says what is wrong.
    let mut damaged = Home::of("준호").start(&[&url[..url.len() - 1]]);
    assert_eq!(damaged.ends(), 2);
    damaged.complains("the key at the end of the invitation is not a complete fingerprint");
}

#[test]
fn send_and_ask_go_by_an_invitation_too() {
    let (mut minji, _) = known_only("민지");
    let url = invited(&mut minji, ":invite");
    let mut junho = Home::of("준호").run(&["send", &url, "-m", "한 줄"], Stdio::null());
    assert_eq!(junho.ends(), 0, "{}", junho.complaints());
    minji.sees("한 줄");
}

#[test]
fn the_token_of_an_invitation_is_in_no_file_of_the_home_that_made_it_and_in_no_recording() {
    let minji = Home::of("민지");
    let (log, script) = (minji.file("log"), minji.file("script.chat"));
    let args =
        ["--listen", "127.0.0.1:0", "--log", log.to_str().unwrap(), "--record", script.to_str().unwrap()];
    let (mut minji, _) = minji.start(&args).and_where();
    let url = invited(&mut minji, ":invite");
    let token = url.split("?i=").nth(1).unwrap().split('#').next().unwrap().to_owned();
    let mut junho = Home::of("준호").start(&[]);
    junho.types(&format!(":connect {url}"));
    minji.sees("준호 joined by your invitation");
    junho.types(":quit");
    minji.types(":quit");
    assert_eq!((junho.ends(), minji.ends()), (0, 0));
    for home in [&minji.home, &junho.home] {
        for entry in fs::read_dir(home.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(&token), "{} has the token:\n{text}", path.display());
        }
    }
}

#[test]
fn the_doctor_checks_each_address_of_an_invitation_and_uses_nothing_up() {
    let (mut minji, at) = known_only("민지");
    let (_hana, elsewhere) = Process::listening("하나");
    let url = invited(&mut minji, &format!(":invite 준호 --at {at}"));
    let junho = Home::of("준호");
    let mut doctor = junho.run(&["doctor", &url], Stdio::null());
    doctor.sees("as in the invitation");
    doctor.sees("takes nobody without an invitation that is open");
    assert_eq!(doctor.ends(), 0, "{}", doctor.output());
    let url = url.replace(&at, &format!("{at},{elsewhere}"));
    let mut doctor = junho.run(&["doctor", &url], Stdio::null());
    doctor.sees(&format!("{elsewhere} has a different key from the pinned one"));
    assert_eq!(doctor.ends(), 4, "{}", doctor.output());
    assert!(!book(&minji.home).contains("used-by"), "{}", book(&minji.home));
    let junho = junho.start(&[&url]);
    junho.sees("민지 joined, key as in the invitation");
}
