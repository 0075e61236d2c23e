//! Types of the session's API: configuration, outputs, events, and the reason of a close.

use super::oaep::types::{OaepCloseReason, OaepEvent};
use crate::crypto::{Fingerprint, HandshakeError, OfferedKey, PublicKey, PublicKeyError, RsaJob};
use crate::limits;
use crate::time::UnixMs;
use crate::wire::{
    ByeReason, Count, Durability, FileTransfer, Introduction, Letters, Lifetime, PairNumber, Purpose, Resume,
    TransferRecord, WireError,
};

/// Configuration of one side, the same for all its sessions of one purpose.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Our public key.
    pub key: PublicKey,
    /// The display name that we claim, UTF-8, at most 128 bytes.
    pub name: String,
    /// What the connection is for.
    pub purpose: Purpose,
    /// How long it stands, where we open it.
    pub lifetime: Lifetime,
    /// What the numbers of messages can count for. For the pair, only where the peer can too, and
    /// never on a short-lived connection or a pipe.
    pub durability: Durability,
    /// Whether files can be sent and received: only where the peer can too, and never on a pipe.
    pub file_transfer: FileTransfer,
    /// Whether letters can be exchanged: only where the peer can too, and messages can count for
    /// the pair.
    pub letters: Letters,
    /// What is presented in the lobby of a listener that does not know our key, where we open the
    /// connection; nothing else of ours is sent there.
    pub introduction: Option<Introduction>,
    /// When the initiator re-keys.
    pub rekeying: RekeyThresholds,
}

/// Thresholds of a re-keying: what is reached first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RekeyThresholds {
    /// Bytes in one direction.
    pub bytes: u64,
    /// Time since the last change of keys, in milliseconds.
    pub after_ms: u64,
}

impl Default for RekeyThresholds {
    fn default() -> Self {
        Self { bytes: limits::REKEY_BYTES, after_ms: limits::REKEY_AFTER_MS }
    }
}

/// Side of a session, by who opened the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The side that dialled.
    Initiator,
    /// The side that listened.
    Responder,
}

/// Part of the handshake with a time of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Until message 2.
    Opening,
    /// From there to record 5: the initiator's user may be comparing fingerprints.
    InitiatorJudges,
    /// From there to record 6: the responder's user may be.
    ResponderJudges,
    /// Both sides have confirmed, and the responder's user may be asked about a caller.
    Lobby(Role),
    /// Both sides have confirmed.
    Established,
}

/// What the owner of a session has to do.
#[expect(missing_debug_implementations, reason = "a job may hold coins")]
pub enum Output {
    /// Send these bytes, in order.
    Transmit(Vec<u8>),
    /// Run this outside the event loop; its result comes back through `handle_job`.
    Job(RsaJob),
    /// Call [`Session::handle_seed`](super::Session::handle_seed) with fresh randomness: a
    /// re-keying takes none that was in memory before.
    WantSeed,
    /// Take note of this.
    Event(Event),
}

/// Event of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The peer's key has passed all checks; an initiator has proved it as well. Judge it, then
    /// call `accept_key` or `reject_key`.
    PeerKey(PublicKey),
    /// Both sides have confirmed.
    Established {
        /// The display name that the peer claims (UTF-8 as the peer says, unchecked).
        name: Vec<u8>,
        /// The peer's option bits.
        options: u32,
    },
    /// We are in the lobby of the listener, and have presented ourselves.
    Presented,
    /// A caller in our lobby presents itself: admit it, or close the session.
    Introduced {
        /// What it presents.
        introduction: Introduction,
        /// The display name that it claims, unchecked.
        name: Vec<u8>,
    },
    /// A message. Once it has been shown, `ack` is owed.
    Message {
        /// Number in the peer's direction: for the connection from 1 without gaps, for the pair as
        /// the peer says. Of one that breaks its order,
        /// [`Session::violate`](super::Session::violate).
        count: Count,
        /// When the peer typed it, by its clock.
        sent: UnixMs,
        /// The text, unchecked bytes.
        text: Vec<u8>,
    },
    /// The peer has shown all our messages up to and including this number.
    Acked {
        /// Highest number shown, as we counted it.
        upto: Count,
    },
    /// The peer says what it has of both directions: what it sends behind this counts for the pair.
    /// It comes again with another count of either direction. When the peer's own is another, it is
    /// to be answered with ours, by [`Session::resume`](super::Session::resume).
    Resumed(Resume),
    /// The peer has got our `Resume` and has none of its own: it keeps nothing for us yet.
    ResumeDeclined,
    /// The peer has read everything that was sent before
    /// [`Session::probe_reading`](super::Session::probe_reading): what comes from here on, it may
    /// have written in the knowledge of that.
    HasRead,
    /// A message of the peer was taken back. Once that is noted, `ack` is owed.
    Skipped(PairNumber),
    /// The peer has all our messages up to and including this number on disk.
    Kept {
        /// Highest number on disk.
        upto: PairNumber,
    },
    /// A record of file transfer. [`Session::note_idle`](super::Session::note_idle) is owed for one
    /// that brought nothing new.
    Transfer(TransferRecord),
    /// The peer's key for letters, once.
    LetterKey(OfferedKey),
    /// The peer says that the key with this fingerprint takes the place of its own.
    NextKey(Fingerprint),
    /// An event of the raw wire only.
    Oaep(OaepEvent),
    /// The session is closed. What was transmitted before still goes out, then the socket closes.
    Closed(CloseReason),
}

/// Why a session is closed, distinguished as far as a user can act on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// We ended it.
    LocalClose,
    /// We rejected the peer's key.
    LocalReject,
    /// We had no capacity for the handshake of an unauthenticated peer.
    Overloaded,
    /// The peer ended it with a `Bye` record.
    Bye(ByeReason),
    /// The peer sent the handshake's alert: it rejected our key, or could not follow.
    PeerAbort,
    /// The listener has no capacity for our handshake now.
    PeerBusy,
    /// The stream ended without a `Bye`.
    ConnectionLost {
        /// Whether it ended inside a record.
        mid_record: bool,
    },
    /// The stream ended before the session was established.
    LostInHandshake,
    /// The first messages of the handshake took too long.
    HandshakeTimeout,
    /// The peer did not go on with the handshake in the time that its user has to judge our key.
    JudgementTimeout,
    /// A caller in the lobby was not admitted in its time.
    LobbyTimeout,
    /// The listener takes the invitation no more, or admits nobody who knocks.
    NotAdmitted(Introduction),
    /// The peer sent nothing in the time that a handshake has.
    NoData,
    /// The peer was silent for too long.
    IdleTimeout,
    /// The peer does not speak rsachat; its first bytes, at most sixteen.
    NotRsachat(Vec<u8>),
    /// The prefaces differ.
    VersionMismatch(WireError),
    /// The peer's key failed a check.
    Key(PublicKeyError),
    /// A handshake message failed its check.
    Handshake,
    /// A record failed its check.
    Record,
    /// A frame was too long, or a record malformed or of an unknown type.
    Wire(WireError),
    /// One direction has sealed all records that its key may seal.
    NonceExhausted,
    /// The peer reads and did not do its part of a re-keying.
    RekeyTimeout,
    /// A rule of order was broken.
    ProtocolViolation,
    /// A reason of the raw wire only.
    Oaep(OaepCloseReason),
}

impl CloseReason {
    /// Whether the peer gets the handshake's one alert: when we end it, and it speaks our protocol.
    pub(super) fn sends_alert(&self) -> bool {
        matches!(self, Self::LocalReject | Self::Overloaded | Self::Key(_) | Self::Handshake | Self::Wire(_))
    }
}

impl From<HandshakeError> for CloseReason {
    fn from(_: HandshakeError) -> Self {
        Self::Handshake
    }
}

impl From<OaepCloseReason> for CloseReason {
    fn from(reason: OaepCloseReason) -> Self {
        Self::Oaep(reason)
    }
}

/// Why a message cannot be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// The session is not established.
    #[error("the connection is not established")]
    NotEstablished,
    /// The peer gave no key to seal to: the raw wire only.
    #[error("the peer gave no key, so nothing can be sealed to it")]
    NoKey,
    /// The peer's program keeps nothing, or the connection is short-lived.
    #[error("nothing is kept for later on this connection")]
    NotDurable,
    /// Messages of this connection are numbered in another way, or a `Resume` says nothing new.
    #[error("messages are not numbered that way on this connection")]
    WrongCount,
    /// The peer's program takes no files, or the raw wire carries none.
    #[error("no files can be sent on this connection")]
    NoFiles,
    /// One side exchanges no letters, or the keys for them have passed or cannot pass yet.
    #[error("no key for letters can be sent on this connection")]
    NoLetters,
    /// More than [`limits::MESSAGE_BYTES`].
    #[error("the message has {bytes} bytes, at most {} are sent", limits::MESSAGE_BYTES)]
    TooLong {
        /// Bytes of UTF-8 of the message.
        bytes: usize,
    },
}
