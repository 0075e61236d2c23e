//! Bytes ⇄ frames ⇄ records: what stands on the socket, by itself. This floor neither seals nor opens and
//! keeps no clock; it says where a unit begins and ends and what is in it.
//!
//! The specification that it follows, with examples that run as tests, stands below: sections 2 (preface),
//! 3 (frames) and 5 (records) are this floor's.
//!
#![doc = include_str!("../../docs/PROTOCOL.md")]

pub mod data_frame;
mod frame;
mod oaep;
mod preface;
mod record;

pub use frame::{Frame, Frames, LENGTH_BYTES, begin_frame, end_frame};
pub use oaep::{OaepStream, StreamStart, split_text};
pub use preface::{PREFACE_BYTES, Preface, PrefaceProgress, Purpose};
pub use preface::{SUITE, VERSION};
pub use record::{ByeReason, Confirm, Padding, Record};

/// What is wrong with bytes from a peer, told apart only as far as somebody can act on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WireError {
    /// The first bytes are not those of rsachat.
    #[error("not an rsachat peer")]
    NotRsachat,
    /// Both sides are rsachat, but of different protocol versions or suites.
    #[error("the other side speaks protocol version {version}, suite {suite}")]
    Version {
        /// Version the peer named.
        version: u8,
        /// Suite the peer named.
        suite: u8,
    },
    /// The peer wants something else of this connection (a pipe instead of a conversation, say).
    #[error("the other side wants a {0}")]
    Purpose(Purpose),
    /// A frame announces more bytes than this connection may carry.
    #[error("a frame is too long")]
    TooLong,
    /// A record does not have the form that its type asks for.
    #[error("a record is malformed")]
    Malformed,
    /// A record of a type that may not be skipped.
    #[error("a record of an unknown type")]
    UnknownType,
}
