//! X-Wing (draft-connolly-cfrg-xwing-kem, `docs/PROTOCOL.md`, section 4.3): the KEM whose keys are
//! made for one connection, for one change of its keys, or for letters.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use rand::Rng as _;
use x_wing::{
    Decapsulate as _, DecapsulationKey, Decapsulator as _, Encapsulate as _, EncapsulationKey, KeyExport as _,
};
use zeroize::Zeroizing;

use super::{HandshakeError, Seed};

/// Bytes of a ciphertext.
pub(crate) const CIPHERTEXT_BYTES: usize = x_wing::CIPHERTEXT_SIZE;
/// Bytes of the X25519 half, with which both end.
const POINT_BYTES: usize = 32;

/// A shared secret, zeroised on drop.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// Private half of an ephemeral key, zeroised on drop.
pub(super) struct EphemeralKey(DecapsulationKey);

impl EphemeralKey {
    /// Makes a key from the draft's seed, which comes from `seed`; and its public half.
    pub(super) fn generate(seed: &Seed) -> (Self, Vec<u8>) {
        let mut secret = Zeroizing::new([0; 32]);
        seed.rng("e").fill_bytes(secret.as_mut_slice());
        Self::expand(&secret)
    }

    /// The key of a seed of the draft, and its public half.
    pub(super) fn expand(secret: &Secret) -> (Self, Vec<u8>) {
        let key = DecapsulationKey::from(**secret);
        let public = key.encapsulation_key().to_bytes().to_vec();
        (Self(key), public)
    }

    /// The secret of a ciphertext.
    pub(super) fn decapsulate(&self, ciphertext: &[u8]) -> Result<Secret, HandshakeError> {
        check_point(ciphertext)?;
        let ciphertext = x_wing::Ciphertext::try_from(ciphertext).map_err(|_| HandshakeError)?;
        Ok(Zeroizing::new(self.0.decapsulate(&ciphertext).into()))
    }
}

/// Public half of a peer's ephemeral key, which has passed all checks.
pub(super) struct EphemeralPublicKey(EncapsulationKey);

impl EphemeralPublicKey {
    pub(super) fn read(public: &[u8]) -> Result<Self, HandshakeError> {
        check_point(public)?;
        EncapsulationKey::try_from(public).map(Self).map_err(|_| HandshakeError)
    }

    /// Encapsulates to it: the ciphertext, and the secret.
    pub(super) fn encapsulate(&self, seed: &Seed) -> (Vec<u8>, Secret) {
        let (ciphertext, secret) = self.0.encapsulate_with_rng(&mut seed.rng("ekem"));
        (ciphertext.to_vec(), Zeroizing::new(secret.into()))
    }
}

/// Refuses an X25519 point of small order, with which the secret of that half is zero whatever the
/// private key is (RFC 7748, section 6.1).
fn check_point(key_or_ciphertext: &[u8]) -> Result<(), HandshakeError> {
    let point = key_or_ciphertext.last_chunk::<POINT_BYTES>().ok_or(HandshakeError)?;
    // Every private key is a multiple of eight, so any shows it.
    let any = PrivateKey::from_private_key(&X25519, &[1; POINT_BYTES]).map_err(|_| HandshakeError)?;
    agree(&any, UnparsedPublicKey::new(&X25519, point), HandshakeError, |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All points of small order, as the field's reduction and the unused top bit let them be
    /// spelled (the list of libsodium).
    fn small_order() -> Vec<[u8; POINT_BYTES]> {
        let hex = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        let bytes = |hex: &str| -> [u8; POINT_BYTES] {
            std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        };
        let low = hex.map(bytes);
        let high = low.map(|mut point| {
            point[POINT_BYTES - 1] |= 0x80;
            point
        });
        [low, high].concat()
    }

    #[test]
    fn a_point_that_makes_the_secret_zero_is_refused_by_both_sides_and_others_are_not() {
        let seed = Seed::new([7; 32]);
        let (key, public) = EphemeralKey::generate(&seed);
        let (ciphertext, secret) = EphemeralPublicKey::read(&public).unwrap().encapsulate(&seed);
        assert_eq!(key.decapsulate(&ciphertext).unwrap(), secret);
        for point in small_order() {
            for (bytes, is_key) in [(&public, true), (&ciphertext, false)] {
                let mut wrong = bytes.clone();
                let at = wrong.len() - POINT_BYTES;
                wrong[at..].copy_from_slice(&point);
                let refused = if is_key {
                    EphemeralPublicKey::read(&wrong).is_err()
                } else {
                    key.decapsulate(&wrong).is_err()
                };
                assert!(refused, "{point:02x?}");
            }
        }
        for short in [0, 31, CIPHERTEXT_BYTES - 1] {
            assert!(key.decapsulate(&ciphertext[..short]).is_err());
            assert!(EphemeralPublicKey::read(&public[..short]).is_err());
        }
        assert_eq!((public.len(), ciphertext.len()), (1_216, 1_120));
    }
}
