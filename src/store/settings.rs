//! The file with the user's settings, as text. It knows nothing of what stands in it. Other rules hold than
//! for a home: many people keep such files behind links, and some systems let root own them.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use super::checked_read;
use super::error::StoreError;
use crate::limits::CONFIG_BYTES;

/// Permission bits of others that are refused: settings can open a port.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The text of the file; none if there is no such file.
///
/// # Errors
/// It is no regular file, neither the user's nor root's, others may write to it, it is larger than
/// [`CONFIG_BYTES`], not UTF-8, or cannot be read.
pub fn load_settings(path: &Path) -> Result<Option<String>, StoreError> {
    // Not blocking: opening a pipe would wait for its writer.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = match File::options().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(StoreError::io("read", path))?,
    };
    let metadata = file.metadata().map_err(StoreError::io("read", path))?;
    if !metadata.is_file() {
        return Err(checked_read::wrong_kind(path, checked_read::kind(metadata.file_type())));
    }
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(StoreError::Foreign { path: path.to_owned(), owner });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(StoreError::Open { path: path.to_owned(), mode, mended: 0o600 });
    }
    let mut bytes = Vec::new();
    file.take(CONFIG_BYTES + 1).read_to_end(&mut bytes).map_err(StoreError::io("read", path))?;
    if bytes.len() as u64 > CONFIG_BYTES {
        return Err(StoreError::Large { path: path.to_owned(), limit: CONFIG_BYTES });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(StoreError::NotText { path: path.to_owned() }),
    }
}
