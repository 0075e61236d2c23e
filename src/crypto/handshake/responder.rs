//! Responder's handshake states, each named by what it waits for. The responder sends no record
//! before the initiator's first one has opened.

use super::{PROTOCOL, Split, sealed_ciphertext_bytes, split_payload};
use crate::crypto::ephemeral::EphemeralPublicKey;
use crate::crypto::noise::SymmetricState;
use crate::crypto::{Encapsulated, HandshakeError, PublicKey, Seed, SharedSecret};

/// Message 1: `e`. Gives message 2: `ekem, s`.
///
/// # Errors
/// [`HandshakeError`] when message 1 is not an X-Wing public key.
pub fn read_message_1(
    own: &PublicKey,
    seed: &Seed,
    prologue: &[u8],
    message: &[u8],
) -> Result<(Vec<u8>, AwaitsMessage3), HandshakeError> {
    let mut state = SymmetricState::new(PROTOCOL, prologue);
    let (mut message_2, secret) = EphemeralPublicKey::read(message)?.encapsulate(seed);
    state.mix_hash(message);
    state.encrypt_and_hash(&[], &mut Vec::new());
    state.mix_hash(&message_2);
    state.mix_key(secret.as_slice());
    state.encrypt_and_hash(own.blob(), &mut message_2);
    state.encrypt_and_hash(&[], &mut message_2);
    Ok((message_2, AwaitsMessage3 { own_modulus_bytes: own.modulus_bytes(), state }))
}

/// Waits for message 3.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct AwaitsMessage3 {
    own_modulus_bytes: usize,
    state: SymmetricState,
}

impl AwaitsMessage3 {
    /// Message 3: `skem, s`. Gives the OAEP ciphertext, to be decapsulated with our key.
    ///
    /// # Errors
    /// [`HandshakeError`]
    pub fn read_message_3(mut self, message: &[u8]) -> Result<(Vec<u8>, AfterMessage3), HandshakeError> {
        let (sealed, rest) = message
            .split_at_checked(sealed_ciphertext_bytes(self.own_modulus_bytes))
            .ok_or(HandshakeError)?;
        let (key, tag) = split_payload(rest)?;
        let ciphertext = self.state.decrypt_and_hash(sealed)?;
        let next = AfterMessage3 { state: self.state, key: key.to_vec(), tag: tag.to_vec() };
        Ok((ciphertext, next))
    }
}

/// Waits for the secret that was encapsulated to our key.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct AfterMessage3 {
    state: SymmetricState,
    key: Vec<u8>,
    tag: Vec<u8>,
}

impl AfterMessage3 {
    /// Gives the initiator's blob, to be checked and judged.
    ///
    /// # Errors
    /// [`HandshakeError`]
    pub fn read_key(mut self, secret: SharedSecret) -> Result<(Vec<u8>, BeforeMessage4), HandshakeError> {
        self.state.mix_key_and_hash(secret);
        let blob = self.state.decrypt_and_hash(&self.key)?;
        self.state.decrypt_and_hash(&self.tag)?;
        Ok((blob, BeforeMessage4 { state: self.state }))
    }
}

/// Waits for the encapsulation to the initiator's key, made only once that key is accepted.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct BeforeMessage4 {
    state: SymmetricState,
}

impl BeforeMessage4 {
    /// Gives message 4: `skem`, and ends the handshake.
    #[must_use]
    pub fn write_message_4(mut self, encapsulated: Encapsulated) -> (Vec<u8>, Split) {
        let mut message = Vec::new();
        self.state.encrypt_and_hash(&encapsulated.ciphertext, &mut message);
        self.state.mix_key_and_hash(encapsulated.secret);
        self.state.encrypt_and_hash(&[], &mut message);
        let (peer, own, transcript, exporter) = self.state.split();
        (message, Split::new(&own, &peer, transcript, exporter))
    }
}
