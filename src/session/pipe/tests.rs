//! Two pipes in one process, joined by nothing but values.

use super::*;
use crate::limits;
use crate::session::RekeyThresholds;
use crate::session::tests::{THRESHOLDS, established_for};
use crate::wire::Purpose;
use crate::wire::data_frame::{DATA_AT, DATA_BYTES, DATA_FRAME_BYTES};

/// Both sides of an established pipe.
fn pipes() -> [Pipe; 2] {
    pipes_with(RekeyThresholds::default())
}

fn pipes_with(rekeying: RekeyThresholds) -> [Pipe; 2] {
    let (one, other) = established_for(Purpose::Pipe, rekeying);
    [one, other].map(|side| {
        assert!(!side.session.wants_read());
        side.session.into_pipe().unwrap()
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
    let (mut bytes, mut events, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for piece in stream.chunks(piece) {
        waiting.extend_from_slice(piece);
        let mut found = Vec::new();
        let used = half.handle_bytes(MonoMs(0), &mut waiting, &mut found, &mut events);
        for place in found {
            bytes.extend_from_slice(&waiting[place]);
        }
        waiting.drain(..used);
    }
    (bytes, events)
}

#[test]
fn a_stream_comes_out_as_it_went_in_however_it_was_cut() {
    for piece in [1, 7, 65_298, usize::MAX] {
        let [mut one, mut two] = pipes();
        let whole: Vec<u8> = (0..150_001_u32).map(|n| n.to_le_bytes()[usize::from(n % 3 == 0)]).collect();
        let mut stream = Vec::new();
        for part in [&whole[..1], &whole[1..=DATA_BYTES], &whole[1 + DATA_BYTES..100_000], &whole[100_000..]]
        {
            stream.extend(frame(&mut one.send, part));
        }
        stream.extend(one.send.ping(5).unwrap());
        stream.extend(one.send.end().unwrap());
        stream.extend(one.send.bye(ByeReason::Leaving).unwrap());
        let (bytes, events) = opened(&mut two.recv, &stream, piece);
        assert_eq!((bytes == whole, one.send.sent()), (true, 150_001), "pieces of {piece}");
        let total = 150_001;
        let left = RecvEvent::Closed(CloseReason::Bye(ByeReason::Leaving));
        assert_eq!(events, [RecvEvent::Ping(5), RecvEvent::Ended { total }, left]);
        assert_eq!(two.recv.handle_eof(&[]), None, "a Bye is no cut");
    }
}

#[test]
fn nothing_of_our_stream_goes_out_after_its_end_nor_anything_after_a_bye() {
    let [mut one, _] = pipes();
    assert!(one.send.end().is_some());
    assert!(one.send.end().is_none());
    let mut frame = vec![0; DATA_FRAME_BYTES];
    assert_eq!(one.send.data(frame.first_chunk_mut().unwrap(), 1), None);
    assert!(one.send.stored(0).is_some(), "the other direction goes on");
    assert!(one.send.bye(ByeReason::OutputFull).is_some());
    assert!(one.send.stored(1).is_none());
}

#[test]
fn a_flipped_bit_anywhere_gives_only_what_came_before() {
    let [mut one, two] = pipes();
    let before = frame(&mut one.send, b"before");
    let after = frame(&mut one.send, b"after");
    let mut half = two.recv;
    assert_eq!(opened(&mut half, &before, usize::MAX).0, b"before");
    // One bit of the length makes the frame wait for more, which the next test has.
    let mut wrong = after.clone();
    wrong[40] ^= 1;
    let (bytes, events) = opened(&mut half, &[wrong, after].concat(), usize::MAX);
    assert_eq!((bytes.len(), events), (0, vec![RecvEvent::Closed(CloseReason::Record)]));
}

#[test]
fn a_cut_is_a_cut_in_the_middle_or_between_two_records() {
    let [mut one, mut two] = pipes();
    let bytes = frame(&mut one.send, b"x");
    let mut half = bytes[..100].to_vec();
    let (mut found, mut events) = (Vec::new(), Vec::new());
    assert_eq!(two.recv.handle_bytes(MonoMs(0), &mut half, &mut found, &mut events), 0);
    let lost = |mid_record| Some(RecvEvent::Closed(CloseReason::ConnectionLost { mid_record }));
    assert_eq!(two.recv.handle_eof(&half), lost(true));
    assert_eq!(two.recv.handle_eof(&half), None, "once closed, it gives nothing more");
    assert_eq!(one.recv.handle_eof(&[]), lost(false));
}

/// What the records that `make` seals come to, after a stream of `sent` bytes.
fn ending(make: impl Fn(&mut SendHalf) -> Vec<Record>) -> Vec<RecvEvent> {
    let [mut one, mut two] = pipes();
    let mut stream = frame(&mut one.send, b"abc");
    for record in make(&mut one.send) {
        stream.extend(seal_frame(&mut one.send.key, &record, Padding::Bulk).unwrap());
    }
    opened(&mut two.recv, &stream, usize::MAX).1
}

#[test]
fn what_breaks_the_rules_of_a_pipe_ends_it() {
    let broken = |records: &[Record]| ending(|_| records.to_vec()).pop();
    let end = Record::End { total: 3 };
    let closed = Some(RecvEvent::Closed(CloseReason::ProtocolViolation));
    assert_eq!(broken(&[Record::End { total: 2 }]), closed, "a wrong total");
    assert_eq!(broken(&[end.clone(), end.clone()]), closed, "two ends");
    assert_eq!(broken(&[end.clone(), Record::Data(vec![1])]), closed, "bytes after the end");
    assert_eq!(broken(&[Record::Text { seq: 1, time_ms: 0, text: vec![] }]), closed, "a message");
    assert_eq!(broken(&[Record::Receipt { upto: 0 }]), closed, "a receipt");
    assert_eq!(broken(&[end]), Some(RecvEvent::Ended { total: 3 }));
    let idle = vec![Record::Data(vec![]); 1 + limits::IDLE_RECORDS as usize];
    assert_eq!(broken(&idle), closed, "bytes of which there are none");
    let same = vec![Record::Stored { total: 7 }; 2 + limits::IDLE_RECORDS as usize];
    assert_eq!(broken(&same), closed, "the same confirmation again and again");
    assert_eq!(ending(|_| same[..3].to_vec()), [RecvEvent::Stored { total: 7 }]);
}

#[test]
fn pongs_of_our_own_pings_do_not_count() {
    let [mut one, mut two] = pipes();
    for number in 0..2 * u64::from(limits::IDLE_RECORDS) {
        one.send.ping(number).unwrap();
        let pong = two.send.pong(number).unwrap();
        assert_eq!(opened(&mut one.recv, &pong, usize::MAX).1, []);
    }
}

#[test]
fn a_silent_peer_is_pinged_and_given_up_but_not_while_we_do_not_read() {
    let action = |keepalive: &mut Keepalive, now: u64, read: ReadState| {
        keepalive.observe(MonoMs(now), read);
        keepalive.handle_timeout(MonoMs(now))
    };
    let mut keepalive = Keepalive::new(MonoMs(0));
    let silent = ReadState::ReceivedAt(MonoMs(0));
    let wait = KeepaliveAction::Wait(MonoMs(limits::PING_AFTER_MS));
    assert_eq!(action(&mut keepalive, 0, silent), wait);
    assert_eq!(action(&mut keepalive, limits::PING_AFTER_MS, silent), KeepaliveAction::Ping);
    assert_eq!(action(&mut keepalive, limits::DEAD_AFTER_MS, silent), KeepaliveAction::GiveUp);
    let mut keepalive = Keepalive::new(MonoMs(0));
    for round in 1..10 {
        let now = round * limits::PING_AFTER_MS;
        assert_eq!(action(&mut keepalive, now, ReadState::Paused), KeepaliveAction::Ping);
    }
}

/// Gives what came to the other half of the same side, as the owner of both does.
fn answer(pipe: &mut Pipe, events: &[RecvEvent], seed: u8) -> (Vec<u8>, usize) {
    let (mut out, mut rekeyings) = (Vec::new(), 0);
    for event in events {
        match event {
            RecvEvent::Ping(number) => out.extend(pipe.send.pong(*number).unwrap()),
            RecvEvent::RekeyDue => {
                assert!(pipe.send.is_rekey_due(MonoMs(0)));
                out.extend(pipe.send.rekey(MonoMs(0), &Seed::new([seed; 32])).unwrap());
                rekeyings += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    (out, rekeyings)
}

#[test]
fn both_streams_of_a_pipe_go_on_through_every_change_of_keys() {
    for (out, back) in [(3_000, 1), (1, 3_000), (3_000, 3_000)] {
        let [mut one, mut two] = pipes_with(THRESHOLDS);
        let (mut rekeyings, mut to_one) = (0, Vec::new());
        for round in 0..100 {
            let mut to_two = frame(&mut one.send, &vec![round; out]);
            // What is due because of what was sealed comes with the next frames.
            if one.send.is_rekey_due(MonoMs(0)) {
                to_two.extend(one.send.rekey(MonoMs(0), &Seed::new([round; 32])).unwrap());
            }
            let (bytes, events) = opened(&mut two.recv, &to_two, 1_000);
            assert_eq!(bytes, vec![round; out], "round {round}");
            // Stream bytes cross the exchange both ways.
            to_one.extend(frame(&mut two.send, &vec![round; back]));
            let (answers, steps) = answer(&mut two, &events, round);
            rekeyings += steps;
            to_one.extend(answers);
            let (bytes, events) = opened(&mut one.recv, &std::mem::take(&mut to_one), 999);
            assert_eq!(bytes, vec![round; back], "round {round}");
            let answers = answer(&mut one, &events, round).0;
            let (bytes, events) = opened(&mut two.recv, &answers, 1_001);
            assert!(bytes.is_empty());
            let (answers, steps) = answer(&mut two, &events, round);
            rekeyings += steps;
            to_one.extend(answers);
        }
        assert!((20..60).contains(&rekeyings), "{rekeyings} re-keyings");
    }
}

#[test]
fn nothing_comes_behind_the_end_of_a_pipe_whose_re_keying_is_due() {
    let [mut one, mut two] = pipes_with(THRESHOLDS);
    let mut is_due =
        |_: &usize| opened(&mut one.recv, &frame(&mut two.send, b"x"), usize::MAX).1 == [RecvEvent::RekeyDue];
    let records = (1..100).find(&mut is_due).unwrap();
    let [mut one, mut two] = pipes_with(THRESHOLDS);
    for _ in 1..records {
        assert_eq!(opened(&mut one.recv, &frame(&mut two.send, b"x"), usize::MAX).1, []);
    }
    let bye = two.send.bye(ByeReason::Leaving).unwrap();
    let left = RecvEvent::Closed(CloseReason::Bye(ByeReason::Leaving));
    assert_eq!(opened(&mut one.recv, &bye, usize::MAX).1, [left]);
}

/// Nothing is due before the hour.
fn wait() -> RekeyAction {
    RekeyAction::Wait(Some(MonoMs(limits::REKEY_AFTER_MS)))
}

#[test]
fn a_quiet_pipe_re_keys_every_hour_and_a_peer_that_does_not_answer_is_given_up() {
    let [mut one, mut two] = pipes();
    let hour = MonoMs(limits::REKEY_AFTER_MS);
    assert_eq!(one.rekeying.handle_timeout(MonoMs(hour.0 - 1)), wait());
    assert_eq!(one.rekeying.handle_timeout(hour), RekeyAction::Rekey);
    assert_eq!(two.rekeying.handle_timeout(hour), RekeyAction::Wait(None), "the responder never begins");
    let asks = one.send.rekey(hour, &Seed::new([1; 32])).unwrap();
    let (_, events) = opened(&mut two.recv, &asks, usize::MAX);
    assert_eq!(events, [RecvEvent::RekeyDue, RecvEvent::Ping(hour.0)]);
    let late = MonoMs(hour.0 + limits::REKEY_TIMEOUT_MS);
    assert_eq!(one.rekeying.handle_timeout(late), RekeyAction::Wait(None), "it may not have read");
    let pong = two.send.pong(hour.0).unwrap();
    opened(&mut one.recv, &pong, usize::MAX);
    // The clock of this helper stands at zero.
    assert_eq!(one.rekeying.handle_timeout(MonoMs(limits::REKEY_TIMEOUT_MS)), RekeyAction::GiveUp);
}
