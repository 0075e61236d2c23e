//! RSA-OAEP as a key encapsulation (`docs/PROTOCOL.md`, section 4.3): a random `m` is sealed, and the
//! shared secret is a hash of `m` bound to the key and the ciphertext, since OAEP alone binds neither.

use rand::Rng as _;
use rsa::Oaep;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Fingerprint, PublicKey, Seed};

/// OAEP's label, and the domain of the hash.
pub(super) const LABEL: &[u8] = b"rsachat/1 OAEP-KEM";
/// Bytes of `m`.
pub(super) const SECRET_BYTES: usize = 32;

/// What both sides know after an encapsulation: 32 bytes, zeroised on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
#[expect(missing_debug_implementations, reason = "a secret has no printed form")]
pub struct SharedSecret([u8; 32]);

impl SharedSecret {
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// An encapsulation: what goes to the key's owner, and what both know then.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct Sealed {
    /// OAEP ciphertext, as long as the modulus.
    pub ciphertext: Vec<u8>,
    /// The shared secret.
    pub secret: SharedSecret,
}

/// Encapsulates to a key with the randomness of `coins` (OAEP with SHA-256 and MGF1-SHA-256, RFC 8017,
/// section 7.1). Takes 0.1 to 0.3 ms; sessions do it as a [`super::Job`].
///
/// # Panics
/// Never for a [`PublicKey`], whose modulus always has room for 32 bytes.
#[must_use]
pub fn encapsulate(key: &PublicKey, coins: &Seed) -> Sealed {
    let mut rng = coins.rng("oaep");
    let mut m = Zeroizing::new([0; SECRET_BYTES]);
    rng.fill_bytes(m.as_mut_slice());
    let padding = Oaep::<Sha256>::new_with_label(LABEL);
    let ciphertext = key
        .rsa()
        .encrypt(&mut rng, padding, m.as_slice())
        .expect("a modulus of 2,048 bits has room for 32 bytes under OAEP-SHA-256");
    let secret = bind(&key.fingerprint(), &ciphertext, &m);
    Sealed { ciphertext, secret }
}

/// SHA-256 of label, fingerprint, length of the ciphertext (4 bytes, big-endian), ciphertext and `m`.
pub(super) fn bind(key: &Fingerprint, ciphertext: &[u8], m: &[u8; SECRET_BYTES]) -> SharedSecret {
    let length = u32::try_from(ciphertext.len()).unwrap_or(u32::MAX);
    let hash = Sha256::new()
        .chain_update(LABEL)
        .chain_update(key.as_bytes())
        .chain_update(length.to_be_bytes())
        .chain_update(ciphertext)
        .chain_update(m);
    SharedSecret(hash.finalize().into())
}
