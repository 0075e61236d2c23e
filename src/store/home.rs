//! Home folder of one identity: its path, its permissions, and the lock that processes share.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::StoreError;
use super::safe_file::{self, Durability};
use crate::limits::LOCK_TIMEOUT_MS;

/// Home folder of one identity. It need not exist yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    folder: PathBuf,
    durability: Durability,
}

/// Exclusive right to change files in a home, until dropped. The kernel releases it for a killed
/// process.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Name of the lock's file.
pub(super) const LOCK: &str = ".lock";

/// Files of a home that have no key in them, nor what one opens.
const WITHOUT_KEY: [&str; 3] = [LOCK, "peers", "peers.met"];

/// Time between two attempts to take the lock.
const LOCK_RETRY: Duration = Duration::from_millis(2);

impl Home {
    /// Chooses the folder: `flag`, else `RSACHAT_HOME`, else `rsachat` in `XDG_DATA_HOME`, else in
    /// `~/.local/share`. An empty variable counts as unset, and so do a relative `XDG_DATA_HOME`
    /// (XDG Base Directory Specification) and a relative `HOME`.
    pub(crate) fn choose(
        flag: Option<&Path>,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, StoreError> {
        let path = |name| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let absolute = |name| path(name).filter(|path| path.is_absolute());
        let folder = flag
            .filter(|flag| !flag.as_os_str().is_empty())
            .map(Path::to_owned)
            .or_else(|| path("RSACHAT_HOME"))
            .or_else(|| absolute("XDG_DATA_HOME").map(|data| data.join("rsachat")))
            .or_else(|| absolute("HOME").map(|home| home.join(".local/share/rsachat")))
            .ok_or_else(|| match env("HOME").filter(|value| !value.is_empty()) {
                Some(value) => StoreError::RelativeHome { value },
                None => StoreError::NoHome,
            })?;
        Ok(Self::at(folder))
    }

    /// Home in a folder that somebody named.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder, durability: Durability::Synced }
    }

    /// Home that does not outlive the process.
    pub(crate) fn temporary(folder: PathBuf) -> Self {
        Self { folder, durability: Durability::Temporary }
    }

    pub(super) fn durability(&self) -> Durability {
        self.durability
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Creates the folder if there is none, for the user alone whatever the umask, and checks it.
    pub(crate) fn prepare(&self) -> Result<(), StoreError> {
        let failed = || StoreError::io("make the folder", &self.folder);
        if let Some(parent) = self.folder.parent() {
            DirBuilder::new().recursive(true).mode(safe_file::FOLDER_MODE).create(parent).map_err(failed())?;
        }
        match DirBuilder::new().mode(safe_file::FOLDER_MODE).create(&self.folder) {
            // The umask may have taken bits that the owner needs.
            Ok(()) => {
                fs::set_permissions(&self.folder, Permissions::from_mode(safe_file::FOLDER_MODE))
                    .map_err(failed())?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed()(error)),
        }
        self.check()
    }

    /// Refuses a folder that is another user's or open to others. An absent one passes. The folder
    /// may be reached by a symbolic link: it was the user who named it.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let metadata = match fs::metadata(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(StoreError::io("look at the folder", &self.folder))?,
        };
        if !metadata.is_dir() {
            let path = self.folder.clone();
            return Err(StoreError::WrongKind { path, kind: "a file", wanted: "a folder" });
        }
        safe_file::check_owner(&self.folder, &metadata)?;
        safe_file::check_mode(&self.folder, &metadata, 0o077, safe_file::FOLDER_MODE)
    }

    /// Mode of a folder that is the user's, has nothing in it but files of a home, and no key, and
    /// is open to others: closing it costs nobody anything. Where others can write, it is empty.
    pub(crate) fn open_mode(&self) -> Option<u32> {
        let metadata = fs::metadata(&self.folder).ok().filter(Metadata::is_dir)?;
        safe_file::check_owner(&self.folder, &metadata).ok()?;
        let mode = metadata.mode() & 0o7777;
        let mut entries = fs::read_dir(&self.folder).ok()?;
        let is_of_home = |name: OsString| mode & 0o022 == 0 && WITHOUT_KEY.iter().any(|file| name == **file);
        let is_ours = entries.all(|entry| entry.is_ok_and(|entry| is_of_home(entry.file_name())));
        (mode & 0o077 != 0 && is_ours).then_some(mode)
    }

    /// Closes a folder that is merely open to others ([`Home::open_mode`]). Returns the mode that
    /// it had, if it was one.
    pub(crate) fn close(&self) -> Result<Option<u32>, StoreError> {
        let Some(mode) = self.open_mode() else { return Ok(None) };
        let closed = Permissions::from_mode(safe_file::FOLDER_MODE);
        fs::set_permissions(&self.folder, closed)
            .map_err(StoreError::io("close the folder", &self.folder))?;
        Ok(Some(mode))
    }

    /// Creates the folder if need be, and waits a bounded time for the lock.
    pub(super) fn lock(&self) -> Result<Lock, StoreError> {
        self.lock_within(Duration::from_millis(LOCK_TIMEOUT_MS))
    }

    /// The same without waiting.
    pub(super) fn try_lock(&self) -> Result<Lock, StoreError> {
        self.lock_within(Duration::ZERO)
    }

    fn lock_within(&self, patience: Duration) -> Result<Lock, StoreError> {
        self.prepare()?;
        let path = self.folder.join(LOCK);
        let failed = || StoreError::io("lock", &path);
        let file = safe_file::append(&path).map_err(failed())?;
        let deadline = Instant::now() + patience;
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
                Err(error) => return Err(failed()(error)),
            }
        }
    }
}
