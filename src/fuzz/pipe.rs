//! Halves of a pipe: bytes come out as they went in, or the pipe is closed.

use super::Choices;
use super::side::{Side, config, seed};
use crate::limits::PIPE_FRAME_BYTES;
use crate::session::pipe::{Pipe, RecvEvent, RekeyAction};
use crate::session::{CloseReason, Session};
use crate::time::MonoMs;
use crate::wire::data_frame::{DATA_AT, DATA_BYTES, DATA_FRAME_BYTES};
use crate::wire::{ByeReason, Durability, Purpose};

/// Most acts of one input.
const ACTS: usize = 200;

struct End {
    pipe: Pipe,
    /// Bytes on their way.
    out: Vec<u8>,
    /// Bytes that have arrived and are no whole frame.
    waiting: Vec<u8>,
    sent: Vec<u8>,
    received: Vec<u8>,
    stored: Option<u64>,
    is_complete: bool,
    closed: Option<CloseReason>,
    /// Whether records that no pipe writes are among its own.
    injected: bool,
    seeds: u8,
}

pub fn pipe(data: &[u8]) {
    let mut choices = Choices::new(data);
    let configs = [0, 1].map(|key| config(key, Purpose::Pipe, Durability::Connection));
    let mut sides = Session::behind_handshake(configs).map(|session| Side::new(session, 0));
    for at in [0, 1, 0, 1] {
        sides[at].drain();
        let bytes = sides[at].take_out(usize::MAX);
        sides[1 - at].handle_bytes(&bytes);
    }
    let mut ends = sides.map(|side| End {
        pipe: side.session.into_pipe().expect("both have confirmed"),
        out: Vec::new(),
        waiting: Vec::new(),
        sent: Vec::new(),
        received: Vec::new(),
        stored: None,
        is_complete: false,
        closed: None,
        injected: false,
        seeds: 0,
    });
    for number in 0..ACTS {
        if choices.is_empty() {
            break;
        }
        act(&mut ends, MonoMs(u64::try_from(number).unwrap()), &mut choices);
        for at in [0, 1] {
            let [end, other] = [&ends[at], &ends[1 - at]];
            if !other.injected {
                assert!(other.sent.starts_with(&end.received));
                assert!(!end.is_complete || end.received == other.sent);
            }
        }
    }
}

fn act(ends: &mut [End; 2], now: MonoMs, choices: &mut Choices<'_>) {
    let at = choices.below(2);
    let kind = choices.below(20);
    let end = &mut ends[at];
    let record = match kind {
        0..=7 => {
            let count = if kind < 4 { usize::MAX } else { usize::from(choices.byte()) * 4 };
            let rest = end.out.split_off(count.min(end.out.len()));
            let mut bytes = std::mem::replace(&mut end.out, rest);
            match if kind % 4 == 3 { choices.below(3) } else { 3 } {
                0 => bytes.clear(),
                1 => bytes.extend_from_within(..),
                2 if !bytes.is_empty() => {
                    let place = usize::from(choices.byte()) * bytes.len() / 256;
                    bytes[place] ^= choices.byte().max(1);
                }
                _ => {}
            }
            return ends[1 - at].arrive(now, &bytes);
        }
        8..=10 => {
            let length = usize::from(choices.byte());
            let length = if kind == 10 { length * DATA_BYTES / 255 } else { length };
            return end.send(&vec![choices.byte(); length]);
        }
        11 => end.pipe.send.end(),
        12 => end.pipe.send.stored(u64::from(choices.byte())),
        13 => end.pipe.send.ping(u64::from(choices.byte())),
        14 => end.pipe.send.pong(u64::from(choices.byte())),
        15 => {
            let now = MonoMs(choices.number() % 10_000_000);
            match end.pipe.rekeying.handle_timeout(now) {
                RekeyAction::Rekey => end.pipe.send.rekey(now, &seed(choices.byte())),
                RekeyAction::Wait(_) | RekeyAction::GiveUp => None,
            }
        }
        16 => end.pipe.send.bye(ByeReason::Leaving),
        17 => return end.eof(),
        _ => {
            let kind = choices.byte();
            let length = usize::from(choices.byte());
            let body = choices.bytes(length);
            let body: Vec<u8> = if kind < 128 {
                body.to_vec()
            } else {
                body.iter().flat_map(|b| [0, 0, 0, 0, 0, 0, 0, *b]).collect()
            };
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            end.injected = true;
            Some(end.pipe.send.seal_any(&[&[kind % 24][..], &length, &body].concat()))
        }
    };
    end.out.extend(record.unwrap_or_default());
}

impl End {
    fn send(&mut self, bytes: &[u8]) {
        let mut frame = vec![0xEE; DATA_FRAME_BYTES];
        frame[DATA_AT..DATA_AT + bytes.len()].copy_from_slice(bytes);
        let Some(length) = self.pipe.send.data(frame.first_chunk_mut().unwrap(), bytes.len()) else { return };
        assert!(length <= PIPE_FRAME_BYTES + 2);
        self.out.extend_from_slice(&frame[..length]);
        self.sent.extend_from_slice(bytes);
        assert_eq!(self.pipe.send.sent(), u64::try_from(self.sent.len()).unwrap());
    }

    fn arrive(&mut self, now: MonoMs, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        let (mut data, mut events) = (Vec::new(), Vec::new());
        let used = self.pipe.recv.handle_bytes(now, &mut self.waiting, &mut data, &mut events);
        assert!(self.closed.is_none() || data.is_empty() && events.is_empty(), "something behind the end");
        for range in data {
            assert!(!self.is_complete && range.end <= used);
            self.received.extend_from_slice(&self.waiting[range]);
        }
        self.waiting.drain(..used);
        for event in events {
            assert_eq!(self.closed, None, "{event:?} behind the end");
            let answer = match event {
                RecvEvent::Ended { total } => {
                    assert_eq!(total, u64::try_from(self.received.len()).unwrap());
                    assert!(!std::mem::replace(&mut self.is_complete, true));
                    self.pipe.send.stored(total)
                }
                RecvEvent::Stored { total } => {
                    assert!(self.stored.replace(total).is_none_or(|before| before < total));
                    None
                }
                RecvEvent::Ping(number) => self.pipe.send.pong(number),
                RecvEvent::RekeyDue => {
                    self.seeds = self.seeds.wrapping_add(1);
                    self.pipe.send.rekey(now, &seed(self.seeds))
                }
                RecvEvent::Closed(reason) => {
                    self.closed = Some(reason);
                    None
                }
            };
            self.out.extend(answer.unwrap_or_default());
        }
    }

    fn eof(&mut self) {
        let ended = self.pipe.recv.handle_eof(&self.waiting);
        assert_eq!(ended.is_some(), self.closed.is_none());
        if let Some(RecvEvent::Closed(reason)) = ended {
            self.closed = Some(reason);
        }
    }
}
