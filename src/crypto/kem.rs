//! RSA-OAEP KEM (`docs/PROTOCOL.md`, section 4.3): a random `m` is encrypted, and the shared secret
//! is a hash of `m` bound to the key and the ciphertext, since OAEP alone binds neither.

use rand::Rng as _;
use rsa::Oaep;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Fingerprint, PublicKey, Seed};

/// OAEP's label, and the domain of the hash.
pub(super) const LABEL: &[u8] = b"rsachat/1 OAEP-KEM";
/// Bytes of `m`.
pub(super) const SECRET_BYTES: usize = 32;

/// Shared secret of an encapsulation: 32 bytes, zeroised on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
#[expect(missing_debug_implementations, reason = "a secret has no printed form")]
pub struct SharedSecret([u8; 32]);

impl SharedSecret {
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Result of an encapsulation.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct Encapsulated {
    /// OAEP ciphertext, as long as the modulus.
    pub ciphertext: Vec<u8>,
    /// The shared secret.
    pub secret: SharedSecret,
}

/// Encapsulates to a key with the randomness of `coins` (OAEP with SHA-256 and MGF1-SHA-256, RFC
/// 8017, section 7.1). Takes 0.1 to 0.3 ms; sessions do it as a [`super::RsaJob`].
///
/// # Panics
/// Never for a [`PublicKey`], whose modulus always has room for 32 bytes.
#[must_use]
pub fn encapsulate(key: &PublicKey, coins: &Seed) -> Encapsulated {
    encapsulate_under(LABEL, key, coins)
}

/// The same under another label.
pub(super) fn encapsulate_under(label: &'static [u8], key: &PublicKey, coins: &Seed) -> Encapsulated {
    let mut rng = coins.rng("oaep");
    let mut m = Zeroizing::new([0; SECRET_BYTES]);
    rng.fill_bytes(m.as_mut_slice());
    let padding = Oaep::<Sha256>::new_with_label(label);
    let ciphertext = key
        .rsa()
        .encrypt(&mut rng, padding, m.as_slice())
        .expect("a modulus of 2,048 bits has room for 32 bytes under OAEP-SHA-256");
    let secret = bind(label, &key.fingerprint(), &ciphertext, &m);
    Encapsulated { ciphertext, secret }
}

/// SHA-256 of label, fingerprint, length of the ciphertext (4 bytes, big-endian), ciphertext, `m`.
pub(super) fn bind(
    label: &[u8],
    key: &Fingerprint,
    ciphertext: &[u8],
    m: &[u8; SECRET_BYTES],
) -> SharedSecret {
    let length = u32::try_from(ciphertext.len()).unwrap_or(u32::MAX);
    let hash = Sha256::new()
        .chain_update(label)
        .chain_update(key.as_bytes())
        .chain_update(length.to_be_bytes())
        .chain_update(ciphertext)
        .chain_update(m);
    SharedSecret(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::crypto::Identity;

    fn alice() -> Identity {
        Identity::from_pem(include_str!("../../tests/keys/alice-2048.pem"), None).unwrap()
    }

    /// The ciphertext was opened with OpenSSL, and the secret computed from what came out by hand.
    #[test]
    fn the_known_answer_comes_out() {
        let sealed = encapsulate(alice().public(), &Seed::new([9; 32]));
        let digest = STANDARD.encode(Sha256::digest(&sealed.ciphertext));
        assert_eq!(digest, "8c4xoPSCJURQZsTonKwZbc2aOIX0pbqUWj3/AguA38s=");
        assert_eq!(STANDARD.encode(sealed.secret.as_bytes()), "T5yC2jTcrVsgn4S+hUoA7J8hGep2VCJcQnV46CC4ZAo=");
        assert_eq!(alice().decapsulate(&sealed.ciphertext).as_bytes(), sealed.secret.as_bytes());
    }

    #[test]
    fn a_ciphertext_that_does_not_open_gives_a_constant_secret_of_this_key_alone() {
        let bob = Identity::from_pem(include_str!("../../tests/keys/bob-2048.pem"), None).unwrap();
        let good = encapsulate(alice().public(), &Seed::new([9; 32]));
        let mut wrong = good.ciphertext.clone();
        wrong[100] ^= 1;
        let secret = alice().decapsulate(&wrong);
        assert_eq!(secret.as_bytes(), alice().decapsulate(&wrong).as_bytes());
        assert_ne!(secret.as_bytes(), good.secret.as_bytes());
        assert_ne!(secret.as_bytes(), bob.decapsulate(&wrong).as_bytes());
        wrong[100] ^= 2;
        assert_ne!(secret.as_bytes(), alice().decapsulate(&wrong).as_bytes());
    }

    #[test]
    fn a_message_of_another_length_or_label_is_no_message() {
        let key = alice();
        let mut rng = Seed::new([9; 32]).rng("other");
        for (label, message) in [(LABEL, &[7; 31][..]), (LABEL, &[7; 33]), (LABEL, &[]), (b"other", &[7; 32])]
        {
            let padding = Oaep::<Sha256>::new_with_label(label);
            let ciphertext = key.public().rsa().encrypt(&mut rng, padding, message).unwrap();
            let start =
                message.iter().copied().chain([0; 32]).take(32).collect::<Vec<_>>().try_into().unwrap();
            let taken = bind(LABEL, &key.public().fingerprint(), &ciphertext, &start);
            assert_ne!(key.decapsulate(&ciphertext).as_bytes(), taken.as_bytes());
        }
    }
}
