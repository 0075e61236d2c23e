//! Checked reading: only a regular file of the user's, closed to others, of bounded size.

use std::fs::{File, FileType, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::error::StoreError;

/// Rules that a file must keep to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A secret, with which others may do nothing.
    Secret,
    /// Public, but relied upon: others may read it.
    Public,
    /// Settings, which others may read. Many people keep them behind a link, and on some systems
    /// they belong to root.
    Settings,
}

/// The bytes of the file; `None` if there is no such file. Every other difficulty is an error, so
/// that trouble never looks like absence.
///
/// # Errors
/// It is no regular file, another user's, open to others, larger than `limit`, or cannot be read.
pub(super) fn read(
    path: &Path,
    limit: u64,
    access: Access,
) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let failed = || StoreError::io("read", path);
    let follows = access == Access::Settings;
    // Not blocking: opening a pipe would wait for its writer.
    let flags = if follows { OFlags::NONBLOCK } else { OFlags::NONBLOCK | OFlags::NOFOLLOW };
    let file = match File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if !follows && error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(wrong_kind(path, "a symbolic link"));
        }
        other => other.map_err(failed())?,
    };
    let metadata = file.metadata().map_err(failed())?;
    if !metadata.is_file() {
        return Err(wrong_kind(path, kind(metadata.file_type())));
    }
    if !(follows && metadata.uid() == 0) {
        check_owner(path, &metadata)?;
    }
    check_mode(path, &metadata, if access == Access::Secret { 0o077 } else { 0o022 }, 0o600)?;
    let too_large = || StoreError::TooLarge { path: path.to_owned(), limit };
    if metadata.len() > limit {
        return Err(too_large());
    }
    // Room for the whole from the start: growing would leave copies of a secret behind.
    let room = usize::try_from(metadata.len() + 1).map_err(|_| too_large())?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let read = file.take(limit + 1).read_to_end(&mut bytes).map_err(failed())?;
    if read as u64 > limit { Err(too_large()) } else { Ok(Some(bytes)) }
}

/// The text of the file; `None` if there is no such file.
///
/// # Errors
/// It is no regular file, another user's, open to others, larger than `limit`, not UTF-8,
/// or cannot be read.
pub fn read_text(path: &Path, limit: u64, access: Access) -> Result<Option<Zeroizing<String>>, StoreError> {
    let Some(bytes) = read(path, limit, access)? else { return Ok(None) };
    let text = str::from_utf8(&bytes).map_err(|_| StoreError::NotText { path: path.to_owned() })?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

pub(super) fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    if metadata.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(StoreError::WrongOwner { path: path.to_owned(), owner: metadata.uid() })
}

/// Refuses the permission bits `refused`; `wanted` are the bits that the user is told to set.
pub(super) fn check_mode(
    path: &Path,
    metadata: &Metadata,
    refused: u32,
    wanted: u32,
) -> Result<(), StoreError> {
    let mode = metadata.mode() & 0o7777;
    if mode & refused == 0 {
        return Ok(());
    }
    Err(StoreError::OpenToOthers { path: path.to_owned(), mode, wanted })
}

fn wrong_kind(path: &Path, kind: &'static str) -> StoreError {
    StoreError::WrongKind { path: path.to_owned(), kind, wanted: "a file" }
}

fn kind(file_type: FileType) -> &'static str {
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
