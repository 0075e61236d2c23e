//! Errors of files that are sent or received: what is wrong, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::limits::{FILE_BYTES, MANIFEST_DEPTH, MANIFEST_ENTRIES};
use crate::store::{describe, quoted, shown};
use crate::text::byte_count;
use crate::transfer::OutOfOrder;
use crate::wire::CancelReason;

/// Reason why a file is not sent or not received.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// What is offered, or something in it, cannot be read.
    #[error("cannot read {}: {}{}", shown(.path), describe(.source), advice(.source, .path))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It is neither a file nor a folder.
    #[error("{} is {kind}, not a file; for a stream there is rsachat pipe", shown(.path))]
    Special {
        /// What the user named.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// It is the root of the file system.
    #[error("{} has no name of its own; name a folder in it", shown(.path))]
    Nameless {
        /// What the user named.
        path: PathBuf,
    },
    /// It says that it is empty, and has more in it than is held until it is sent.
    #[error("{} has no size and does not end soon; for a stream there is rsachat pipe", shown(.path))]
    Endless {
        /// What the user named.
        path: PathBuf,
    },
    /// It is larger than any file of a transfer.
    #[error("{} has more than {}; send it in pieces", shown(.path), byte_count::words(FILE_BYTES))]
    TooLarge {
        /// The file, or the one that it would be.
        path: PathBuf,
    },
    /// There are more files in it than a transfer has.
    #[error("{} has too many files in it ({MANIFEST_ENTRIES} at most); send parts of it", shown(.path))]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
    /// Folders are in each other more deeply than in any transfer.
    #[error("{} is too deep in its folder ({MANIFEST_DEPTH} names at most); send it by itself", shown(.path))]
    TooDeep {
        /// The folder in it.
        path: PathBuf,
    },
    /// What is read is no longer what was offered.
    #[error("{} changed since it was offered; offer it again", shown(.path))]
    SourceChanged {
        /// The file.
        path: PathBuf,
    },
    /// There is less room than it needs.
    #[error("{} has {} free, and {} are needed; make room or name another folder", shown(.path), byte_count::words(*.free), byte_count::words(*.needed))]
    NoRoom {
        /// The folder that it would be in.
        path: PathBuf,
        /// Bytes that are still to come.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The disk was filled before everything was there.
    #[error("no room is left in {}; make room and accept it again", shown(.path))]
    Full {
        /// The folder that it is in.
        path: PathBuf,
    },
    /// What is received cannot be written.
    #[error("cannot write {}: {}{}", shown(.path), describe(.source), advice(.source, .path.parent().unwrap_or(.path)))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The name that the user chose is taken.
    #[error("{} exists, and nothing is overwritten; choose a new name or a folder", shown(.path))]
    Taken {
        /// The name.
        path: PathBuf,
    },
    /// The folder that the user chose is none.
    #[error("there is no folder {}; make it, or choose another", shown(.path))]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Something else has the name of the part, or what was received is no longer as it was.
    #[error("{} is not as it was left; move it away and accept the file again", shown(.path))]
    InTheWay {
        /// The part.
        path: PathBuf,
    },
    /// What had arrived of it was removed.
    #[error("{} was removed or renamed; accept the file again", shown(.path))]
    Removed {
        /// The part.
        path: PathBuf,
    },
    /// The file system has no names of this length: said before anything comes, not at the end.
    #[error("{} has a name that is too long; choose a shorter one", shown(.path))]
    LongName {
        /// The file or folder.
        path: PathBuf,
    },
    /// The peer has broken a rule.
    #[error(transparent)]
    OutOfOrder(#[from] OutOfOrder),
    /// What arrived is not what was sent.
    #[error("{} arrived damaged; ask for it again", shown(.path))]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl FileError {
    /// For `map_err`, when reading.
    pub(super) fn read(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    /// For `map_err`, when writing into a folder.
    pub(super) fn write(folder: &Path, path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path: folder.to_owned() }
            }
            _ => Self::Write { path: path.to_owned(), source },
        }
    }

    /// What the peer is told when a transfer ends for this reason.
    #[must_use]
    pub fn cancel_reason(&self) -> CancelReason {
        match self {
            Self::NoRoom { .. } | Self::Full { .. } | Self::TooLarge { .. } => CancelReason::NoRoom,
            Self::Write { .. }
            | Self::Taken { .. }
            | Self::NoFolder { .. }
            | Self::InTheWay { .. }
            | Self::Removed { .. }
            | Self::LongName { .. } => CancelReason::CannotWrite,
            Self::OutOfOrder(_) | Self::Damaged { .. } => CancelReason::Damaged,
            Self::Read { .. }
            | Self::Special { .. }
            | Self::Nameless { .. }
            | Self::Endless { .. }
            | Self::TooMany { .. }
            | Self::TooDeep { .. }
            | Self::SourceChanged { .. } => CancelReason::SourceChanged,
        }
    }
}

/// Whether what is there is of another kind than what was made.
pub(super) fn is_other_kind(error: &io::Error) -> bool {
    let other = [Errno::LOOP, Errno::NOTDIR, Errno::ISDIR, Errno::NXIO, Errno::MLINK];
    other.iter().any(|other| error.raw_os_error() == Some(other.raw_os_error()))
}

/// Whether something else has the name that was wanted.
pub(super) fn is_taken(error: Errno) -> bool {
    matches!(error, Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR | Errno::NOTDIR)
}

fn advice(source: &io::Error, path: &Path) -> String {
    match source.kind() {
        io::ErrorKind::NotFound => "; look at its name".to_owned(),
        io::ErrorKind::PermissionDenied => format!("; look at ls -ld {}", quoted(path)),
        io::ErrorKind::ReadOnlyFilesystem => "; choose another folder".to_owned(),
        io::ErrorKind::FileTooLarge => "; choose a folder on another disk".to_owned(),
        _ => String::new(),
    }
}
