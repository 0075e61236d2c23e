//! Callers that present themselves in the lobby of a listener.

use super::*;
use crate::wire::{Introduction, LOBBY, Token};

fn invitation() -> Introduction {
    Introduction::Invitation(Token::new([7; 16]))
}

fn knock() -> Introduction {
    Introduction::Knock("민지야".to_owned())
}

/// Both sides, as far as the lobby of the responder.
fn in_lobby(introduction: &Introduction) -> (Side, Side) {
    let config = SessionConfig { introduction: Some(introduction.clone()), ..Side::config(0) };
    let mut one = Side::configured(Role::Initiator, 0, config);
    let mut other = Side::configured(Role::Responder, 1, Side::config(1));
    carry(&mut one, &mut other, usize::MAX);
    assert!(!one.session.is_established() && !other.session.is_established());
    (one, other)
}

fn introduced(introduction: Introduction) -> Event {
    Event::Introduced { introduction, name: b"side-0".to_vec() }
}

#[test]
fn a_caller_presents_itself_and_is_admitted_and_both_go_on_as_any_session() {
    for introduction in [invitation(), knock()] {
        let (mut one, mut other) = in_lobby(&introduction);
        assert_eq!(one.events.last(), Some(&Event::Presented));
        assert_eq!(other.events.last(), Some(&introduced(introduction)));
        other.session.admit(MonoMs(1));
        other.drain();
        carry(&mut one, &mut other, 1);
        for (side, peer) in [(&one, "side-1"), (&other, "side-0")] {
            assert!(side.session.is_established());
            let Some(Event::Established { name, .. }) = side.events.last() else {
                panic!("{:?}", side.events)
            };
            assert_eq!(name, peer.as_bytes());
        }
        one.send("hi");
        carry(&mut one, &mut other, usize::MAX);
        assert!(matches!(other.events.last(), Some(Event::Message { .. })));
    }
}

#[test]
fn who_is_not_admitted_is_told_so_and_nothing_else() {
    for introduction in [invitation(), knock()] {
        let (mut one, mut other) = in_lobby(&introduction);
        assert_eq!(one.session.send("hi", UnixMs(0)), Err(SendError::NotEstablished));
        assert_eq!(other.session.send("hi", UnixMs(0)), Err(SendError::NotEstablished));
        other.session.close(ByeReason::Refused);
        other.drain();
        pass(&mut other, &mut one, usize::MAX);
        assert_eq!(one.events.last(), Some(&Event::Closed(CloseReason::NotAdmitted(introduction))));
        assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::LocalClose)));
    }
}

#[test]
fn a_listener_that_lets_the_caller_in_at_once_is_shown_no_token() {
    let config = SessionConfig { introduction: Some(invitation()), ..Side::config(0) };
    let mut one = Side::configured(Role::Initiator, 0, config);
    let mut other = Side::configured(Role::Responder, 1, Side::config(1));
    other.lobby = LobbyUse::None;
    carry(&mut one, &mut other, usize::MAX);
    assert!(one.session.is_established() && other.session.is_established());
    assert!(!one.events.contains(&Event::Presented));
    let no_introduction = |event: &Event| !matches!(event, Event::Introduced { .. });
    assert!(other.events.iter().all(no_introduction));
}

#[test]
fn a_caller_with_nothing_to_present_asks_for_no_lobby() {
    let (one, other) = established();
    assert!(!one.events.contains(&Event::Presented) && other.session.is_established());
    let options = |side: &Side| match side.events.last() {
        Some(Event::Established { options, .. }) => options & LOBBY,
        _ => panic!("{:?}", side.events),
    };
    assert_eq!((options(&one), options(&other)), (0, 0));
}

#[test]
fn a_wait_in_the_lobby_ends_after_its_time_at_the_listener_first() {
    let (mut one, mut other) = in_lobby(&knock());
    let due = other.session.poll_timeout().unwrap();
    assert_eq!(due, MonoMs(limits::LOBBY_TIMEOUT_MS));
    assert!(one.session.poll_timeout().unwrap() > due);
    for side in [&mut one, &mut other] {
        side.session.handle_timeout(due);
        side.drain();
    }
    assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::LobbyTimeout)));
    pass(&mut other, &mut one, usize::MAX);
    assert_eq!(one.events.last(), Some(&Event::Closed(CloseReason::NotAdmitted(knock()))));
    let (mut alone, _) = in_lobby(&knock());
    alone.session.handle_timeout(MonoMs(limits::LOBBY_PATIENCE_MS));
    alone.drain();
    assert_eq!(alone.events.last(), Some(&Event::Closed(CloseReason::LobbyTimeout)));
}

#[test]
fn nothing_but_one_introduction_passes_in_the_lobby() {
    let text = Record::Text { seq: 1, time_ms: 0, text: b"hi".to_vec() };
    let violation = Event::Closed(CloseReason::ProtocolViolation);
    for record in [
        text.clone(),
        Record::Ping(1),
        Record::Admitted,
        Record::Invite(Token::new([8; 16])),
        Record::Knock(b"again".to_vec()),
    ] {
        let (mut one, mut other) = in_lobby(&knock());
        let bytes = sealed(&mut one.session, &record);
        other.handle_bytes(&bytes);
        assert_eq!(other.events.last(), Some(&violation), "{record:?}");
    }
    for record in [text, Record::Knock(b"hi".to_vec()), Record::Invite(Token::new([8; 16])), Record::Ping(1)]
    {
        let (mut one, mut other) = in_lobby(&knock());
        let bytes = sealed(&mut other.session, &record);
        one.handle_bytes(&bytes);
        assert_eq!(one.events.last(), Some(&violation), "{record:?}");
    }
    // Outside of it none of its records has a place.
    for record in [Record::Invite(Token::new([8; 16])), Record::Knock(b"hi".to_vec()), Record::Admitted] {
        let (mut one, mut other) = established();
        let bytes = sealed(&mut one.session, &record);
        other.handle_bytes(&bytes);
        assert_eq!(other.events.last(), Some(&violation), "{record:?}");
    }
}

#[test]
fn a_cut_in_the_lobby_is_no_introduction() {
    let (mut one, mut other) = in_lobby(&invitation());
    one.session.handle_eof();
    other.session.handle_eof();
    one.drain();
    other.drain();
    for side in [&one, &other] {
        assert_eq!(side.events.last(), Some(&Event::Closed(CloseReason::LostInHandshake)));
    }
}
