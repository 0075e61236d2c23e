//! Both sides of a session and the wire between them: bytes are dropped, repeated and changed, and
//! records of any content are sealed with the true keys.

use super::Choices;
use super::side::{Side, config};
use crate::crypto::Fingerprint;
use crate::limits::MESSAGE_BYTES;
use crate::session::{Role, Session};
use crate::time::{MonoMs, UnixMs};
use crate::wire::{ByeReason, Chain, Count, Durability, Epoch, Purpose, Resume};

/// Most acts of one input.
const ACTS: usize = 200;

/// A session behind the handshake.
pub fn session(data: &[u8]) {
    let mut choices = Choices::new(data);
    let form = choices.byte();
    let durability = |bit: u8| if form & bit == 0 { Durability::Connection } else { Durability::Pair };
    let own = [(0, durability(1)), (1, durability(2))];
    let configs = own.map(|(key, durability)| config(key, Purpose::Chat, durability));
    let sessions = Session::behind_handshake(configs);
    let mut sides = sessions.map(|session| Side::new(session, 0));
    play(&mut sides, &mut choices);
}

/// A session from its first byte.
pub fn handshake(data: &[u8]) {
    let mut choices = Choices::new(data);
    let purpose = choices.one_of(&[Purpose::Chat, Purpose::Pipe]);
    let mut sides = [(Role::Initiator, 0), (Role::Responder, 1)].map(|(role, key)| {
        let config = config(key, purpose, Durability::Pair);
        Side::new(Session::new(role, config, super::side::seed(choices.byte()), MonoMs(0)), key)
    });
    play(&mut sides, &mut choices);
}

fn play(sides: &mut [Side; 2], choices: &mut Choices<'_>) {
    for side in &mut *sides {
        side.drain();
    }
    for _ in 0..ACTS {
        if choices.is_empty() {
            break;
        }
        act(sides, choices);
        for at in [0, 1] {
            let [side, other] = [&sides[at], &sides[1 - at]];
            other.check_against(side);
        }
    }
    for side in &mut *sides {
        side.session.close(ByeReason::Leaving);
        side.drain();
        assert!(side.closed.is_some(), "it does not end");
        assert_eq!(side.session.poll_timeout(), None);
        assert!(!side.session.wants_read());
    }
}

fn act(sides: &mut [Side; 2], choices: &mut Choices<'_>) {
    let at = choices.below(2);
    let kind = choices.below(24);
    if let 0..=7 = kind {
        let count = if kind < 4 { usize::MAX } else { usize::from(choices.byte()) * 4 };
        let mut bytes = sides[at].take_out(count);
        let edit = if kind % 4 == 3 { choices.below(4) } else { 4 };
        match edit {
            0 => bytes.clear(),
            1 => bytes.extend_from_within(..),
            2 if !bytes.is_empty() => {
                let place = usize::from(choices.byte()) * bytes.len() / 256;
                bytes[place] ^= choices.byte().max(1);
            }
            3 => bytes.extend_from_slice(choices.piece()),
            _ => {}
        }
        sides[1 - at].handle_bytes(&bytes);
        return;
    }
    let side = &mut sides[at];
    let now = side.now;
    match kind {
        8 => {
            let text = choices.word();
            if side.session.send(&text, UnixMs(now.0)).is_ok() {
                side.said.push(text);
            }
        }
        9 => {
            let (seq, text) = (u64::from(choices.byte()), choices.word());
            if side.session.send_numbered(seq, &text, UnixMs(now.0)).is_ok() {
                side.said.push(text);
            }
        }
        10 => {
            let _ = side.session.skip(u64::from(choices.byte()));
        }
        11 => {
            side.session.prepare_resume();
            let resume = resume(choices);
            let _ = side.session.resume(now, &resume);
        }
        12 | 13 => {
            if let Some(count) = side.next_count() {
                if let Count::Pair(number) = count {
                    side.session.kept(number);
                }
                side.session.ack(count);
            }
        }
        14 => {
            if let Some(count) = side.next_count() {
                side.session.forgo(count);
            }
        }
        15 => {
            side.now = now + choices.number() % 100_000;
            side.session.handle_timeout(side.now);
        }
        16 => side.session.write_blocked(),
        17 => side.session.write_drained(),
        18 => match choices.below(8) {
            0 => side.session.close(choices.one_of(&[ByeReason::Leaving, ByeReason::Replaced])),
            1 => side.session.violate(),
            2 => side.session.handle_overload(),
            3 => side.session.handle_eof(),
            4 => side.session.reading_paused(now),
            5 => side.session.announce_key(Fingerprint::of(&[1])),
            6 => side.rejects = true,
            _ => {
                let long = "x".repeat(MESSAGE_BYTES + usize::from(choices.byte()));
                side.said.extend(side.session.send(&long, UnixMs(0)).is_ok().then_some(long));
            }
        },
        // The same record again and again: what is owed for it has a bound.
        19 => {
            let (plaintext, count) = (plaintext(choices), choices.byte());
            for _ in 0..count {
                inject(side, &plaintext);
            }
        }
        _ => inject(side, &plaintext(choices)),
    }
    side.drain();
}

fn inject(side: &mut Side, plaintext: &[u8]) {
    let frame = side.session.seal_any(plaintext);
    side.injected |= !frame.is_empty();
    side.out.extend(frame);
}

fn resume(choices: &mut Choices<'_>) -> Resume {
    let epoch = |choices: &mut Choices<'_>| Epoch([choices.byte() % 4; 16]);
    let oldest = u64::from(choices.byte() % 4);
    Resume {
        epoch: epoch(choices),
        oldest,
        next: oldest + u64::from(choices.byte() % 4),
        your_epoch: epoch(choices),
        last: u64::from(choices.byte() % 8),
        chain: choices.one_of(&[Chain::START, Chain::UNKNOWN]),
    }
}

/// Plaintext of a record: its type, its length, and any body; every other one with numbers that
/// are small.
pub(super) fn plaintext(choices: &mut Choices<'_>) -> Vec<u8> {
    let kind = choices.byte();
    let (is_plain, length) = (kind < 128, usize::from(choices.byte()));
    let body = choices.bytes(length);
    let body: Vec<u8> = if is_plain {
        body.to_vec()
    } else {
        body.iter().flat_map(|byte| [0, 0, 0, 0, 0, 0, 0, *byte]).collect()
    };
    let length = u16::try_from(body.len()).unwrap();
    [&[kind % 24][..], &length.to_be_bytes(), &body].concat()
}
