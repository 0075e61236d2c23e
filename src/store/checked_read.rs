//! Reading a file of ours only if it is one: a regular file of the user's, closed to others, not too large,
//! and not behind a link. It knows nothing of what it holds.

use std::fs::{File, FileType};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::error::StoreError;

/// What others may do with a file without it being refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Others {
    /// Nothing: it is a secret.
    Nothing,
    /// Read it: it is public, but what it says is relied upon.
    Read,
}

/// The bytes of the file; none if there is no such file. Every other difficulty is an error, so that trouble
/// never looks like absence.
pub(super) fn read(
    path: &Path,
    limit: u64,
    others: Others,
) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    // Not blocking: opening a pipe would wait for its writer.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = match File::options().read(true).custom_flags(flags.cast_signed()).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(wrong_kind(path, "a symbolic link"));
        }
        other => other.map_err(StoreError::io("read", path))?,
    };
    let metadata = file.metadata().map_err(StoreError::io("read", path))?;
    if !metadata.is_file() {
        return Err(wrong_kind(path, kind(metadata.file_type())));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(StoreError::Foreign { path: path.to_owned(), owner: metadata.uid() });
    }
    let mode = metadata.mode() & 0o7777;
    let refused = if others == Others::Nothing { 0o077 } else { 0o022 };
    if mode & refused != 0 {
        return Err(StoreError::Open { path: path.to_owned(), mode, mended: 0o600 });
    }
    let large = || StoreError::Large { path: path.to_owned(), limit };
    if metadata.len() > limit {
        return Err(large());
    }
    // Room for the whole from the start: growing would leave copies of a secret behind.
    let room = usize::try_from(metadata.len() + 1).map_err(|_| large())?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let read = file.take(limit + 1).read_to_end(&mut bytes).map_err(StoreError::io("read", path))?;
    if read as u64 > limit { Err(large()) } else { Ok(Some(bytes)) }
}

pub(super) fn wrong_kind(path: &Path, kind: &'static str) -> StoreError {
    StoreError::Kind { path: path.to_owned(), kind, wanted: "a file" }
}

pub(super) fn kind(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "a folder"
    } else if file_type.is_symlink() {
        "a symbolic link"
    } else if file_type.is_fifo() {
        "a pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
