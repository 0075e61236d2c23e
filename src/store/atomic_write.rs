//! Atomic replacement of a file: after a crash at any moment there is the old one or the new one.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::path::Path;

use super::error::StoreError;
use super::private_file;

/// Prefix of unfinished files.
const UNFINISHED: &str = ".unfinished-";

/// Writes a file of a home, readable by the user alone whatever the umask, and makes it durable. A
/// link in its place is replaced, never written through. The caller holds the lock of the home.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let write = || {
        remove_unfinished(folder(path))?;
        replace(path, bytes, private_file::permissions())?;
        sync_folder(folder(path))
    };
    write().map_err(StoreError::io("write", path))
}

/// Replaces a file: temporary file (`O_EXCL`), fsync, rename.
///
/// # Errors
/// The system's; the old file is then untouched.
pub fn replace(path: &Path, bytes: &[u8], permissions: Permissions) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder(path))?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new("."))
}

/// Makes renames and links in the folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes what killed writers left, which may be a key: nobody else is writing while we hold the
/// lock.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes())
            && entry.file_type()?.is_file()
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
