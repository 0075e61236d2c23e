//! Which folder is ours, and that nobody else can look into it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

use super::StoreFault;
use crate::limits;

/// The folder with the identity and the peer book. Several processes may share it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    path: PathBuf,
}

/// Releases the folder when dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Home {
    /// The folder that the command line names, else `RSACHAT_HOME`, else the XDG data folder. Nothing is
    /// created yet.
    ///
    /// # Errors
    /// [`StoreFault::NoHome`] when nothing says where.
    pub fn choose(flag: Option<&Path>, env: impl Fn(&str) -> Option<OsString>) -> Result<Self, StoreFault> {
        let set = |name| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let path = flag
            .map(Path::to_path_buf)
            .or_else(|| set("RSACHAT_HOME"))
            .or_else(|| {
                set("XDG_DATA_HOME").filter(|path| path.is_absolute()).map(|path| path.join("rsachat"))
            })
            .or_else(|| set("HOME").map(|path| path.join(".local/share/rsachat")))
            .ok_or(StoreFault::NoHome)?;
        Ok(Self { path })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Creates the folder if need be, 0700 whatever the umask, and looks at its owner and mode.
    ///
    /// # Errors
    /// [`StoreFault`] when it cannot be created or others can look into it.
    pub fn prepare(&self) -> Result<(), StoreFault> {
        if !self.path.exists() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.path)
                .map_err(StoreFault::io("create", &self.path))?;
        }
        let metadata = fs::metadata(&self.path).map_err(StoreFault::io("look at", &self.path))?;
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(StoreFault::Mode { path: self.path.clone(), mode, right: "700" });
        }
        Ok(())
    }

    /// Keeps other processes from writing, for a moment.
    pub(super) fn lock(&self) -> Result<Lock, StoreFault> {
        self.prepare()?;
        let path = self.file(".lock");
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = open(&path, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| StoreFault::io("lock", &path)(error.into()))?;
        let patience = Instant::now() + Duration::from_millis(limits::LOCK_TIMEOUT_MS);
        while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(StoreFault::io("lock", &path)(error.into()));
            }
            if Instant::now() > patience {
                return Err(StoreFault::Locked(path));
            }
            // Nobody keeps it longer than it takes to write a small file.
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Lock { _file: File::from(file) })
    }
}
