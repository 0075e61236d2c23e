//! Files between two prompts: killed in the middle, they go on.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{Home, PATIENCE, Process, eventually};

/// Bytes that are not received before somebody is killed: the receiver has 8 MiB at a time.
const BYTES: u32 = 24 << 20;

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
