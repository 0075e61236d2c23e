//! Two pipes in one process, joined by nothing but values.

use super::*;
use crate::crypto::{Identity, Seed};
use crate::session::{Event, Output, Role, Session, SessionConfig};
use crate::wire::Purpose;
use crate::wire::data_frame::{DATA_AT, DATA_BYTES, DATA_FRAME_BYTES};

/// Both sides of a pipe that stands.
fn pipes() -> [Pipe; 2] {
    let identities =
        ["one", "two"].map(|name| Identity::generate(2048, &mut Seed::new([9; 32]).rng(name)).unwrap());
    let roles = [Role::Initiator, Role::Responder];
    let mut number = 0_u8;
    let mut sides = roles.map(|role| {
        let own = SessionConfig {
            key: identities[usize::from(number)].public().clone(),
            name: "x".into(),
            purpose: Purpose::Pipe,
        };
        number += 1;
        Session::new(role, own, Seed::new([number; 32]), 0)
    });
    let mut moved = true;
    while moved {
        moved = false;
        for (from, to) in [(0, 1), (1, 0)] {
            while let Some(output) = sides[from].poll_output() {
                moved = true;
                match output {
                    Output::Transmit(bytes) => sides[to].handle_bytes(0, &bytes),
                    Output::Job(job) => {
                        let result = job.run(&identities[from]);
                        sides[from].handle_job(0, result);
                    }
                    Output::Event(Event::PeerKey(_)) => sides[from].accept_key(),
                    Output::Event(event) => assert!(matches!(event, Event::Established { .. }), "{event:?}"),
                }
            }
        }
    }
    sides.map(|side| {
        assert!(side.is_established() && !side.wants_read());
        side.into_pipe().unwrap()
    })
}

fn frame(out: &mut SendHalf, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; DATA_FRAME_BYTES];
    frame[DATA_AT..DATA_AT + bytes.len()].copy_from_slice(bytes);
    let length = out.data(frame.first_chunk_mut().unwrap(), bytes.len()).unwrap();
    frame.truncate(length);
    frame
}

/// What one half opens of a stream cut into pieces: the bytes, and the rest.
fn opened(half: &mut RecvHalf, stream: &[u8], piece: usize) -> (Vec<u8>, Vec<RecvEvent>) {
    let (mut bytes, mut arrivals, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for piece in stream.chunks(piece) {
        waiting.extend_from_slice(piece);
        let mut found = Vec::new();
        let used = half.take(0, &mut waiting, &mut found, &mut arrivals);
        for place in found {
            bytes.extend_from_slice(&waiting[place]);
        }
        waiting.drain(..used);
    }
    (bytes, arrivals)
}

#[test]
fn a_stream_comes_out_as_it_went_in_however_it_was_cut() {
    for piece in [1, 7, 65_298, usize::MAX] {
        let [mut one, mut two] = pipes();
        let whole: Vec<u8> = (0..150_001_u32).map(|n| n.to_le_bytes()[usize::from(n % 3 == 0)]).collect();
        let mut stream = Vec::new();
        for part in [&whole[..1], &whole[1..=DATA_BYTES], &whole[1 + DATA_BYTES..100_000], &whole[100_000..]]
        {
            stream.extend(frame(&mut one.outgoing, part));
        }
        stream.extend(one.outgoing.ping(5).unwrap());
        stream.extend(one.outgoing.end().unwrap());
        stream.extend(one.outgoing.bye(ByeReason::Leaving).unwrap());
        let (bytes, arrivals) = opened(&mut two.incoming, &stream, piece);
        assert_eq!((bytes == whole, one.outgoing.sent()), (true, 150_001), "pieces of {piece}");
        let total = 150_001;
        let left = RecvEvent::Over(CloseReason::Bye(ByeReason::Leaving));
        assert_eq!(arrivals, [RecvEvent::Ping(5), RecvEvent::Ended { total }, left]);
        assert_eq!(two.incoming.handle_eof(&[]), None, "a goodbye is no cut");
    }
}

#[test]
fn nothing_of_our_stream_goes_out_after_its_end_nor_anything_after_the_goodbye() {
    let [mut one, _] = pipes();
    assert!(one.outgoing.end().is_some());
    assert!(one.outgoing.end().is_none());
    let mut frame = vec![0; DATA_FRAME_BYTES];
    assert_eq!(one.outgoing.data(frame.first_chunk_mut().unwrap(), 1), None);
    assert!(one.outgoing.stored(0).is_some(), "the other direction goes on");
    assert!(one.outgoing.bye(ByeReason::OutputFull).is_some());
    assert!(one.outgoing.stored(1).is_none());
}

#[test]
fn a_flipped_bit_anywhere_gives_only_what_came_before() {
    let [mut one, two] = pipes();
    let before = frame(&mut one.outgoing, b"before");
    let after = frame(&mut one.outgoing, b"after");
    let mut half = two.incoming;
    assert_eq!(opened(&mut half, &before, usize::MAX).0, b"before");
    // One bit of the length makes the frame wait for more, which the next test has.
    let mut wrong = after.clone();
    wrong[40] ^= 1;
    let (bytes, arrivals) = opened(&mut half, &[wrong, after].concat(), usize::MAX);
    assert_eq!((bytes.len(), arrivals), (0, vec![RecvEvent::Over(CloseReason::Record)]));
}

#[test]
fn a_cut_is_a_cut_in_the_middle_or_between_two_records() {
    let [mut one, mut two] = pipes();
    let bytes = frame(&mut one.outgoing, b"x");
    let mut half = bytes[..100].to_vec();
    let (mut found, mut arrivals) = (Vec::new(), Vec::new());
    assert_eq!(two.incoming.take(0, &mut half, &mut found, &mut arrivals), 0);
    assert_eq!(
        two.incoming.handle_eof(&half),
        Some(RecvEvent::Over(CloseReason::ConnectionLost { mid_record: true }))
    );
    assert_eq!(two.incoming.handle_eof(&half), None, "once over, it says nothing more");
    assert_eq!(
        one.incoming.handle_eof(&[]),
        Some(RecvEvent::Over(CloseReason::ConnectionLost { mid_record: false }))
    );
}

/// What the records that `make` seals come to, after a stream of `sent` bytes.
fn ending(make: impl Fn(&mut SendHalf) -> Vec<Record>) -> Vec<RecvEvent> {
    let [mut one, mut two] = pipes();
    let mut stream = frame(&mut one.outgoing, b"abc");
    for record in make(&mut one.outgoing) {
        stream.extend(seal_frame(&mut one.outgoing.key, &record, Padding::Bulk).unwrap());
    }
    opened(&mut two.incoming, &stream, usize::MAX).1
}

#[test]
fn what_breaks_the_rules_of_a_pipe_ends_it() {
    let broken = |records: &[Record]| ending(|_| records.to_vec()).pop();
    let end = Record::End { total: 3 };
    let over = Some(RecvEvent::Over(CloseReason::ProtocolViolation));
    assert_eq!(broken(&[Record::End { total: 2 }]), over, "a wrong total");
    assert_eq!(broken(&[end.clone(), end.clone()]), over, "two ends");
    assert_eq!(broken(&[end.clone(), Record::Data(vec![1])]), over, "bytes after the end");
    assert_eq!(broken(&[Record::Text { seq: 1, time_ms: 0, text: vec![] }]), over, "a message");
    assert_eq!(broken(&[Record::Receipt { upto: 0 }]), over, "a receipt");
    assert_eq!(broken(&[end]), Some(RecvEvent::Ended { total: 3 }));
    let idle = vec![Record::Data(vec![]); 1 + limits::IDLE_RECORDS as usize];
    assert_eq!(broken(&idle), over, "bytes of which there are none");
    let same = vec![Record::Stored { total: 7 }; 2 + limits::IDLE_RECORDS as usize];
    assert_eq!(broken(&same), over, "the same confirmation again and again");
    assert_eq!(ending(|_| same[..3].to_vec()), [RecvEvent::Stored { total: 7 }]);
}

#[test]
fn silence_is_asked_and_given_up_but_not_while_we_do_not_read() {
    let mut pulse = Keepalive::new(0);
    assert_eq!(pulse.beat(0, ReadState::HeardAt(0)), KeepaliveAction::Wait(limits::PING_AFTER_MS));
    assert_eq!(pulse.beat(limits::PING_AFTER_MS, ReadState::HeardAt(0)), KeepaliveAction::Ping);
    assert_eq!(pulse.beat(limits::DEAD_AFTER_MS, ReadState::HeardAt(0)), KeepaliveAction::GiveUp);
    let mut pulse = Keepalive::new(0);
    for round in 1..10 {
        assert_eq!(pulse.beat(round * limits::PING_AFTER_MS, ReadState::Elsewhere), KeepaliveAction::Ping);
    }
}
