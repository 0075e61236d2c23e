//! A whole home in one file, sealed by a passphrase (`docs/HOME.md`): to move it to another
//! machine, or to keep a copy. What is in use by another process is never copied.

mod content;
mod export;
mod import;
mod stream;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::book_file::BookError;
use super::{StoreError, shown};
use crate::crypto::SealedFileError;
use crate::time::UnixMs;

pub(crate) use export::{check_place, check_source, export};
pub(crate) use import::{Imported, OpenHome, SealedHome, SettingsPlace, check_empty};

/// Name of the settings in the file; they are no part of a home.
const SETTINGS: &str = "config.toml";

/// Reason why a home is not exported or not imported. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Book(#[from] BookError),
    /// There is nothing that makes somebody.
    #[error("there is no key in {}", shown(.home))]
    NoKey { home: PathBuf },
    /// A file would be overwritten.
    #[error("the file {} already exists; name another", shown(.path))]
    Present { path: PathBuf },
    #[error("there is no file {}", shown(.path))]
    Absent { path: PathBuf },
    /// What is in the home would be overwritten.
    #[error("there is already a key in {}", shown(.home))]
    KeyPresent { home: PathBuf },
    #[error("{} is not empty: it contains {name}", shown(.home))]
    NotEmpty { home: PathBuf, name: String },
    #[error("{} {}", shown(.path), reason(*.why))]
    Sealed { path: PathBuf, why: SealedFileError },
    #[error("{} is truncated: {present} of its {whole} bytes are there; use another copy of it", shown(.path))]
    Cut { path: PathBuf, present: u64, whole: u64 },
    #[error("{} is damaged ({why}); use another copy of it", shown(.path))]
    Damaged { path: PathBuf, why: String },
}

fn reason(why: SealedFileError) -> String {
    match why {
        SealedFileError::Foreign => "is not a home that rsachat exported".to_owned(),
        SealedFileError::Newer(version) => {
            format!("was exported by a newer rsachat (format {version}); use that one")
        }
        SealedFileError::Cut => "is truncated: its header does not end; use another copy of it".to_owned(),
        SealedFileError::Damaged => "is damaged (its header); use another copy of it".to_owned(),
        SealedFileError::TooCostly => {
            "needs too much time or memory to open; rsachat did not export it".to_owned()
        }
        SealedFileError::WrongPassphrase => "cannot be opened: wrong passphrase".to_owned(),
    }
}

/// What a file holds, or held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Contents {
    /// Moment of the export.
    pub(crate) exported_at: UnixMs,
    /// Names of the files, in their order.
    pub(crate) names: Vec<String>,
}

/// Folder of a file that the command line names.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}
