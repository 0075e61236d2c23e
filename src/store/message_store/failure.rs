//! Reasons why a store is not read or written, before its file is named.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::holder::holder;
use crate::crypto::Fingerprint;
use crate::store::StoreError;

/// Reason why the tables were not read or written.
#[derive(Debug)]
pub(super) enum Failure {
    /// The system's reason.
    Io(io::Error),
    /// Another process has the file open.
    Held,
    /// It is no store, or a changed one.
    Damaged(&'static str),
    /// The store key is wrapped to other identities only.
    OtherIdentity(Vec<Fingerprint>),
    /// A later version of the format.
    NewerFormat(u32),
}

impl Failure {
    pub(super) fn damaged(what: &'static str) -> Self {
        Self::Damaged(what)
    }
}

/// What is wrong with a file is told in our words: nobody who reads them knows the database.
impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::Io(error) => match error.kind() {
                io::ErrorKind::InvalidData => Self::damaged("it is not a message store"),
                io::ErrorKind::UnexpectedEof => Self::damaged("it was cut short"),
                _ => Self::Io(error),
            },
            redb::Error::DatabaseAlreadyOpen => Self::Held,
            redb::Error::Corrupted(_) => Self::damaged(INCONSISTENT),
            redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_) => Self::damaged("its format is unknown"),
            error => Self::Io(io::Error::other(error.to_string())),
        }
    }
}

const INCONSISTENT: &str = "its pages are inconsistent";

/// Runs code of the database: a file that was changed from outside may make it panic.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(Failure::damaged(INCONSISTENT)))
}

/// The error about a file.
pub(super) fn error_of(failure: Failure, action: &'static str, path: &Path) -> StoreError {
    let path = path.to_owned();
    match failure {
        Failure::Io(source) => StoreError::Io { action, path, source },
        Failure::Held => StoreError::Held { process: holder(&path), path },
        Failure::Damaged(why) => StoreError::Damaged { path, why },
        Failure::OtherIdentity(keys) => StoreError::OtherIdentity { path, keys },
        Failure::NewerFormat(version) => StoreError::NewerFormat { path, version },
    }
}
