//! The side that listened. It sends no data before the initiator's first record has opened.

use x_wing::{Encapsulate as _, EncapsulationKey};
use zeroize::Zeroizing;

use super::{
    HandshakeError, PROTOCOL, Split, TAG_BYTES, TranscriptHash, cut, open_key, payload, seal_key,
    sealed_ciphertext_bytes,
};
use crate::crypto::symmetric_state::SymmetricState;
use crate::crypto::{Encapsulated, PublicKey, Seed, SharedSecret};

/// Message 1: `e`. Gives message 2: `ekem, s`.
///
/// # Errors
/// [`HandshakeError`] when message 1 is not an X-Wing public key.
pub fn start(
    own: &PublicKey,
    seed: &Seed,
    prologue: &[u8],
    message: &[u8],
) -> Result<(Vec<u8>, AwaitsProof), HandshakeError> {
    let mut state = SymmetricState::new(PROTOCOL, prologue);
    let ephemeral = EncapsulationKey::try_from(message).map_err(|_| HandshakeError)?;
    state.mix_hash(message);
    state.encrypt_and_hash(&[], &mut Vec::new());
    let (ciphertext, secret) = ephemeral.encapsulate_with_rng(&mut seed.rng("ekem"));
    let secret = Zeroizing::new(<[u8; 32]>::from(secret));
    state.mix_hash(&ciphertext);
    state.mix_key(secret.as_slice());
    let mut answer = ciphertext.to_vec();
    state.encrypt_and_hash(own.blob(), &mut answer);
    payload(&mut state, &mut answer);
    Ok((answer, AwaitsProof { own_bits: own.bits(), state }))
}

/// Waits for message 3.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct AwaitsProof {
    own_bits: u32,
    state: SymmetricState,
}

impl AwaitsProof {
    /// Message 3: `skem, s`. Gives the OAEP ciphertext, to be opened with our key.
    ///
    /// # Errors
    /// [`HandshakeError`]
    pub fn proof(mut self, message: &[u8]) -> Result<(Vec<u8>, AwaitsOpened), HandshakeError> {
        let (sealed, rest) =
            message.split_at_checked(sealed_ciphertext_bytes(self.own_bits)).ok_or(HandshakeError)?;
        let (key, tag) = cut(rest, TAG_BYTES)?;
        let ciphertext = self.state.decrypt_and_hash(sealed)?;
        let next = AwaitsOpened { state: self.state, key: key.to_vec(), tag: tag.to_vec() };
        Ok((ciphertext, next))
    }
}

/// Waits for what was sealed to our key.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct AwaitsOpened {
    state: SymmetricState,
    key: Vec<u8>,
    tag: Vec<u8>,
}

impl AwaitsOpened {
    /// Gives the initiator's blob, to be checked and judged.
    ///
    /// # Errors
    /// [`HandshakeError`]
    #[expect(clippy::needless_pass_by_value, reason = "a secret is used once")]
    pub fn opened(mut self, secret: SharedSecret) -> Result<(Vec<u8>, AwaitsSeal), HandshakeError> {
        self.state.mix_key_and_hash(&secret);
        let blob = self.state.decrypt_and_hash(&self.key)?;
        self.state.decrypt_and_hash(&self.tag)?;
        Ok((blob, AwaitsSeal { state: self.state }))
    }
}

/// Waits for the encapsulation to the initiator's key, which is made only once that key is accepted.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct AwaitsSeal {
    state: SymmetricState,
}

impl AwaitsSeal {
    /// Gives message 4: `skem`, and ends the handshake.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a secret is used once")]
    pub fn seal(mut self, sealed: Encapsulated) -> (Vec<u8>, Split) {
        let mut message = Vec::new();
        self.state.encrypt_and_hash(&sealed.ciphertext, &mut message);
        self.state.mix_key_and_hash(&sealed.secret);
        payload(&mut self.state, &mut message);
        let (theirs, ours, transcript) = self.state.split();
        let transcript = TranscriptHash(transcript);
        (message, Split { seal: seal_key(&ours), open: open_key(&theirs), transcript })
    }
}
