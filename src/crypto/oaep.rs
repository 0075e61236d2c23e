//! RSA-OAEP blocks of the raw wire (`docs/RAW.md`), with SHA-1, MGF1-SHA-1 and the empty label
//! (RFC 8017, section 7.1), and the key pair for them.

use aws_lc_rs::rsa::OAEP_SHA1_MGF1SHA1;
use rand::CryptoRng;
use rsa::Oaep;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::{Identity, KeyFileError, Passphrase, PublicKey, PublicKeyError, Seed};

/// Bytes that OAEP with SHA-1 takes from every block: two hashes, and two more bytes.
const OVERHEAD_BYTES: usize = 42;

/// Our own key pair for the raw wire. A type of its own, so that an [`Identity`] never decrypts
/// what came over it: a key that decrypts for everybody who asks must not be the key that
/// authenticates us.
#[expect(missing_debug_implementations, reason = "a private key has no printed form")]
pub struct OaepKeyPair(Identity);

impl OaepKeyPair {
    /// Generates a pair of `bits`, as [`Identity::generate`] does.
    ///
    /// # Errors
    /// [`PublicKeyError`] when `bits` is out of range or not a multiple of eight.
    pub fn generate(bits: u32, rng: &mut impl CryptoRng) -> Result<Self, PublicKeyError> {
        Identity::generate(bits, rng).map(Self)
    }

    /// Reads a pair from the PEM text of its file, as [`Identity::from_pem`] does.
    ///
    /// # Errors
    /// [`KeyFileError`], each cause by its own name.
    pub fn from_pem(text: &str, passphrase: Option<&Passphrase>) -> Result<Self, KeyFileError> {
        Identity::from_pem(text, passphrase).map(Self)
    }

    /// Reads a pair that another program made, as [`Identity::from_foreign_pem`] does.
    ///
    /// # Errors
    /// [`KeyFileError`], each cause by its own name.
    pub fn from_foreign_pem(text: &str, passphrase: Option<&Passphrase>) -> Result<Self, KeyFileError> {
        Identity::from_foreign_pem(text, passphrase).map(Self)
    }

    /// The PEM text of this pair, as [`Identity::to_pem`] gives it.
    ///
    /// # Errors
    /// [`KeyFileError::NotRsa`] should the encoding fail.
    pub fn to_pem(
        &self,
        passphrase: Option<&Passphrase>,
        rng: &mut impl CryptoRng,
    ) -> Result<Zeroizing<String>, KeyFileError> {
        self.0.to_pem(passphrase, rng)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        self.0.public()
    }

    /// Decrypts a block. Every failure is the same `None`, so that no peer learns why.
    #[must_use]
    pub fn open(&self, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.decrypt(&OAEP_SHA1_MGF1SHA1, None, block)
    }
}

impl PublicKey {
    /// Bytes of one block of the raw wire to this key: those of its modulus.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.modulus_bytes()
    }

    /// Bytes of text that one block of the raw wire to this key can carry: 214 at 2,048 bits.
    #[must_use]
    pub fn block_room(&self) -> usize {
        self.block_bytes() - OVERHEAD_BYTES
    }
}

/// Seals one block of the raw wire with the randomness of `coins`.
///
/// # Panics
/// When `text` is longer than [`PublicKey::block_room`].
#[must_use]
pub fn seal_oaep(key: &PublicKey, text: &[u8], coins: &Seed) -> Vec<u8> {
    key.rsa()
        .encrypt(&mut coins.rng("raw oaep"), Oaep::<Sha1>::new(), text)
        .expect("the text was cut to what one block has room for")
}
