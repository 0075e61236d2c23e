//! The RSA work of a session as values, to be run away from the event loop: a private operation takes
//! about a millisecond, and strangers can ask for as many as they like.

use super::{
    Encapsulated, Identity, OaepJob, OaepJobResult, OaepKeyPair, PublicKey, PublicKeyError, Seed,
    SharedSecret, encapsulate,
};

/// One piece of work.
#[expect(missing_debug_implementations, reason = "coins have no printed form")]
pub enum RsaJob {
    /// Read and check the key of a peer.
    Check {
        /// Its `ssh-rsa` blob as it came.
        blob: Vec<u8>,
    },
    /// Encapsulate to a peer's key.
    Seal {
        /// The key.
        key: PublicKey,
        /// The randomness.
        coins: Seed,
    },
    /// Decapsulate what was sealed to our key.
    Open {
        /// OAEP ciphertext as it came.
        ciphertext: Vec<u8>,
    },
    /// Work of a raw conversation.
    Raw(OaepJob),
}

/// What came of a [`RsaJob`].
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub enum JobResult {
    /// Of [`RsaJob::Check`].
    Checked(Result<PublicKey, PublicKeyError>),
    /// Of [`RsaJob::Seal`].
    Encapsulated(Encapsulated),
    /// Of [`RsaJob::Open`]: never a failure, see [`Identity::decapsulate`].
    Opened(SharedSecret),
    /// Of [`RsaJob::Raw`].
    Raw(OaepJobResult),
    /// The private key that the work needs is not there.
    NoKey,
}

/// The private keys at hand: the identity, and the pair of the raw wire. Either may not have been made yet.
#[derive(Clone, Copy, Default)]
#[expect(missing_debug_implementations, reason = "private keys have no printed form")]
pub struct PrivateKeys<'a> {
    /// Who we are.
    pub identity: Option<&'a Identity>,
    /// What the raw wire opens with.
    pub raw: Option<&'a OaepKeyPair>,
}

impl<'a> From<&'a Identity> for PrivateKeys<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self { identity: Some(identity), raw: None }
    }
}

impl<'a> From<&'a OaepKeyPair> for PrivateKeys<'a> {
    fn from(raw: &'a OaepKeyPair) -> Self {
        Self { identity: None, raw: Some(raw) }
    }
}

impl RsaJob {
    /// Does the work.
    #[must_use]
    pub fn run<'a>(self, keys: impl Into<PrivateKeys<'a>>) -> JobResult {
        let keys = keys.into();
        match self {
            Self::Check { blob } => JobResult::Checked(PublicKey::from_blob(&blob)),
            Self::Seal { key, coins } => JobResult::Encapsulated(encapsulate(&key, &coins)),
            Self::Open { ciphertext } => match keys.identity {
                Some(identity) => JobResult::Opened(identity.decapsulate(&ciphertext)),
                None => JobResult::NoKey,
            },
            Self::Raw(job) => JobResult::Raw(job.run(keys.raw)),
        }
    }
}
