//! Our own RSA key pair: generation, decapsulation, and PEM text, which is one block (RFC 7468) of
//! PKCS#8 (RFC 5958), optionally encrypted under a passphrase with PBES2 (RFC 8018).

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use hmac::{Hmac, KeyInit, Mac};
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::pkcs5::scrypt;
use pkcs8::{PrivateKeyInfoRef, SecretDocument};
use rand::CryptoRng;
use rsa::Pss;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rsa::traits::PrivateKeyParts;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::kem::{LABEL, SECRET_BYTES, SharedSecret, bind};
use super::key_form::KeyForm;
use super::key_pem::{self, ENCRYPTED, KeyDer, PLAIN};
use super::passphrase::Passphrase;
use super::public_key::check_bits;
use super::{KeyFileError, PublicKey, PublicKeyError, Seed};

/// Seeds the generator that the private operation blinds with. This happens once in a process and
/// takes tens of milliseconds; without this call the first private operation waits for it.
pub fn warm_up_rng() {
    // If it fails, the first operation fails in the same way, and is dealt with there.
    let _ = aws_lc_rs::rand::fill(&mut [0]);
}

/// Our own key pair.
#[expect(missing_debug_implementations, reason = "a private key has no printed form")]
pub struct Identity {
    public: PublicKey,
    decrypting_key: OaepPrivateDecryptingKey,
    /// PKCS#8 DER, to be written out again.
    der: Zeroizing<Vec<u8>>,
    /// Key of the secrets that implicit rejection gives (`docs/PROTOCOL.md`, section 4.3: `z`).
    rejection_key: Zeroizing<[u8; 32]>,
}

impl Identity {
    /// Generates a key of `bits`. Takes tenths of a second to many seconds.
    ///
    /// # Errors
    /// [`PublicKeyError`] when `bits` is out of range or not a multiple of eight.
    pub fn generate(bits: u32, rng: &mut impl CryptoRng) -> Result<Self, PublicKeyError> {
        check_bits(bits)?;
        if !bits.is_multiple_of(8) {
            return Err(PublicKeyError::Uneven(bits));
        }
        let key = rsa::PrivateKey::new(rng, bits as usize).map_err(|_| PublicKeyError::Inconsistent)?;
        Self::of(&key)
    }

    /// Reads a key from the PEM text of its file: `PRIVATE KEY` or `ENCRYPTED PRIVATE KEY`.
    ///
    /// # Errors
    /// [`KeyFileError`]; the cost of a passphrase function is checked before it runs.
    pub fn from_pem(text: &str, passphrase: Option<&Passphrase>) -> Result<Self, KeyFileError> {
        match key_pem::read(text, passphrase)? {
            KeyDer::Pkcs8(der) => Self::from_pkcs8(&der),
            KeyDer::Pkcs1(_) => Err(KeyFileError::Form(KeyForm::Pkcs1)),
        }
    }

    /// Reads a key that another program made: as [`Identity::from_pem`] does, or PKCS#1 without a
    /// lock (RFC 8017, appendix A.1.2).
    ///
    /// # Errors
    /// [`KeyFileError`], as above.
    pub fn from_foreign_pem(text: &str, passphrase: Option<&Passphrase>) -> Result<Self, KeyFileError> {
        match key_pem::read(text, passphrase)? {
            KeyDer::Pkcs8(der) => Self::from_pkcs8(&der),
            KeyDer::Pkcs1(der) => {
                let key = rsa::PrivateKey::from_pkcs1_der(&der).map_err(|_| KeyFileError::NotRsa)?;
                Self::of(&key).map_err(KeyFileError::Key)
            }
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyFileError> {
        let key = rsa::PrivateKey::from_pkcs8_der(der).map_err(|_| KeyFileError::NotRsa)?;
        Self::of(&key).map_err(KeyFileError::Key)
    }

    /// The PEM text of this key, encrypted when there is a passphrase (PBES2 with scrypt N = 2^14,
    /// r = 8, p = 8 and AES-256-CBC: the largest memory that OpenSSL accepts, eight passes).
    ///
    /// # Errors
    /// [`KeyFileError::NotRsa`] should the encoding fail.
    pub fn to_pem(
        &self,
        passphrase: Option<&Passphrase>,
        rng: &mut impl CryptoRng,
    ) -> Result<Zeroizing<String>, KeyFileError> {
        let encoded = match passphrase {
            None => SecretDocument::try_from(self.der.as_slice())
                .map_err(|_| KeyFileError::NotRsa)?
                .to_pem(PLAIN, LineEnding::LF),
            Some(passphrase) => {
                let (mut salt, mut iv) = ([0; 16], [0; 16]);
                rng.fill_bytes(&mut salt);
                rng.fill_bytes(&mut iv);
                let (log_n, r, p) = SCRYPT;
                let cost = scrypt::Params::new(log_n, r, p).map_err(|_| KeyFileError::TooCostly)?;
                let parameters = Parameters::generate_scrypt_aes256cbc(cost, &salt, iv)
                    .map_err(|_| KeyFileError::TooCostly)?;
                PrivateKeyInfoRef::try_from(self.der.as_slice())
                    .and_then(|info| info.encrypt_with_params(parameters, passphrase.as_bytes()))
                    .map_err(|_| KeyFileError::NotRsa)?
                    .to_pem(ENCRYPTED, LineEnding::LF)
            }
        };
        encoded.map_err(|_| KeyFileError::NotRsa)
    }

    /// Text of a key file with the mark of a test key, which [`Identity::is_test_key`] recognises.
    #[must_use]
    pub fn marked_as_test(pem: &str) -> Zeroizing<String> {
        Zeroizing::new([TEST_KEY, "\n", pem].concat())
    }

    /// Whether the text of a key file has the mark of a test key, wherever it stands.
    #[must_use]
    pub fn is_test_key(text: &str) -> bool {
        text.contains(TEST_KEY)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Decapsulates a ciphertext of this key. It never fails: when OAEP does, the secret is one
    /// that nobody else can know (implicit rejection), so that a wrong ciphertext shows only as a
    /// wrong tag later.
    ///
    /// # Panics
    /// Never: HMAC takes keys of every length.
    #[must_use]
    pub fn decapsulate(&self, ciphertext: &[u8]) -> SharedSecret {
        self.decapsulate_under(LABEL, ciphertext)
    }

    /// The same under another label.
    pub(super) fn decapsulate_under(&self, label: &[u8], ciphertext: &[u8]) -> SharedSecret {
        let mut rejected = Zeroizing::new([0; SECRET_BYTES]);
        let mut mac = Hmac::<Sha256>::new_from_slice(self.rejection_key.as_slice())
            .expect("HMAC takes keys of every length");
        mac.update(ciphertext);
        rejected.copy_from_slice(&mac.finalize().into_bytes());

        let mut buffer = Zeroizing::new(vec![0; self.decrypting_key.min_output_size()]);
        let opened =
            self.decrypting_key.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut buffer, Some(label));
        let (length, valid) = match opened {
            Ok(m) => (m.len(), Choice::from(1)),
            Err(_) => (0, Choice::from(0)),
        };
        let valid = valid & (length as u64).ct_eq(&(SECRET_BYTES as u64));
        let mut m = Zeroizing::new([0; SECRET_BYTES]);
        for ((slot, good), bad) in m.iter_mut().zip(buffer.iter()).zip(rejected.iter()) {
            *slot = u8::conditional_select(bad, good, valid);
        }
        bind(label, &self.public.fingerprint(), ciphertext, &m)
    }

    /// Signs a message: RSASSA-PSS with SHA-256, MGF1-SHA-256 and a salt of 32 bytes (RFC 8017,
    /// section 8.1). What is signed begins with a label of its use. Salt and blinding come of the
    /// private key and the message, as nonces do in RFC 6979: nobody else can know them.
    ///
    /// # Panics
    /// Never: the key has been read before, and has room for the signature.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let digest = Sha256::digest(message);
        let mut mac = Hmac::<Sha256>::new_from_slice(self.rejection_key.as_slice())
            .expect("HMAC takes keys of every length");
        mac.update(b"rsachat/1 signature");
        mac.update(&digest);
        let seed = Seed::new(mac.finalize().into_bytes().into());
        let key = rsa::PrivateKey::from_pkcs8_der(&self.der).expect("the key has been read before");
        key.sign_with_rng(&mut seed.rng("pss"), Pss::<Sha256>::new_blinded(), &digest)
            .expect("every modulus has room for the signature")
    }

    /// Decrypts one OAEP ciphertext, for [`super::OaepKeyPair`] and [`super::StoreKey`].
    pub(super) fn decrypt(
        &self,
        algorithm: &'static OaepAlgorithm,
        label: Option<&[u8]>,
        ciphertext: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut buffer = Zeroizing::new(vec![0; self.decrypting_key.min_output_size()]);
        let opened = self.decrypting_key.decrypt(algorithm, ciphertext, &mut buffer, label).ok()?.to_vec();
        Some(Zeroizing::new(opened))
    }

    fn of(key: &rsa::PrivateKey) -> Result<Self, PublicKeyError> {
        let public = PublicKey::of(key.as_public_key())?;
        let der = key.to_pkcs8_der().map_err(|_| PublicKeyError::Inconsistent)?;
        let der = Zeroizing::new(der.as_bytes().to_vec());
        let decrypting_key =
            PrivateDecryptingKey::from_pkcs8(&der).map_err(|_| PublicKeyError::Inconsistent)?;
        let decrypting_key =
            OaepPrivateDecryptingKey::new(decrypting_key).map_err(|_| PublicKeyError::Inconsistent)?;
        // The number itself is wiped when `key` is dropped; these are its bytes, not a copy of
        // them.
        let exponent: Zeroizing<Box<[u8]>> = Zeroizing::new(key.d().to_be_bytes());
        let rejection_key =
            Sha256::new().chain_update(b"rsachat/1 implicit rejection").chain_update(exponent.as_ref());
        Ok(Self {
            public,
            decrypting_key,
            der,
            rejection_key: Zeroizing::new(rejection_key.finalize().into()),
        })
    }
}

/// log2 of scrypt's N, its r and p. OpenSSL refuses more than 32 MiB, which N = 2^15 already
/// exceeds; so the time comes from p.
const SCRYPT: (u8, u32, u32) = (14, 8, 8);

/// The line before the block of a key that a replay generated: anybody can generate it again. Text
/// before a block is allowed (RFC 7468, section 2).
const TEST_KEY: &str = "TEST KEY, made by a replay: never use it to talk";
