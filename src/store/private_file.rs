//! Opening files to write that only their owner can read, whatever the umask, and never through a
//! link.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Permission bits of a private file.
const MODE: u32 = 0o600;

/// Permissions of a private file.
#[must_use]
pub fn permissions() -> Permissions {
    Permissions::from_mode(MODE)
}

/// Opens a file to append to, and creates it if need be.
///
/// # Errors
/// The system's, or it is no regular file.
pub fn append(path: &Path) -> io::Result<File> {
    open(File::options().append(true).create(true), path)
}

/// Creates a file that does not exist yet.
///
/// # Errors
/// The system's; among them that it exists.
pub fn create_new(path: &Path) -> io::Result<File> {
    open(File::options().write(true).create_new(true), path)
}

fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // Not blocking: opening a pipe would wait for its reader.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let file = options.mode(MODE).custom_flags(flags.cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    // The umask may have taken bits that the owner needs, and an older file may be open to others.
    file.set_permissions(permissions())?;
    Ok(file)
}
