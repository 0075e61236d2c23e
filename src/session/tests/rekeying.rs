//! Tests of the re-keying of a session (`docs/PROTOCOL.md`, section 5.6).

use super::*;

#[test]
fn either_direction_re_keys_after_so_many_bytes_while_texts_cross() {
    for talkative in [0, 1] {
        let (one, other) = established_for(Purpose::Chat, THRESHOLDS);
        let mut sides = [one, other];
        // Each text is 256 bytes under its tag, and each round many cross the change of keys.
        for round in 1..=100_u64 {
            for side in &mut sides {
                side.send(&format!("text {round}"));
            }
            if round % 7 == 0 {
                for _ in 0..10 {
                    sides[talkative].send("more");
                }
            }
            let [one, other] = &mut sides;
            carry(one, other, 100);
        }
        for side in &sides {
            let texts = side.events.iter().filter(|event| matches!(event, Event::Message { .. })).count();
            assert!(texts >= 100 && side.session.is_established());
            // The responder draws one for each re-keying, the initiator two.
            assert!(side.seeds >= 5, "{} seeds", side.seeds);
        }
    }
}

#[test]
fn a_quiet_session_re_keys_every_hour() {
    let (mut one, mut other) = established();
    one.send("before");
    carry(&mut one, &mut other, usize::MAX);
    let hour = MonoMs(limits::REKEY_AFTER_MS);
    let ping = sealed(&mut other.session, &Record::Ping(1));
    one.session.handle_bytes(MonoMs(hour.0 - 1), &ping);
    one.drain();
    assert_eq!(one.session.poll_timeout(), Some(hour));
    one.session.handle_timeout(hour);
    one.drain();
    carry(&mut one, &mut other, usize::MAX);
    assert_eq!((one.seeds, other.seeds), (2, 1), "32, 33, and our own 33");
    one.send("after");
    carry(&mut one, &mut other, usize::MAX);
    assert!(matches!(other.events.last(), Some(Event::Message { text, .. }) if text == b"after"));
}

#[test]
fn the_hour_begins_with_the_session_and_what_is_due_waits_for_the_kernel_without_a_timer() {
    let (mut one, mut other) = judgement::before_record_5();
    let began = MonoMs(5_000);
    pass(&mut one, &mut other, usize::MAX);
    one.session.handle_bytes(began, &std::mem::take(&mut other.sent));
    one.drain();
    let due = began + limits::REKEY_AFTER_MS;
    let ping = sealed(&mut other.session, &Record::Ping(1));
    one.session.handle_bytes(MonoMs(due.0 - 1), &ping);
    one.drain();
    assert_eq!(one.session.poll_timeout(), Some(due));
    one.session.write_blocked();
    one.session.handle_timeout(due);
    one.drain();
    assert_eq!(one.seeds, 0);
    assert!(one.session.poll_timeout().unwrap() > due);
}

/// Both sides, of which the initiator's record 32 has been opened.
fn rekeying() -> (Side, Side) {
    let (mut one, mut other) = established();
    let (_, public) = crate::crypto::RekeyingKey::generate(&Seed::new([5; 32]));
    let record = sealed(&mut one.session, &Record::Rekey(public));
    other.handle_bytes(&record);
    assert!(other.session.is_established());
    (one, other)
}

#[test]
fn what_breaks_the_rules_of_a_re_keying_ends_the_session() {
    let violation = Event::Closed(CloseReason::ProtocolViolation);
    let public = crate::crypto::RekeyingKey::generate(&Seed::new([5; 32])).1;
    // A second 32 before the initiator's 33, a mark with a body, and records that nobody asked for.
    for (asked, record) in [
        (true, Record::Rekey(public.clone())),
        (true, Record::Rekeyed(vec![1; 1_120])),
        (false, Record::Rekeyed(Vec::new())),
        (false, Record::Rekey(vec![0xff; 1_216])),
        (false, Record::Rekey(public[..1_215].to_vec())),
    ] {
        let (mut one, mut other) = if asked { rekeying() } else { established() };
        let record = sealed(&mut one.session, &record);
        other.handle_bytes(&record);
        assert_eq!(other.events.last(), Some(&violation));
    }
    // The responder does not begin.
    let (mut one, mut other) = established();
    let record = sealed(&mut other.session, &Record::Rekey(public));
    one.handle_bytes(&record);
    assert_eq!(one.events.last(), Some(&violation));
}

#[test]
fn a_peer_that_reads_and_does_not_do_its_part_is_given_up_after_a_minute() {
    let (mut one, mut other) = rekeying();
    // Its own 33 and the Ping behind it are out; the Pong comes, and the initiator's 33 does not.
    assert!(!other.sent.is_empty());
    let late = MonoMs(limits::REKEY_TIMEOUT_MS);
    let ping = sealed(&mut one.session, &Record::Ping(1));
    other.session.handle_bytes(late, &ping);
    other.session.handle_timeout(late);
    other.drain();
    assert!(other.session.is_established(), "it may not have read");
    let answer = sealed(&mut one.session, &Record::Pong(0));
    other.session.handle_bytes(late, &answer);
    assert_eq!(other.session.poll_timeout().unwrap().0, late.0 + limits::PING_AFTER_MS);
    let due = late + limits::REKEY_TIMEOUT_MS;
    for moment in [MonoMs(due.0 - 1_000), due] {
        let ping = sealed(&mut one.session, &Record::Ping(moment.0));
        other.session.handle_bytes(moment, &ping);
        assert!(moment == due || other.session.poll_timeout() == Some(due));
        other.session.handle_timeout(moment);
        other.drain();
    }
    assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::RekeyTimeout)));
}
