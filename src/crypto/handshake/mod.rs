//! The handshake `Noise_pqXX_XWing+RSAOAEP_AESGCM_SHA256` (`docs/PROTOCOL.md`, section 4), after Angel,
//! Dowling, Hülsing, Schwabe and Weber, "Post Quantum Noise" (CCS 2022). Each state owns its data and is
//! consumed by the next; RSA happens outside, between two states.
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

use super::cipher_state::{OpenKey, SealKey, TAG_BYTES, open_key, seal_key};
use super::symmetric_state::SymmetricState;

/// Noise's protocol name; longer than a hash, so it is hashed.
const PROTOCOL: &[u8] = b"Noise_pqXX_XWing+RSAOAEP_AESGCM_SHA256";

/// A step failed. It says no more, because a peer that learns why learns too much.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the handshake failed")]
pub struct HandshakeError;

/// What a finished handshake gives one side.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct Split {
    /// For what this side sends.
    pub seal: SealKey,
    /// For what this side receives.
    pub open: OpenKey,
    /// What both sides saw.
    pub transcript: TranscriptHash,
}

/// Noise's handshake hash `h` after message 4: equal only if both sides saw the same bytes and keys.
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

/// Takes an encrypted part from the end of a message: `(before, part)`.
fn cut(message: &[u8], from_end: usize) -> Result<(&[u8], &[u8]), HandshakeError> {
    let at = message.len().checked_sub(from_end).ok_or(HandshakeError)?;
    message.split_at_checked(at).ok_or(HandshakeError)
}

/// An empty payload, sealed: all that follows the tokens of a message.
fn payload(state: &mut SymmetricState, message: &mut Vec<u8>) {
    state.encrypt_and_hash(&[], message);
}

/// Bytes of an RSA ciphertext under our own key, encrypted once more.
fn sealed_ciphertext_bytes(modulus_bits: u32) -> usize {
    usize::try_from(modulus_bits / 8).unwrap_or(0) + TAG_BYTES
}
