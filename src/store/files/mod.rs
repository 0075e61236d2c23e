//! Disk side of file transfer: what the user offers is read as records, and records of a peer
//! become a file or a folder under a name of its own.
//!
//! Every component of a path below a folder is opened relative to the descriptor of the one above,
//! and never through a link: no check of a name stands apart from its use.

mod destination;
mod entries;
mod error;
mod extent;
mod layout;
mod leftovers;
mod naming;
mod part;
mod reader;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub use destination::Destination;
pub use entries::EntryList;
pub use error::FileError;
pub use leftovers::remove_stale_parts;
pub use part::{Part, PartIdentity, Reopened, Synced};
pub use reader::SourceReader;
pub use source::{Source, SourceIdentity, SourceLoan};
pub use walk::Skipped;
