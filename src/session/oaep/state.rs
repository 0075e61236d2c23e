//! Where a raw conversation stands.

/// What the next bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expecting {
    /// The beginning of the stream.
    Start,
    /// A PEM block that has begun.
    Pem { since_ms: u64 },
    /// None: a key is being checked.
    Checking,
    /// The first block after a PEM. It may begin with these line ends, or after them.
    First { skipped: usize },
    /// None: the first block is being opened.
    Trying { skipped: usize },
    /// Blocks to us.
    Blocks,
    /// None: a block is being opened.
    Reading,
    /// Blocks that the peer sealed to itself.
    Answers,
    /// None: it is over.
    Over,
}

/// How far the peer has shown itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PeerState {
    Unknown,
    Joined,
    /// The stream has ended; what came before is still being opened.
    Ended {
        joined: bool,
    },
}

impl Expecting {
    /// Whether what came is being checked or opened.
    pub(super) fn is_work(self) -> bool {
        matches!(self, Self::Checking | Self::Trying { .. } | Self::Reading)
    }
}
