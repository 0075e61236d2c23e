//! Our own key: making it, reading and writing its PEM text, and opening what was sealed to it.

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use hmac::{Hmac, KeyInit, Mac};
use rand::CryptoRng;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::traits::PrivateKeyParts;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::kem::{LABEL, SECRET_BYTES, SharedSecret, bind};
use super::pem::{self, Pem};
use super::{PublicKey, PublicKeyError};
use crate::limits;

/// A passphrase, zeroised on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
#[expect(missing_debug_implementations, reason = "a secret has no printed form")]
pub struct Passphrase(String);

impl Passphrase {
    /// Takes the passphrase as typed.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both are the same, in constant time.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Why the text of a key file gives no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It is encrypted, and no passphrase was given.
    #[error("it is protected by a passphrase")]
    NeedsPassphrase,
    /// The passphrase does not open it, or it was damaged.
    #[error("wrong passphrase, or the file is damaged")]
    WrongPassphrase,
    /// Opening it would cost too much time or memory.
    #[error("its passphrase function asks for too much time or memory")]
    TooCostly,
    /// Not one PEM block of the right kind.
    #[error("it is not one PKCS#8 private key in PEM form")]
    NotOneKey,
    /// The block does not hold an RSA key that can be used.
    #[error("it does not hold a usable RSA key")]
    NotRsa,
    /// A key, but not an acceptable one.
    #[error("its key is refused: {0}")]
    Key(PublicKeyError),
}

/// Does what the library behind the private operation does once in a process, before its first one: it gathers
/// noise for blinding, which takes tens of milliseconds. Nothing is kept here; without this call the first
/// operation waits for it.
pub fn warm_up_rng() {
    // Should it fail, the first operation fails the same way and is dealt with there.
    let _ = aws_lc_rs::rand::fill(&mut [0]);
}

/// Our own key pair.
#[expect(missing_debug_implementations, reason = "a private key has no printed form")]
pub struct Identity {
    public: PublicKey,
    opener: OaepPrivateDecryptingKey,
    /// PKCS#8 DER, to be written out again.
    der: Zeroizing<Vec<u8>>,
    /// What answers in the place of a secret that did not open.
    rejection: Zeroizing<[u8; 32]>,
}

impl Identity {
    /// Makes a key of `bits` with the randomness of `rng`. Takes tenths of a second to many seconds.
    ///
    /// # Errors
    /// [`PublicKeyError`] when `bits` is out of range or not a multiple of eight.
    pub fn generate(bits: u32, rng: &mut impl CryptoRng) -> Result<Self, PublicKeyError> {
        match bits {
            ..limits::KEY_BITS_MIN => return Err(PublicKeyError::TooShort(bits)),
            limits::KEY_BITS_MAX.. if bits > limits::KEY_BITS_MAX => {
                return Err(PublicKeyError::TooLong(bits));
            }
            bits if bits % 8 != 0 => return Err(PublicKeyError::Uneven(bits)),
            _ => {}
        }
        let key = rsa::PrivateKey::new(rng, bits as usize).map_err(|_| PublicKeyError::Inconsistent)?;
        Self::of(&key)
    }

    /// Reads a key from the PEM text of its file: `PRIVATE KEY`, or `ENCRYPTED PRIVATE KEY` (RFC 5958).
    ///
    /// # Errors
    /// [`KeyFileError`], each cause by its own name; the cost of a passphrase function is looked at before
    /// any of it is spent.
    pub fn from_pem(text: &str, passphrase: Option<&Passphrase>) -> Result<Self, KeyFileError> {
        let der = match pem::read(text)? {
            Pem::Plain(der) => der,
            Pem::Encrypted(der) => pem::decrypt(&der, passphrase)?,
        };
        let key = rsa::PrivateKey::from_pkcs8_der(&der).map_err(|_| KeyFileError::NotRsa)?;
        Self::of(&key).map_err(KeyFileError::Key)
    }

    /// The PEM text of this key, encrypted when there is a passphrase (PBES2 with scrypt N = 2^14, r = 8,
    /// p = 8 and AES-256-CBC: the largest memory that OpenSSL accepts, eight times over).
    ///
    /// # Errors
    /// [`KeyFileError::NotRsa`] should the encoding fail.
    pub fn to_pem(
        &self,
        passphrase: Option<&Passphrase>,
        rng: &mut impl CryptoRng,
    ) -> Result<Zeroizing<String>, KeyFileError> {
        pem::write(&self.der, passphrase, rng)
    }

    /// The text of a key file with the mark of a test key, which [`Identity::is_test_key`] knows again.
    #[must_use]
    pub fn marked_as_test(pem: &str) -> Zeroizing<String> {
        Zeroizing::new([pem::TEST_KEY, "\n", pem].concat())
    }

    /// Whether the text of a key file has the mark of a test key.
    #[must_use]
    pub fn is_test_key(text: &str) -> bool {
        text.trim_start().starts_with(pem::TEST_KEY)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Opens an encapsulation to this key. It never fails: when OAEP does, the secret is one that nobody
    /// else can know (implicit rejection), so that a wrong ciphertext shows only as a failed tag later.
    ///
    /// # Panics
    /// Never: HMAC takes keys of every length.
    #[must_use]
    pub fn decapsulate(&self, ciphertext: &[u8]) -> SharedSecret {
        let mut rejected = Zeroizing::new([0; SECRET_BYTES]);
        let mut mac = Hmac::<Sha256>::new_from_slice(self.rejection.as_slice())
            .expect("HMAC takes keys of every length");
        mac.update(ciphertext);
        rejected.copy_from_slice(&mac.finalize().into_bytes());

        let mut buffer = Zeroizing::new(vec![0; self.opener.min_output_size()]);
        let opened = self.opener.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut buffer, Some(LABEL));
        let (length, worked) = match opened {
            Ok(m) => (m.len(), Choice::from(1)),
            Err(_) => (0, Choice::from(0)),
        };
        let right = worked & (length as u64).ct_eq(&(SECRET_BYTES as u64));
        let mut m = Zeroizing::new([0; SECRET_BYTES]);
        for ((slot, good), bad) in m.iter_mut().zip(buffer.iter()).zip(rejected.iter()) {
            *slot = u8::conditional_select(bad, good, right);
        }
        bind(&self.public.fingerprint(), ciphertext, &m)
    }

    /// Opens one OAEP ciphertext with the empty label: the raw wire's, whose key pair is built on this type.
    pub(super) fn open(
        &self,
        algorithm: &'static OaepAlgorithm,
        ciphertext: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut buffer = Zeroizing::new(vec![0; self.opener.min_output_size()]);
        let opened = self.opener.decrypt(algorithm, ciphertext, &mut buffer, None).ok()?.to_vec();
        Some(Zeroizing::new(opened))
    }

    fn of(key: &rsa::PrivateKey) -> Result<Self, PublicKeyError> {
        let public = PublicKey::of(key.as_public_key())?;
        let der = key.to_pkcs8_der().map_err(|_| PublicKeyError::Inconsistent)?;
        let der = Zeroizing::new(der.as_bytes().to_vec());
        let opener = PrivateDecryptingKey::from_pkcs8(&der).map_err(|_| PublicKeyError::Inconsistent)?;
        let opener = OaepPrivateDecryptingKey::new(opener).map_err(|_| PublicKeyError::Inconsistent)?;
        let exponent = Zeroizing::new(key.d().to_be_bytes().to_vec());
        let rejection =
            Sha256::new().chain_update(b"rsachat/1 implicit rejection").chain_update(exponent.as_slice());
        Ok(Self { public, opener, der, rejection: Zeroizing::new(rejection.finalize().into()) })
    }
}
