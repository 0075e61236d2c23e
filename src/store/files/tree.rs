//! Folders below a folder, opened component by component and never through a link.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, mkdirat, openat, statat};
use rustix::io::Errno;
use rustix::path::Arg;

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
    Ok(open_beneath(above, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?)
}

/// Opens what has that name in a folder: never a link, nor anything outside of the folder. Where
/// the kernel cannot refuse that (before Linux 5.6, or behind a filter of system calls), it relies
/// on names that were checked.
pub(super) fn open_beneath(
    folder: impl AsFd,
    name: impl Arg + Copy,
    flags: OFlags,
    mode: Mode,
) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(&folder, name, flags, mode, resolve) {
            Err(Errno::NOSYS | Errno::PERM) => {}
            opened => return opened,
        }
    }
    openat(folder, name, flags, mode)
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_is_opened_outside_of_a_folder_nor_through_a_link() {
        let outside = tempfile::tempdir().unwrap();
        let at = |name: &str| outside.path().join(name);
        fs::create_dir_all(at("folder/inner")).unwrap();
        fs::write(at("secret"), "mine").unwrap();
        symlink("../secret", at("folder/link")).unwrap();
        symlink("inner", at("folder/short")).unwrap();
        let folder = File::open(at("folder")).unwrap();
        let opened = |name: &str| open_beneath(&folder, name, OFlags::RDONLY, Mode::empty()).map(drop);
        opened("inner").unwrap();
        assert_eq!(opened("link"), Err(Errno::LOOP));
        assert_eq!(opened("short"), Err(Errno::LOOP));
        // Names that are not checked lead nowhere either, where the kernel is asked.
        let secret = at("secret");
        for name in ["..", "../secret", "inner/../../secret", secret.to_str().unwrap()] {
            let refused = opened(name);
            assert!(matches!(refused, Err(Errno::XDEV)) || is_old_kernel(), "{name}: {refused:?}");
        }
    }

    fn is_old_kernel() -> bool {
        use rustix::fs::{CWD, ResolveFlags, openat2};
        openat2(CWD, ".", OFlags::PATH, Mode::empty(), ResolveFlags::BENEATH).is_err()
    }
}
