//! Files of the user: the home folder with keys, peer book and store of messages, and safe ways to
//! read and write others.

pub(crate) mod book_file;
mod error;
pub mod files;
pub(crate) mod home;
pub(crate) mod home_archive;
pub(crate) mod key_file;
pub(crate) mod message_store;
pub(crate) mod met_file;
pub(crate) mod safe_file;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub(crate) use error::{describe, quoted, shown};
pub use home::Home;
pub use message_store::{
    Direction, DiskState, FailedCommit, FoundEntries, HistoryEntry, HistoryReader, HistoryRow, MessageStore,
    OpenedStore, PutAside, SimulatedDisk,
};
