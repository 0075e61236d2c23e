//! Letters to and from people who are away: what is at the relay, and what waits for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::backoff::Backoff;
use super::first_letters::FirstLetters;
use crate::crypto::{Fingerprint, OfferedKey};
use crate::delivery::{OutgoingLetter, WatchedInbox};
use crate::ids::ConnId;
use crate::time::{MonoMs, UnixMs};
use crate::wire::PairNumber;

/// Letters of a chat that has a relay.
#[derive(Default)]
pub(crate) struct Letters {
    /// Inboxes that are read at the relay, by their names.
    pub(crate) watched: BTreeMap<String, WatchedInbox>,
    /// What the randomness is for that was asked for, in its order.
    pub(crate) seeds: VecDeque<SeedUse>,
    /// Number of the last letter that was handed to the relay.
    pub(crate) last_ticket: u64,
    /// Letters on their way to the relay, by their numbers.
    pub(crate) on_their_way: BTreeMap<u64, Fingerprint>,
    /// Peers a letter to whom the relay has refused.
    pub(crate) refused: BTreeMap<Fingerprint, RefusedLetter>,
    /// Whether something may have become due.
    pub(crate) is_changed: bool,
    /// Moment before which none is read or written, since the disk has not taken what one changes.
    pub(crate) not_before: Option<MonoMs>,
    /// When the next letter is due.
    pub(crate) due_at: Option<MonoMs>,
    /// First letters.
    pub(crate) first: FirstLetters,
}

/// Use of fresh randomness.
pub(crate) enum SeedUse {
    /// Our key for a session.
    Key(ConnId),
    /// A letter to a peer.
    Letter(Fingerprint),
    /// Our key for a bundle.
    Bundle,
}

/// Letter that the relay has refused.
pub(crate) struct RefusedLetter {
    /// Moment before which no other is written.
    pub(crate) not_before: MonoMs,
    pub(crate) backoff: Backoff,
    /// Why, as it was told.
    pub(crate) why: String,
}

/// Step of letters that is due once a change is on disk.
pub(crate) enum LetterStep {
    /// Our key is given to the peer of a session.
    Offer { conn: ConnId, offered: OfferedKey },
    /// A letter is left at the relay.
    Leave { peer: Fingerprint, letter: OutgoingLetter },
    /// A text that has come in one is shown.
    Show { peer: Fingerprint, number: PairNumber, sent: UnixMs, text: Vec<u8> },
    /// One was read.
    Read,
    /// A peer who has invited us is told to be writable.
    Writable { name: String },
    /// Who has written by an invitation of ours is told.
    Introduce { peer: Fingerprint },
    /// Our key of a bundle is kept.
    Bundle,
}

impl Letters {
    /// Peers for whom a letter is being made or is on its way.
    pub(crate) fn busy(&self) -> BTreeSet<Fingerprint> {
        let made = self.seeds.iter().filter_map(|of| match of {
            SeedUse::Letter(peer) => Some(*peer),
            SeedUse::Key(_) | SeedUse::Bundle => None,
        });
        let sealed = self.first.drafts.iter().map(|(peer, _)| *peer);
        made.chain(sealed).chain(self.on_their_way.values().copied()).collect()
    }

    /// Looks again at this moment, unless that is to be done before.
    pub(crate) fn wake_at(&mut self, at: MonoMs) {
        self.due_at = Some(self.due_at.map_or(at, |before| before.min(at)));
    }
}
