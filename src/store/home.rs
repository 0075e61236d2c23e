//! The folder that is the user's alone: which one it is, that nobody else can look into it, and the lock
//! that several processes share. It knows nothing of the files in it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::error::StoreError;
use crate::limits::LOCK_TIMEOUT_MS;

/// The home folder of one identity. It need not exist yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    folder: PathBuf,
}

/// The right to change files in a home, until dropped. The kernel takes it back from a killed process.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Permissions of the folder: the user's alone.
const FOLDER_MODE: u32 = 0o700;
/// Time between two attempts to take the lock.
const LOCK_RETRY: Duration = Duration::from_millis(2);

impl Home {
    /// The folder: `flag`, else `RSACHAT_HOME`, else `rsachat` in `XDG_DATA_HOME`, else in
    /// `~/.local/share`. A variable that is empty counts as unset, and so do a relative `XDG_DATA_HOME`
    /// (XDG Base Directory Specification) and a relative `HOME`.
    ///
    /// # Errors
    /// [`StoreError::NoHome`] if none of them is there.
    pub fn choose(flag: Option<&Path>, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, StoreError> {
        let path = |name| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let absolute = |name| path(name).filter(|path| path.is_absolute());
        let folder = flag
            .filter(|flag| !flag.as_os_str().is_empty())
            .map(Path::to_owned)
            .or_else(|| path("RSACHAT_HOME"))
            .or_else(|| absolute("XDG_DATA_HOME").map(|data| data.join("rsachat")))
            .or_else(|| absolute("HOME").map(|home| home.join(".local/share/rsachat")))
            .ok_or(StoreError::NoHome)?;
        Ok(Self { folder })
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder if there is none, for the user alone whatever the umask, and checks it.
    ///
    /// # Errors
    /// It cannot be made, or [`Home::check`] refuses what is there.
    pub fn prepare(&self) -> Result<(), StoreError> {
        let failed = || StoreError::io("make the folder", &self.folder);
        if let Some(parent) = self.folder.parent() {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(parent).map_err(failed())?;
        }
        match DirBuilder::new().mode(FOLDER_MODE).create(&self.folder) {
            // A umask may also have taken bits that the owner needs.
            Ok(()) => {
                fs::set_permissions(&self.folder, Permissions::from_mode(FOLDER_MODE)).map_err(failed())?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed()(error)),
        }
        self.check()
    }

    /// Refuses a folder that is another user's or open to others. One that is not there passes. The folder
    /// may be reached by a symbolic link: it was the user who named it.
    ///
    /// # Errors
    /// A [`StoreError`] with the command that mends it.
    pub fn check(&self) -> Result<(), StoreError> {
        let path = || self.folder.clone();
        let metadata = match fs::metadata(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(StoreError::io("look at the folder", &self.folder))?,
        };
        if !metadata.is_dir() {
            return Err(StoreError::Kind { path: path(), kind: "a file", wanted: "a folder" });
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(StoreError::Foreign { path: path(), owner: metadata.uid() });
        }
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(StoreError::Open { path: path(), mode, mended: FOLDER_MODE });
        }
        Ok(())
    }

    /// Makes the folder if need be and waits, a bounded time, for the right to change files in it.
    pub(super) fn lock(&self) -> Result<Lock, StoreError> {
        self.prepare()?;
        let path = self.folder.join(".lock");
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags.cast_signed())
            .open(&path)
            .map_err(StoreError::io("lock", &path))?;
        // The next to open it may not be stopped by our umask.
        file.set_permissions(Permissions::from_mode(0o600)).map_err(StoreError::io("lock", &path))?;
        let deadline = Instant::now() + Duration::from_millis(LOCK_TIMEOUT_MS);
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from) {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Not a blocking lock: a holder stopped with Ctrl-Z would stop us as well.
                    if Instant::now() >= deadline {
                        return Err(StoreError::Busy { path });
                    }
                    std::thread::sleep(LOCK_RETRY);
                }
                Err(error) => return Err(StoreError::io("lock", &path)(error)),
            }
        }
    }
}
