//! Files read and written whole: a reader sees the old text or the new one, never a part, also after a crash.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::StoreFault;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Privacy {
    /// Nobody but us.
    Secret,
    /// It does no harm.
    Open,
}

/// Writes `text` to `path` with mode 0600: temporary file in the same folder, fsync, rename, fsync of the
/// folder. A link that stands at `path` is replaced, not followed.
pub(super) fn write(path: &Path, text: &str) -> Result<(), StoreFault> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)
        .map_err(StoreFault::io("create a file in", folder))?;
    file.write_all(text.as_bytes()).map_err(StoreFault::io("write", path))?;
    file.as_file().sync_all().map_err(StoreFault::io("write", path))?;
    file.persist(path).map_err(|error| StoreFault::io("replace", path)(error.error))?;
    sync_folder(folder)
}

/// Makes sure that a rename in the folder outlives a crash.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreFault> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreFault::io("write", folder))
}

/// Reads a text of at most `limit` bytes; `None` when there is no such file. Only an ordinary file is read,
/// links included only when what they hold may be seen by everybody.
pub(super) fn read(
    path: &Path,
    limit: u64,
    privacy: Privacy,
) -> Result<Option<Zeroizing<String>>, StoreFault> {
    let mut options = fs::OpenOptions::new();
    // A FIFO must not hold us up, and a planted link must not lead elsewhere.
    let mut flags = OFlags::NONBLOCK;
    if privacy == Privacy::Secret {
        flags |= OFlags::NOFOLLOW;
    }
    let file = match options.read(true).custom_flags(flags.bits().cast_signed()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(StoreFault::NotAFile(path.to_path_buf()));
        }
        Err(error) => return Err(StoreFault::io("read", path)(error)),
    };
    let metadata = file.metadata().map_err(StoreFault::io("read", path))?;
    if !metadata.is_file() {
        return Err(StoreFault::NotAFile(path.to_path_buf()));
    }
    if metadata.len() > limit {
        return Err(StoreFault::TooLarge(path.to_path_buf()));
    }
    let mode = metadata.mode() & 0o777;
    if privacy == Privacy::Secret && mode & 0o077 != 0 {
        return Err(StoreFault::Mode { path: path.to_path_buf(), mode, right: "600" });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(limit).read_to_end(&mut bytes).map_err(StoreFault::io("read", path))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| StoreFault::NotText(path.to_path_buf()))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}
