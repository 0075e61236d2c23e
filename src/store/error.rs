//! What the file system can do to us: always the path, what was tried, and what to do. It knows nothing of
//! what the files hold.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file or folder of the user's was not used. Nothing was changed unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No place for the files is known.
    #[error("no home folder: HOME is not set; name one with --home DIR")]
    NoHome,
    /// The system refused.
    #[error("cannot {action} {}: {source}{}", .path.display(), advice(.source, .path))]
    Io {
        /// What was tried: `read`, `write`, ...
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Others could read or write what is the user's alone.
    #[error("{} is open to others ({mode:04o}); chmod {mended:o} {}", .path.display(), quoted(.path))]
    Open {
        /// Which file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The bits it should have.
        mended: u32,
    },
    /// It belongs to another user.
    #[error("{} belongs to user {owner}, not to you; chown it, or name another folder with --home DIR", .path.display())]
    Foreign {
        /// Which file or folder.
        path: PathBuf,
        /// The numeric id of its owner.
        owner: u32,
    },
    /// It is a symbolic link, a folder, a pipe, a device.
    #[error("{} is {kind}, not {wanted}; move it away", .path.display())]
    Kind {
        /// Which file or folder.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// It is larger than anything we write.
    #[error("{} is too large to be ours (limit {limit} bytes); move it away", .path.display())]
    Large {
        /// Which file.
        path: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// It is not text.
    #[error("{} is not UTF-8 text; move it away", .path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
    },
    /// There is a key already.
    #[error("{} holds a key already; --replace makes a new one and keeps the old file beside it", .path.display())]
    KeyPresent {
        /// Where.
        path: PathBuf,
    },
    /// Another process kept the folder to itself for too long.
    #[error("{} is held by another process; end it, or try again", .path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
}

impl StoreError {
    /// For `map_err`: what was tried, and on what.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

/// What to do about the causes people meet; the others speak for themselves with their path.
fn advice(source: &io::Error, path: &Path) -> String {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room and try again".into(),
        io::ErrorKind::ReadOnlyFilesystem => "; name another folder with --home DIR".into(),
        io::ErrorKind::PermissionDenied => format!("; look at ls -ld {}", quoted(path)),
        io::ErrorKind::NotADirectory => {
            "; a part of that path is no folder, name another with --home DIR".into()
        }
        _ => String::new(),
    }
}

/// A path as it can be pasted into a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%,".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
