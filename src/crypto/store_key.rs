//! Key of the message store (`docs/STORE.md`). Values are sealed with AES-256-GCM-SIV (RFC 8452),
//! the key itself is wrapped to an identity with RSA-OAEP (RFC 8017, section 7.1) under a label of
//! its own. A nonce that repeats, as after the restore of a virtual machine, tells of two values
//! that they are equal and nothing else.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;
use rsa::Oaep;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{DecryptError, Identity, PublicKey, Seed};

/// OAEP's label.
const LABEL: &[u8] = b"rsachat store 1";
/// Bytes of the key.
const KEY_BYTES: usize = 32;
/// Bytes of a tag.
const TAG_BYTES: usize = 16;

/// Key under which the values of a store are sealed. Zeroised on drop.
#[expect(missing_debug_implementations, reason = "a secret has no printed form")]
pub struct StoreKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    aead: LessSafeKey,
}

impl StoreKey {
    /// Bytes of a nonce.
    pub const NONCE_BYTES: usize = NONCE_LEN;
    /// Bytes by which sealing lengthens a value: the nonce, and the tag.
    pub const OVERHEAD_BYTES: usize = NONCE_LEN + TAG_BYTES;

    /// Takes 32 bytes of good randomness.
    ///
    /// # Panics
    /// Never: AES-256 takes 32 bytes.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let key = UnboundKey::new(&AES_256_GCM_SIV, bytes.as_slice()).expect("AES-256 takes 32 bytes");
        Self { bytes, aead: LessSafeKey::new(key) }
    }

    /// Seals a value in its place: the nonce, the ciphertext and the tag. It opens with the same
    /// `context` only.
    ///
    /// # Panics
    /// When the value has more than 2^36 bytes.
    #[must_use]
    pub fn seal(&self, nonce: [u8; Self::NONCE_BYTES], context: &[u8], value: &[u8]) -> Vec<u8> {
        // Of full capacity from the start: growing would leave copies of the value behind.
        let mut sealed = Vec::with_capacity(value.len() + Self::OVERHEAD_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(value);
        let (_, text) = sealed.split_at_mut(Self::NONCE_BYTES);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .aead
            .seal_in_place_separate_tag(nonce, Aad::from(context), text)
            .expect("a value has fewer bytes than 2^36");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`StoreKey::seal`] gave.
    ///
    /// # Errors
    /// [`DecryptError`] when it was sealed under another key, for another context, or was changed.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let (nonce, text) = sealed.split_first_chunk().ok_or(DecryptError)?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.aead.open_in_place(nonce, Aad::from(context), &mut text);
        let bytes = opened.map_err(|_| DecryptError)?.len();
        text.truncate(bytes);
        Ok(text)
    }

    /// The key wrapped to an identity, with the randomness of `coins`.
    ///
    /// # Panics
    /// Never for a [`PublicKey`], whose modulus always has room for 32 bytes.
    #[must_use]
    pub fn wrap(&self, key: &PublicKey, coins: &Seed) -> Vec<u8> {
        let padding = Oaep::<Sha256>::new_with_label(LABEL);
        key.rsa()
            .encrypt(&mut coins.rng("store key"), padding, self.bytes.as_slice())
            .expect("a modulus of 2,048 bits has room for 32 bytes under OAEP-SHA-256")
    }

    /// The key that [`StoreKey::wrap`] wrapped to `identity`.
    ///
    /// # Errors
    /// [`DecryptError`] when it was wrapped to another identity, or changed.
    pub fn unwrap(identity: &Identity, wrapped: &[u8]) -> Result<Self, DecryptError> {
        let opened = identity.decrypt(&OAEP_SHA256_MGF1SHA256, Some(LABEL), wrapped).ok_or(DecryptError)?;
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        if opened.len() != KEY_BYTES {
            return Err(DecryptError);
        }
        bytes.copy_from_slice(&opened);
        Ok(Self::new(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{OaepKeyPair, encapsulate};

    const ALICE: &str = include_str!("../../tests/keys/alice-2048.pem");

    fn key(byte: u8) -> StoreKey {
        StoreKey::new(Zeroizing::new([byte; KEY_BYTES]))
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 8452, appendix C.2.
    #[test]
    fn the_vector_of_rfc_8452_comes_out() {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        bytes[0] = 1;
        let nonce = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let sealed = StoreKey::new(bytes).seal(nonce, &hex("01"), &hex("0200000000000000"));
        assert_eq!(sealed[12..], hex("1de22967237a813291213f267e3b452f02d01ae33e4ec854"));
    }

    #[test]
    fn a_value_opens_under_its_key_and_context_only_and_whole() {
        let sealed = key(1).seal([7; 12], b"here", b"value");
        assert_eq!(key(1).open(b"here", &sealed).unwrap().as_slice(), b"value");
        assert!(key(2).open(b"here", &sealed).is_err());
        assert!(key(1).open(b"there", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key(1).open(b"here", &changed).is_err(), "byte {at}");
            assert!(key(1).open(b"here", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_wrapped_key_opens_for_its_identity_only_and_is_no_kem_and_no_block_of_the_raw_wire() {
        let alice = Identity::from_pem(ALICE, None).unwrap();
        let bob = Identity::from_pem(include_str!("../../tests/keys/bob-2048.pem"), None).unwrap();
        let wrapped = key(5).wrap(alice.public(), &Seed::new([1; 32]));
        let unwrapped = StoreKey::unwrap(&alice, &wrapped).unwrap();
        let sealed = key(5).seal([0; 12], b"", b"value");
        assert_eq!(unwrapped.open(b"", &sealed).unwrap().as_slice(), b"value");
        assert!(StoreKey::unwrap(&bob, &wrapped).is_err());
        let mut changed = wrapped.clone();
        changed[9] ^= 1;
        assert!(StoreKey::unwrap(&alice, &changed).is_err());
        let kem = encapsulate(alice.public(), &Seed::new([1; 32])).ciphertext;
        assert!(StoreKey::unwrap(&alice, &kem).is_err(), "another label");
        assert!(
            OaepKeyPair::from_pem(ALICE, None).unwrap().open(&wrapped).is_none(),
            "another label and hash"
        );
    }
}
