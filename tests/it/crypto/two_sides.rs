//! Both sides of a handshake in one place, with fixed randomness, and the ways to stop half way.

use rsachat::crypto::handshake::Split;
use rsachat::crypto::handshake::initiator::{self, AwaitsMessage2, AwaitsMessage4};
use rsachat::crypto::handshake::responder::{self, AwaitsMessage3};
use rsachat::crypto::{DecryptError, HandshakeError, Identity, PublicKey, Seed, encapsulate};

use rsachat::wire::{Preface, Purpose};

use super::keys::identity;

/// Who talks, and with what randomness. The same pair says the same bytes.
pub(crate) struct Pair {
    pub(crate) initiator: Identity,
    pub(crate) responder: Identity,
    pub(crate) prologue: Vec<u8>,
}

/// What passed over the wire, and what each side has at the end.
pub(crate) struct Finished {
    pub(crate) messages: [Vec<u8>; 4],
    pub(crate) initiator: Split,
    pub(crate) responder: Split,
}

/// The bytes from which every random value of a pair comes: the initiator's ephemeral key, its
/// sealing, the responder's ephemeral encapsulation, its sealing.
pub(crate) const SEEDS: [[u8; 32]; 4] = [[1; 32], [2; 32], [3; 32], [4; 32]];

/// A message and the state behind it.
type Step<S> = Result<(Vec<u8>, S), HandshakeError>;

impl Pair {
    pub(crate) fn of(initiator: &str, responder: &str) -> Pair {
        Pair {
            initiator: identity(initiator),
            responder: identity(responder),
            prologue: Preface::new(Purpose::Chat).to_bytes().repeat(2),
        }
    }

    pub(crate) fn message_1(&self) -> (Vec<u8>, AwaitsMessage2) {
        initiator::write_message_1(self.initiator.public(), &seed(0))
    }

    pub(crate) fn message_2(&self, message1: &[u8]) -> Step<AwaitsMessage3> {
        responder::read_message_1(self.responder.public(), &seed(2), &self.prologue, message1)
    }

    pub(crate) fn message_3(&self, state: AwaitsMessage2, message2: &[u8]) -> Step<AwaitsMessage4> {
        let (blob, state) = state.read_message_2(&self.prologue, message2)?;
        Ok(state.write_message_3(encapsulate(&PublicKey::from_blob(&blob).unwrap(), &seed(1))))
    }

    pub(crate) fn message_4(&self, state: AwaitsMessage3, message3: &[u8]) -> Step<Split> {
        let (ciphertext, state) = state.read_message_3(message3)?;
        let (blob, state) = state.read_key(self.responder.decapsulate(&ciphertext))?;
        Ok(state.write_message_4(encapsulate(&PublicKey::from_blob(&blob).unwrap(), &seed(3))))
    }

    pub(crate) fn end(&self, state: AwaitsMessage4, message4: &[u8]) -> Result<Split, HandshakeError> {
        let (ciphertext, state) = state.read_message_4(message4)?;
        state.finish(self.initiator.decapsulate(&ciphertext))
    }

    /// All of it, undisturbed.
    pub(crate) fn finish(&self) -> Finished {
        let (first, state_i) = self.message_1();
        let (second, state_r) = self.message_2(&first).unwrap();
        let (third, state_i) = self.message_3(state_i, &second).unwrap();
        let (fourth, responder) = self.message_4(state_r, &third).unwrap();
        let initiator = self.end(state_i, &fourth).unwrap();
        Finished { messages: [first, second, third, fourth], initiator, responder }
    }
}

/// Seals one record, as a session would.
pub(crate) fn sealed(side: &mut Split, associated: &[u8], text: &[u8]) -> Vec<u8> {
    let mut buffer = text.to_vec();
    let tag = side.seal.seal(associated, &mut buffer).unwrap();
    [&buffer[..], &tag].concat()
}

pub(crate) fn opened(side: &mut Split, associated: &[u8], record: &[u8]) -> Result<Vec<u8>, DecryptError> {
    side.open.open(associated, &mut record.to_vec()).map(|text| text.to_vec())
}

fn seed(index: usize) -> Seed {
    Seed::new(SEEDS[index])
}

#[test]
fn two_sides_of_different_sizes_agree_and_talk() {
    // Two of these sizes are no multiple of eight.
    for (a, b) in [
        ("alice-2048", "bob-3072"),
        ("alice-3072", "bob-2048"),
        ("alice-4096", "bob-2048"),
        ("alice-2060", "bob-2048"),
        ("alice-2060", "bob-3070"),
    ] {
        let Finished { initiator: mut alice, responder: mut bob, .. } = Pair::of(a, b).finish();
        assert!(alice.transcript.ct_eq(bob.transcript.as_bytes()));
        assert_eq!(identity(a).public().bits().to_string(), a.rsplit_once('-').unwrap().1);
        let record = sealed(&mut alice, b"ad", "안녕".as_bytes());
        assert_eq!(opened(&mut bob, b"ad", &record).unwrap(), "안녕".as_bytes());
        let record = sealed(&mut bob, b"ad", b"hello");
        assert_eq!(opened(&mut alice, b"ad", &record).unwrap(), b"hello");
    }
}

#[test]
fn a_side_cannot_open_what_it_sealed_itself() {
    let mut alice = Pair::of("alice-2048", "bob-2048").finish().initiator;
    let record = sealed(&mut alice, b"", b"hello");
    assert_eq!(opened(&mut alice, b"", &record), Err(DecryptError));
}
