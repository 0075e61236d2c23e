//! Rows that are kept of one pair of keys, and the changes that are made to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::first_letters::BundleKeys;
use super::history::HistoryEntry;
use super::letters::LetterState;
use super::transfer::TransferRow;
use crate::crypto::Fingerprint;
use crate::time::UnixMs;
use crate::wire::{Chain, Epoch};

/// Hash of a text, for [`Chain::next`].
#[must_use]
pub fn hash_of(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Hash of a message that was taken back, for [`Chain::next`].
pub const SKIPPED: [u8; 32] = [0; 32];

/// State of our direction of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outbound {
    /// The count.
    pub epoch: Epoch,
    /// Number that the next message gets.
    pub next: u64,
    /// Highest number that may have gone out on a connection.
    pub sent: u64,
    /// Highest number that the peer has on disk.
    pub kept: u64,
    /// Highest number that the peer has shown, or written and flushed: rows up to it are gone.
    pub received: u64,
    /// The chain behind that number.
    pub chain: Chain,
}

/// Message to a peer, from Enter to its receipt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxRow {
    /// Moment at which it was typed.
    pub typed: UnixMs,
    /// What is sent.
    pub content: Content,
    /// The chain behind it.
    pub chain: Chain,
    /// Moment at which it is taken back, unless the peer has it.
    pub expires: Option<UnixMs>,
}

/// Content of a row of the outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// A text.
    Text(Arc<str>),
    /// A text that was taken back.
    Skip,
}

/// State of the peer's direction of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inbound {
    /// The count.
    pub epoch: Epoch,
    /// Highest number that we have.
    pub last: u64,
    /// The chain behind it.
    pub chain: Chain,
    /// Highest number that was shown here, or written and flushed.
    pub shown: u64,
}

/// Message of a peer that is not shown yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InboxRow {
    /// Moment at which the peer typed it, by its clock.
    pub typed: UnixMs,
    /// The text, unchecked bytes.
    pub text: Arc<[u8]>,
    /// Who may have had it.
    pub exposure: Exposure,
}

/// Who may have had a message that is not known to be shown: the program, or who had it, may have
/// ended as it was. The greater includes the less.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Exposure {
    /// Nobody: it was given to nobody.
    None,
    /// Somebody may have seen it; no command had it.
    Shown,
    /// A command may have done its work with it.
    Taken,
}

impl Content {
    /// Its hash in the chain.
    pub(super) fn hash(&self) -> [u8; 32] {
        match self {
            Self::Text(text) => hash_of(text.as_bytes()),
            Self::Skip => SKIPPED,
        }
    }

    /// Bytes that it takes of the bounds of an outbox.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Skip => 0,
        }
    }
}

/// Everything that is kept of one pair of keys, ours and a peer's.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Pair {
    /// Our direction, once there was a message.
    pub outbound: Option<Outbound>,
    /// Our messages without a receipt, by number.
    pub outbox: BTreeMap<u64, OutboxRow>,
    /// The peer's direction, once there was a message.
    pub inbound: Option<Inbound>,
    /// Messages of the peer that are not shown, by number.
    pub inbox: BTreeMap<u64, InboxRow>,
    /// Our calls of the peer.
    pub calls: Calls,
    /// The last moments at which either direction began a new count.
    pub renewals: Vec<UnixMs>,
    /// Transfers of files, by number.
    pub transfers: BTreeMap<u64, Arc<TransferRow>>,
    /// Letters, once keys for them were exchanged.
    pub letters: Option<Arc<LetterState>>,
    /// Of the pair of our own key with itself: what reads first letters.
    pub bundles: Option<Arc<BundleKeys>>,
}

/// Our calls of a peer, as they outlive the program.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Calls {
    /// None is wanted.
    #[default]
    Ended,
    /// We had called it, and nobody has ended that: it is called again.
    Stand,
}

/// One change of what is kept of a pair. Changes that belong together are one commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PairChange {
    /// Write the state of our direction.
    Outbound(Outbound),
    /// Write a new row of the outbox.
    Queue(u64, OutboxRow),
    /// Write a row of the outbox that is there, with no longer content.
    Rewrite(u64, OutboxRow),
    /// Delete a row of the outbox.
    Unqueue(u64),
    /// Write the state of the peer's direction.
    Inbound(Inbound),
    /// Write a row of the inbox.
    Receive(u64, InboxRow),
    /// Write a row of the inbox that is there, with the same text.
    Expose(u64, InboxRow),
    /// Delete a row of the inbox.
    Clear(u64),
    /// Write whether our calls of the peer stand.
    Calls(Calls),
    /// Write the moments at which either direction began a new count.
    Renewals(Vec<UnixMs>),
    /// Write a transfer of files.
    Transfer(u64, Arc<TransferRow>),
    /// Delete a transfer of files.
    EndTransfer(u64),
    /// Write the state of the letters.
    Letters(Arc<LetterState>),
    /// Delete it.
    EndLetters,
    /// Write what reads first letters, of the pair of our own key with itself.
    Bundles(Arc<BundleKeys>),
    /// Delete everything of the pair.
    Forget,
}

/// A [`PairChange`], and the key of the peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreChange {
    /// The peer.
    pub peer: Fingerprint,
    /// The change.
    pub change: PairChange,
}

/// Changes that belong together, with messages that are appended to the history, or marked in it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct StoreBatch {
    /// The changes.
    pub changes: Vec<StoreChange>,
    /// The messages.
    pub history: Vec<HistoryEntry>,
}

impl StoreBatch {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.history.is_empty()
    }
}

/// What is kept of all pairs, by the key of the peer.
pub type Pairs = BTreeMap<Fingerprint, Pair>;

impl Pair {
    /// Messages of ours that wait: those that were taken back count no more.
    #[must_use]
    pub fn waiting_texts(&self) -> usize {
        self.outbox.values().filter(|row| matches!(row.content, Content::Text(_))).count()
    }

    /// Messages of ours that can be taken back: the peer is not known to have them, and no letter
    /// has.
    #[must_use]
    pub fn revocable_texts(&self) -> usize {
        let kept = self.outbound.map_or(0, |out| out.kept);
        let behind = self.outbox.range(kept + 1..);
        behind
            .filter(|(seq, row)| matches!(row.content, Content::Text(_)) && !self.is_in_letter(**seq))
            .count()
    }

    /// Whether one has been in a letter that may be at the relay.
    pub(super) fn is_in_letter(&self, seq: u64) -> bool {
        let left = self.letters.as_ref().and_then(|letters| letters.left);
        let (Some(left), Some(out)) = (left, self.outbound) else { return false };
        left.epoch == out.epoch && (out.kept + 1..=left.seq).contains(&seq)
    }

    /// Makes a change.
    pub fn apply(&mut self, change: PairChange) {
        match change {
            PairChange::Outbound(state) => self.outbound = Some(state),
            PairChange::Queue(seq, row) | PairChange::Rewrite(seq, row) => {
                self.outbox.insert(seq, row);
            }
            PairChange::Unqueue(seq) => {
                self.outbox.remove(&seq);
            }
            PairChange::Inbound(state) => self.inbound = Some(state),
            PairChange::Receive(seq, row) | PairChange::Expose(seq, row) => {
                self.inbox.insert(seq, row);
            }
            PairChange::Clear(seq) => {
                self.inbox.remove(&seq);
            }
            PairChange::Calls(calls) => self.calls = calls,
            PairChange::Renewals(moments) => self.renewals = moments,
            PairChange::Transfer(number, row) => {
                self.transfers.insert(number, row);
            }
            PairChange::EndTransfer(number) => {
                self.transfers.remove(&number);
            }
            PairChange::Letters(state) => self.letters = Some(state),
            PairChange::EndLetters => self.letters = None,
            PairChange::Bundles(keys) => self.bundles = Some(keys),
            PairChange::Forget => *self = Self::default(),
        }
    }
}
