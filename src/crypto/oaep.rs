//! The cryptography of the raw wire (`docs/RAW.md`): RSA-OAEP blocks with SHA-1, MGF1-SHA-1 and the empty label
//! (RFC 8017, section 7.1), as the Python tutorial makes them, and the key pair that is for this wire alone.
//! It does not know where a block begins on the socket.

use aws_lc_rs::rsa::OAEP_SHA1_MGF1SHA1;
use rand::CryptoRng;
use rsa::Oaep;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::{Identity, KeyFileError, Passphrase, PemError, PublicKey, PublicKeyError, Seed, spki};

/// Bytes that OAEP with SHA-1 takes from every block: two hashes, and two more bytes.
const OVERHEAD_BYTES: usize = 42;

/// Our own key pair for the raw wire. A type of its own, so that an [`Identity`] can never open what came in
/// over it: a key that opens for everybody who asks must not be the key that says who we are.
#[expect(missing_debug_implementations, reason = "a private key has no printed form")]
pub struct OaepKeyPair(Identity);

impl OaepKeyPair {
    /// Makes a pair of `bits` with the randomness of `rng`. Takes tenths of a second to many seconds.
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

    /// The PEM text of this pair, encrypted when there is a passphrase, as [`Identity::to_pem`] has it.
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

    /// Opens a block. Every failure is the same `None`: why a block does not open is nobody's to know.
    #[must_use]
    pub fn open(&self, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.open(&OAEP_SHA1_MGF1SHA1, block)
    }
}

impl PublicKey {
    /// Reads and checks a key in the PEM form of the raw wire; white space may stand around it. Costs about a
    /// millisecond; conversations do it as a [`OaepJob`].
    ///
    /// # Errors
    /// [`PemError`] with the first thing that is wrong.
    pub fn from_spki_pem(pem: &[u8]) -> Result<Self, PemError> {
        spki::read(pem)
    }

    /// Bytes of one block of the raw wire to this key: those of its modulus.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.bits() as usize / 8
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

/// One piece of work of a raw conversation.
#[expect(missing_debug_implementations, reason = "coins and text have no printed form")]
pub enum OaepJob {
    /// Read and check the key of a peer.
    Check {
        /// Its PEM as it came; wiped, since it might be anything.
        pem: Zeroizing<Vec<u8>>,
    },
    /// Seal a text that fits one block.
    Seal {
        /// The peer's key.
        key: PublicKey,
        /// The text.
        text: Zeroizing<Vec<u8>>,
        /// The randomness.
        coins: Seed,
    },
    /// Open a block with our own [`OaepKeyPair`].
    Open {
        /// As it came.
        block: Vec<u8>,
    },
}

/// What came of a [`OaepJob`].
#[expect(missing_debug_implementations, reason = "holds text")]
pub enum OaepJobResult {
    /// Of [`OaepJob::Check`].
    Checked(Result<PublicKey, PemError>),
    /// Of [`OaepJob::Seal`]: the block.
    Encapsulated(Vec<u8>),
    /// Of [`OaepJob::Open`]: the text, or nothing, whatever the reason.
    Opened(Option<Zeroizing<Vec<u8>>>),
}

impl OaepJob {
    /// Does the work. Only opening needs our own pair; without one nothing opens.
    #[must_use]
    pub fn run(self, own: Option<&OaepKeyPair>) -> OaepJobResult {
        match self {
            Self::Check { pem } => OaepJobResult::Checked(PublicKey::from_spki_pem(&pem)),
            Self::Seal { key, text, coins } => OaepJobResult::Encapsulated(seal_oaep(&key, &text, &coins)),
            Self::Open { block } => OaepJobResult::Opened(own.and_then(|own| own.open(&block))),
        }
    }
}
