//! Sessions on the raw wire in one process, joined by nothing but values.

mod streams;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::*;
use crate::crypto::{OaepKeyPair, PrivateKeys, seal_oaep};

static ALICE: LazyLock<OaepKeyPair> =
    LazyLock::new(|| pair(include_str!("../../../tests/keys/alice-2048.pem")));
static BOB: LazyLock<OaepKeyPair> = LazyLock::new(|| pair(include_str!("../../../tests/keys/bob-2048.pem")));

fn pair(pem: &str) -> OaepKeyPair {
    OaepKeyPair::from_pem(pem, None).unwrap()
}

fn keys_of_every_size() -> [&'static OaepKeyPair; 3] {
    let leaked = |pem| &*Box::leak(Box::new(pair(pem)));
    let large = [
        include_str!("../../../tests/keys/alice-3072.pem"),
        include_str!("../../../tests/keys/alice-4096.pem"),
    ];
    let [middle, largest] = large.map(leaked);
    [&ALICE, middle, largest]
}

thread_local! {
    static CHECKED: RefCell<HashMap<Vec<u8>, Result<PublicKey, crate::crypto::PemError>>> = RefCell::default();
    static OPENED: RefCell<HashMap<Vec<u8>, Option<Vec<u8>>>> = RefCell::default();
}

/// Does a job, or remembers what came of the same bytes before: streams are cut at every byte here,
/// and the same key and blocks come out each time. Every test has a thread, and only one key to
/// open with for each block.
fn remembered(job: RsaJob, keys: PrivateKeys<'_>) -> JobResult {
    match job {
        RsaJob::CheckPem { pem } => {
            let fresh = || PublicKey::from_spki_pem(&pem);
            let key =
                CHECKED.with_borrow_mut(|known| known.entry(pem.to_vec()).or_insert_with(fresh).clone());
            JobResult::PemChecked(key)
        }
        RsaJob::OpenBlock { block } => {
            let fresh = || Some(keys.oaep?.open(&block)?.to_vec());
            let text =
                OPENED.with_borrow_mut(|known| known.entry(block.clone()).or_insert_with(fresh).clone());
            JobResult::BlockOpened(text.map(Zeroizing::new))
        }
        job => job.run(keys),
    }
}

/// A session with its own key and everything that it has given so far.
struct Side {
    session: OaepSession,
    own: Option<&'static OaepKeyPair>,
    events: Vec<OaepEvent>,
    closed: Option<CloseReason>,
    sent: Vec<u8>,
    now: MonoMs,
}

impl Side {
    fn new(side: OaepRole, own: Option<&'static OaepKeyPair>) -> Self {
        let session = OaepSession::new(side, Seed::new([7; 32]), MonoMs(0));
        let mut side = Self { session, own, events: vec![], closed: None, sent: vec![], now: MonoMs(0) };
        side.drain();
        side
    }

    fn listener(own: &'static OaepKeyPair) -> Self {
        Self::new(OaepRole::Listener(own.public().clone()), Some(own))
    }

    fn dialler(own: &'static OaepKeyPair) -> Self {
        Self::new(OaepRole::Dialer(own.public().clone()), Some(own))
    }

    fn one_way() -> Self {
        Self::new(OaepRole::OneWay, None)
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit(bytes) => self.sent.extend(bytes),
                Output::Job(job) => {
                    let keys = PrivateKeys { identity: None, oaep: self.own };
                    self.session.handle_job(self.now, remembered(job, keys));
                }
                Output::Event(Event::Oaep(event)) => {
                    assert_eq!(self.closed, None, "{event:?} after the end");
                    self.events.push(event);
                }
                Output::Event(Event::Closed(ending)) => assert_eq!(self.closed.replace(ending), None),
                Output::WantSeed => panic!("nothing is re-keyed on the raw wire"),
                Output::Event(event) => panic!("{event:?} is not of the raw wire"),
            }
        }
    }

    fn handle_bytes(&mut self, bytes: &[u8]) {
        self.session.handle_bytes(self.now, bytes);
        self.drain();
    }

    fn send(&mut self, text: &str) -> Result<u64, SendError> {
        let result = self.session.send(self.now, text);
        self.drain();
        result
    }

    fn after(&mut self, ms: u64) {
        self.now = self.now + ms;
        self.session.handle_timeout(self.now);
        self.drain();
    }

    fn ends(&mut self) {
        self.session.handle_eof(self.now);
        self.drain();
    }

    fn takes_sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    /// What was sent to Alice.
    fn takes_opened(&mut self) -> Vec<u8> {
        ALICE.open(&self.takes_sent()).unwrap().to_vec()
    }

    fn messages(&self) -> Vec<String> {
        let text = |event: &OaepEvent| match event {
            OaepEvent::Message(text) => Some(String::from_utf8(text.clone()).unwrap()),
            _ => None,
        };
        self.events.iter().filter_map(text).collect()
    }
}

fn carry(one: &mut Side, other: &mut Side) {
    while !one.sent.is_empty() || !other.sent.is_empty() {
        other.handle_bytes(&one.takes_sent());
        one.handle_bytes(&other.takes_sent());
    }
}

/// Both have the other's key.
fn established() -> (Side, Side) {
    let (mut listener, mut dialler) = (Side::listener(&ALICE), Side::dialler(&BOB));
    carry(&mut listener, &mut dialler);
    (listener, dialler)
}

fn block(to: &OaepKeyPair, text: &[u8], number: u8) -> Vec<u8> {
    seal_oaep(to.public(), text, &Seed::new([number; 32]))
}

#[test]
fn both_sides_talk_with_keys_of_every_size() {
    for own in keys_of_every_size() {
        let size = own.public().bits();
        for listens in [true, false] {
            let (one, other) = if listens { (own, &*BOB) } else { (&*BOB, own) };
            let (mut listener, mut dialler) = (Side::listener(one), Side::dialler(other));
            carry(&mut listener, &mut dialler);
            assert_eq!(listener.events, [OaepEvent::Joined(Some(other.public().clone()))], "{size}");
            assert_eq!(dialler.events, [OaepEvent::Joined(Some(one.public().clone()))], "{size}");
            dialler.send("안녕하세요").unwrap();
            listener.send("반갑습니다 👋").unwrap();
            carry(&mut listener, &mut dialler);
            assert_eq!(listener.messages(), ["안녕하세요"]);
            assert_eq!(dialler.messages(), ["반갑습니다 👋"]);
        }
    }
}

#[test]
fn texts_of_every_length_arrive_whole_at_keys_of_every_size() {
    let korean = "가나다라마바사아자차카타파하".repeat(240);
    for own in keys_of_every_size() {
        let room = own.public().block_room();
        let (exact, more) = ("x".repeat(room), "x".repeat(room + 1));
        // Cut within a character at the end of the first part, whatever the room is.
        let split = [&"x".repeat(room - 1), "가나"].concat();
        for text in ["", "x", &exact, &more, &split, &"x".repeat(10_000), &korean[..10_080]] {
            let (mut listener, mut dialler) = (Side::listener(own), Side::dialler(&BOB));
            carry(&mut listener, &mut dialler);
            dialler.send(text).unwrap();
            carry(&mut listener, &mut dialler);
            let parts = listener.messages();
            assert_eq!(parts.concat(), text);
            assert!(!parts.is_empty() && parts.iter().all(|part| part.len() <= room));
            assert_eq!(parts.len() > 1, text.len() > room);
            let split = dialler.events.iter().find(|event| matches!(event, OaepEvent::Split(_)));
            assert_eq!(split, (parts.len() > 1).then_some(&OaepEvent::Split(parts.len())));
            assert_eq!(dialler.events.last(), Some(&OaepEvent::Sent { upto: 1 }));
        }
    }
    let (_, mut dialler) = established();
    let long = "x".repeat(limits::MESSAGE_BYTES + 1);
    assert_eq!(dialler.send(&long), Err(SendError::TooLong { bytes: long.len() }));
    assert_eq!(dialler.send(&long[1..]), Ok(1));
}

#[test]
fn nothing_can_be_sent_to_a_caller_that_gave_no_key() {
    let mut listener = Side::listener(&ALICE);
    assert_eq!(listener.send("early"), Err(SendError::NotEstablished));
    listener.takes_sent();
    listener.handle_bytes(&block(&ALICE, b"hello", 1));
    assert_eq!(listener.send("hello"), Err(SendError::NoKey));
    assert_eq!(listener.send("exit"), Err(SendError::NoKey));
    listener.session.close(listener.now);
    listener.drain();
    assert_eq!((listener.sent.len(), listener.closed), (0, Some(CloseReason::LocalClose)));
}

#[test]
fn exit_ends_both_sides_and_a_close_sends_it() {
    for leave in [
        |side: &mut Side| assert_eq!(side.send("exit"), Ok(1)),
        |side: &mut Side| side.session.close(side.now),
    ] {
        let (mut listener, mut dialler) = established();
        leave(&mut dialler);
        dialler.drain();
        assert_eq!(dialler.closed, Some(CloseReason::LocalClose));
        carry(&mut listener, &mut dialler);
        assert_eq!(listener.closed, Some(CloseReason::Bye(ByeReason::Leaving)));
        assert!(listener.messages().is_empty());
        assert_eq!(dialler.send("more"), Err(SendError::NotEstablished));
    }
}

#[test]
fn the_time_for_an_exit_begins_with_it_however_long_nothing_was_said_before() {
    for leave in [
        |side: &mut Side| assert_eq!(side.session.send(side.now, "exit"), Ok(1)),
        |side: &mut Side| side.session.close(side.now),
    ] {
        let (mut listener, mut dialler) = established();
        dialler.now = dialler.now + 60_000;
        leave(&mut dialler);
        // Before the block is sealed.
        dialler.session.handle_timeout(dialler.now);
        dialler.drain();
        carry(&mut listener, &mut dialler);
        assert_eq!(listener.closed, Some(CloseReason::Bye(ByeReason::Leaving)));
    }
    // The same behind what the kernel did not take.
    let (mut listener, mut dialler) = established();
    dialler.session.write_blocked();
    dialler.send("exit").unwrap();
    dialler.now = dialler.now + (limits::SHUTDOWN_GRACE_MS - 1);
    dialler.session.write_drained(dialler.now);
    dialler.session.handle_timeout(dialler.now + 1);
    dialler.drain();
    carry(&mut listener, &mut dialler);
    assert_eq!(listener.closed, Some(CloseReason::Bye(ByeReason::Leaving)));
}

#[test]
fn what_came_before_the_end_of_the_stream_is_still_opened() {
    let (mut listener, mut dialler) = established();
    dialler.send("last words").unwrap();
    dialler.send("exit").unwrap();
    // The end is known before the first of the jobs has its result.
    listener.session.handle_bytes(MonoMs(0), &dialler.takes_sent());
    listener.session.handle_eof(listener.now);
    assert!(listener.closed.is_none());
    listener.drain();
    assert_eq!(listener.messages(), ["last words"]);
    assert_eq!(listener.closed, Some(CloseReason::Bye(ByeReason::Leaving)));
}

#[test]
fn a_cut_is_no_exit() {
    let (mut listener, mut dialler) = established();
    dialler.send("half of this").unwrap();
    listener.handle_bytes(&dialler.takes_sent()[..100]);
    listener.ends();
    assert_eq!(listener.closed, Some(CloseReason::ConnectionLost { mid_record: true }));
    let (mut listener, _) = established();
    listener.ends();
    assert_eq!(listener.closed, Some(CloseReason::ConnectionLost { mid_record: false }));
    let mut alone = Side::listener(&ALICE);
    alone.ends();
    assert_eq!(alone.closed, Some(CloseReason::Oaep(OaepCloseReason::Gone)));
    let mut alone = Side::dialler(&ALICE);
    alone.handle_bytes(b"-----BEGIN PUBLIC");
    alone.ends();
    assert_eq!(alone.closed, Some(CloseReason::Oaep(OaepCloseReason::NoKey)));
    // As the tutorial's server does when a PEM comes where it waits for a block.
    let (_, mut dialler) = established();
    dialler.send("?").unwrap();
    dialler.ends();
    assert_eq!(dialler.closed, Some(CloseReason::Oaep(OaepCloseReason::NoReply)));
    let (_, mut dialler) = established();
    dialler.handle_bytes(&block(&BOB, b"!", 1));
    dialler.ends();
    assert_eq!(dialler.closed, Some(CloseReason::ConnectionLost { mid_record: false }));
}

#[test]
fn a_block_that_does_not_open_is_reported_once_and_answered_with_nothing() {
    let (mut listener, mut dialler) = established();
    let joined = listener.events.clone();
    listener.handle_bytes(&[0x42; 256]);
    assert_eq!(listener.events[joined.len()..], [OaepEvent::NotOpened { in_a_row: 1 }]);
    dialler.send("still here").unwrap();
    carry(&mut listener, &mut dialler);
    assert_eq!(listener.messages(), ["still here"]);
    assert!(dialler.events.iter().all(|event| !matches!(event, OaepEvent::NotOpened { .. })));
    // Out of step by one byte: three blocks, and the end.
    listener.handle_bytes(b"x");
    for number in 1..=3 {
        assert_eq!(listener.closed, None);
        listener.handle_bytes(&block(&ALICE, b"shifted", number));
        assert_eq!(listener.events.last(), Some(&OaepEvent::NotOpened { in_a_row: number.into() }));
        assert!(listener.sent.is_empty());
    }
    assert_eq!(listener.closed, Some(CloseReason::Oaep(OaepCloseReason::OutOfStep)));
}

#[test]
fn bytes_that_come_one_by_one_keep_a_mute_connection_open_for_a_minute_and_no_more() {
    let began = Some(CloseReason::Oaep(OaepCloseReason::UnfinishedBlock));
    for joined in [true, false] {
        let mut listener = if joined { established().0 } else { Side::listener(&ALICE) };
        for _ in 0..4 {
            assert_eq!(listener.closed, None);
            listener.handle_bytes(b"x");
            listener.after(15_000);
        }
        // Who has not joined has the time of a person who has not typed yet.
        assert_eq!(listener.closed, if joined { began.clone() } else { None });
    }
    // Whole blocks are a sign of life, and so is nothing at all.
    let (mut listener, _) = established();
    for number in 1..=9 {
        listener.after(50_000);
        listener.handle_bytes(&block(&ALICE, b"a text", number));
    }
    listener.after(24 * 60 * 60 * 1_000);
    assert_eq!((listener.closed.as_ref(), listener.messages().len()), (None, 9));
}

#[test]
fn a_second_pem_is_a_block_that_does_not_open() {
    let (mut listener, _) = established();
    let pem = pem_of(ALICE.public());
    listener.handle_bytes(&pem);
    assert_eq!(listener.events.last(), Some(&OaepEvent::NotOpened { in_a_row: 1 }));
    assert_eq!(listener.session.peer_key.as_ref(), Some(BOB.public()));
}

#[test]
fn every_wait_has_an_end() {
    let mut dialler = Side::dialler(&BOB);
    dialler.after(limits::OAEP_KEY_MS - 1);
    assert_eq!(dialler.closed, None);
    dialler.after(1);
    assert_eq!(dialler.closed, Some(CloseReason::Oaep(OaepCloseReason::NoKey)));

    for mut side in [Side::dialler(&BOB), Side::listener(&ALICE), Side::one_way()] {
        side.after(5_000);
        side.handle_bytes(b"-----BEGIN PUBLIC KEY-----");
        side.after(limits::HANDSHAKE_TIMEOUT_MS - 1);
        side.handle_bytes(b"\nA");
        assert_eq!(side.closed, None);
        side.after(1);
        assert_eq!(side.closed, Some(CloseReason::Oaep(OaepCloseReason::EndlessKey)));
        let mut endless = Side::dialler(&BOB);
        endless.handle_bytes(b"-----BEGIN PUBLIC KEY-----\n");
        endless.handle_bytes(&[b'A'; 8_192]);
        assert_eq!(endless.closed, Some(CloseReason::Oaep(OaepCloseReason::EndlessKey)));
    }

    let mut listener = Side::listener(&ALICE);
    assert_eq!(listener.session.poll_timeout(), Some(MonoMs(limits::OAEP_SILENT_MS)));
    listener.after(limits::OAEP_SILENT_MS);
    assert_eq!(listener.closed, Some(CloseReason::Oaep(OaepCloseReason::NoData)));
    let (mut listener, _) = established();
    assert_eq!(listener.session.poll_timeout(), None);
    listener.after(limits::OAEP_SILENT_MS * 10);
    assert_eq!(listener.closed, None);
}

#[test]
fn a_session_that_has_to_make_room_ends_and_says_why() {
    let (mut listener, _) = established();
    listener.session.handle_overload();
    listener.drain();
    assert_eq!(listener.closed, Some(CloseReason::Overloaded));
}

#[test]
fn other_protocols_on_the_raw_wire_show_nothing() {
    let preface = crate::wire::Preface::new(crate::wire::Purpose::Chat).to_bytes();
    let mut listener = Side::listener(&ALICE);
    listener.handle_bytes(&[&preface[..], &[0x55; 3_000]].concat());
    assert!(listener.events.is_empty());
    assert_eq!(listener.closed, Some(CloseReason::Oaep(OaepCloseReason::Native)));
    let mut dialler = Side::dialler(&BOB);
    dialler.handle_bytes(b"SSH-2.0-OpenSSH_9.6\r\n");
    assert_eq!(dialler.closed, Some(CloseReason::Oaep(OaepCloseReason::NoPem(b"SSH-2.0-OpenSSH_".to_vec()))));
    assert!(dialler.sent.is_empty());
}

#[test]
fn a_block_that_is_sealed_in_another_way_is_never_guessed_at() {
    use rsa::Oaep;
    use rsa::pkcs8::DecodePublicKey as _;
    let key = rsa::PublicKey::from_public_key_pem(&ALICE.public().to_spki_pem()).unwrap();
    let mut rng = Seed::new([1; 32]).rng("test");
    let blocks = [
        key.encrypt(&mut rng, Oaep::<sha2::Sha256>::new(), b"x").unwrap(),
        key.encrypt(&mut rng, Oaep::<sha1::Sha1>::new_with_label(&b"label"[..]), b"x").unwrap(),
    ];
    for block in blocks {
        let (mut listener, _) = established();
        listener.handle_bytes(&block);
        assert_eq!(listener.events.last(), Some(&OaepEvent::NotOpened { in_a_row: 1 }));
    }
}

#[test]
fn a_server_that_answers_to_itself_gets_one_block_at_a_time() {
    let mut client = Side::one_way();
    client.handle_bytes(&pem_of(ALICE.public()));
    assert!(client.sent.is_empty(), "no PEM of ours");
    for text in ["one", "two", "three"] {
        client.send(text).unwrap();
    }
    let waits = client.events.iter().filter(|event| **event == OaepEvent::Delayed).count();
    assert_eq!((client.sent.len(), waits), (256, 1));
    for (number, text) in (1..).zip(["one", "two"]) {
        assert_eq!(client.takes_opened(), text.as_bytes());
        let answer = block(&ALICE, b"to myself", number);
        client.handle_bytes(&answer[..255]);
        assert!(client.sent.is_empty());
        client.handle_bytes(&answer[255..]);
        assert_eq!(client.events.iter().filter(|event| **event == OaepEvent::Answered).count(), 1);
    }
    assert_eq!(client.takes_opened(), b"three");
    // `exit` needs no answer before it, but must not arrive together with the block before it.
    client.send("exit").unwrap();
    assert!(client.sent.is_empty());
    assert_eq!(client.session.poll_timeout(), Some(client.now + limits::OAEP_EXIT_GAP_MS));
    client.after(limits::OAEP_EXIT_GAP_MS);
    assert_eq!(client.takes_opened(), b"exit");
    assert_eq!(client.closed, Some(CloseReason::LocalClose));
}

#[test]
fn exit_waits_behind_what_was_sent_before_it_unless_the_owner_closes() {
    for leaves in [false, true] {
        let mut client = Side::one_way();
        client.handle_bytes(&pem_of(ALICE.public()));
        for text in ["one", "two", "exit"] {
            client.send(text).unwrap();
        }
        client.takes_sent();
        client.after(5_000);
        assert_eq!((client.sent.len(), &client.closed), (0, &None));
        if leaves {
            client.session.close(client.now);
            client.drain();
        } else {
            client.handle_bytes(&block(&ALICE, b"", 1));
            assert_eq!(client.takes_opened(), b"two");
            client.after(limits::OAEP_EXIT_GAP_MS);
        }
        assert_eq!(client.takes_opened(), b"exit");
        assert_eq!(client.closed, Some(CloseReason::LocalClose));
    }
}

#[test]
fn a_peer_that_does_not_read_is_sent_no_more_and_not_waited_for_at_the_end() {
    let (_, mut dialler) = established();
    dialler.session.write_blocked();
    dialler.send("waits").unwrap();
    assert!(dialler.sent.is_empty());
    dialler.session.write_drained(dialler.now);
    dialler.drain();
    assert_eq!(dialler.takes_sent().len(), 256);
    dialler.session.write_blocked();
    dialler.send("never sent").unwrap();
    for _ in 0..3 {
        dialler.session.close(dialler.now);
        dialler.drain();
        dialler.after(400);
    }
    assert_eq!((dialler.sent.len(), dialler.closed), (0, Some(CloseReason::LocalClose)));
    assert!(!dialler.events.contains(&OaepEvent::Sent { upto: 2 }));
}

#[test]
fn an_exit_that_the_kernel_does_not_take_is_given_up_in_time() {
    let (_, mut dialler) = established();
    dialler.session.write_blocked();
    dialler.send("exit").unwrap();
    dialler.after(limits::SHUTDOWN_GRACE_MS - 1);
    assert_eq!(dialler.closed, None);
    dialler.after(1);
    assert_eq!(dialler.closed, Some(CloseReason::LocalClose));
    // Nor is a peer that has gone meanwhile the reason.
    let (_, mut dialler) = established();
    dialler.session.write_blocked();
    dialler.send("exit").unwrap();
    dialler.ends();
    assert_eq!(dialler.closed, Some(CloseReason::LocalClose));
}

#[test]
fn blocks_are_sealed_one_after_another_and_never_with_the_same_coins() {
    let (_, mut dialler) = established();
    for text in ["same", "same"] {
        dialler.session.send(dialler.now, text).unwrap();
    }
    let mut blocks = Vec::new();
    for _ in 0..2 {
        let Some(Output::Job(job)) = dialler.session.poll_output() else { panic!("a block is to be sealed") };
        assert!(dialler.session.poll_output().is_none(), "the second waits for the first");
        let keys = PrivateKeys { identity: None, oaep: dialler.own };
        dialler.session.handle_job(dialler.now, job.run(keys));
        let Some(Output::Transmit(block)) = dialler.session.poll_output() else { panic!("it is sealed") };
        let Some(Output::Event(_)) = dialler.session.poll_output() else { panic!("it is sent") };
        blocks.push(block);
    }
    assert_eq!(blocks[0].len(), blocks[1].len());
    assert_ne!(blocks[0], blocks[1]);
}

#[test]
fn a_later_block_that_does_not_end_is_not_waited_for_either() {
    let (mut listener, mut dialler) = established();
    dialler.send("whole").unwrap();
    carry(&mut listener, &mut dialler);
    listener.after(limits::OAEP_BLOCK_MS);
    assert_eq!(listener.closed, None);
    dialler.send("half of this").unwrap();
    listener.handle_bytes(&dialler.takes_sent()[..100]);
    listener.after(limits::OAEP_BLOCK_MS - 1);
    assert_eq!(listener.closed, None);
    listener.after(1);
    assert_eq!(listener.closed, Some(CloseReason::Oaep(OaepCloseReason::UnfinishedBlock)));
}

#[test]
fn a_pem_that_holds_no_key_ends_the_session() {
    let mut listener = Side::listener(&ALICE);
    listener.handle_bytes(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    assert!(
        matches!(listener.closed, Some(CloseReason::Oaep(OaepCloseReason::Key(_)))),
        "{:?}",
        listener.closed
    );
}
