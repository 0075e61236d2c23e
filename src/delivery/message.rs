//! Messages of ours that wait: how far each is, and why one is not taken.

use std::sync::Arc;

use crate::crypto::Fingerprint;
use crate::limits;
use crate::time::UnixMs;

/// Refusal of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EnqueueError {
    /// [`limits::OUTBOX_MESSAGES`] or [`limits::OUTBOX_BYTES`] wait for the peer.
    #[error("the outbox of a peer holds at most 10,000 lines and 16 MiB")]
    OutboxFull,
    /// More than [`limits::MESSAGE_BYTES`]: no connection would take it, nor what is behind it.
    #[error("the message has {bytes} bytes, at most {} are sent", limits::MESSAGE_BYTES)]
    TooLong {
        /// Bytes of UTF-8 of the message.
        bytes: usize,
    },
}

/// State of a message of ours, in the words of screen, JSON and documentation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MessageState {
    /// On our disk; it was never sent.
    Queued,
    /// Sent, and nothing was heard.
    Unconfirmed,
    /// On the peer's disk.
    Delivered,
}

impl MessageState {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Unconfirmed => "unconfirmed",
            Self::Delivered => "delivered",
        }
    }
}

/// The word for one that was taken back while the peer may have had it.
pub const TAKEN_BACK: &str = "taken back, may have arrived";

/// The word for one whose time has passed: whoever has the store open next takes it back.
pub const EXPIRED: &str = "expired";

/// A message of ours that waits, as a list shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingMessage {
    /// Its number for the pair.
    pub seq: u64,
    /// Moment at which it was typed.
    pub typed: UnixMs,
    /// Moment at which it is taken back, if there is one.
    pub expires: Option<UnixMs>,
    /// How far it is.
    pub state: MessageState,
    /// Its text.
    pub text: Arc<str>,
}

/// What taking a message back comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Withdrawal {
    /// It was never sent.
    NeverSent,
    /// It was to go out again, and the peer does not get it.
    InTime,
    /// The peer may have it: told by a [`SettledWithdrawal`] once that is known.
    Open,
}

/// Why a message is not taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WithdrawError {
    /// The peer has it.
    Delivered,
    /// A letter with it is at the relay, or on its way there: the peer gets it.
    AtRelay,
    /// No such message waits.
    NotWaiting,
}

/// Whether a message that was taken back had come to the peer before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WithdrawalOutcome {
    /// The peer has it.
    TooLate,
    /// The peer does not get it.
    InTime,
}

/// What became of a message that was taken back while the peer may have had it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SettledWithdrawal {
    /// The peer.
    pub peer: Fingerprint,
    /// Number of the message.
    pub seq: u64,
    /// What is known now.
    pub outcome: WithdrawalOutcome,
}
