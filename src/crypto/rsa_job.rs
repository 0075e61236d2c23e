//! The RSA work of a session as values, to be run away from the event loop: a private operation takes
//! about a millisecond, and strangers can ask for as many as they like.

use super::{
    Identity, KeyFault, PublicKey, RawJob, RawPair, RawResult, Sealed, Seed, SharedSecret, encapsulate,
};

/// One piece of work.
#[expect(missing_debug_implementations, reason = "coins have no printed form")]
pub enum Job {
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
    Raw(RawJob),
}

/// What came of a [`Job`].
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub enum JobResult {
    /// Of [`Job::Check`].
    Checked(Result<PublicKey, KeyFault>),
    /// Of [`Job::Seal`].
    Sealed(Sealed),
    /// Of [`Job::Open`]: never a failure, see [`Identity::decapsulate`].
    Opened(SharedSecret),
    /// Of [`Job::Raw`].
    Raw(RawResult),
    /// The private key that the work needs is not there.
    NoKey,
}

/// The private keys at hand: the identity, and the pair of the raw wire. Either may not have been made yet.
#[derive(Clone, Copy, Default)]
#[expect(missing_debug_implementations, reason = "private keys have no printed form")]
pub struct Keys<'a> {
    /// Who we are.
    pub identity: Option<&'a Identity>,
    /// What the raw wire opens with.
    pub raw: Option<&'a RawPair>,
}

impl<'a> From<&'a Identity> for Keys<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self { identity: Some(identity), raw: None }
    }
}

impl<'a> From<&'a RawPair> for Keys<'a> {
    fn from(raw: &'a RawPair) -> Self {
        Self { identity: None, raw: Some(raw) }
    }
}

impl Job {
    /// Does the work.
    #[must_use]
    pub fn run<'a>(self, keys: impl Into<Keys<'a>>) -> JobResult {
        let keys = keys.into();
        match self {
            Self::Check { blob } => JobResult::Checked(PublicKey::from_blob(&blob)),
            Self::Seal { key, coins } => JobResult::Sealed(encapsulate(&key, &coins)),
            Self::Open { ciphertext } => match keys.identity {
                Some(identity) => JobResult::Opened(identity.decapsulate(&ciphertext)),
                None => JobResult::NoKey,
            },
            Self::Raw(job) => JobResult::Raw(job.run(keys.raw)),
        }
    }
}
