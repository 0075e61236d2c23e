//! History that stays on disk, and what is asked for of it.

use std::sync::Arc;

use crate::crypto::Fingerprint;
use crate::text::Wanted;
use crate::time::UnixMs;

/// Message that was exchanged with a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryEntry {
    /// The peer.
    pub peer: Fingerprint,
    /// The message.
    pub row: HistoryRow,
}

/// Message of the history, without its peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryRow {
    /// Moment at which it was typed or came.
    pub at: UnixMs,
    /// Which way it went.
    pub direction: Direction,
    /// Name that its author had then.
    pub name: Arc<str>,
    /// The text, as it was sent: unchecked bytes of a peer.
    pub text: Arc<[u8]>,
}

/// Whether messages of earlier sessions are on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoredHistory {
    /// There are none.
    Empty,
    /// They are found until they are deleted.
    Kept,
}

impl StoredHistory {
    pub(crate) fn new(is_empty: bool) -> Self {
        if is_empty { Self::Empty } else { Self::Kept }
    }
}

/// Way of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From us.
    Sent,
    /// To us.
    Received,
    /// From us, and taken back before the peer was known to have it. Appending one marks the last
    /// message from us with its moment and text, and adds none.
    TakenBack,
}

impl HistoryEntry {
    /// Whether it marks a message that is there.
    #[must_use]
    pub fn is_mark(&self) -> bool {
        self.row.direction == Direction::TakenBack
    }
}

impl HistoryRow {
    /// Whether a mark is of this message.
    pub(crate) fn is_marked_by(&self, mark: &Self) -> bool {
        (self.direction, self.at, &self.text) == (Direction::Sent, mark.at, &mark.text)
    }
}

/// What is asked for of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HistoryQuery {
    /// The last messages, of one peer or of all.
    Last {
        /// How many, at most.
        count: usize,
        /// The peer.
        peer: Option<Fingerprint>,
    },
    /// The last messages with a text in them.
    Search {
        /// The text.
        text: String,
        /// How many, at most.
        count: usize,
    },
}

/// Last messages of those that were looked for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FoundEntries {
    /// The messages, oldest first.
    pub entries: Vec<HistoryEntry>,
    /// How many before them match too.
    pub earlier: u64,
}

impl HistoryQuery {
    /// What a history in memory has of it.
    #[must_use]
    pub fn find(&self, history: &[HistoryEntry]) -> FoundEntries {
        let (count, mut entries): (_, Vec<_>) = match self {
            Self::Last { count, peer } => {
                let is_meant = |entry: &&HistoryEntry| peer.is_none_or(|peer| entry.peer == peer);
                (*count, history.iter().filter(is_meant).cloned().collect())
            }
            Self::Search { text, count } => {
                let wanted = Wanted::new(text);
                (*count, history.iter().filter(|entry| wanted.is_in(&entry.row.text)).cloned().collect())
            }
        };
        entries.sort_by_key(|entry| entry.row.at);
        let earlier = entries.len().saturating_sub(count);
        let entries = entries.split_off(earlier);
        let earlier = if matches!(self, Self::Last { .. }) { 0 } else { earlier as u64 };
        FoundEntries { entries, earlier }
    }
}
