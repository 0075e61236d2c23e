//! What a raw conversation is begun with, what it tells and how it can end.

use crate::crypto::{PemError, PublicKey};

/// Which side of the raw wire we are, with our own key where the peer is given one.
#[derive(Clone, Debug)]
pub enum OaepRole {
    /// We listened: our key goes out first, and the caller may answer with its own.
    Listener(PublicKey),
    /// We dialled: the peer's key comes first, and ours is the answer.
    Dialer(PublicKey),
    /// We dialled and give no key: what the peer seals is for itself, as the tutorial's server does. It reads with
    /// one call, so at most one block of ours is on the way: the next goes when its answer has come.
    OneWay,
}

/// What happens on the raw wire and nowhere else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OaepEvent {
    /// The peer is there: with its key, or with a first block that opened and no key, so that nothing can be
    /// sealed to it.
    Joined(Option<PublicKey>),
    /// A message: unchecked bytes.
    Heard(Vec<u8>),
    /// A block did not open.
    Unread {
        /// How many in a row, this one included.
        in_a_row: u32,
    },
    /// The first answer has come that its sender sealed to its own key.
    Answered,
    /// The text just said goes in this many blocks, since one had no room for it.
    Parts(usize),
    /// What was just said waits until the answer to the block before it has come.
    Waits,
    /// Everything of ours up to and including this number has been handed to the socket. It is no receipt.
    Sent {
        /// Highest number sent.
        upto: u64,
    },
}

/// How a conversation can end on the raw wire and nowhere else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OaepCloseReason {
    /// The peer speaks the native wire.
    Native,
    /// What came is no PEM; its first bytes, at most sixteen.
    NoPem(Vec<u8>),
    /// No PEM came in time, or the stream ended before one.
    NoKey,
    /// A PEM block that was begun did not end in time, or not within [`limits::RAW_PEM_BYTES`].
    EndlessKey,
    /// The peer's PEM is refused.
    Key(PemError),
    /// Too many blocks in a row did not open.
    OutOfStep,
    /// The peer that was dialled ended the stream before anything of it had opened: to one that waits for a block, and
    /// gets our PEM, nothing else is left.
    Unheard,
    /// A caller ended the stream before it had shown itself.
    Gone,
    /// A caller said nothing for too long.
    NoData,
}
