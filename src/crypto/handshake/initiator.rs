//! Initiator's handshake states, each named by what it waits for.

use super::{PROTOCOL, Split, sealed_ciphertext_bytes, split_payload};
use crate::crypto::ephemeral::{CIPHERTEXT_BYTES, EphemeralKey};
use crate::crypto::noise::SymmetricState;
use crate::crypto::{Encapsulated, HandshakeError, PublicKey, Seed, SharedSecret};

/// Gives message 1: `e`. The prologue is not needed before message 2.
#[must_use]
pub fn write_message_1(own: &PublicKey, seed: &Seed) -> (Vec<u8>, AwaitsMessage2) {
    let (ephemeral, message) = EphemeralKey::generate(seed);
    (message.clone(), AwaitsMessage2 { own: own.clone(), ephemeral, message_1: message })
}

/// Waits for message 2.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct AwaitsMessage2 {
    own: PublicKey,
    ephemeral: EphemeralKey,
    message_1: Vec<u8>,
}

impl AwaitsMessage2 {
    /// Message 2: `ekem, s`. Gives the responder's blob, to be checked and judged.
    ///
    /// # Errors
    /// [`HandshakeError`]
    pub fn read_message_2(
        self,
        prologue: &[u8],
        message: &[u8],
    ) -> Result<(Vec<u8>, BeforeMessage3), HandshakeError> {
        let mut state = SymmetricState::new(PROTOCOL, prologue);
        state.mix_hash(&self.message_1);
        state.encrypt_and_hash(&[], &mut Vec::new());
        let (ciphertext, rest) = message.split_at_checked(CIPHERTEXT_BYTES).ok_or(HandshakeError)?;
        state.mix_hash(ciphertext);
        let secret = self.ephemeral.decapsulate(ciphertext)?;
        state.mix_key(secret.as_slice());
        let (key, tag) = split_payload(rest)?;
        let blob = state.decrypt_and_hash(key)?;
        state.decrypt_and_hash(tag)?;
        Ok((blob, BeforeMessage3 { own: self.own, state }))
    }
}

/// Waits for the encapsulation to the responder's key, made only once that key is accepted.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct BeforeMessage3 {
    own: PublicKey,
    state: SymmetricState,
}

impl BeforeMessage3 {
    /// Gives message 3: `skem, s`.
    #[must_use]
    pub fn write_message_3(mut self, encapsulated: Encapsulated) -> (Vec<u8>, AwaitsMessage4) {
        let mut message = Vec::new();
        self.state.encrypt_and_hash(&encapsulated.ciphertext, &mut message);
        self.state.mix_key_and_hash(encapsulated.secret);
        self.state.encrypt_and_hash(self.own.blob(), &mut message);
        self.state.encrypt_and_hash(&[], &mut message);
        (message, AwaitsMessage4 { own_modulus_bytes: self.own.modulus_bytes(), state: self.state })
    }
}

/// Waits for message 4.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct AwaitsMessage4 {
    own_modulus_bytes: usize,
    state: SymmetricState,
}

impl AwaitsMessage4 {
    /// Message 4: `skem`. Gives the OAEP ciphertext, to be decapsulated with our key.
    ///
    /// # Errors
    /// [`HandshakeError`]
    pub fn read_message_4(mut self, message: &[u8]) -> Result<(Vec<u8>, AfterMessage4), HandshakeError> {
        let (sealed, tag) = split_payload(message)?;
        if sealed.len() != sealed_ciphertext_bytes(self.own_modulus_bytes) {
            return Err(HandshakeError);
        }
        let ciphertext = self.state.decrypt_and_hash(sealed)?;
        Ok((ciphertext, AfterMessage4 { state: self.state, tag: tag.to_vec() }))
    }
}

/// Waits for the secret that was encapsulated to our key.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct AfterMessage4 {
    state: SymmetricState,
    tag: Vec<u8>,
}

impl AfterMessage4 {
    /// Ends the handshake: the tag of message 4 shows that the responder holds its key.
    ///
    /// # Errors
    /// [`HandshakeError`]
    pub fn finish(mut self, secret: SharedSecret) -> Result<Split, HandshakeError> {
        self.state.mix_key_and_hash(secret);
        self.state.decrypt_and_hash(&self.tag)?;
        let (own, peer, transcript, exporter) = self.state.split();
        Ok(Split::new(&own, &peer, transcript, exporter))
    }
}
