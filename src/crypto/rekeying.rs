//! Chain secret of a session, and its keys after a re-keying (`docs/PROTOCOL.md`, section 5.6).
//! They come from a fresh X-Wing secret as well, which whoever has read the memory before lacks.

use zeroize::Zeroizing;

use super::ephemeral::{EphemeralKey, EphemeralPublicKey, Secret};
use super::handshake::TranscriptHash;
use super::noise::{CipherState, ExporterSecret, Hash, OpenKey, SealKey, hkdf};
use super::{HandshakeError, Seed};

/// Name under which the first chain secret is exported.
const FIRST: &str = "rsachat/1 re-keying";

/// Chain secret of a session, zeroised on drop.
#[expect(missing_debug_implementations, reason = "a secret has no printed form")]
pub struct ChainSecret(Hash);

/// The initiator's ephemeral key while its answer is awaited.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct RekeyingKey(EphemeralKey);

/// The initiator's public key while the answer to it is due. It has passed all checks.
#[expect(missing_debug_implementations, reason = "a key has no printed form")]
pub struct RekeyingPublicKey(EphemeralPublicKey);

/// Keys of one side after a re-keying.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct NewKeys {
    /// Key of what this side sends.
    pub seal: SealKey,
    /// Key of what this side receives.
    pub open: OpenKey,
}

impl RekeyingKey {
    /// The initiator's first step: its key, and the body of record 32.
    #[must_use]
    pub fn generate(seed: &Seed) -> (Self, Vec<u8>) {
        let (key, public) = EphemeralKey::generate(seed);
        (Self(key), public)
    }
}

impl RekeyingPublicKey {
    /// Reads the body of record 32.
    ///
    /// # Errors
    /// [`HandshakeError`] when it is no X-Wing public key.
    pub fn read(public: &[u8]) -> Result<Self, HandshakeError> {
        EphemeralPublicKey::read(public).map(Self)
    }
}

impl ChainSecret {
    /// The first of a session.
    #[must_use]
    pub fn new(exporter: &ExporterSecret) -> Self {
        Self(exporter.export(FIRST))
    }

    /// The responder's step: the body of record 33, and its new keys.
    pub fn answer(
        &mut self,
        transcript: &TranscriptHash,
        public: &RekeyingPublicKey,
        seed: &Seed,
    ) -> (Vec<u8>, NewKeys) {
        let (ciphertext, secret) = public.0.encapsulate(seed);
        let [initiator, responder] = self.advance(transcript, &secret);
        (ciphertext, new_keys(&responder, &initiator))
    }

    /// The initiator's second step: its new keys.
    ///
    /// # Errors
    /// [`HandshakeError`] when `ciphertext` is no X-Wing ciphertext.
    pub fn finish(
        &mut self,
        transcript: &TranscriptHash,
        key: &RekeyingKey,
        ciphertext: &[u8],
    ) -> Result<NewKeys, HandshakeError> {
        let secret = key.0.decapsulate(ciphertext)?;
        let [initiator, responder] = self.advance(transcript, &secret);
        Ok(new_keys(&initiator, &responder))
    }

    /// Replaces the chain secret; the keys of the initiator's and the responder's records.
    fn advance(&mut self, transcript: &TranscriptHash, secret: &Secret) -> [Hash; 2] {
        let mut input = Zeroizing::new([0; 64]);
        let bytes = secret.iter().chain(transcript.as_bytes());
        input.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
        let [chain, initiator, responder] = hkdf(&self.0, input.as_slice());
        self.0 = chain;
        [initiator, responder]
    }
}

fn new_keys(own: &[u8; 32], peer: &[u8; 32]) -> NewKeys {
    NewKeys { seal: SealKey(CipherState::new(own)), open: OpenKey(CipherState::new(peer)) }
}
