//! Bytes through a pipe, which arrive as they were sent.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{noise, nowhere, pair};
use crate::support::{Output, PATIENCE, Process, eventually, file_with};

fn check(out: &[u8], back: &[u8]) {
    let side = |bytes: &[u8]| (&[][..], file_with(bytes).into(), Output::Kept);
    let (mut calls, mut listens) = pair(side(out), side(back));
    let codes = [calls.ends(), listens.ends()];
    let (came_out, came_back) = (listens.raw_output(), calls.raw_output());
    assert!(came_out == out, "{} bytes out, {} came", out.len(), came_out.len());
    assert!(came_back == back, "{} bytes back, {} came", back.len(), came_back.len());
    assert_eq!(codes, [0, 0]);
}

#[test]
fn sixty_four_mebibytes_cross_both_ways_at_once() {
    check(&noise(64 << 20, 1), &noise(64 << 20, 2));
}

#[test]
fn every_size_around_a_frame_arrives_exactly() {
    for bytes in [0, 1, 2, 255, 65_276, 65_277, 65_278, 4 * 65_277, 4 * 65_277 + 1] {
        check(&noise(bytes, 3), &[]);
    }
    check(b"", b"");
    check(b"", b"x");
}

#[test]
fn what_looks_like_a_command_a_line_or_a_record_is_bytes() {
    check(b":quit\nQ\n\0\0\r\n\xff\xfe~.\n:close\r\n", b"exit\n:help\n\x1b[2J\0");
}

#[test]
fn bytes_arrive_while_the_input_stays_open_and_each_side_ends_by_itself() {
    let side = || (&[][..], Stdio::piped(), Output::Taken);
    let (mut calls, mut listens) = pair(side(), side());
    let (mut here, mut there) = (calls.take_input(), listens.take_input());
    let (mut come, mut gone) = (calls.take_output(), listens.take_output());
    let mut six = [0; 6];
    for _ in 0..3 {
        here.write_all(b"ping 1").unwrap();
        gone.read_exact(&mut six).unwrap();
        assert_eq!(&six, b"ping 1");
        there.write_all(b"pong 1").unwrap();
        come.read_exact(&mut six).unwrap();
        assert_eq!(&six, b"pong 1");
    }
    drop(here);
    assert_eq!(gone.read(&mut six).unwrap(), 0, "the end of one direction is seen at once");
    there.write_all(b"still!").unwrap();
    come.read_exact(&mut six).unwrap();
    assert_eq!(&six, b"still!", "the other direction goes on");
    drop(there);
    assert_eq!(come.read(&mut six).unwrap(), 0);
    assert_eq!([calls.ends(), listens.ends()], [0, 0]);
}

#[test]
fn an_input_without_end_waits_for_a_reader_that_stops() {
    let endless = std::fs::File::open("/dev/zero").unwrap();
    let (mut calls, mut listens) =
        pair((&["--json"], endless.into(), nowhere()), (&[], Stdio::null(), Output::Taken));
    let mut gone = listens.take_output();
    let mut some = vec![0; 1 << 20];
    gone.read_exact(&mut some).unwrap();
    // Nothing more is read: what is on the way fills up, and then the sender's count stands still.
    let sent = |calls: &Process| last_sent(&calls.complaints());
    let (mut before, mut since) = (0, Instant::now());
    eventually("sending has stopped", PATIENCE, || {
        let now = sent(&calls);
        if now != before {
            (before, since) = (now, Instant::now());
        }
        before > 0 && since.elapsed() > Duration::from_secs(1)
    });
    assert!(before < 64 << 20, "{before} bytes are on the way");
    for _ in 0..32 {
        gone.read_exact(&mut some).unwrap();
        assert!(some.iter().all(|byte| *byte == 0));
    }
    eventually("sending goes on", PATIENCE, || sent(&calls) > before);
    drop(gone);
    calls.ends_saying(1, "who read its output has gone");
    assert_eq!(listens.ends(), 141);
}

fn last_sent(errors: &str) -> u64 {
    let count = |row: &str| row.split_once("\"sent\":")?.1.split(',').next()?.parse().ok();
    errors.lines().rev().find_map(count).unwrap_or(0)
}

#[test]
fn a_file_is_sent_by_who_listens_too() {
    let bytes = noise(300_000, 4);
    // The caller's input never ends.
    let (mut calls, mut listens) =
        pair((&["--recv-only"], Stdio::piped(), Output::Kept), (&[], file_with(&bytes).into(), nowhere()));
    assert_eq!([calls.ends(), listens.ends()], [0, 0]);
    assert!(calls.raw_output() == bytes);
}
