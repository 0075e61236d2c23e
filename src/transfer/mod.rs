//! File transfer without disks and sockets (`docs/PROTOCOL.md`, section 5.8): names that are safe,
//! manifests that add up, hashes that grow while bytes pass, and how far each side is.

mod blocks;
mod incoming;
mod manifest;
mod name;
mod outgoing;
#[cfg(test)]
mod tests;

pub use blocks::{BLOCK_BYTES, BlockHasher, BlockList};
pub use incoming::Incoming;
pub use manifest::{ManifestError, ManifestProgress, RelativePath};
pub use name::FileName;
pub use outgoing::{Outgoing, OutgoingProgress};

use crate::wire::TransferRecord;

/// A record that does not follow on those before it: the peer has broken a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a record of a file is out of its order")]
pub struct OutOfOrder;

/// What a record costs while it waits to be written, besides its bytes.
const RECORD_COST: u64 = 256;

/// What a record costs while it waits to be written, in bytes.
#[must_use]
pub fn cost(record: &TransferRecord) -> u64 {
    match record {
        TransferRecord::Chunk { bytes, .. } => RECORD_COST + bytes.len() as u64,
        _ => RECORD_COST,
    }
}
