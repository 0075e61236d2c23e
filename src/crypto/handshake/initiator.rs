//! The side that dialled.

use rand::Rng as _;
use x_wing::{Decapsulate, DecapsulationKey, Decapsulator as _, KeyExport as _};
use zeroize::Zeroizing;

use super::{
    HandshakeError, PROTOCOL, Split, TAG_BYTES, TranscriptHash, cut, open_key, payload, seal_key,
    sealed_ciphertext_bytes,
};
use crate::crypto::symmetric_state::SymmetricState;
use crate::crypto::{Encapsulated, PublicKey, Seed, SharedSecret};

/// Begins: message 1 is the X-Wing public key in clear. The prologue is not needed before the answer.
#[must_use]
pub fn start(own: &PublicKey, seed: &Seed) -> (Vec<u8>, AwaitsHello) {
    let mut secret = Zeroizing::new([0; 32]);
    seed.rng("e").fill_bytes(secret.as_mut_slice());
    let ephemeral = DecapsulationKey::from(*secret);
    let message = ephemeral.encapsulation_key().to_bytes().to_vec();
    (message.clone(), AwaitsHello { own: own.clone(), ephemeral, message })
}

/// Waits for message 2.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct AwaitsHello {
    own: PublicKey,
    ephemeral: DecapsulationKey,
    message: Vec<u8>,
}

impl AwaitsHello {
    /// Message 2: `ekem, s`. Gives the responder's blob, to be checked and judged.
    ///
    /// # Errors
    /// [`HandshakeError`]
    pub fn hello(self, prologue: &[u8], message: &[u8]) -> Result<(Vec<u8>, AwaitsSeal), HandshakeError> {
        let mut state = SymmetricState::new(PROTOCOL, prologue);
        state.mix_hash(&self.message);
        state.encrypt_and_hash(&[], &mut Vec::new());
        let (ciphertext, rest) = message.split_at_checked(x_wing::CIPHERTEXT_SIZE).ok_or(HandshakeError)?;
        state.mix_hash(ciphertext);
        let ciphertext = x_wing::Ciphertext::try_from(ciphertext).map_err(|_| HandshakeError)?;
        let secret = Zeroizing::new(<[u8; 32]>::from(self.ephemeral.decapsulate(&ciphertext)));
        state.mix_key(secret.as_slice());
        let (key, tag) = cut(rest, TAG_BYTES)?;
        let blob = state.decrypt_and_hash(key)?;
        state.decrypt_and_hash(tag)?;
        Ok((blob, AwaitsSeal { own: self.own, state }))
    }
}

/// Waits for the encapsulation to the responder's key, which is made only once that key is accepted.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct AwaitsSeal {
    own: PublicKey,
    state: SymmetricState,
}

impl AwaitsSeal {
    /// Gives message 3: `skem, s`.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a secret is used once")]
    pub fn seal(mut self, sealed: Encapsulated) -> (Vec<u8>, AwaitsAnswer) {
        let mut message = Vec::new();
        self.state.encrypt_and_hash(&sealed.ciphertext, &mut message);
        self.state.mix_key_and_hash(&sealed.secret);
        self.state.encrypt_and_hash(self.own.blob(), &mut message);
        payload(&mut self.state, &mut message);
        (message, AwaitsAnswer { own_bits: self.own.bits(), state: self.state })
    }
}

/// Waits for message 4.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct AwaitsAnswer {
    own_bits: u32,
    state: SymmetricState,
}

impl AwaitsAnswer {
    /// Message 4: `skem`. Gives the OAEP ciphertext, to be opened with our key.
    ///
    /// # Errors
    /// [`HandshakeError`]
    pub fn answer(mut self, message: &[u8]) -> Result<(Vec<u8>, AwaitsOpened), HandshakeError> {
        let (sealed, tag) = cut(message, TAG_BYTES)?;
        if sealed.len() != sealed_ciphertext_bytes(self.own_bits) {
            return Err(HandshakeError);
        }
        let ciphertext = self.state.decrypt_and_hash(sealed)?;
        Ok((ciphertext, AwaitsOpened { state: self.state, tag: tag.to_vec() }))
    }
}

/// Waits for what was sealed to our key.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct AwaitsOpened {
    state: SymmetricState,
    tag: Vec<u8>,
}

impl AwaitsOpened {
    /// Ends the handshake: the tag of message 4 shows that the responder holds its key.
    ///
    /// # Errors
    /// [`HandshakeError`]
    #[expect(clippy::needless_pass_by_value, reason = "a secret is used once")]
    pub fn opened(mut self, secret: SharedSecret) -> Result<Split, HandshakeError> {
        self.state.mix_key_and_hash(&secret);
        self.state.decrypt_and_hash(&self.tag)?;
        let (ours, theirs, transcript) = self.state.split();
        let transcript = TranscriptHash(transcript);
        Ok(Split { seal: seal_key(&ours), open: open_key(&theirs), transcript })
    }
}
