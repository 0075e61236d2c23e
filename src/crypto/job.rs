//! The RSA work of a session as values, to be run away from the event loop: a private operation takes
//! about a millisecond, and strangers can ask for as many as they like.

use super::{Identity, KeyFault, PublicKey, Sealed, Seed, SharedSecret, encapsulate};

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
}

impl Job {
    /// Does the work.
    #[must_use]
    pub fn run(self, identity: &Identity) -> JobResult {
        match self {
            Self::Check { blob } => JobResult::Checked(PublicKey::from_blob(&blob)),
            Self::Seal { key, coins } => JobResult::Sealed(encapsulate(&key, &coins)),
            Self::Open { ciphertext } => JobResult::Opened(identity.decapsulate(&ciphertext)),
        }
    }
}
