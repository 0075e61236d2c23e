//! Role, events, close reasons and states of a session on the raw wire (`docs/RAW.md`).

use crate::crypto::{PemError, PublicKey};
use crate::time::MonoMs;

/// Side on the raw wire, with our own key where the peer is given one.
#[derive(Clone, Debug)]
pub enum OaepRole {
    /// We listened: our key goes out first, and the caller may answer with its own.
    Listener(PublicKey),
    /// We dialled: the peer's key comes first, and ours is the answer.
    Dialer(PublicKey),
    /// We dialled and give no key: what the peer seals is for itself, as the tutorial's server
    /// does. It reads with one call, so at most one block of ours is under way: the next is sent
    /// when the answer has come.
    OneWay,
}

/// Event of the raw wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OaepEvent {
    /// The peer is there: with its key, or with a block that opened and no key to seal to.
    Joined(Option<PublicKey>),
    /// A message: unchecked bytes.
    Message(Vec<u8>),
    /// A block did not open.
    NotOpened {
        /// How many in a row, this one included.
        in_a_row: u32,
    },
    /// The first reply has arrived that its sender sealed to its own key, so that nobody else can
    /// read it.
    Answered,
    /// The text just sent takes this many blocks, since one had no room for it.
    Split(usize),
    /// The text just sent waits until the answer to the block before it has come.
    Delayed,
    /// All our messages up to this number were handed to the socket. It is no receipt.
    Sent {
        /// Highest number sent.
        upto: u64,
    },
}

/// Why a session on the raw wire is closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OaepCloseReason {
    /// The peer speaks the native wire.
    Native,
    /// What came is no PEM; its first bytes, at most sixteen.
    NoPem(Vec<u8>),
    /// No PEM came in time, or the stream ended before one.
    NoKey,
    /// A PEM block that was begun did not end in time, or not within
    /// [`crate::limits::OAEP_PEM_BYTES`].
    EndlessKey,
    /// The peer's PEM is refused.
    Key(PemError),
    /// A block that was begun did not come to its end in [`crate::limits::OAEP_BLOCK_MS`].
    UnfinishedBlock,
    /// Too many blocks in a row did not open.
    OutOfStep,
    /// The peer that was dialled ended the stream before anything of it had opened: one that waits
    /// for a block, and gets our PEM, can do nothing else.
    NoReply,
    /// A caller ended the stream before it had sent a key or a block that opened.
    Gone,
    /// A caller sent nothing of use for too long.
    NoData,
}

/// Receive state: what the next bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RecvState {
    /// The beginning of the stream.
    Start,
    /// A PEM block that has begun.
    Pem { since: MonoMs },
    /// Nothing yet: a key is being checked.
    CheckingKey,
    /// The first block after a PEM. The `skipped` bytes of line ends may belong to the block or to
    /// the PEM before it.
    FirstBlock { skipped: usize },
    /// Nothing yet: the first block is being opened.
    OpeningFirst { skipped: usize },
    /// Blocks to us.
    Blocks,
    /// Nothing yet: a block is being opened.
    Opening,
    /// Blocks that the peer sealed to itself.
    Answers,
    /// Nothing any more.
    Closed,
}

impl RecvState {
    /// Whether a job is under way for what has arrived.
    pub(super) fn awaits_job(self) -> bool {
        matches!(self, Self::CheckingKey | Self::OpeningFirst { .. } | Self::Opening)
    }
}

/// What is known of the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PeerState {
    /// It has sent neither a key nor a block that opened.
    Unknown,
    Joined,
    /// Its stream has ended; what came before is still being opened.
    Ended {
        joined: bool,
    },
}
