//! Limits of a session: what it does not read, wait for, answer or end, since nothing asks for it.

use super::*;
use crate::crypto::RsaJob;

/// The initiator whose check of the listener's key is still to be done, and that job.
fn while_a_key_is_checked() -> (Side, Side, RsaJob) {
    let (mut one, mut other) = (Side::new(Role::Initiator, 0), Side::new(Role::Responder, 1));
    pass(&mut one, &mut other, usize::MAX);
    let hello = std::mem::take(&mut other.sent);
    one.session.handle_bytes(MonoMs(0), &hello);
    let Some(Output::Job(job)) = one.session.poll_output() else { panic!("the key is to be checked") };
    (one, other, job)
}

#[test]
fn a_session_reads_nothing_while_a_job_runs_and_takes_no_answer_that_nobody_asked_for() {
    let (mut one, mut other, job) = while_a_key_is_checked();
    assert!(!one.session.wants_read());
    assert_eq!(one.session.poll_timeout(), Some(MonoMs(limits::HANDSHAKE_TIMEOUT_MS)));
    one.session.accept_key(MonoMs(0));
    assert!(one.session.poll_output().is_none());
    one.session.handle_job(MonoMs(7), job.run(one.identity));
    assert_eq!(one.session.poll_timeout(), Some(MonoMs(7 + limits::JUDGEMENT_TIMEOUT_MS)));
    assert!(!one.session.wants_read());
    one.drain();
    assert!(one.session.wants_read());
    other.session.accept_key(MonoMs(0));
    carry(&mut one, &mut other, usize::MAX);
    assert!(one.session.is_established() && other.session.is_established());
}

#[test]
fn a_peer_whose_records_are_not_read_is_pinged_and_not_given_up() {
    let (mut one, _) = established();
    for round in 1..=20 {
        let now = MonoMs(round * limits::PING_AFTER_MS);
        one.session.reading_paused(now);
        one.session.handle_timeout(now);
        one.drain();
        assert!(one.session.is_established(), "after {round} pings");
    }
    assert!(!one.sent.is_empty());
}

#[test]
fn a_conversation_has_no_halves_of_a_pipe() {
    assert!(established().0.session.into_pipe().is_none());
}

#[test]
fn only_a_listener_that_is_asked_can_be_busy() {
    let busy = [&[0, 1][..], &[BUSY_BODY]].concat();
    let mut responder = Side::new(Role::Responder, 1);
    responder.handle_bytes(&[&Preface::new(Purpose::Chat).to_bytes()[..], &busy].concat());
    assert_eq!(responder.events, [Event::Closed(CloseReason::Handshake)]);
    let (mut one, _) = established();
    one.handle_bytes(&busy);
    assert_eq!(one.events.last(), Some(&Event::Closed(CloseReason::Record)));
}

#[test]
fn an_alert_in_the_place_of_a_preface_is_the_listeners_and_may_come_in_pieces() {
    let mut initiator = Side::new(Role::Initiator, 0);
    initiator.handle_bytes(&ALERT[..1]);
    assert!(initiator.events.is_empty());
    initiator.handle_bytes(&ALERT[1..]);
    assert_eq!(initiator.events, [Event::Closed(CloseReason::PeerAbort)]);
    let mut initiator = Side::new(Role::Initiator, 0);
    initiator.handle_bytes(&Preface::new(Purpose::Chat).to_bytes()[..5]);
    assert!(initiator.events.is_empty(), "the beginning of a preface is no alert");
    let mut responder = Side::new(Role::Responder, 1);
    responder.handle_bytes(&ALERT);
    assert_eq!(responder.events, [Event::Closed(CloseReason::NotRsachat(ALERT.to_vec()))]);
}

#[test]
fn who_is_late_gets_no_alert() {
    // A responder that waits for message 3, and one that waits until the peer's key is accepted.
    let (_, waits, _) = while_a_key_is_checked();
    let (mut one, mut judges) = judgement::before_record_5();
    let record_5 = std::mem::take(&mut one.sent);
    judges.session.handle_bytes(MonoMs(0), &record_5);
    assert!(matches!(judges.session.poll_output(), Some(Output::Event(Event::PeerKey(_)))));
    for mut side in [waits, judges] {
        side.sent.clear();
        side.session.handle_timeout(MonoMs(limits::JUDGEMENT_TIMEOUT_MS));
        side.drain();
        assert_eq!(side.events, [Event::Closed(CloseReason::JudgementTimeout)]);
        assert!(side.sent.is_empty());
    }
    // Nor does a peer that is rejected once it was accepted.
    let (mut one, _) = established();
    one.session.reject_key();
    one.drain();
    assert!(one.sent.is_empty());
}

#[test]
fn a_text_may_be_as_long_as_a_message() {
    let (mut one, mut other) = established();
    let text = "x".repeat(limits::MESSAGE_BYTES);
    one.send(&text);
    pass(&mut one, &mut other, usize::MAX);
    assert!(
        matches!(other.events.last(), Some(Event::Message { text: came, .. }) if came == text.as_bytes())
    );
}

#[test]
fn a_caller_that_says_nothing_is_told_from_one_that_is_late() {
    for (bytes, reason) in [(0, CloseReason::NoData), (5, CloseReason::HandshakeTimeout)] {
        let mut responder = Side::new(Role::Responder, 1);
        responder.handle_bytes(&Preface::new(Purpose::Chat).to_bytes()[..bytes]);
        responder.session.handle_timeout(MonoMs(limits::HANDSHAKE_TIMEOUT_MS - 1));
        responder.drain();
        assert_eq!(responder.events, []);
        responder.session.handle_timeout(MonoMs(limits::HANDSHAKE_TIMEOUT_MS));
        responder.drain();
        assert_eq!(responder.events, [Event::Closed(reason)]);
    }
}

#[test]
fn only_a_listener_says_that_it_is_busy() {
    for (role, said) in [(Role::Initiator, false), (Role::Responder, true)] {
        let mut side = Side::new(role, 0);
        side.handle_bytes(&Preface::new(Purpose::Chat).to_bytes());
        side.sent.clear();
        side.session.handle_overload();
        side.drain();
        assert_eq!(side.events, [Event::Closed(CloseReason::Overloaded)]);
        assert_eq!(side.sent.ends_with(&[BUSY_BODY]), said);
    }
}

#[test]
fn a_frame_before_the_session_is_established_is_as_short_as_a_message_of_the_handshake() {
    let (mut one, mut other) = judgement::before_record_5();
    let too_long = u16::try_from(limits::HANDSHAKE_MESSAGE_BYTES + 1).unwrap().to_be_bytes();
    for side in [&mut one, &mut other] {
        side.events.clear();
        side.handle_bytes(&too_long);
        assert_eq!(side.events, [Event::Closed(CloseReason::Wire(WireError::TooLong))]);
    }
    let (mut one, mut other) = judgement::before_record_5();
    let longest = u16::try_from(limits::HANDSHAKE_MESSAGE_BYTES).unwrap().to_be_bytes();
    for side in [&mut one, &mut other] {
        side.events.clear();
        side.handle_bytes(&longest);
        assert_eq!(side.events, []);
    }
}

#[test]
fn what_the_kernel_has_not_taken_is_not_drained() {
    let (mut one, _) = established();
    one.session.write_blocked();
    assert!(!one.session.is_drained());
    one.session.write_drained();
    assert!(one.session.is_drained());
}
