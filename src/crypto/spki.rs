//! Public keys as SPKI PEM (RFC 5280, section 4.1.2.7; RFC 7468), the form of the raw wire. Read
//! strictly: what is read is written back byte for byte.

use pkcs8::der::asn1::BitStringRef;
use pkcs8::der::{AnyRef, Decode as _, Document, Encode as _};
use pkcs8::spki::{ObjectIdentifier, SubjectPublicKeyInfo};
use rsa::pkcs1::RsaPublicKeyRef;

use super::{PemError, PublicKey, ssh_blob};

/// `rsaEncryption` (RFC 8017, appendix A.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

impl PublicKey {
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
        let blob = ssh_blob::write(key.public_exponent.as_bytes(), key.modulus.as_bytes());
        PublicKey::from_blob(&blob).map_err(PemError::Key)
    }
}
