//! What is kept of one pair of keys: the rows of the store, and the changes that are made to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::crypto::Fingerprint;
use crate::time::UnixMs;

/// Name of one count of the messages of a pair in one direction: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Epoch(pub [u8; 16]);

/// First 16 bytes of a hash over all messages of an epoch up to one of them: two histories of equal
/// length with other content have another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Chain(pub [u8; 16]);

impl Epoch {
    /// The epoch of whoever knows none.
    pub const NONE: Self = Self([0; 16]);
}

impl Chain {
    /// In front of the first message of an epoch.
    pub const START: Self = Self([0; 16]);
    /// Of whoever does not know what came before: it is compared with none.
    pub const UNKNOWN: Self = Self([0xff; 16]);

    /// The chain behind one message more: SHA-256 of this one, the number (8 bytes, big-endian) and
    /// the content's hash, cut to 16 bytes.
    #[must_use]
    pub fn next(self, seq: u64, content: [u8; 32]) -> Self {
        if self == Self::UNKNOWN {
            return self;
        }
        let hash = Sha256::new().chain_update(self.0).chain_update(seq.to_be_bytes()).chain_update(content);
        let hash = hash.finalize();
        Self(std::array::from_fn(|at| hash.get(at).copied().unwrap_or_default()))
    }

    /// Whether two sides that both know their chain have another.
    pub fn differs(self, other: Self) -> bool {
        self != other && self != Self::UNKNOWN && other != Self::UNKNOWN
    }
}

/// Hash of a text, for [`Chain::next`].
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
    /// A text that the peer has on disk: it is not needed any more.
    Kept,
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
}

/// One change of what is kept of a pair. Changes that belong together are one commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PairChange {
    /// Write the state of our direction.
    Outbound(Outbound),
    /// Write a row of the outbox.
    Queue(u64, OutboxRow),
    /// Delete a row of the outbox.
    Unqueue(u64),
    /// Write the state of the peer's direction.
    Inbound(Inbound),
    /// Write a row of the inbox.
    Receive(u64, InboxRow),
    /// Delete a row of the inbox.
    Clear(u64),
}

/// A [`PairChange`], and the key of the peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreChange {
    /// The peer.
    pub peer: Fingerprint,
    /// The change.
    pub change: PairChange,
}

/// What is kept of all pairs, by the key of the peer.
pub type Pairs = BTreeMap<Fingerprint, Pair>;

impl Pair {
    /// Makes a change.
    pub fn apply(&mut self, change: PairChange) {
        match change {
            PairChange::Outbound(state) => self.outbound = Some(state),
            PairChange::Queue(seq, row) => {
                self.outbox.insert(seq, row);
            }
            PairChange::Unqueue(seq) => {
                self.outbox.remove(&seq);
            }
            PairChange::Inbound(state) => self.inbound = Some(state),
            PairChange::Receive(seq, row) => {
                self.inbox.insert(seq, row);
            }
            PairChange::Clear(seq) => {
                self.inbox.remove(&seq);
            }
        }
    }
}
