//! How a session can end, told apart as far as a person can act on it.

use super::RawEnding;
use crate::crypto::KeyFault;
use crate::wire::{ByeReason, WireFault};

/// Why a session is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// We said goodbye.
    WeLeft,
    /// We refused the peer's key.
    WeRefused,
    /// We had no room for a stranger's handshake.
    Overloaded,
    /// The peer said goodbye.
    Bye(ByeReason),
    /// The peer sent the handshake's alert: it refused our key, or could not follow.
    Alert,
    /// The stream ended without a goodbye.
    Cut {
        /// Whether it ended inside a record.
        midway: bool,
    },
    /// The stream ended before the session stood.
    CutEarly,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The peer did not say a thing in the time that a handshake has.
    Mute,
    /// The peer did not answer for too long.
    Silent,
    /// What came is not rsachat; its first bytes, at most sixteen.
    Stranger(Vec<u8>),
    /// The prefaces differ.
    Mismatch(WireFault),
    /// The peer's key is not sound.
    Key(KeyFault),
    /// A handshake message failed its check.
    Handshake,
    /// A record failed its check.
    Record,
    /// A record had the wrong form or came at the wrong time.
    Wire(WireFault),
    /// More records were sent than one key may seal.
    Exhausted,
    /// A sequence rule was broken.
    Protocol,
    /// On the raw wire only.
    Raw(RawEnding),
}

impl Ending {
    /// Whether the peer is told by the handshake's one alert: when we end it, and it speaks our protocol.
    pub(super) fn deserves_alert(&self) -> bool {
        matches!(self, Self::WeRefused | Self::Overloaded | Self::Key(_) | Self::Handshake | Self::Wire(_))
    }
}
