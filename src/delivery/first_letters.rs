//! Keys of our bundles, and drafts of first letters (`docs/PROTOCOL.md`, 12.3).

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::letters::OwnLetterKey;
use crate::crypto::{Inbox, OfferedKey, PublicKey, Seed};
use crate::limits;
use crate::time::UnixMs;
use crate::wire::Epoch;

/// What we need to read first letters. It is kept under our own key.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct BundleKeys {
    /// Keys that we have signed, the newest last: that one is given.
    pub keys: Vec<BundleKey>,
    /// Numbers at the relay up to which inboxes of invitations are read.
    pub read: Vec<(Inbox, u64)>,
    /// The last first letters that were taken, the newest last: none is taken twice, also of a
    /// writer who was forgotten.
    pub taken: Vec<FirstLetterId>,
}

/// Beginning of the hash of a first letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FirstLetterId(pub [u8; 16]);

impl FirstLetterId {
    /// The one of a letter; with any byte changed, a letter does not open.
    #[must_use]
    pub fn of(letter: &[u8]) -> Self {
        let hash = Sha256::digest(letter);
        Self(std::array::from_fn(|at| hash.get(at).copied().unwrap_or_default()))
    }
}

/// Private half of what a bundle holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BundleKey {
    /// Number of the bundle.
    pub number: u64,
    /// The key.
    pub key: OwnLetterKey,
}

/// A first letter before it is sealed, which takes our private key.
pub struct FirstLetterDraft {
    /// Content behind the signature, padded.
    pub content: Zeroizing<Vec<u8>>,
    pub(super) own_key: OwnLetterKey,
    pub(super) number: u64,
    pub(super) epoch: Epoch,
    /// Last of our messages in it.
    pub(super) last: Option<u64>,
    pub(super) told: u64,
    pub(super) offered: OfferedKey,
    /// Number of the bundle to which it is sealed.
    pub(super) bundle: u64,
}

impl fmt::Debug for FirstLetterDraft {
    /// Without what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstLetterDraft").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Who writes a first letter.
#[derive(Clone, Copy, Debug)]
pub struct FirstLetterWriter<'a> {
    /// Our key.
    pub key: &'a PublicKey,
    /// The name that we give ourselves.
    pub name: &'a str,
}

impl BundleKeys {
    /// The newest bundle that is given to others, unless it is time for another.
    #[must_use]
    pub fn newest(&self, now: UnixMs) -> Option<&BundleKey> {
        self.keys.last().filter(|bundle| now < bundle.key.renewal())
    }

    /// Makes the key of another bundle, and erases those whose time is over.
    pub(super) fn renew(&mut self, seed: &Seed, now: UnixMs) {
        self.keys.retain(|bundle| now < bundle.key.erasure());
        let number = self.keys.last().map_or(0, |bundle| bundle.number.saturating_add(1)).max(now.0);
        self.keys.push(BundleKey { number, key: OwnLetterKey::generate(seed, now) });
        let surplus = self.keys.len().saturating_sub(limits::LETTER_KEYS);
        self.keys.drain(..surplus);
    }
}

impl BundleKey {
    /// What others are given of it.
    #[must_use]
    pub fn offered(&self) -> OfferedKey {
        self.key.offered()
    }
}
