//! Message of the history that is kept on disk.

use std::sync::Arc;

use crate::crypto::Fingerprint;
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

/// Way of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From us.
    Sent,
    /// To us.
    Received,
}
