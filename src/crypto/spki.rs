//! A peer's public key as SPKI PEM (RFC 5280, section 4.1.2.7; RFC 7468): what the raw wire hands over in
//! clear. Read strictly: what is read is written back byte for byte. It does not know who sent it.

use pkcs8::der::asn1::BitStringRef;
use pkcs8::der::{AnyRef, Decode as _, Document, Encode as _};
use pkcs8::spki::{ObjectIdentifier, SubjectPublicKeyInfo};
use rsa::pkcs1::RsaPublicKeyRef;

use super::{PublicKey, PublicKeyError, ssh_blob};

/// `rsaEncryption` (RFC 8017, appendix A.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Why a PEM block gives no public key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PemError {
    /// A private key of any kind. It is not kept.
    #[error("it is a PRIVATE key")]
    Private,
    /// A certificate of any kind.
    #[error("it is a certificate, not a public key")]
    Certificate,
    /// A block of another kind.
    #[error("it is not a PUBLIC KEY block")]
    Label,
    /// Not one block in its one right form.
    #[error("it is not one public key in PEM form")]
    Malformed,
    /// A key of another kind: an elliptic curve, say.
    #[error("it is not an RSA key")]
    NotRsa,
    /// An RSA key, but not an acceptable one.
    #[error("{0}")]
    Key(PublicKeyError),
}

/// Reads one block. The label is judged first: what is no public key is not looked into.
pub(super) fn read(pem: &[u8]) -> Result<PublicKey, PemError> {
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
    let blob = ssh_blob::write(key.public_exponent.as_bytes(), key.modulus.as_bytes());
    PublicKey::from_blob(&blob).map_err(PemError::Key)
}
