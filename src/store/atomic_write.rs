//! Writing a file whole or not at all: after a crash at any moment there is the old one or the new one.
//! It knows nothing of what it writes.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::error::StoreError;

/// How unfinished files begin. What a killed process leaves is removed by the next writer.
const UNFINISHED: &str = ".unfinished-";

/// Puts `bytes` in place as `folder`/`name`, readable by the user alone whatever the umask: temporary file
/// (`O_EXCL`), fsync, rename, fsync of the folder. A link in its place is replaced, never written through.
/// The caller holds the lock of the home.
pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let path = folder.join(name);
    put(folder, &path, bytes).map_err(StoreError::io("write", &path))
}

/// Makes what was renamed or linked in the folder last.
pub(super) fn settle(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn put(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    sweep(folder)?;
    let private = Permissions::from_mode(0o600);
    let mut file =
        tempfile::Builder::new().prefix(UNFINISHED).permissions(private.clone()).tempfile_in(folder)?;
    file.as_file().set_permissions(private)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    settle(folder)
}

/// Nobody else is writing while we hold the lock, so what is unfinished was abandoned, and it may be a key.
fn sweep(folder: &Path) -> io::Result<()> {
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
