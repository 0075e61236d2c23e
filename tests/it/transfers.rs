//! Files between two prompts: killed in the middle, they go on.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;

use rsachat::wire::{Record, TransferRecord};
use rustix::process::Signal;
use unicode_normalization::UnicodeNormalization as _;

use crate::support::hostile_peer::HostilePeer;
use crate::support::{Home, PATIENCE, Process, eventually};

/// Bytes that are not received before somebody is killed: the receiver has 8 MiB at a time.
const BYTES: u32 = 24 << 20;

/// Files of a folder, the list of which takes several requests.
const FILES: usize = 4_000;

fn content() -> Vec<u8> {
    (0..BYTES / 4).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()).collect()
}

/// Whether the part of a transfer is there.
fn has_begun(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let name = entry.unwrap().file_name();
        name.to_string_lossy().ends_with(".part")
    })
}

/// Prompts of 민지 and 하나, who has called 민지: each has chosen the other.
pub(crate) fn acquainted(minji: &Home, hana: &Home) -> (Process, Process) {
    let (mut listens, at) = minji.start(&["--listen", "127.0.0.1:0"]).and_where();
    let calls = hana.start(&["--connect", &at]);
    listens.sees("하나 joined");
    listens.types(":to 하나");
    listens.sees("plain text now goes to 하나");
    (listens, calls)
}

/// The one of two prompts that calls, and is killed.
#[derive(Clone, Copy, PartialEq)]
enum Caller {
    Sender,
    Receiver,
}

fn goes_on_after_a_kill_of(caller: Caller) {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir().unwrap());
    let (from, to) = (outside.path().join("영화.mkv"), outside.path().join("to"));
    fs::write(&from, content()).unwrap();
    fs::create_dir(&to).unwrap();
    let (mut listens, at) = minji.start(&["--listen", "127.0.0.1:0"]).and_where();
    let mut calls = hana.start(&["--connect", &at]);
    calls.types("안녕");
    listens.sees("안녕");
    listens.types("@하나 응");
    calls.sees("응");
    let (sender, receiver, to_whom) = match caller {
        Caller::Sender => (&mut calls, &mut listens, "민지"),
        Caller::Receiver => (&mut listens, &mut calls, "하나"),
    };
    sender.types(&format!(":send {} --to {to_whom}", from.display()));
    receiver.sees("offers 영화.mkv, 24.0 MiB (:accept 1, :decline 1)");
    receiver.types(&format!(":accept 1 {}", to.display()));
    eventually("the transfer has begun", PATIENCE, || has_begun(&to));
    calls.signal(Signal::KILL);
    calls.ends();
    listens.sees("lost 하나");
    let calls = hana.start(&["--connect", &at]);
    let (sender, receiver) = match caller {
        Caller::Sender => (&calls, &listens),
        Caller::Receiver => (&listens, &calls),
    };
    receiver.sees(&format!("received {}", to.join("영화.mkv").display()));
    sender.sees("has 영화.mkv");
    assert!(fs::read(to.join("영화.mkv")).unwrap() == content());
    assert!(!has_begun(&to));
}

#[test]
fn a_file_goes_on_when_its_sender_was_killed_in_the_middle() {
    goes_on_after_a_kill_of(Caller::Sender);
}

#[test]
fn a_file_goes_on_when_its_receiver_was_killed_in_the_middle() {
    goes_on_after_a_kill_of(Caller::Receiver);
}

#[test]
fn a_folder_of_thousands_of_files_is_listed_before_it_is_accepted_and_arrives_whole() {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir().unwrap());
    let (from, to) = (outside.path().join("사진"), outside.path().join("to"));
    fs::create_dir(&from).unwrap();
    // So many that their list takes more than what is sent for one request.
    for number in 0..FILES {
        fs::write(from.join(format!("{}-{number:04}.jpg", "사진".repeat(10))), [b'x']).unwrap();
    }
    let inbox = format!("inbox = \"{}\"\n", to.display());
    let config = minji.private("config.toml", inbox);
    let config = config.to_str().unwrap();
    let (mut takes, at) = minji.start(&["--config", config, "--listen", "127.0.0.1:0"]).and_where();
    let mut sends = hana.start(&["--connect", &at]);
    takes.sees("하나 joined");
    takes.types(":to 하나");
    takes.sees("plain text now goes to 하나");
    sends.types(&format!(":send {} --to 민지", from.display()));
    takes.sees("하나 offers 사진/, 4000 files, 3.9 KiB (:accept 1, :decline 1)");
    takes.types(":files 1");
    takes.sees("… and ");
    assert!(!to.exists(), "nothing is written before it is accepted");
    takes.types(":accept 1");
    sends.sees("민지 has 사진");
    assert_eq!(fs::read_dir(to.join("사진")).unwrap().count(), FILES);
}

#[test]
fn a_peer_that_asks_for_lists_and_never_reads_costs_bounded_memory() {
    let outside = tempfile::tempdir().unwrap();
    let from = outside.path().join("photos");
    fs::create_dir(&from).unwrap();
    for number in 0..FILES {
        fs::write(from.join(format!("{}-{number:04}.jpg", "x".repeat(200))), []).unwrap();
    }
    let (mut minji, at) = Process::listening("민지");
    let mut eve = HostilePeer::calls_taking_files(&at, "test-3.pem", "eve");
    minji.sees("eve joined");
    minji.types(":to eve");
    minji.sees("plain text now goes to eve");
    minji.types(&format!(":send {}", from.display()));
    minji.sees("offered photos/");
    let id = loop {
        if let Record::Transfer(TransferRecord::Offer(offer)) = eve.receives() {
            break offer.id;
        }
    };
    let before = minji.memory_kib("VmHWM:");
    for first in 1..1_000 {
        eve.sends(&Record::Transfer(TransferRecord::List { id, first }));
    }
    eve.says("I have asked");
    minji.sees("eve: I have asked");
    // It is looked at behind everything that eve has asked for.
    let other = outside.path().join("other.txt");
    fs::write(&other, "x").unwrap();
    minji.types(&format!(":send {}", other.display()));
    minji.sees("offered other.txt");
    // What the kernel holds is not ours; each answer is a quarter of a mebibyte.
    let more = minji.memory_kib("VmHWM:") - before;
    assert!(more < 24 << 10, "{more} KiB more");
    // Whoever reads gets the answer to the last one.
    let last = loop {
        if let Record::Transfer(TransferRecord::Manifest { first: 999, entries, .. }) = eve.receives() {
            break entries;
        }
    };
    assert!(!last.is_empty());
}

/// A prompt on a home that is served, which was started in a folder.
fn attached_in(folder: &Path, home: &Home) -> Process {
    fs::create_dir(folder).unwrap();
    let mut command = home.command(&["attach", "--plain"]);
    command.current_dir(folder);
    home.start_on(command, Stdio::piped())
}

#[test]
fn paths_at_an_attached_prompt_begin_where_it_was_started() {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir().unwrap());
    let (listens, at) = minji.start(&["--listen", "127.0.0.1:0"]).and_where();
    let _calls = hana.start(&["--connect", &at]);
    listens.sees("하나 joined");
    let (from, to) = (outside.path().join("from"), outside.path().join("to"));
    let (mut sends, mut takes) = (attached_in(&from, &hana), attached_in(&to, &minji));
    takes.types(":to 하나");
    takes.sees("하나");
    fs::write(from.join("두 개.txt"), "안녕\n").unwrap();
    fs::create_dir(to.join("받은 것")).unwrap();
    sends.types(":send '두 개.txt' --to 민지");
    takes.sees("하나 offers 두 개.txt, 7 bytes (:accept 1, :decline 1)");
    takes.types(":accept 1 받은 것");
    sends.sees("민지 has 두 개.txt");
    assert_eq!(fs::read_to_string(to.join("받은 것/두 개.txt")).unwrap(), "안녕\n");
}

#[test]
fn files_arrive_under_their_names_in_korean_of_any_length_with_spaces_and_quotes() {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir().unwrap());
    let (from, to) = (outside.path().join("from"), outside.path().join("받은 것"));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    let (mut takes, mut sends) = acquainted(&minji, &hana);
    let long = "가".repeat(85);
    let names = ["회의록 최종.hwp", "회의록 최종.hwp", "it's \"a\" `b` $c *?.txt", &long, "-rf", "~", "a:b"];
    for (number, name) in (1..).zip(names) {
        // As macOS writes the second one.
        let decomposed = if number == 2 { name.nfd().collect() } else { name.to_owned() };
        fs::write(from.join(&decomposed), name).unwrap();
        let quoted = shell_words::quote(from.join(&decomposed).to_str().unwrap()).into_owned();
        sends.types(&format!(":send {quoted} --to 민지"));
        takes.sees(&format!("(:accept {number}, :decline {number})"));
        takes.types(&format!(":accept {number} '{}'", to.display()));
        sends.sees_times("민지 has ", number, PATIENCE);
        let landed = if number == 2 { "회의록 최종 (2).hwp" } else { name };
        assert_eq!(fs::read_to_string(to.join(landed)).unwrap(), name, "{landed}");
    }
    assert_eq!(fs::read_dir(&to).unwrap().count(), names.len());
    // All of them in a folder.
    sends.types(&format!(":send {} --to 민지", from.display()));
    takes.sees("(:accept 8, :decline 8)");
    takes.types(&format!(":accept 8 '{}'", to.display()));
    sends.sees("민지 has from");
    let expected = ["회의록 최종.hwp", "회의록 최종 (2).hwp", names[2], &long, "-rf", "~", "a:b"];
    for name in expected {
        assert!(to.join("from").join(name).is_file(), "{name}");
    }
    assert_eq!(fs::read_dir(to.join("from")).unwrap().count(), expected.len());
}

#[test]
fn a_file_of_holes_that_is_larger_than_the_disk_is_taken_once_its_receiver_says_so() {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir().unwrap());
    let (from, to) = (outside.path().join("disk.img"), outside.path().join("to"));
    fs::create_dir(&to).unwrap();
    let disk = rustix::fs::statvfs(&to).unwrap();
    let size = disk.f_bavail * disk.f_frsize + (64 << 30);
    fs::File::create(&from).unwrap().set_len(size).unwrap();
    let (mut takes, mut sends) = acquainted(&minji, &hana);
    sends.types(&format!(":send {} --to 민지", from.display()));
    takes.sees("(:accept 1, :decline 1)");
    takes.types(&format!(":accept 1 {}", to.display()));
    takes.sees("are needed; make room or name another folder");
    takes.types(&format!(":accept 1 {} --anyway", to.display()));
    sends.sees("민지 has disk.img");
    let landed = fs::metadata(to.join("disk.img")).unwrap();
    assert_eq!(landed.len(), size);
    assert!(landed.blocks() < 2_048, "{} blocks", landed.blocks());
}

/// The one of two whose input ends while a file is on its way.
fn a_script_waits_for(ends: Caller) {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir().unwrap());
    let (from, to) = (outside.path().join("영화.mkv"), outside.path().join("to"));
    fs::write(&from, content()).unwrap();
    fs::create_dir(&to).unwrap();
    let (mut takes, mut sends) = acquainted(&minji, &hana);
    sends.types(&format!(":send {}", from.display()));
    takes.sees("(:accept 1, :decline 1)");
    takes.types(&format!(":accept 1 {}", to.display()));
    sends.sees("takes 영화.mkv");
    let script = if ends == Caller::Sender { &mut sends } else { &mut takes };
    assert_eq!(script.closes_input().ends(), 0, "{}", script.output());
    assert!(script.has_seen("(24.0 MiB)"), "{}", script.output());
    assert!(fs::read(to.join("영화.mkv")).unwrap() == content());
}

#[test]
fn the_input_of_a_script_that_sends_has_its_file_received_before_the_end() {
    a_script_waits_for(Caller::Sender);
}

#[test]
fn the_input_of_a_script_that_receives_has_its_file_before_the_end() {
    a_script_waits_for(Caller::Receiver);
}

/// A file that does not move any more, and what its sender says as the end takes it.
fn what_is_left_is_said(end: impl FnOnce(&mut Process, &mut Process), code: i32) {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir().unwrap());
    let (from, to) = (outside.path().join("영화.mkv"), outside.path().join("to"));
    fs::write(&from, content()).unwrap();
    fs::create_dir(&to).unwrap();
    let (mut sends, mut takes) = acquainted(&minji, &hana);
    sends.types(&format!(":send {} --to 하나", from.display()));
    takes.sees("(:accept 1, :decline 1)");
    takes.types(&format!(":accept 1 {}", to.display()));
    sends.sees("takes 영화.mkv");
    takes.signal(Signal::STOP);
    end(&mut sends, &mut takes);
    assert_eq!(sends.ends(), code, "{}", sends.output());
    assert!(!to.join("영화.mkv").exists());
    let left = "영화.mkv to 하나 has not arrived yet; the next prompt or rsachat serve goes on with it";
    assert!(sends.has_seen(left), "{}", sends.output());
}

#[test]
fn a_prompt_that_is_left_says_which_files_go_on_later() {
    what_is_left_is_said(
        |sends, takes| {
            sends.types(":quit");
            sends.sees("has not arrived yet");
            takes.signal(Signal::KILL);
        },
        0,
    );
}

#[test]
fn a_script_whose_file_goes_on_later_says_so_and_ends_with_the_code_of_what_waits() {
    what_is_left_is_said(
        |sends, takes| {
            sends.closes_input();
            takes.signal(Signal::KILL);
        },
        6,
    );
}

#[test]
fn what_the_input_of_a_script_offers_at_its_end_is_offered_or_fails() {
    let (minji, hana) = (Home::of("민지"), Home::of("하나"));
    minji.answer(&["peers", "add", "하나", &hana.fingerprint()]);
    let (there, missing) = (minji.file("notes.txt"), minji.file("missing.txt"));
    fs::write(&there, "notes").unwrap();
    for end in ["", ":quit\n"] {
        for (path, code, says) in [(&there, 0, "notes.txt"), (&missing, 1, "missing.txt")] {
            let mut prompt = minji.start(&[]);
            prompt.types(&format!(":send {} --to 하나\n{end}", path.display()));
            assert_eq!(prompt.closes_input().ends(), code, "{end:?} {}", prompt.output());
            assert!(prompt.has_seen(says), "{end:?} {}", prompt.output());
        }
    }
    let mut lists = minji.start(&[]);
    lists.types(":files");
    lists.sees("notes.txt");
}
