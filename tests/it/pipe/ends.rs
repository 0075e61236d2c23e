//! Ends of a pipe: every way, and the code and words of each side.

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionread;
use rustix::process::Signal;

use super::{listening, noise, nowhere, pair};
use crate::support::{Home, Output, PATIENCE, Process, eventually, file_with};

/// A second for the farewell, and what a busy machine may take besides. Who waited for the peer, or
/// for the end of the input, would take 30 s and more.
const SOON: Duration = Duration::from_secs(10);

/// A caller and a listener, connected, with these inputs and an output of the listener.
fn connected(input: impl Into<Stdio>, output: Output, back: Stdio) -> (Process, Process) {
    let (calls, listens) = pair((&["-v"], input.into(), nowhere()), (&["-v"], back, output));
    calls.complains("connected to ");
    (calls, listens)
}

#[test]
fn a_receiver_whose_device_is_full_makes_the_sender_fail_and_say_why() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    for bytes in [1, 10 << 20] {
        let full = Output::Into(full.try_clone().unwrap().into());
        let (mut calls, mut listens) = connected(file_with(&noise(bytes, 1)), full, Stdio::null());
        assert_eq!([calls.ends(), listens.ends()], [1, 1], "{bytes} bytes");
        calls.complains("could not write: no space left on its disk");
        listens.complains("cannot write the output: no space left on device");
    }
}

#[test]
fn a_receiver_whose_reader_is_gone_makes_the_sender_fail_and_say_why() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (mut calls, mut listens) =
        connected(file_with(b"some bytes"), Output::Into(writer.into()), Stdio::null());
    assert_eq!([calls.ends(), listens.ends()], [1, 141]);
    calls.complains("could not write: the reader of its output has gone");
    assert!(!listens.complaints().contains("error"), "{}", listens.complaints());
}

#[test]
fn a_receiver_that_is_killed_is_a_loss() {
    let zeros = File::open("/dev/zero").unwrap();
    let (mut calls, listens) = connected(zeros, nowhere(), Stdio::null());
    calls.complains("connected to ");
    listens.signal(Signal::KILL);
    calls.ends_saying(5, "was cut");
    calls.complains(" of them confirmed by ");
}

#[test]
fn a_sender_that_is_killed_is_a_loss_whatever_came() {
    let (calls, mut listens) = connected(Stdio::piped(), Output::Kept, Stdio::null());
    calls.signal(Signal::KILL);
    assert_eq!(listens.ends(), 5);
    assert_eq!(listens.raw_output(), b"");
}

#[test]
fn a_peer_that_dies_while_we_write_is_a_cut_and_nothing_else() {
    let zeros = || Stdio::from(File::open("/dev/zero").unwrap());
    let (calls, mut listens) = connected(zeros(), Output::Taken, zeros());
    let mut output = listens.take_output();
    // Nobody reads it: the receiving thread waits there, and a confirmation of what it wrote before
    // is due soon.
    eventually("its output is full", PATIENCE, || ioctl_fionread(&output).unwrap() > 60_000);
    calls.signal(Signal::KILL);
    drop(calls);
    let tasks = format!("/proc/{}/task", listens.id());
    let speaks = || {
        let names = std::fs::read_dir(&tasks).into_iter().flatten().flatten();
        let names = names.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.into_iter().any(|name| name.trim() == "words")
    };
    // At the latest with its next sign of life, after 20 s.
    eventually("who confirms has found the connection dead", PATIENCE * 3, || !speaks());
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    listens.ends_saying(5, "was cut");
}

#[test]
fn a_signal_ends_it_in_order_within_a_second() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let zeros = File::open("/dev/zero").unwrap();
        let (mut calls, mut listens) = connected(zeros, nowhere(), Stdio::piped());
        let since = Instant::now();
        calls.signal(signal);
        assert_eq!(calls.ends(), code);
        assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
        listens.ends_saying(5, "left before everything was confirmed");
    }
}

#[test]
fn a_signal_ends_it_also_when_the_peer_reads_nothing_and_when_nobody_called() {
    let zeros = File::open("/dev/zero").unwrap();
    let (mut calls, listens) = connected(zeros, nowhere(), Stdio::piped());
    listens.signal(Signal::STOP);
    calls.signal(Signal::TERM);
    let since = Instant::now();
    assert_eq!(calls.ends(), 143);
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    listens.signal(Signal::CONT);
    let (mut listens, _) = listening(&Home::of("준호"), &[], Stdio::null(), Output::Kept);
    listens.signal(Signal::TERM);
    assert_eq!(listens.ends(), 143);
}

#[test]
fn an_input_that_cannot_be_read_fails_on_both_sides() {
    let folder = File::open("/").unwrap();
    let (mut calls, mut listens) =
        pair((&[], folder.into(), Output::Kept), (&[], Stdio::null(), Output::Kept));
    assert_eq!([calls.ends(), listens.ends()], [3, 1]);
    calls.complains("cannot read the input: is a directory");
    listens.complains("could not read its input to the end");
}

#[test]
fn closed_inputs_and_outputs_are_the_null_device() {
    let junho = Home::of("준호");
    let (mut listens, at) = listening(&junho, &["--accept-new"], Stdio::null(), Output::Kept);
    let script = r#"exec "$0" --home "$1" pipe --connect "$2" --accept-new <&- >&-"#;
    let mut calls = Home::of("민지").shell(script, &at, Stdio::null());
    assert_eq!([calls.ends(), listens.ends()], [0, 0]);
    assert_eq!(listens.raw_output(), b"");
}

#[test]
fn progress_is_written_in_rows_where_nothing_can_be_drawn() {
    let zeros = File::open("/dev/zero").unwrap();
    let progress: &[&str] = &["--progress", "always"];
    let (mut calls, _listens) = pair((progress, zeros.into(), Output::Kept), (&[], Stdio::null(), nowhere()));
    calls.complains("B confirmed, 0 B received");
    calls.signal(Signal::TERM);
    assert_eq!(calls.ends(), 143);
}

#[test]
fn progress_is_drawn_when_asked_for_and_leaves_nothing_in_the_way() {
    let bytes = noise(3 << 20, 9);
    let progress: &[&str] = &["--progress", "always"];
    let (mut calls, mut listens) =
        pair((progress, file_with(&bytes).into(), Output::Kept), (&[], Stdio::null(), Output::Kept));
    assert_eq!([calls.ends(), listens.ends()], [0, 0]);
    assert!(listens.raw_output() == bytes && calls.raw_output().is_empty());
}
