//! Raw conversations in one process, joined by nothing but values.

mod pace;
mod streams;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::*;
use crate::crypto::{Keys, RawPair, seal_raw};

static ALICE: LazyLock<RawPair> = LazyLock::new(|| pair(include_str!("../../../tests/keys/alice-2048.pem")));
static BOB: LazyLock<RawPair> = LazyLock::new(|| pair(include_str!("../../../tests/keys/bob-2048.pem")));

fn pair(pem: &str) -> RawPair {
    RawPair::from_pem(pem, None).unwrap()
}

thread_local! {
    static CHECKED: RefCell<HashMap<Vec<u8>, Result<PublicKey, crate::crypto::PemFault>>> = RefCell::default();
    static OPENED: RefCell<HashMap<Vec<u8>, Option<Vec<u8>>>> = RefCell::default();
}

/// Does a job, or remembers what came of the same bytes before: streams are cut at every byte here, and the same key
/// and blocks come out each time. Every test has a thread, and only one key to open with for each block.
fn remembered(job: Job, keys: Keys<'_>) -> JobResult {
    match job {
        Job::Raw(RawJob::Check { pem }) => {
            let fresh = || PublicKey::from_spki_pem(&pem);
            let key =
                CHECKED.with_borrow_mut(|known| known.entry(pem.to_vec()).or_insert_with(fresh).clone());
            JobResult::Raw(RawResult::Checked(key))
        }
        Job::Raw(RawJob::Open { block }) => {
            let fresh = || Some(keys.raw?.open(&block)?.to_vec());
            let text =
                OPENED.with_borrow_mut(|known| known.entry(block.clone()).or_insert_with(fresh).clone());
            JobResult::Raw(RawResult::Opened(text.map(Zeroizing::new)))
        }
        job => job.run(keys),
    }
}

/// A conversation with its own key and everything it has told so far.
struct Side {
    session: RawSession,
    own: Option<&'static RawPair>,
    told: Vec<RawEvent>,
    ending: Option<Ending>,
    sent: Vec<u8>,
    now_ms: u64,
}

impl Side {
    fn new(side: RawSide, own: Option<&'static RawPair>) -> Self {
        let session = RawSession::new(side, Seed::new([7; 32]), 0);
        let mut side = Self { session, own, told: vec![], ending: None, sent: vec![], now_ms: 0 };
        side.drain();
        side
    }

    fn listener(own: &'static RawPair) -> Self {
        Self::new(RawSide::Listener(own.public().clone()), Some(own))
    }

    fn dialler(own: &'static RawPair) -> Self {
        Self::new(RawSide::Dialler(own.public().clone()), Some(own))
    }

    fn one_way() -> Self {
        Self::new(RawSide::OneWay, None)
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Transmit(bytes) => self.sent.extend(bytes),
                Output::Need(job) => {
                    let keys = Keys { identity: None, raw: self.own };
                    self.session.done(self.now_ms, remembered(job, keys));
                }
                Output::Event(Event::Raw(event)) => {
                    assert_eq!(self.ending, None, "{event:?} after the end");
                    self.told.push(event);
                }
                Output::Event(Event::Closed(ending)) => assert_eq!(self.ending.replace(ending), None),
                Output::Event(event) => panic!("{event:?} is not of the raw wire"),
            }
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.session.feed(self.now_ms, bytes);
        self.drain();
    }

    fn say(&mut self, text: &str) -> Result<u64, SayFault> {
        let said = self.session.say(text);
        self.drain();
        said
    }

    fn after(&mut self, ms: u64) {
        self.now_ms += ms;
        self.session.tick(self.now_ms);
        self.drain();
    }

    fn ends(&mut self) {
        self.session.cut();
        self.drain();
    }

    fn takes_sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    fn heard(&self) -> Vec<String> {
        let text = |event: &RawEvent| match event {
            RawEvent::Heard(text) => Some(String::from_utf8(text.clone()).unwrap()),
            _ => None,
        };
        self.told.iter().filter_map(text).collect()
    }
}

fn carry(one: &mut Side, other: &mut Side) {
    while !one.sent.is_empty() || !other.sent.is_empty() {
        other.feed(&one.takes_sent());
        one.feed(&other.takes_sent());
    }
}

/// Both have the other's key.
fn standing() -> (Side, Side) {
    let (mut listener, mut dialler) = (Side::listener(&ALICE), Side::dialler(&BOB));
    carry(&mut listener, &mut dialler);
    (listener, dialler)
}

fn block(to: &RawPair, text: &[u8], number: u8) -> Vec<u8> {
    seal_raw(to.public(), text, &Seed::new([number; 32]))
}

#[test]
fn both_sides_talk_with_keys_of_every_size() {
    let sizes = [
        (pair(include_str!("../../../tests/keys/alice-3072.pem")), "3072"),
        (pair(include_str!("../../../tests/keys/alice-4096.pem")), "4096"),
        (pair(include_str!("../../../tests/keys/test-1.pem")), "2048"),
    ];
    for (own, size) in sizes {
        let own: &'static RawPair = Box::leak(Box::new(own));
        for listens in [true, false] {
            let (one, other) = if listens { (own, &*BOB) } else { (&*BOB, own) };
            let (mut listener, mut dialler) = (Side::listener(one), Side::dialler(other));
            carry(&mut listener, &mut dialler);
            assert_eq!(listener.told, [RawEvent::Joined(Some(other.public().clone()))], "{size}");
            assert_eq!(dialler.told, [RawEvent::Joined(Some(one.public().clone()))], "{size}");
            dialler.say("안녕하세요").unwrap();
            listener.say("반갑습니다 👋").unwrap();
            carry(&mut listener, &mut dialler);
            assert_eq!(
                (listener.heard(), dialler.heard()),
                (vec!["안녕하세요".into()], vec!["반갑습니다 👋".into()])
            );
        }
    }
}

#[test]
fn texts_of_every_length_arrive_whole_at_keys_of_every_size() {
    let korean = "가나다라마바사아자차카타파하".repeat(240);
    for pem in [
        include_str!("../../../tests/keys/alice-2048.pem"),
        include_str!("../../../tests/keys/alice-3072.pem"),
        include_str!("../../../tests/keys/alice-4096.pem"),
    ] {
        let own: &'static RawPair = Box::leak(Box::new(pair(pem)));
        let room = own.public().block_room();
        let (exact, more) = ("x".repeat(room), "x".repeat(room + 1));
        // Cut within a character at the end of the first part, whatever the room is.
        let split = [&"x".repeat(room - 1), "가나"].concat();
        for text in ["", "x", &exact, &more, &split, &"x".repeat(10_000), &korean[..10_080]] {
            let (mut listener, mut dialler) = (Side::listener(own), Side::dialler(&BOB));
            carry(&mut listener, &mut dialler);
            dialler.say(text).unwrap();
            carry(&mut listener, &mut dialler);
            let parts = listener.heard();
            assert_eq!(parts.concat(), text);
            assert!(!parts.is_empty() && parts.iter().all(|part| part.len() <= room));
            assert_eq!(parts.len() > 1, text.len() > room);
            let told = dialler.told.iter().find(|event| matches!(event, RawEvent::Parts(_)));
            assert_eq!(told, (parts.len() > 1).then_some(&RawEvent::Parts(parts.len())));
            assert_eq!(dialler.told.last(), Some(&RawEvent::Sent { upto: 1 }));
        }
    }
    let (_, mut dialler) = standing();
    let long = "x".repeat(limits::MESSAGE_BYTES + 1);
    assert_eq!(dialler.say(&long), Err(SayFault::TooLong { bytes: long.len() }));
}

#[test]
fn nothing_can_be_said_to_a_caller_that_gave_no_key() {
    let mut listener = Side::listener(&ALICE);
    assert_eq!(listener.say("early"), Err(SayFault::NotStanding));
    listener.takes_sent();
    listener.feed(&block(&ALICE, b"hello", 1));
    assert_eq!(listener.say("hello"), Err(SayFault::NoKey));
    assert_eq!(listener.say("exit"), Err(SayFault::NoKey));
    listener.session.close();
    listener.drain();
    assert_eq!((listener.sent.len(), listener.ending), (0, Some(Ending::WeLeft)));
}

#[test]
fn exit_ends_both_sides_and_leaving_says_it() {
    for leave in
        [|side: &mut Side| assert_eq!(side.say("exit"), Ok(1)), |side: &mut Side| side.session.close()]
    {
        let (mut listener, mut dialler) = standing();
        leave(&mut dialler);
        dialler.drain();
        assert_eq!(dialler.ending, Some(Ending::WeLeft));
        carry(&mut listener, &mut dialler);
        assert_eq!(listener.ending, Some(Ending::Bye(ByeReason::Leaving)));
        assert!(listener.heard().is_empty());
        assert_eq!(dialler.say("more"), Err(SayFault::NotStanding));
    }
}

#[test]
fn what_came_before_the_end_of_the_stream_is_still_opened() {
    let (mut listener, mut dialler) = standing();
    dialler.say("last words").unwrap();
    dialler.say("exit").unwrap();
    // The end is known before the first of the jobs has its result.
    listener.session.feed(0, &dialler.takes_sent());
    listener.session.cut();
    assert!(listener.ending.is_none());
    listener.drain();
    assert_eq!(listener.heard(), ["last words"]);
    assert_eq!(listener.ending, Some(Ending::Bye(ByeReason::Leaving)));
}

#[test]
fn a_cut_is_no_exit() {
    let (mut listener, mut dialler) = standing();
    dialler.say("half of this").unwrap();
    listener.feed(&dialler.takes_sent()[..100]);
    listener.ends();
    assert_eq!(listener.ending, Some(Ending::Cut { midway: true }));
    let (mut listener, _) = standing();
    listener.ends();
    assert_eq!(listener.ending, Some(Ending::Cut { midway: false }));
    let mut nobody = Side::listener(&ALICE);
    nobody.ends();
    assert_eq!(nobody.ending, Some(Ending::Raw(RawEnding::Gone)));
    let mut nobody = Side::dialler(&ALICE);
    nobody.feed(b"-----BEGIN PUBLIC");
    nobody.ends();
    assert_eq!(nobody.ending, Some(Ending::Raw(RawEnding::NoKey)));
    // As the tutorial's server does when a PEM comes where it waits for a block.
    let (_, mut dialler) = standing();
    dialler.say("?").unwrap();
    dialler.ends();
    assert_eq!(dialler.ending, Some(Ending::Raw(RawEnding::Unheard)));
}

#[test]
fn a_block_that_does_not_open_is_told_once_and_answered_with_nothing() {
    let (mut listener, mut dialler) = standing();
    let joined = listener.told.clone();
    listener.feed(&[0x42; 256]);
    assert_eq!(listener.told[joined.len()..], [RawEvent::Unread { in_a_row: 1 }]);
    dialler.say("still here").unwrap();
    carry(&mut listener, &mut dialler);
    assert_eq!(listener.heard(), ["still here"]);
    assert!(dialler.told.iter().all(|event| !matches!(event, RawEvent::Unread { .. })));
    // Out of step by one byte: three blocks, and the end.
    listener.feed(b"x");
    for number in 1..=3 {
        assert_eq!(listener.ending, None);
        listener.feed(&block(&ALICE, b"shifted", number));
        assert_eq!(listener.told.last(), Some(&RawEvent::Unread { in_a_row: number.into() }));
        assert!(listener.sent.is_empty());
    }
    assert_eq!(listener.ending, Some(Ending::Raw(RawEnding::OutOfStep)));
}

#[test]
fn a_second_pem_is_a_block_that_does_not_open() {
    let (mut listener, _) = standing();
    let pem = pem_of(ALICE.public());
    listener.feed(&pem);
    assert_eq!(listener.told.last(), Some(&RawEvent::Unread { in_a_row: 1 }));
    assert_eq!(listener.session.peer.as_ref(), Some(BOB.public()));
}

#[test]
fn every_wait_has_an_end() {
    let mut dialler = Side::dialler(&BOB);
    dialler.after(limits::RAW_KEY_MS - 1);
    assert_eq!(dialler.ending, None);
    dialler.after(1);
    assert_eq!(dialler.ending, Some(Ending::Raw(RawEnding::NoKey)));

    for mut side in [Side::dialler(&BOB), Side::listener(&ALICE), Side::one_way()] {
        side.after(5_000);
        side.feed(b"-----BEGIN PUBLIC KEY-----");
        side.after(limits::HANDSHAKE_TIMEOUT_MS - 1);
        side.feed(b"\nA");
        assert_eq!(side.ending, None);
        side.after(1);
        assert_eq!(side.ending, Some(Ending::Raw(RawEnding::EndlessKey)));
        let mut endless = Side::dialler(&BOB);
        endless.feed(b"-----BEGIN PUBLIC KEY-----\n");
        endless.feed(&[b'A'; 8_192]);
        assert_eq!(endless.ending, Some(Ending::Raw(RawEnding::EndlessKey)));
    }

    let mut listener = Side::listener(&ALICE);
    listener.after(limits::RAW_MUTE_MS);
    assert_eq!(listener.ending, Some(Ending::Raw(RawEnding::Mute)));
    let (mut listener, _) = standing();
    assert_eq!(listener.session.deadline_ms(), None);
    listener.after(limits::RAW_MUTE_MS * 10);
    assert_eq!(listener.ending, None);
}

#[test]
fn strangers_on_the_raw_wire_show_nothing() {
    let preface = crate::wire::Preface::new(crate::wire::Purpose::Chat).to_bytes();
    let mut listener = Side::listener(&ALICE);
    listener.feed(&[&preface[..], &[0x55; 3_000]].concat());
    assert_eq!((listener.told.len(), listener.ending), (0, Some(Ending::Raw(RawEnding::Native))));
    let mut dialler = Side::dialler(&BOB);
    dialler.feed(b"SSH-2.0-OpenSSH_9.6\r\n");
    assert_eq!(dialler.ending, Some(Ending::Raw(RawEnding::NoPem(b"SSH-2.0-OpenSSH_".to_vec()))));
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
        let (mut listener, _) = standing();
        listener.feed(&block);
        assert_eq!(listener.told.last(), Some(&RawEvent::Unread { in_a_row: 1 }));
    }
}
