//! Requests of the conversation core to the disk for file transfer, and the answers.

use serde::{Deserialize, Serialize};

use crate::crypto::Fingerprint;
use crate::delivery::{Hashed, PartRow, Room};
use crate::ids::FaceId;
use crate::limits::FILE_WRITE_BYTES;
use crate::transfer::cost;
use crate::wire::{CancelReason, ManifestEntry, Offer, Position, TransferId, TransferRecord};

/// Number by which a user and the host name a transfer, from 1.
pub type TransferNumber = u32;

/// Work on a file that is sent or received.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are what their names and types say")]
pub enum FileRequest {
    /// Look at a path that a user offers to a peer: [`FileAnswer::Examined`].
    /// It is offered under its own name, or another.
    Examine { number: TransferNumber, face: FaceId, peer: Fingerprint, path: String, name: Option<String> },
    /// Look again at what was offered before, by an earlier process: [`FileAnswer::Reopened`].
    ReopenSource { number: TransferNumber, id: TransferId, path: String, identity: [u8; 32], hashed: Hashed },
    /// Give so many parts of the manifest of a source, from an entry on:
    /// [`FileAnswer::Manifest`].
    ReadManifest { number: TransferNumber, first: u32, parts: u32 },
    /// Go to a place in a source. The reads after it have this reading.
    OpenSource { number: TransferNumber, reading: u32, at: Position },
    /// Read the next [`FILE_READ_BYTES`](crate::limits::FILE_READ_BYTES) of a source:
    /// [`FileAnswer::Read`].
    ReadSource { number: TransferNumber, reading: u32 },
    /// Close a source: it is of no more use.
    CloseSource { number: TransferNumber },
    /// Keep a part of the manifest of a target.
    KeepManifest { number: TransferNumber, entries: Vec<ManifestEntry> },
    /// Give the first entries of a source or a target: [`FileAnswer::Listed`].
    ListEntries { number: TransferNumber, face: FaceId },
    /// Open the place where a transfer goes: [`FileAnswer::Opened`].
    OpenTarget {
        number: TransferNumber,
        offer: Offer,
        place: Option<String>,
        room: Room,
        part: Option<PartRow>,
    },
    /// Remove the part of a transfer that an earlier process made without a note of it.
    DropLeftover { id: TransferId, place: Option<String> },
    /// Write records of content: [`FileAnswer::Written`].
    Write { number: TransferNumber, records: Vec<TransferRecord> },
    /// Give a target its name, once it is on disk: [`FileAnswer::Filed`].
    File { number: TransferNumber },
    /// Close a target that has stopped: what has arrived stays.
    CloseTarget { number: TransferNumber },
    /// Remove what was received of a transfer: [`FileAnswer::Discarded`].
    Discard { number: TransferNumber, id: TransferId, part: Option<PartRow> },
}

impl FileRequest {
    /// The transfer whose part it is about, but for what removes that.
    #[must_use]
    pub(crate) fn target(&self) -> Option<TransferNumber> {
        match self {
            Self::KeepManifest { number, .. }
            | Self::OpenTarget { number, .. }
            | Self::Write { number, .. }
            | Self::File { number }
            | Self::CloseTarget { number } => Some(*number),
            _ => None,
        }
    }

    /// Adds the next request to this one, if both write chunks of one transfer and that is not much
    /// yet. Otherwise it comes back: what ends a transfer does not wait for many small files.
    pub(crate) fn add(&mut self, next: Self) -> Option<Self> {
        match (self, next) {
            (Self::Write { number, records }, Self::Write { number: of, records: more })
                if *number == of
                    && records.iter().chain(&more).all(|one| matches!(one, TransferRecord::Chunk { .. }))
                    && records.iter().map(cost).sum::<u64>() < FILE_WRITE_BYTES =>
            {
                records.extend(more);
                None
            }
            (_, next) => Some(next),
        }
    }

    /// The answer where nobody can do what is asked, for this reason.
    #[must_use]
    pub(crate) fn refused(self, why: &str) -> Option<FileAnswer> {
        let failed = || TargetError { reason: CancelReason::CannotWrite, why: why.to_owned() };
        match self {
            Self::Examine { number, face, peer, path, .. } => {
                Some(FileAnswer::Examined { number, face, peer, path, source: Err(why.to_owned()) })
            }
            Self::ReopenSource { number, .. } => {
                Some(FileAnswer::Reopened { number, reopened: Err(why.to_owned()) })
            }
            Self::ReadManifest { number, .. } => {
                Some(FileAnswer::Manifest { number, parts: Err(why.to_owned()) })
            }
            Self::ReadSource { number, reading } => {
                Some(FileAnswer::Read { number, reading, read: Err(why.to_owned()), hashed: None })
            }
            Self::OpenTarget { number, .. } => Some(FileAnswer::Opened { number, opened: Err(failed()) }),
            Self::Write { number, records } => {
                let cost = records.iter().map(cost).sum();
                Some(FileAnswer::Written { number, cost, written: Err(failed()), synced: None })
            }
            Self::File { number } => Some(FileAnswer::Filed { number, filed: Err(failed()) }),
            Self::OpenSource { .. }
            | Self::CloseSource { .. }
            | Self::KeepManifest { .. }
            | Self::ListEntries { .. }
            | Self::DropLeftover { .. }
            | Self::CloseTarget { .. }
            | Self::Discard { .. } => None,
        }
    }
}

/// Answer of the host to a [`FileRequest`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are what their names and types say")]
pub enum FileAnswer {
    /// What was found at a path, or why it cannot be offered.
    Examined {
        number: TransferNumber,
        face: FaceId,
        peer: Fingerprint,
        path: String,
        source: Result<OfferedSource, String>,
    },
    /// Whether a source is as it was.
    Reopened { number: TransferNumber, reopened: Result<(), String> },
    /// Parts of a manifest.
    Manifest { number: TransferNumber, parts: Result<Vec<TransferRecord>, String> },
    /// Its first entries, for whom they are listed.
    Listed { number: TransferNumber, face: FaceId, entries: Vec<ManifestEntry> },
    /// The next records of a source, or why it cannot be read; now and then what was hashed of it.
    Read {
        number: TransferNumber,
        reading: u32,
        read: Result<Vec<TransferRecord>, String>,
        hashed: Option<Hashed>,
    },
    /// The place where a transfer goes on, and the part.
    Opened { number: TransferNumber, opened: Result<(Position, PartRow), TargetError> },
    /// What records cost that are written, and the first place that is not; now and then how much
    /// of the part survives a loss of power.
    Written {
        number: TransferNumber,
        cost: u64,
        written: Result<Position, TargetError>,
        synced: Option<PartRow>,
    },
    /// Nothing of a transfer is on disk any more.
    Discarded { number: TransferNumber },
    /// The path at which a transfer is on disk.
    Filed { number: TransferNumber, filed: Result<String, TargetError> },
}

/// What a user offers, as the host has found it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are what their names and types say")]
pub struct OfferedSource {
    pub offer: Offer,
    /// Links and special files in a folder, which are not sent.
    pub skipped: u64,
    /// The path by which a later process finds it.
    pub path: String,
    /// The state that it has.
    pub identity: [u8; 32],
}

/// Why the host cannot write a transfer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TargetError {
    /// What the peer is told.
    pub reason: CancelReason,
    /// What the user is told.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FILE_CHUNK_BYTES;

    #[test]
    fn writes_of_chunks_go_together_as_long_as_they_are_of_one_transfer_and_few() {
        let write = |number, count| {
            let (id, at) = (TransferId([1; 16]), Position::START);
            let record = TransferRecord::Chunk { id, at, bytes: vec![0; FILE_CHUNK_BYTES] };
            FileRequest::Write { number, records: vec![record; count] }
        };
        let end = || {
            let record =
                TransferRecord::EndOfFile { id: TransferId([1; 16]), entry: 0, size: 0, root: [0; 32] };
            FileRequest::Write { number: 1, records: vec![record] }
        };
        let mut both = write(1, 1);
        assert_eq!(both.add(write(1, 2)), None);
        assert_eq!(both, write(1, 3));
        for (before, next) in [
            (write(1, 1), write(2, 1)),
            (write(1, 17), write(1, 1)),
            (write(1, 1), end()),
            (end(), write(1, 1)),
            (write(1, 1), FileRequest::File { number: 1 }),
            (FileRequest::CloseTarget { number: 1 }, write(1, 1)),
        ] {
            let mut unchanged = before.clone();
            assert_eq!(unchanged.add(next.clone()), Some(next));
            assert_eq!(unchanged, before);
        }
    }
}
