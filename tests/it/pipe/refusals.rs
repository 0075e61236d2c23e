//! Refusals by a pipe: who is not let in, what does not fit, and what is not asked rightly.

use std::process::Stdio;

use super::listening;
use crate::support::{Home, Output, Process, file_with, held_address};

fn start(home: &Home, args: &[&str]) -> Process {
    super::start(home, args, file_with(b"for one person only"), Output::Kept)
}

/// A listener that takes whoever comes.
fn anybody() -> (Home, Process, String) {
    let junho = Home::of("준호");
    let (listens, at) = listening(&junho, &["--accept-new"], Stdio::null(), Output::Kept);
    (junho, listens, at)
}

#[test]
fn somebody_unknown_is_refused_and_the_ways_to_take_them_are_said() {
    let (junho, listens, at) = anybody();
    let minji = Home::of("민지");
    let mut calls = start(&minji, &["--connect", &at]);
    calls.ends_saying(4, "has a key that is not in your book");
    calls.complains(&format!(
        "--accept-new accepts it; --pin {} accepts it and no other",
        junho.fingerprint()
    ));
    drop(listens);
    assert!(!minji.answer(&["peers", "list"]).contains("SHA256:"), "nobody is remembered");
}

#[test]
fn a_listener_refuses_who_is_unknown_and_waits_on() {
    let (junho, minji) = (Home::of("준호"), Home::of("민지"));
    let (mut listens, at) = listening(&junho, &[], Stdio::null(), Output::Kept);
    start(&minji, &["--connect", &at, "--accept-new"]).ends_saying(4, "refused the handshake");
    listens.complains("has a key that is not in your book");
    assert!(listens.is_running());
}

#[test]
fn a_pin_is_the_whole_truth_on_both_sides() {
    let (junho, minji) = (Home::of("준호"), Home::of("민지"));
    let (one, other) = (minji.fingerprint(), junho.fingerprint());
    let (mut listens, at) = listening(&junho, &["--pin", &one], Stdio::null(), Output::Kept);
    start(&minji, &["--connect", &at, "--pin", &one]).ends_saying(4, "not the pinned");
    assert_eq!(start(&Home::of("하나"), &["--connect", &at, "--pin", &other]).ends(), 4);
    let mut right = start(&minji, &["--connect", &at, "--pin", &other]);
    assert_eq!([right.ends(), listens.ends()], [0, 0]);
    assert_eq!(listens.raw_output(), b"for one person only");
    assert!(minji.answer(&["peers", "list"]).contains("verified"));
    assert!(junho.answer(&["peers", "list"]).contains("verified"));
}

#[test]
fn somebody_of_the_book_is_named_and_nobody_else_will_do() {
    let (junho, mut listens, at) = anybody();
    let minji = Home::of("민지");
    assert_eq!(start(&minji, &["--connect", &at, "--pin", &junho.fingerprint()]).ends(), 0);
    assert_eq!(listens.ends(), 0);
    let book = minji.answer(&["peers", "list"]);
    let name = book.split_whitespace().next().unwrap().to_owned();
    let (mut other, at) = listening(&Home::of("하나"), &["--accept-new"], Stdio::null(), Output::Kept);
    start(&minji, &["--connect", &at, "--to", &name])
        .ends_saying(4, &format!("does not have the key of {name}"));
    assert!(other.is_running());
    start(&minji, &["--connect", &at, "--to", "nobody"]).ends_saying(1, "no peer is named nobody");
}

#[test]
fn a_prompt_and_a_pipe_refuse_each_other_in_words() {
    let (junho, at) = Process::listening("준호");
    let mut calls = start(&Home::of("민지"), &["--connect", &at, "--accept-new"]);
    calls.ends_saying(4, "wants a conversation, this is a pipe");
    junho.sees("wants a pipe, this is a conversation");
    let (_, listens, at) = anybody();
    let mut minji = Process::start("민지", &["--connect", &at]);
    assert_eq!(minji.ends(), 4);
    minji.sees("wants a pipe, this is a conversation");
    listens.complains("wants a conversation, this is a pipe");
}

#[test]
fn nobody_reached_is_code_3_and_bad_usage_is_code_2() {
    let (_held, at) = held_address();
    let home = Home::of("민지");
    assert_eq!(start(&home, &["--connect", &at, "--accept-new"]).ends(), 3);
    let bad: [&[&str]; 6] = [
        &[],
        &["--connect", "8000"],
        &["--connect", &at, "--listen", "0"],
        &["--connect", &at, "--pin", "SHA256:short"],
        &["--connect", &at, "--pin", "x", "--accept-new"],
        &["--connect", &at, "--progress", "sometimes"],
    ];
    for args in bad {
        assert_eq!(start(&home, args).ends(), 2, "{args:?}");
    }
}
