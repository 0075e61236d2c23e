//! RSA public keys. A [`PublicKey`] that has not passed every check cannot exist.
//!
//! Its forms are the `ssh-rsa` blob (RFC 4253, section 6.6; integers as in RFC 4251, section 5):
//! string "ssh-rsa", mpint e, mpint n; and, on the raw wire, SPKI PEM (RFC 5280, section 4.1.2.7;
//! RFC 7468). Both are read strictly: what is read is written back byte for byte.

use std::fmt;

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::asn1::BitStringRef;
use pkcs8::der::{AnyRef, Decode as _, Document, Encode as _};
use pkcs8::spki::{ObjectIdentifier, SubjectPublicKeyInfo};
use rsa::BoxedUint;
use rsa::pkcs1::RsaPublicKeyRef;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;

use super::{Fingerprint, PemError, PublicKeyError, is_test_key, weak_key};
use crate::limits;

/// The one public exponent that is accepted: F4.
const EXPONENT: &[u8] = &[1, 0, 1];
/// `rsaEncryption` (RFC 8017, appendix A.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// An RSA public key that passed every check.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: rsa::PublicKey,
    bits: u32,
    blob: Vec<u8>,
    fingerprint: Fingerprint,
}

impl PublicKey {
    /// Reads and checks an `ssh-rsa` blob. Sessions do it as an [`super::RsaJob`].
    ///
    /// # Errors
    /// [`PublicKeyError`] with the first thing that is wrong.
    pub fn from_blob(blob: &[u8]) -> Result<Self, PublicKeyError> {
        let (exponent, modulus) = read_blob(blob).ok_or(PublicKeyError::Malformed)?;
        let bits = bits(modulus);
        check_bits(bits)?;
        if exponent != EXPONENT {
            return Err(PublicKeyError::Exponent);
        }
        let n = BoxedUint::from_be_slice(modulus, bits).map_err(|_| PublicKeyError::Malformed)?;
        let fingerprint = Fingerprint::of(blob);
        // The test keys are known, and a test checks each of them.
        if !is_test_key(fingerprint) {
            weak_key::check(&n)?;
        }
        let e = BoxedUint::from(65_537_u64);
        let key = rsa::PublicKey::new(n, e).map_err(|_| PublicKeyError::Inconsistent)?;
        Ok(Self { key, bits, blob: blob.to_vec(), fingerprint })
    }

    /// Reads and checks a key in the PEM form of the raw wire; white space may stand around it. The
    /// label is checked first: what is no public key is not parsed. Takes about a millisecond;
    /// sessions do it as an [`super::RsaJob`].
    ///
    /// # Errors
    /// [`PemError`] with the first thing that is wrong.
    pub fn from_spki_pem(pem: &[u8]) -> Result<Self, PemError> {
        let text = str::from_utf8(pem).map_err(|_| PemError::Malformed)?.trim_ascii();
        let after = text.strip_prefix("-----BEGIN ").ok_or(PemError::Malformed)?;
        let (label, _) = after.split_once("-----").ok_or(PemError::Malformed)?;
        match label {
            "PUBLIC KEY" => {}
            label if label.contains("PRIVATE KEY") => return Err(PemError::Private),
            label if label.contains("CERTIFICATE") => return Err(PemError::Certificate),
            _ => return Err(PemError::Label),
        }
        let (_, document) = Document::from_pem(text).map_err(|_| PemError::Malformed)?;
        let der = document.as_bytes();
        let info = SubjectPublicKeyInfo::<AnyRef<'_>, BitStringRef<'_>>::from_der(der)
            .map_err(|_| PemError::Malformed)?;
        if info.algorithm.oid != RSA {
            return Err(PemError::NotRsa);
        }
        if info.to_der().ok().as_deref() != Some(der) || info.algorithm.parameters != Some(AnyRef::NULL) {
            return Err(PemError::Malformed);
        }
        let numbers = info.subject_public_key.as_bytes().ok_or(PemError::Malformed)?;
        let key = RsaPublicKeyRef::from_der(numbers).map_err(|_| PemError::Malformed)?;
        let blob = write_blob(key.public_exponent.as_bytes(), key.modulus.as_bytes());
        Self::from_blob(&blob).map_err(PemError::Key)
    }

    /// The checked public half of one of our own keys.
    pub(super) fn of(key: &rsa::PublicKey) -> Result<Self, PublicKeyError> {
        Self::from_blob(&write_blob(&key.e_bytes(), &key.n_bytes()))
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
        self.bits
    }

    /// Bytes of the modulus, and of every ciphertext to this key.
    #[must_use]
    pub fn modulus_bytes(&self) -> usize {
        self.key.size()
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

    /// Whether a signature of [`super::Identity::sign`] is one of this key. A signature is public,
    /// and this says nothing about secrets.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let (n, e) = (self.key.n_bytes(), self.key.e_bytes());
        let key = RsaPublicKeyComponents { n, e };
        key.verify(&RSA_PSS_2048_8192_SHA256, message, signature).is_ok()
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
        _ => Ok(()),
    }
}

fn bits(number: &[u8]) -> u32 {
    let leading = number.first().map_or(0, |byte| byte.leading_zeros());
    u32::try_from(number.len() * 8).unwrap_or(u32::MAX).saturating_sub(leading)
}

const KIND: &[u8] = b"ssh-rsa";

/// The two numbers of exactly one blob, big-endian without leading zeros.
fn read_blob(blob: &[u8]) -> Option<(&[u8], &[u8])> {
    let (kind, rest) = field(blob)?;
    let (exponent, rest) = field(rest)?;
    let (modulus, rest) = field(rest)?;
    if kind != KIND || !rest.is_empty() {
        return None;
    }
    Some((magnitude(exponent)?, magnitude(modulus)?))
}

/// The blob of two numbers, given big-endian without leading zeros.
fn write_blob(exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(modulus.len() + exponent.len() + 21);
    put(&mut blob, KIND);
    for number in [exponent, modulus] {
        // An mpint is signed: a leading one bit needs a zero byte before it.
        let sign = number.first().filter(|byte| **byte >= 0x80).map(|_| 0);
        put(&mut blob, &sign.into_iter().chain(number.iter().copied()).collect::<Vec<u8>>());
    }
    blob
}

fn put(blob: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    blob.extend_from_slice(&length.to_be_bytes());
    blob.extend_from_slice(bytes);
}

fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// A positive mpint in its one right form.
fn magnitude(mpint: &[u8]) -> Option<&[u8]> {
    match mpint {
        [] | [0] => None,
        [0, next, ..] if *next < 0x80 => None,
        [0, rest @ ..] => Some(rest),
        [first, ..] if *first >= 0x80 => None,
        whole => Some(whole),
    }
}
