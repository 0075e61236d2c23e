//! Purpose of a connection, and the error of malformed bytes from a peer.

use std::fmt;

/// What a connection is for. Both sides must want the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Messages between people.
    Chat,
    /// A stream of bytes.
    Pipe,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chat => "conversation",
            Self::Pipe => "pipe",
        })
    }
}

/// What is wrong with bytes from a peer, distinguished only as far as somebody can act on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WireError {
    /// The first bytes are not those of rsachat.
    #[error("not an rsachat peer")]
    NotRsachat,
    /// Both sides are rsachat, but of different protocol versions or suites.
    #[error("the other side speaks protocol version {version}, suite {suite}")]
    Version {
        /// Version that the peer named.
        version: u8,
        /// Suite that the peer named.
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
