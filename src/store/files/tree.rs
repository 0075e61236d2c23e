//! Folders below a folder, opened component by component and never through a link.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, mkdirat, openat, statat};
use rustix::io::Errno;

use super::entries::Stamp;

/// Mode of a folder that is received, before the umask.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);

/// A folder, and the ones in it that lead to the last path: paths that follow each other share
/// most of theirs.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    /// Name and descriptor of each, the outermost first.
    chain: Vec<(Vec<u8>, OwnedFd)>,
}

/// What becomes of a folder that is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Missing {
    /// It is made.
    Make,
    /// That is an error.
    Refuse,
}

impl Tree {
    pub(super) fn new(root: OwnedFd) -> Self {
        Self { root, chain: Vec::new() }
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Synchronises the file system that it is in: at once for all its files.
    pub(super) fn sync_file_system(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        return Ok(rustix::fs::syncfs(self.root())?);
        #[cfg(not(target_os = "linux"))]
        {
            rustix::fs::sync();
            Ok(rustix::fs::fsync(self.root())?)
        }
    }

    /// The folder that these names lead to.
    pub(super) fn folder<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a [u8]>,
        missing: Missing,
    ) -> io::Result<BorrowedFd<'_>> {
        let mut depth = 0;
        for name in names {
            if self.chain.get(depth).is_none_or(|(open, _)| open != name) {
                self.chain.truncate(depth);
                let above = self.chain.last().map_or(&self.root, |(_, folder)| folder);
                if missing == Missing::Make {
                    match mkdirat(above, name, FOLDER_MODE) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                let folder = open_folder(above, name)?;
                self.chain.push((name.to_vec(), folder));
            }
            depth += 1;
        }
        self.chain.truncate(depth);
        Ok(self.chain.last().map_or(&self.root, |(_, folder)| folder).as_fd())
    }
}

/// The folder of that name in another one; a link is none.
pub(super) fn open_folder(above: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(above, name, flags, Mode::empty())?)
}

/// What has that name in a folder, itself and not what it links to.
pub(super) fn look(folder: impl AsFd, name: &[u8]) -> rustix::io::Result<(FileType, Stat)> {
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((FileType::from_raw_mode(stat.st_mode), stat))
}

/// State of a file.
pub(super) fn stamp(stat: &Stat) -> Stamp {
    Stamp {
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified_ns: nanoseconds(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        inode: stat.st_ino,
    }
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
