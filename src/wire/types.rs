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

/// How long a connection stands, as the side that opened it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lifetime {
    /// A conversation.
    #[default]
    Lasting,
    /// For what is sent now: it stands beside others of the same key, and nobody is there to be
    /// written to.
    Short,
}

impl Lifetime {
    /// Option bit of [`super::Confirm`] for a short lifetime.
    const SHORT: u32 = 1 << 3;

    /// Its option bits.
    #[must_use]
    pub fn options(self) -> u32 {
        match self {
            Self::Lasting => 0,
            Self::Short => Self::SHORT,
        }
    }

    /// The lifetime that option bits name.
    #[must_use]
    pub fn of_options(options: u32) -> Self {
        if options & Self::SHORT == 0 { Self::Lasting } else { Self::Short }
    }
}

/// What the numbers of messages count for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// The connection: what it has not carried to its end is lost with it.
    #[default]
    Connection,
    /// The pair, once a side has said `Resume`: messages are kept until the other side has them.
    Pair,
}

impl Durability {
    /// Option bit of [`super::Confirm`] for numbers of the pair.
    const PAIR: u32 = 1 << 0;

    /// Its option bits.
    #[must_use]
    pub fn options(self) -> u32 {
        match self {
            Self::Connection => 0,
            Self::Pair => Self::PAIR,
        }
    }

    /// What option bits name.
    #[must_use]
    pub fn of_options(options: u32) -> Self {
        if options & Self::PAIR == 0 { Self::Connection } else { Self::Pair }
    }
}

/// Whether files can be sent and received.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FileTransfer {
    /// They cannot.
    #[default]
    Unsupported,
    /// They can, in both directions.
    Supported,
}

impl FileTransfer {
    /// Option bit of [`super::Confirm`] for files.
    const FILES: u32 = 1 << 1;

    /// Its option bits.
    #[must_use]
    pub fn options(self) -> u32 {
        match self {
            Self::Unsupported => 0,
            Self::Supported => Self::FILES,
        }
    }

    /// What option bits name.
    #[must_use]
    pub fn of_options(options: u32) -> Self {
        if options & Self::FILES == 0 { Self::Unsupported } else { Self::Supported }
    }
}

/// Whether letters can be exchanged by way of a relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Letters {
    /// They cannot.
    #[default]
    Unsupported,
    /// They can, in both directions.
    Supported,
}

impl Letters {
    /// Option bit of [`super::Confirm`] for letters.
    const LETTERS: u32 = 1 << 6;

    /// Its option bits.
    #[must_use]
    pub fn options(self) -> u32 {
        match self {
            Self::Unsupported => 0,
            Self::Supported => Self::LETTERS,
        }
    }

    /// What option bits name.
    #[must_use]
    pub fn of_options(options: u32) -> Self {
        if options & Self::LETTERS == 0 { Self::Unsupported } else { Self::Supported }
    }
}

/// Option bit of [`super::Confirm`]: this side can re-key.
pub const REKEYING: u32 = 1 << 4;

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
