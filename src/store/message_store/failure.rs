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
    Damaged(String),
    /// The store key is wrapped to other identities only.
    OtherIdentity(Vec<Fingerprint>),
    /// A later version of the format.
    NewerFormat(u32),
}

impl Failure {
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        match error.into() {
            redb::Error::Io(error) if matches!(error.kind(), InvalidData | UnexpectedEof) => {
                Self::damaged(error.to_string())
            }
            redb::Error::Io(error) => Self::Io(error),
            redb::Error::DatabaseAlreadyOpen => Self::Held,
            redb::Error::Corrupted(what) => Self::Damaged(what),
            error @ (redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_)) => Self::Damaged(error.to_string()),
            error => Self::Io(io::Error::other(error.to_string())),
        }
    }
}

/// Runs code of the database: a file that was changed from outside may make it panic.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(Failure::damaged("its pages are inconsistent")))
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
