//! RSA operations of a session as values, to be run outside the event loop: a private one takes
//! about a millisecond, and unauthenticated peers can cause as many as they like.

use zeroize::Zeroizing;

use super::{
    Encapsulated, Identity, OaepKeyPair, PemError, PublicKey, PublicKeyError, Seed, SharedSecret,
    encapsulate, is_test_key, seal_oaep,
};

/// RSA work of a session.
#[expect(missing_debug_implementations, reason = "coins and text have no printed form")]
pub enum RsaJob {
    /// Read and check the key of a peer.
    CheckKey {
        /// Its `ssh-rsa` blob as received.
        blob: Vec<u8>,
    },
    /// Encapsulate to a peer's key.
    Encapsulate {
        /// The key.
        key: PublicKey,
        /// The randomness.
        coins: Seed,
    },
    /// Decapsulate a ciphertext of our key.
    Decapsulate {
        /// OAEP ciphertext as received.
        ciphertext: Vec<u8>,
    },
    /// On the raw wire: read and check the key of a peer.
    CheckPem {
        /// Its PEM as received; wiped, since it might be anything.
        pem: Zeroizing<Vec<u8>>,
    },
    /// On the raw wire: seal a text that fits one block.
    SealBlock {
        /// The peer's key.
        key: PublicKey,
        /// The text.
        text: Zeroizing<Vec<u8>>,
        /// The randomness.
        coins: Seed,
    },
    /// On the raw wire: open a block with our own [`OaepKeyPair`].
    OpenBlock {
        /// The block as received.
        block: Vec<u8>,
    },
}

/// Result of an [`RsaJob`].
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub enum JobResult {
    /// Of [`RsaJob::CheckKey`].
    KeyChecked(Result<PublicKey, PublicKeyError>),
    /// Of [`RsaJob::Encapsulate`].
    Encapsulated(Encapsulated),
    /// Of [`RsaJob::Decapsulate`]: never a failure, see [`Identity::decapsulate`].
    Decapsulated(SharedSecret),
    /// Of [`RsaJob::CheckPem`].
    PemChecked(Result<PublicKey, PemError>),
    /// Of [`RsaJob::SealBlock`].
    BlockSealed(Vec<u8>),
    /// Of [`RsaJob::OpenBlock`]: the text, or nothing, whatever the cause.
    BlockOpened(Option<Zeroizing<Vec<u8>>>),
    /// The identity that the work needs is missing.
    NoIdentity,
}

impl JobResult {
    /// The same, with a peer's key refused when it is a test key.
    #[must_use]
    pub fn without_test_keys(self) -> Self {
        match self {
            Self::KeyChecked(Ok(key)) if is_test_key(key.fingerprint()) => {
                Self::KeyChecked(Err(PublicKeyError::TestKey))
            }
            Self::PemChecked(Ok(key)) if is_test_key(key.fingerprint()) => {
                Self::PemChecked(Err(PemError::Key(PublicKeyError::TestKey)))
            }
            result => result,
        }
    }
}

/// Our private keys. Either may not have been generated yet.
#[derive(Clone, Copy, Default)]
#[expect(missing_debug_implementations, reason = "private keys have no printed form")]
pub struct PrivateKeys<'a> {
    /// The key that authenticates us.
    pub identity: Option<&'a Identity>,
    /// The key of the raw wire.
    pub oaep: Option<&'a OaepKeyPair>,
}

impl<'a> From<&'a Identity> for PrivateKeys<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self { identity: Some(identity), oaep: None }
    }
}

impl RsaJob {
    /// Does the work. Without our own [`OaepKeyPair`] no block opens.
    #[must_use]
    pub fn run<'a>(self, keys: impl Into<PrivateKeys<'a>>) -> JobResult {
        let keys = keys.into();
        match self {
            Self::CheckKey { blob } => JobResult::KeyChecked(PublicKey::from_blob(&blob)),
            Self::Encapsulate { key, coins } => JobResult::Encapsulated(encapsulate(&key, &coins)),
            Self::Decapsulate { ciphertext } => match keys.identity {
                Some(identity) => JobResult::Decapsulated(identity.decapsulate(&ciphertext)),
                None => JobResult::NoIdentity,
            },
            Self::CheckPem { pem } => JobResult::PemChecked(PublicKey::from_spki_pem(&pem)),
            Self::SealBlock { key, text, coins } => JobResult::BlockSealed(seal_oaep(&key, &text, &coins)),
            Self::OpenBlock { block } => JobResult::BlockOpened(keys.oaep.and_then(|own| own.open(&block))),
        }
    }
}
