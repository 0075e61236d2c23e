//! Bytes through a pipe, which arrive as they were sent.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rsachat::crypto::{Identity, Seed};
use rsachat::session::pipe::RecvEvent;
use rsachat::session::{
    CloseReason, Event, Output as SessionOutput, RekeyThresholds, Role, Session, SessionConfig,
};
use rsachat::time::MonoMs;
use rsachat::wire::{ByeReason, Durability, FileTransfer, Letters, Lifetime, Purpose};

use super::{noise, nowhere, pair};
use crate::support::{Home, Output, PATIENCE, Process, eventually, file_with, read, socket};

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
    calls.ends_saying(1, "the reader of its output has gone");
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

/// A session of the library at one end of a pipe, that drops what comes and says how often it was
/// re-keyed.
fn listens_and_counts() -> (String, std::thread::JoinHandle<(u64, usize)>) {
    let (listener, at) = socket();
    let counting = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let identity = Identity::from_pem(&read("tests/keys/test-2.pem"), None).unwrap();
        let (name, purpose, lifetime) = ("준호".to_owned(), Purpose::Pipe, Lifetime::Lasting);
        let (key, rekeying) = (identity.public().clone(), RekeyThresholds::default());
        let own = SessionConfig {
            key,
            name,
            purpose,
            lifetime,
            durability: Durability::Connection,
            file_transfer: FileTransfer::Unsupported,
            letters: Letters::Unsupported,
            introduction: None,
            rekeying,
        };
        let mut session = Session::new(Role::Responder, own, Seed::new([7; 32]), MonoMs(0));
        let mut buffer = vec![0; 1 << 20];
        while !session.is_established() {
            let count = stream.read(&mut buffer).unwrap();
            session.handle_bytes(MonoMs(0), &buffer[..count]);
            while let Some(output) = session.poll_output() {
                match output {
                    SessionOutput::Transmit(bytes) => stream.write_all(&bytes).unwrap(),
                    SessionOutput::Job(job) => session.handle_job(MonoMs(0), job.run(&identity)),
                    SessionOutput::Event(Event::PeerKey(_)) => session.accept_key(MonoMs(0)),
                    SessionOutput::WantSeed | SessionOutput::Event(_) => {}
                }
            }
        }
        let mut pipe = session.into_pipe().unwrap();
        let (mut start, mut end, mut bytes, mut rekeyings) = (0, pipe.buffered.len(), 0, 0);
        buffer[..end].copy_from_slice(&pipe.buffered);
        let (mut data, mut events) = (Vec::new(), Vec::new());
        loop {
            let used = pipe.recv.handle_bytes(MonoMs(0), &mut buffer[start..end], &mut data, &mut events);
            bytes += data.drain(..).map(|range| range.len() as u64).sum::<u64>();
            for event in events.drain(..) {
                let answer = match event {
                    RecvEvent::Ping(number) => pipe.send.pong(number),
                    RecvEvent::RekeyDue => {
                        rekeyings += 1;
                        pipe.send.rekey(MonoMs(0), &Seed::new([rekeyings; 32]))
                    }
                    RecvEvent::Ended { total } => {
                        let end = pipe.send.end().unwrap();
                        Some([end, pipe.send.stored(total).unwrap()].concat())
                    }
                    RecvEvent::Stored { .. } => None,
                    RecvEvent::Closed(reason) => {
                        assert_eq!(reason, CloseReason::Bye(ByeReason::Leaving));
                        return (bytes, usize::from(rekeyings));
                    }
                };
                stream.write_all(&answer.unwrap_or_default()).unwrap();
            }
            start += used;
            buffer.copy_within(start..end, 0);
            (start, end) = (0, end - start);
            let count = stream.read(&mut buffer[end..]).unwrap();
            assert!(count > 0, "cut");
            end += count;
        }
    });
    (at, counting)
}

#[test]
fn more_than_a_gibibyte_goes_under_two_keys() {
    let bytes = rsachat::limits::REKEY_BYTES + (64 << 20);
    let sparse = tempfile::tempfile().unwrap();
    sparse.set_len(bytes).unwrap();
    let (at, counting) = listens_and_counts();
    let args = ["--connect", &at, "--accept-new"];
    let mut pipe = super::start(&Home::of("민지"), &args, sparse, nowhere());
    assert_eq!(pipe.ends_within(Duration::from_mins(5)), 0, "{}", pipe.complaints());
    assert_eq!(counting.join().unwrap(), (bytes, 1));
}
