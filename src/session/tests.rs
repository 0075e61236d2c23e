//! Two sessions in one process, joined by nothing but values.

mod bounds;
mod confirm;
mod durability;
mod files;
mod judgement;
mod letters;
mod lobby;
mod rekeying;

use std::sync::LazyLock;

use super::transport::seal_frame;
use super::*;
use crate::crypto::{Fingerprint, Identity};
use crate::wire::{
    Durability, FileTransfer, Frame, LENGTH_BYTES, Letters, Lifetime, Padding, Preface, Purpose, REKEYING,
    Record,
};

static KEYS: LazyLock<[Identity; 2]> = LazyLock::new(|| {
    ["one", "two"].map(|name| Identity::generate(2048, &mut Seed::new([9; 32]).rng(name)).unwrap())
});

/// So small that a few records reach them.
pub(super) const THRESHOLDS: RekeyThresholds = RekeyThresholds { bytes: 8_192, after_ms: 3_600_000 };

/// A session with its own key and everything that it has given so far.
pub(super) struct Side {
    pub(super) session: Session,
    identity: &'static Identity,
    events: Vec<Event>,
    sent: Vec<u8>,
    /// Seeds that were asked for.
    seeds: u8,
    lobby: LobbyUse,
}

/// Whether callers that ask for it get into a lobby.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LobbyUse {
    Asked,
    None,
}

impl Side {
    fn new(role: Role, index: usize) -> Self {
        Self::with(role, index, Purpose::Chat, RekeyThresholds::default())
    }

    fn with(role: Role, index: usize, purpose: Purpose, rekeying: RekeyThresholds) -> Self {
        let mut own = Self::config(index);
        (own.purpose, own.rekeying) = (purpose, rekeying);
        Self::configured(role, index, own)
    }

    fn config(index: usize) -> SessionConfig {
        SessionConfig {
            key: KEYS[index].public().clone(),
            name: format!("side-{index}"),
            purpose: Purpose::Chat,
            lifetime: Lifetime::Lasting,
            durability: Durability::Connection,
            file_transfer: FileTransfer::Unsupported,
            letters: Letters::Unsupported,
            introduction: None,
            rekeying: RekeyThresholds::default(),
        }
    }

    fn configured(role: Role, index: usize, own: SessionConfig) -> Self {
        let identity = &KEYS[index];
        let seed = Seed::new([u8::try_from(index).unwrap(); 32]);
        let mut side = Self {
            session: Session::new(role, own, seed, MonoMs(0)),
            identity,
            events: Vec::new(),
            sent: Vec::new(),
            seeds: 0,
            lobby: LobbyUse::Asked,
        };
        side.drain();
        side
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit(bytes) => self.sent.extend(bytes),
                Output::Job(job) => {
                    let result = job.run(self.identity);
                    self.session.handle_job(MonoMs(0), result);
                }
                Output::WantSeed => {
                    self.seeds += 1;
                    self.session.handle_seed(MonoMs(0), &Seed::new([self.seeds; 32]));
                }
                Output::Event(event) => {
                    let is_key = matches!(event, Event::PeerKey(_));
                    if is_key && self.lobby == LobbyUse::Asked && self.session.asks_for_lobby() {
                        self.session.accept_into_lobby(MonoMs(0));
                    } else if is_key {
                        self.session.accept_key(MonoMs(0));
                    }
                    self.events.push(event);
                }
            }
        }
    }

    fn handle_bytes(&mut self, bytes: &[u8]) {
        self.session.handle_bytes(MonoMs(0), bytes);
        self.drain();
    }

    fn send(&mut self, text: &str) -> u64 {
        let number = self.session.send(text, UnixMs(5)).unwrap();
        self.drain();
        number
    }
}

/// Carries bytes both ways in pieces of at most `piece` until nothing moves.
fn carry(one: &mut Side, other: &mut Side, piece: usize) {
    while !one.sent.is_empty() || !other.sent.is_empty() {
        pass(one, other, piece);
        pass(other, one, piece);
    }
}

fn pass(from: &mut Side, to: &mut Side, piece: usize) {
    let bytes = std::mem::take(&mut from.sent);
    bytes.chunks(piece).for_each(|bytes| to.handle_bytes(bytes));
}

/// Both sides of a session that has begun.
pub(super) fn established_for(purpose: Purpose, rekeying: RekeyThresholds) -> (Side, Side) {
    let [mut one, mut other] = [(Role::Initiator, 0), (Role::Responder, 1)]
        .map(|(role, index)| Side::with(role, index, purpose, rekeying));
    carry(&mut one, &mut other, usize::MAX);
    assert!(one.session.is_established() && other.session.is_established());
    (one, other)
}

fn established() -> (Side, Side) {
    established_for(Purpose::Chat, RekeyThresholds::default())
}

#[test]
fn two_sides_meet_and_exchange_messages_in_any_segmentation() {
    for piece in [1, 2, 3, 7, 1_460, usize::MAX] {
        let (mut one, mut other) = (Side::new(Role::Initiator, 0), Side::new(Role::Responder, 1));
        carry(&mut one, &mut other, piece);
        assert!(one.session.is_established() && other.session.is_established(), "pieces of {piece}");
        assert_eq!(one.send("안녕 👋"), 1);
        carry(&mut one, &mut other, piece);
        let message = Event::Message {
            count: Count::Connection(1),
            sent: UnixMs(5),
            text: "안녕 👋".as_bytes().to_vec(),
        };
        assert_eq!(other.events.last(), Some(&message));
        other.session.ack(Count::Connection(1));
        other.drain();
        carry(&mut one, &mut other, piece);
        assert_eq!(one.events.last(), Some(&Event::Acked { upto: Count::Connection(1) }));
    }
}

#[test]
fn pongs_of_our_own_pings_are_no_storm() {
    let (mut one, mut other) = established();
    for round in 1..=2 * u64::from(limits::IDLE_RECORDS) {
        // As often as no program does it.
        let State::Transport(transport) = &mut one.session.state else { panic!("it is established") };
        transport.ping(round);
        one.drain();
        let ping = std::mem::take(&mut one.sent);
        other.session.handle_bytes(MonoMs(round * limits::PING_AFTER_MS), &ping);
        other.drain();
        pass(&mut other, &mut one, usize::MAX);
    }
    assert!(one.session.is_established());
    for _ in 0..=limits::IDLE_RECORDS {
        assert!(one.session.is_established());
        let pong = sealed(&mut other.session, &Record::Pong(7));
        one.handle_bytes(&pong);
    }
    assert_eq!(one.events.last(), Some(&Event::Closed(CloseReason::ProtocolViolation)));
}

#[test]
fn a_reason_that_belongs_to_a_pipe_means_leaving_in_a_conversation() {
    let (mut one, mut other) = established();
    one.session.close(ByeReason::InputFailed);
    one.drain();
    pass(&mut one, &mut other, usize::MAX);
    assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::Bye(ByeReason::Other(6)))));
}

#[test]
fn the_end_comes_behind_the_receipts_for_what_came_before_it() {
    let is_closed = |side: &Side| matches!(side.events.last(), Some(Event::Closed(_)));
    let cut = CloseReason::ConnectionLost { mid_record: false };
    for wanted in [CloseReason::Bye(ByeReason::Leaving), cut.clone(), CloseReason::Record] {
        let (mut one, mut other) = established();
        one.send("first");
        one.send("second");
        let mut bytes = std::mem::take(&mut one.sent);
        if wanted != cut {
            one.session.close(ByeReason::Leaving);
            one.drain();
            bytes.append(&mut one.sent);
            *bytes.last_mut().unwrap() ^= u8::from(wanted == CloseReason::Record);
        }
        other.handle_bytes(&bytes);
        other.session.handle_eof();
        other.drain();
        assert!(!is_closed(&other) && other.sent.is_empty() && !other.session.wants_read(), "{wanted:?}");
        assert_eq!(other.session.send("late", UnixMs(0)), Err(SendError::NotEstablished));
        assert_eq!(other.session.poll_timeout(), None, "nothing of the peer can be late");
        other.session.handle_timeout(MonoMs(2 * limits::DEAD_AFTER_MS));
        // One record goes out even where the kernel takes nothing.
        other.session.write_blocked();
        for upto in [1, 2] {
            assert!(!is_closed(&other), "{wanted:?}");
            other.session.ack(Count::Connection(upto));
            other.drain();
            assert!(!std::mem::take(&mut other.sent).is_empty(), "the receipt up to {upto}, {wanted:?}");
        }
        assert_eq!(other.events.last(), Some(&Event::Closed(wanted)));
    }
}

#[test]
fn an_end_does_not_wait_for_what_nobody_will_see_or_for_our_own_leaving() {
    for leaves in [Session::forgo as fn(&mut Session, Count), |session: &mut Session, _| {
        session.close(ByeReason::Leaving);
    }] {
        let (mut one, mut other) = established();
        one.send("unheard");
        let bytes = std::mem::take(&mut one.sent);
        other.handle_bytes(&bytes);
        other.session.handle_eof();
        other.drain();
        leaves(&mut other.session, Count::Connection(1));
        other.drain();
        assert!(matches!(other.events.last(), Some(Event::Closed(_))), "{:?}", other.events);
    }
}

#[test]
fn an_alert_behind_a_message_is_read_although_the_stream_ended_while_a_job_ran() {
    let mut one = Side::new(Role::Initiator, 0);
    let mut other = Side::new(Role::Responder, 1);
    pass(&mut one, &mut other, usize::MAX);
    let answer = [std::mem::take(&mut other.sent), vec![0, 0]].concat();
    one.session.handle_bytes(MonoMs(0), &answer);
    one.session.handle_eof();
    one.drain();
    assert_eq!(one.events.last(), Some(&Event::Closed(CloseReason::PeerAbort)));
}

#[test]
fn a_bye_is_no_cut_and_a_cut_is_no_bye() {
    let (mut one, mut other) = established();
    one.session.close(ByeReason::Leaving);
    one.drain();
    carry(&mut one, &mut other, usize::MAX);
    assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::Bye(ByeReason::Leaving))));

    let (_, mut other) = established();
    other.session.handle_eof();
    other.drain();
    assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::ConnectionLost { mid_record: false })));
    let (mut one, mut other) = established();
    one.send("half of this");
    let half = one.sent.len() / 2;
    other.handle_bytes(&one.sent[..half]);
    other.session.handle_eof();
    other.drain();
    assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::ConnectionLost { mid_record: true })));
}

#[test]
fn every_byte_of_a_record_flipped_once_ends_the_session_and_shows_nothing() {
    let (mut one, mut other) = established();
    one.send("x");
    let seen = other.events.len();
    let record = one.sent.clone();
    // The length may announce more than has come: then the session waits, and that is right too.
    for at in 2..record.len() {
        let mut wrong = record.clone();
        wrong[at] ^= 0x40;
        let State::Transport(transport) = &mut other.session.state else { panic!("it is established") };
        let (length, body) = wrong.split_at_mut(LENGTH_BYTES);
        let frame = Frame { length: (&*length).try_into().unwrap(), body };
        assert!(transport.handle_frame(MonoMs(0), frame).is_err());
    }
    assert_eq!(other.events.len(), seen);
    let mut wrong = record;
    wrong[40] ^= 1;
    other.handle_bytes(&wrong);
    assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::Record)));
    other.handle_bytes(b"anything");
    assert_eq!(other.events.len(), seen + 1, "once closed, it gives nothing more");
}

#[test]
fn the_first_messages_have_ten_seconds_in_all() {
    let mut silent = Side::new(Role::Responder, 1);
    silent.session.handle_timeout(MonoMs(limits::HANDSHAKE_TIMEOUT_MS - 1));
    silent.drain();
    assert!(silent.events.is_empty());
    silent.session.handle_bytes(MonoMs(9_999), b"r");
    silent.session.handle_timeout(MonoMs(limits::HANDSHAKE_TIMEOUT_MS));
    silent.drain();
    assert_eq!(silent.events, [Event::Closed(CloseReason::HandshakeTimeout)]);
    assert!(silent.sent.is_empty());
}

#[test]
fn a_silent_peer_is_pinged_and_then_given_up() {
    let (mut one, mut other) = established();
    one.session.handle_timeout(MonoMs(limits::PING_AFTER_MS));
    one.drain();
    assert!(!one.sent.is_empty());
    pass(&mut one, &mut other, usize::MAX);
    assert!(!other.sent.is_empty(), "a ping is answered");
    one.session.handle_timeout(MonoMs(limits::DEAD_AFTER_MS));
    one.drain();
    assert_eq!(one.events.last(), Some(&Event::Closed(CloseReason::IdleTimeout)));
}

/// A record of any kind, as only a peer that misbehaves sends it.
fn sealed(session: &mut Session, record: &Record) -> Vec<u8> {
    let State::Transport(transport) = &mut session.state else { panic!("it is established") };
    let Some(Output::Transmit(frame)) = transport.seal(record) else { panic!("it is sealed") };
    frame
}

#[test]
fn answers_to_a_peer_that_does_not_read_are_one_of_each_kind_however_much_it_asks() {
    let (mut one, mut other) = established();
    other.session.write_blocked();
    for number in 1..=1_000 {
        one.session.send("x", UnixMs(0)).unwrap();
        one.drain();
        let ping = sealed(&mut one.session, &Record::Ping(number));
        one.sent.extend(ping);
        pass(&mut one, &mut other, usize::MAX);
        other.session.ack(Count::Connection(number));
        other.drain();
    }
    assert!(other.sent.is_empty(), "nothing is sealed while bytes wait");
    other.session.write_drained();
    other.drain();
    assert_eq!(other.sent.len(), 2 * (LENGTH_BYTES + 256 + 16), "one Pong and one Receipt");
    pass(&mut other, &mut one, usize::MAX);
    assert_eq!(one.events.last(), Some(&Event::Acked { upto: Count::Connection(1_000) }));
    other.drain();
    assert!(other.sent.is_empty());
}

#[test]
fn the_next_key_is_told_once_also_before_a_bye_and_whoever_does_not_know_the_record_skips_it() {
    let (mut one, mut other) = established();
    let (first, last) = (Fingerprint::of(b"first"), Fingerprint::of(b"last"));
    one.session.write_blocked();
    one.session.announce_key(first);
    one.session.announce_key(last);
    one.session.write_drained();
    one.drain();
    pass(&mut one, &mut other, usize::MAX);
    assert_eq!(other.events.last(), Some(&Event::NextKey(last)));
    one.session.announce_key(first);
    one.session.close(ByeReason::Leaving);
    one.drain();
    pass(&mut one, &mut other, usize::MAX);
    let bye = Event::Closed(CloseReason::Bye(ByeReason::Leaving));
    assert!(other.events.ends_with(&[Event::NextKey(first), bye]), "{:?}", other.events);
    let mut plaintext = Vec::new();
    Record::NextKey(*last.as_bytes()).write(Padding::Chat, &mut plaintext).unwrap();
    assert!((128..=191).contains(&plaintext[0]), "a type that must be skipped");
}

#[test]
fn a_receipt_that_is_owed_goes_out_before_a_bye() {
    let (mut one, mut other) = established();
    one.session.send("x", UnixMs(0)).unwrap();
    one.drain();
    pass(&mut one, &mut other, usize::MAX);
    other.session.write_blocked();
    other.session.ack(Count::Connection(1));
    other.session.close(ByeReason::Leaving);
    other.drain();
    pass(&mut other, &mut one, usize::MAX);
    let bye = Event::Closed(CloseReason::Bye(ByeReason::Leaving));
    assert_eq!(one.events[one.events.len() - 2..], [Event::Acked { upto: Count::Connection(1) }, bye]);
}

#[test]
fn bytes_that_are_no_whole_record_are_no_sign_of_life() {
    let (mut one, mut other) = established();
    one.session.send("x", UnixMs(0)).unwrap();
    one.drain();
    let record = std::mem::take(&mut one.sent);
    let (mut now, mut bytes) = (MonoMs(0), record.iter());
    while now < MonoMs(limits::DEAD_AFTER_MS) {
        assert!(other.session.poll_timeout().is_some());
        now = now + 15_000;
        other.session.handle_bytes(now, &[*bytes.next().unwrap()]);
        other.session.handle_timeout(now);
        other.drain();
    }
    assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::IdleTimeout)));
}

#[test]
fn another_protocol_gets_no_answer_and_another_purpose_gets_our_preface() {
    let mut responder = Side::new(Role::Responder, 1);
    responder.handle_bytes(b"GET / HTTP/1.1\r\n");
    assert_eq!(responder.events, [Event::Closed(CloseReason::NotRsachat(b"GET / HTTP/1.1\r\n".to_vec()))]);
    assert!(responder.sent.is_empty());

    let mut responder = Side::new(Role::Responder, 1);
    responder.handle_bytes(&Preface::new(Purpose::Pipe).to_bytes());
    assert_eq!(responder.sent, Preface::new(Purpose::Chat).to_bytes());
    assert!(matches!(responder.events.as_slice(), [Event::Closed(CloseReason::VersionMismatch(_))]));
}

#[test]
fn a_listener_without_capacity_says_that_it_is_busy_in_the_place_of_message_2_or_4() {
    let first = Side::new(Role::Initiator, 0).sent.len();
    for place in [PREFACE_BYTES, first] {
        let (mut one, mut other) = (Side::new(Role::Initiator, 0), Side::new(Role::Responder, 1));
        other.handle_bytes(&one.sent[..place]);
        pass(&mut other, &mut one, usize::MAX);
        other.session.handle_overload();
        other.drain();
        assert_eq!(other.sent, BUSY);
        pass(&mut other, &mut one, 1);
        assert_eq!(one.events.last(), Some(&Event::Closed(CloseReason::PeerBusy)));
    }
    let mut silent = Side::new(Role::Responder, 1);
    silent.session.handle_overload();
    silent.drain();
    assert!(silent.sent.is_empty(), "nothing comes before the preface");
}

#[test]
fn a_storm_of_pings_ends_the_session() {
    let (mut one, mut other) = established();
    for _ in 0..=limits::IDLE_RECORDS {
        assert!(other.session.is_established());
        let ping = sealed(&mut one.session, &Record::Ping(0));
        other.handle_bytes(&ping);
    }
    assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::ProtocolViolation)));
}

#[test]
fn a_handshake_cut_at_every_byte_ends_once_and_is_never_established() {
    let (mut one, mut other) = (Side::new(Role::Initiator, 0), Side::new(Role::Responder, 1));
    let (mut first, mut total) = (0, 0);
    while !one.sent.is_empty() {
        if total == 0 {
            first = one.sent.len();
        }
        total += one.sent.len();
        pass(&mut one, &mut other, usize::MAX);
        pass(&mut other, &mut one, usize::MAX);
    }
    assert!(total > first && one.session.is_established() && other.session.is_established());
    // The last record is the initiator's confirmation: with a byte less the responder must not be
    // established.
    for at in 0..total {
        let (mut one, mut other) = (Side::new(Role::Initiator, 0), Side::new(Role::Responder, 1));
        let mut left = at;
        while left > 0 && !one.sent.is_empty() {
            let bytes = std::mem::take(&mut one.sent);
            let taken = bytes.len().min(left);
            left -= taken;
            other.handle_bytes(&bytes[..taken]);
            pass(&mut other, &mut one, usize::MAX);
        }
        other.session.handle_eof();
        other.drain();
        let closed = other.events.iter().filter(|event| matches!(event, Event::Closed(_))).count();
        assert_eq!((closed, other.session.is_established()), (1, false), "cut at byte {at}");
        assert!(!other.session.wants_read() && other.session.poll_timeout().is_none());
    }
}

/// Three records of one side, each by itself.
fn three_records() -> (Side, [Vec<u8>; 3]) {
    let (mut one, other) = established();
    let records = ["a", "b", "c"].map(|text| {
        one.send(text);
        std::mem::take(&mut one.sent)
    });
    (other, records)
}

#[test]
fn a_repeated_swapped_or_dropped_record_ends_the_session() {
    for order in [&[0, 0][..], &[1, 0], &[0, 2], &[2]] {
        let (mut other, records) = three_records();
        for index in order {
            other.handle_bytes(&records[*index]);
        }
        other.session.ack(Count::Connection(3));
        other.drain();
        assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::Record)), "{order:?}");
    }
}

#[test]
fn a_receipt_for_what_was_never_sent_ends_the_session() {
    let (mut one, mut other) = established();
    let state = std::mem::replace(&mut one.session.state, State::Closed);
    let State::Transport(transport) = state else { panic!("it is established") };
    let receipt = Record::Receipt { upto: 7 };
    other.handle_bytes(&seal_frame(&mut transport.into_parts().0, &receipt, Padding::Chat).unwrap());
    assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::ProtocolViolation)));
}

#[test]
fn a_receipt_that_says_nothing_new_is_not_told_and_takes_nothing_back() {
    let (mut one, mut other) = established();
    for text in ["first", "second"] {
        one.send(text);
    }
    one.events.clear();
    for upto in [2, 2, 1] {
        let receipt = sealed(&mut other.session, &Record::Receipt { upto });
        one.handle_bytes(&receipt);
    }
    assert_eq!(one.events, [Event::Acked { upto: Count::Connection(2) }]);
}

#[test]
fn an_early_text_is_not_taken_and_a_long_one_is_refused() {
    let mut early = Side::new(Role::Initiator, 0);
    assert_eq!(early.session.send("x", UnixMs(0)), Err(SendError::NotEstablished));
    let (mut one, _) = established();
    let long = "x".repeat(limits::MESSAGE_BYTES + 1);
    assert_eq!(one.session.send(&long, UnixMs(0)), Err(SendError::TooLong { bytes: long.len() }));
}
