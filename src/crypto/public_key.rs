//! RSA public keys. A [`PublicKey`] that has not passed every check cannot exist.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::BoxedUint;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;

use super::{Fingerprint, PublicKeyError, ssh_blob, weak_key};
use crate::limits;

/// The one public exponent that is accepted: F4.
const EXPONENT: &[u8] = &[1, 0, 1];

/// An RSA public key that passed every check.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: rsa::PublicKey,
    blob: Vec<u8>,
    fingerprint: Fingerprint,
}

impl PublicKey {
    /// Reads and checks an `ssh-rsa` blob. Sessions do it as an [`super::RsaJob`].
    ///
    /// # Errors
    /// [`PublicKeyError`] with the first thing that is wrong.
    pub fn from_blob(blob: &[u8]) -> Result<Self, PublicKeyError> {
        let (exponent, modulus) = ssh_blob::read(blob).ok_or(PublicKeyError::Malformed)?;
        let bits = bits(modulus);
        check_bits(bits)?;
        if exponent != EXPONENT {
            return Err(PublicKeyError::Exponent);
        }
        let n = BoxedUint::from_be_slice(modulus, bits).map_err(|_| PublicKeyError::Malformed)?;
        weak_key::check(&n)?;
        let e = BoxedUint::from(65_537_u64);
        let key = rsa::PublicKey::new(n, e).map_err(|_| PublicKeyError::Inconsistent)?;
        Ok(Self { key, blob: blob.to_vec(), fingerprint: Fingerprint::of(blob) })
    }

    /// The checked public half of one of our own keys.
    pub(super) fn of(key: &rsa::PublicKey) -> Result<Self, PublicKeyError> {
        Self::from_blob(&ssh_blob::write(&key.e_bytes(), &key.n_bytes()))
    }

    /// The `ssh-rsa` blob (RFC 4253, section 6.6).
    #[must_use]
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The key's fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Bits of the modulus.
    #[must_use]
    pub fn bits(&self) -> u32 {
        u32::try_from(self.key.size() * 8).unwrap_or(u32::MAX)
    }

    /// One line in the form of OpenSSH's public key files.
    #[must_use]
    pub fn to_openssh(&self, comment: &str) -> String {
        format!("ssh-rsa {} {comment}", STANDARD.encode(&self.blob))
    }

    /// `SubjectPublicKeyInfo` in PEM (RFC 5280, RFC 7468).
    ///
    /// # Panics
    /// Never: a checked key has an encoding.
    #[must_use]
    pub fn to_spki_pem(&self) -> String {
        self.key.to_public_key_pem(LineEnding::LF).expect("a checked key has an encoding")
    }

    pub(super) fn rsa(&self) -> &rsa::PublicKey {
        &self.key
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint)
    }
}

/// Checks the bits of a modulus.
pub(super) fn check_bits(bits: u32) -> Result<(), PublicKeyError> {
    match bits {
        ..limits::KEY_BITS_MIN => Err(PublicKeyError::TooShort(bits)),
        _ if bits > limits::KEY_BITS_MAX => Err(PublicKeyError::TooLong(bits)),
        _ if !bits.is_multiple_of(8) => Err(PublicKeyError::Uneven(bits)),
        _ => Ok(()),
    }
}

fn bits(number: &[u8]) -> u32 {
    let leading = number.first().map_or(0, |byte| byte.leading_zeros());
    u32::try_from(number.len() * 8).unwrap_or(u32::MAX).saturating_sub(leading)
}
