//! Noise's `SymmetricState` (revision 34, section 5.2) with SHA-256: chaining key, transcript hash
//! and cipher. A test compares it with another Noise library.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::cipher_state::CipherState;
use super::{HandshakeError, SharedSecret};

type Hash = Zeroizing<[u8; 32]>;

pub(super) struct SymmetricState {
    chaining: Hash,
    transcript: [u8; 32],
    /// The key of the moment. Both sides use it with one counter, in turns.
    cipher: Option<CipherState>,
}

impl SymmetricState {
    /// `InitializeSymmetric`: names longer than the hash are hashed.
    pub(super) fn new(protocol: &[u8], prologue: &[u8]) -> Self {
        let mut start = [0; 32];
        match start.get_mut(..protocol.len()) {
            Some(slot) => slot.copy_from_slice(protocol),
            None => start = Sha256::digest(protocol).into(),
        }
        let mut state = Self { chaining: Zeroizing::new(start), transcript: start, cipher: None };
        state.mix_hash(prologue);
        state
    }

    /// `MixHash`
    pub(super) fn mix_hash(&mut self, data: &[u8]) {
        self.transcript = Sha256::new().chain_update(self.transcript).chain_update(data).finalize().into();
    }

    /// `MixKey`
    pub(super) fn mix_key(&mut self, input: &[u8]) {
        let [chaining, key, _] = hkdf(&self.chaining, input);
        self.chaining = chaining;
        self.cipher = Some(CipherState::new(&key));
    }

    /// `MixKeyAndHash`
    #[expect(clippy::needless_pass_by_value, reason = "a secret is used once")]
    pub(super) fn mix_key_and_hash(&mut self, secret: SharedSecret) {
        let [chaining, hash, key] = hkdf(&self.chaining, secret.as_bytes());
        self.chaining = chaining;
        self.mix_hash(hash.as_slice());
        self.cipher = Some(CipherState::new(&key));
    }

    /// `EncryptAndHash`: appends to `out`.
    pub(super) fn encrypt_and_hash(&mut self, plaintext: &[u8], out: &mut Vec<u8>) {
        let mut sealed = plaintext.to_vec();
        if let Some(cipher) = &mut self.cipher {
            let tag = cipher.seal(&self.transcript, &mut sealed);
            sealed.extend_from_slice(&tag.expect("a handshake key seals two or three times"));
        }
        self.mix_hash(&sealed);
        out.append(&mut sealed);
    }

    /// `DecryptAndHash`
    pub(super) fn decrypt_and_hash(&mut self, sealed: &[u8]) -> Result<Vec<u8>, HandshakeError> {
        let mut buffer = sealed.to_vec();
        if let Some(cipher) = &mut self.cipher {
            let length = cipher.open(&self.transcript, &mut buffer)?.len();
            buffer.truncate(length);
        }
        self.mix_hash(sealed);
        Ok(buffer)
    }

    /// `Split`: the keys of the initiator's and the responder's records, and the handshake hash.
    pub(super) fn split(self) -> (Hash, Hash, [u8; 32]) {
        let [first, second, _] = hkdf(&self.chaining, &[]);
        (first, second, self.transcript)
    }
}

/// Noise's `HKDF` (section 4.3) to three outputs; fewer outputs are its first ones.
fn hkdf(chaining: &[u8; 32], input: &[u8]) -> [Hash; 3] {
    let temporary = hmac(chaining, &[input]);
    let first = hmac(&temporary, &[&[1]]);
    let second = hmac(&temporary, &[first.as_slice(), &[2]]);
    let third = hmac(&temporary, &[second.as_slice(), &[3]]);
    [first, second, third]
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> Hash {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}
