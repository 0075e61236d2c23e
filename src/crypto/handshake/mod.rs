//! Handshake `Noise_pqXX_XWing+RSAOAEP_AESGCM_SHA256` (`docs/PROTOCOL.md`, section 4), after Angel,
//! Dowling, Hülsing, Schwabe and Weber, "Post Quantum Noise" (CCS 2022). Each state owns its data
//! and is consumed by the next; RSA happens outside, between two states.
//!
//! ```text
//! 1  I → R   e          X-Wing public key
//! 2  R → I   ekem, s    ciphertext to e; R's RSA key, encrypted
//! 3  I → R   skem, s    OAEP to R's key, encrypted; I's RSA key, encrypted
//! 4  R → I   skem       OAEP to I's key, encrypted
//! ```

pub mod initiator;
pub mod responder;

use subtle::ConstantTimeEq;

use super::HandshakeError;
use super::noise::{CipherState, ExporterSecret, OpenKey, SealKey};
use crate::limits::TAG_BYTES;

/// Noise's protocol name; longer than a hash, so it is hashed.
const PROTOCOL: &[u8] = b"Noise_pqXX_XWing+RSAOAEP_AESGCM_SHA256";

/// Result of a finished handshake for one side.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct Split {
    /// Key of what this side sends.
    pub seal: SealKey,
    /// Key of what this side receives.
    pub open: OpenKey,
    /// Handshake hash of both sides.
    pub transcript: TranscriptHash,
    /// Secret for other uses than records.
    pub exporter: ExporterSecret,
}

impl Split {
    fn new(own: &[u8; 32], peer: &[u8; 32], transcript: [u8; 32], exporter: ExporterSecret) -> Self {
        let (seal, open) = (SealKey(CipherState::new(own)), OpenKey(CipherState::new(peer)));
        Self { seal, open, transcript: TranscriptHash(transcript), exporter }
    }

    /// Both sides' of no handshake, under keys that everybody knows: for fuzz targets.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn pair() -> [Self; 2] {
        let [one, other] = [[1; 32], [2; 32]];
        let side = |own, peer| Self::new(own, peer, [3; 32], ExporterSecret::fixed());
        [side(&one, &other), side(&other, &one)]
    }
}

/// Noise's handshake hash `h` after message 4: equal only if both sides saw the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TranscriptHash([u8; 32]);

impl TranscriptHash {
    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    #[must_use]
    pub fn ct_eq(&self, other: &[u8; 32]) -> bool {
        self.0.ct_eq(other).into()
    }
}

/// Splits the tag of the empty payload, with which every message ends, from a message.
fn split_payload(message: &[u8]) -> Result<(&[u8], &[u8; TAG_BYTES]), HandshakeError> {
    message.split_last_chunk().ok_or(HandshakeError)
}

/// Bytes of an OAEP ciphertext to our own key, encrypted once more.
fn sealed_ciphertext_bytes(own_modulus_bytes: usize) -> usize {
    own_modulus_bytes + TAG_BYTES
}
