//! Judgement of a peer's key: nothing is sealed before it, and nothing is opened.

use super::*;

#[test]
fn each_side_meets_the_key_of_the_other_before_anything_else() {
    let (one, other) = established();
    assert_eq!(one.events.first(), Some(&Event::PeerKey(KEYS[1].public().clone())));
    assert_eq!(other.events.first(), Some(&Event::PeerKey(KEYS[0].public().clone())));
    assert_eq!(one.events.last(), Some(&Event::Established { name: b"side-1".to_vec(), options: REKEYING }));
}

#[test]
fn a_refused_key_gets_nothing_sealed_to_it() {
    let mut one = Side::new(Role::Initiator, 0);
    let mut other = Side::new(Role::Responder, 1);
    pass(&mut one, &mut other, usize::MAX);
    let hello = std::mem::take(&mut other.sent);
    one.session.handle_bytes(MonoMs(0), &hello);
    let Some(Output::Job(job)) = one.session.poll_output() else { panic!("the key is to be checked") };
    one.session.handle_job(MonoMs(0), job.run(one.identity));
    assert!(matches!(one.session.poll_output(), Some(Output::Event(Event::PeerKey(_)))));
    one.session.reject_key();
    one.drain();
    assert_eq!(one.sent, [0, 0], "the one alert and nothing else");
    assert_eq!(one.events, [Event::Closed(CloseReason::LocalReject)]);
    pass(&mut one, &mut other, usize::MAX);
    assert_eq!(other.events, [Event::Closed(CloseReason::PeerAbort)]);
}

/// Both sides before record 5, which is the last thing that the initiator has sent.
pub(super) fn before_record_5() -> (Side, Side) {
    let (mut one, mut other) = (Side::new(Role::Initiator, 0), Side::new(Role::Responder, 1));
    for _ in 0..2 {
        pass(&mut one, &mut other, usize::MAX);
        pass(&mut other, &mut one, usize::MAX);
    }
    (one, other)
}

#[test]
fn the_responder_judges_nobody_before_record_5_and_refuses_in_the_place_of_record_6() {
    let (mut one, mut other) = before_record_5();
    assert!(other.events.is_empty(), "message 4 is out, and nobody was asked");
    let record_5 = std::mem::take(&mut one.sent);
    let early = sealed(&mut one.session, &Record::Text { seq: 1, time_ms: 0, text: b"early".to_vec() });
    other.session.handle_bytes(MonoMs(0), &[&record_5[..], &early].concat());
    let key = KEYS[0].public().clone();
    assert!(matches!(other.session.poll_output(), Some(Output::Event(Event::PeerKey(met))) if met == key));
    assert!(other.session.poll_output().is_none() && !other.session.wants_read());
    other.session.reject_key();
    other.drain();
    assert_eq!(other.sent, ALERT);
    assert_eq!(other.events, [Event::Closed(CloseReason::LocalReject)]);
    pass(&mut other, &mut one, usize::MAX);
    assert_eq!(one.events.last(), Some(&Event::Closed(CloseReason::PeerAbort)));

    // Who has not proved its key gets no word, and nobody is asked.
    let (_, mut other) = before_record_5();
    other.handle_bytes(&[&[1, 16][..], &[7; 272]].concat());
    assert_eq!(
        (other.events.as_slice(), other.sent.len()),
        (&[Event::Closed(CloseReason::Handshake)][..], 0)
    );
}

#[test]
fn what_has_come_behind_record_5_is_read_when_record_6_is_sent() {
    let (mut one, mut other) = before_record_5();
    let record_5 = std::mem::take(&mut one.sent);
    let text = sealed(&mut one.session, &Record::Text { seq: 1, time_ms: 5, text: b"early".to_vec() });
    other.handle_bytes(&[&record_5[..], &text].concat());
    let message = Event::Message { count: Count::Connection(1), sent: UnixMs(5), text: b"early".to_vec() };
    assert_eq!(other.events.last(), Some(&message));
}

#[test]
fn each_side_waits_for_a_person_who_compares_fingerprints_at_the_other() {
    // The responder waits for message 3, the initiator for record 6.
    let mut responder = Side::new(Role::Responder, 1);
    responder.session.handle_bytes(MonoMs(9_000), &Side::new(Role::Initiator, 0).sent);
    responder.drain();
    let (initiator, _) = before_record_5();
    for (mut side, since) in [(responder, 9_000), (initiator, 0)] {
        let until = since + limits::JUDGEMENT_TIMEOUT_MS;
        assert_eq!(side.session.poll_timeout(), Some(MonoMs(until)));
        side.session.handle_timeout(MonoMs(until - 1));
        side.drain();
        assert!(!matches!(side.events.last(), Some(Event::Closed(_))));
        side.session.handle_timeout(MonoMs(until));
        side.drain();
        assert_eq!(side.events.last(), Some(&Event::Closed(CloseReason::JudgementTimeout)));
    }
}
