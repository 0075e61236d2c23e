//! How a session can end, told apart as far as a person can act on it.

use super::OaepCloseReason;
use crate::crypto::PublicKeyError;
use crate::wire::{ByeReason, WireError};

/// Why a session is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// We said goodbye.
    LocalClose,
    /// We refused the peer's key.
    LocalReject,
    /// We had no room for a stranger's handshake.
    Overloaded,
    /// The peer said goodbye.
    Bye(ByeReason),
    /// The peer sent the handshake's alert: it refused our key, or could not follow.
    PeerAbort,
    /// The stream ended without a goodbye.
    ConnectionLost {
        /// Whether it ended inside a record.
        mid_record: bool,
    },
    /// The stream ended before the session stood.
    LostInHandshake,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The peer did not say a thing in the time that a handshake has.
    NoData,
    /// The peer did not answer for too long.
    IdleTimeout,
    /// What came is not rsachat; its first bytes, at most sixteen.
    NotRsachat(Vec<u8>),
    /// The prefaces differ.
    VersionMismatch(WireError),
    /// The peer's key is not sound.
    Key(PublicKeyError),
    /// A handshake message failed its check.
    Handshake,
    /// A record failed its check.
    Record,
    /// A record had the wrong form or came at the wrong time.
    Wire(WireError),
    /// More records were sent than one key may seal.
    NonceExhausted,
    /// A sequence rule was broken.
    ProtocolViolation,
    /// On the raw wire only.
    Oaep(OaepCloseReason),
}

impl CloseReason {
    /// Whether the peer is told by the handshake's one alert: when we end it, and it speaks our protocol.
    pub(super) fn sends_alert(&self) -> bool {
        matches!(self, Self::LocalReject | Self::Overloaded | Self::Key(_) | Self::Handshake | Self::Wire(_))
    }
}
