//! Row of one file transfer: what outlives the program of an offer, and of what has arrived.

use serde::{Deserialize, Serialize};

use crate::time::UnixMs;
use crate::wire::{CancelReason, DeclineReason, Offer, Position};

/// Transfer with a peer, as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransferRow {
    /// When it was offered, or last went on.
    pub active: UnixMs,
    /// What is offered.
    pub offer: Offer,
    /// How far it is.
    pub state: TransferState,
}

/// State of a transfer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransferState {
    /// We offer it.
    Outgoing {
        /// Where it is.
        path: String,
        /// The state in which it was offered.
        identity: [u8; 32],
        /// What of it was hashed.
        hashed: Hashed,
    },
    /// The peer offers it, and nobody has answered; or it has stopped, and goes on once it is
    /// accepted again.
    Open {
        /// What has arrived.
        part: Option<PartRow>,
    },
    /// It is taken.
    Accepted {
        /// The place that the user has named.
        place: Option<String>,
        /// Whether there must be room for all of it.
        room: Room,
        /// What has arrived.
        part: Option<PartRow>,
    },
    /// It is not.
    Declined(DeclineReason),
    /// It was ended while it came.
    Ended(CancelReason),
    /// It was, and what has arrived is still to be removed.
    Discarding {
        /// Why it was ended.
        reason: CancelReason,
        /// What has arrived.
        part: PartRow,
    },
    /// It is on disk, under this name.
    Filed(String),
}

/// What is to be done about the room on a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Room {
    /// Too little is refused, and for a file it is taken at once.
    Reserve,
    /// The user goes on all the same: much of a file may be holes.
    Ignore,
}

/// Beginning of an entry, and the SHA-256 of each of its whole blocks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hashed {
    /// The place behind it.
    pub at: Position,
    /// The hashes.
    #[serde(with = "in_base64")]
    pub blocks: Vec<[u8; 32]>,
}

/// Hashes between processes of one program: those of a large file are many.
mod in_base64 {
    use std::borrow::Cow;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(hashes: &[[u8; 32]], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(hashes.as_flattened()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<[u8; 32]>, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        let bytes = BASE64_STANDARD.decode(text.as_bytes()).map_err(de::Error::custom)?;
        Ok(bytes.as_chunks().0.to_vec())
    }
}

impl Default for Hashed {
    fn default() -> Self {
        Self { at: Position::START, blocks: Vec::new() }
    }
}

/// Part of a transfer on our disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartRow {
    /// The folder where it lands.
    pub folder: Vec<u8>,
    /// The name that the user chose.
    pub name: Option<Vec<u8>>,
    /// The inode of the part.
    pub inode: u64,
    /// When that was made, in nanoseconds since 1970.
    pub made_ns: u64,
    /// Up to where it survives a loss of power.
    pub synced: Hashed,
}
