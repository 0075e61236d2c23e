//! Walk through a folder that is offered: its files and empty folders, in the order of the bytes
//! of their paths.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, Dir, FileType, accessat};

use super::entries::{Entry, EntryList, Stamp};
use super::error::FileError;
use super::tree::{look, open_folder, stamp};
use crate::limits::{FILE_BYTES, MANIFEST_BYTES, MANIFEST_DEPTH, MANIFEST_ENTRIES};
use crate::wire::OfferKind;

/// Bytes of an entry in a manifest besides its path.
const MANIFEST_HEAD_BYTES: u64 = 1 + 8 + 8 + 2;

/// What of a folder is not sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Skipped {
    /// Symbolic links.
    pub links: u64,
    /// Pipes, sockets and devices.
    pub specials: u64,
}

/// What a walk has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) entries: EntryList,
    pub(super) total: u64,
    pub(super) skipped: Skipped,
    manifest_bytes: u64,
}

/// Names in one folder, close together: there may be a million.
#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    /// Where each begins and ends. One of a folder ends with a slash, so that names are in the
    /// order of the paths that begin with them.
    spans: Vec<(u32, u32)>,
}

impl Names {
    fn push(&mut self, name: &[u8], kind: FileType) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        if kind == FileType::Directory {
            self.bytes.push(b'/');
        }
        let span = |at| u32::try_from(at).unwrap_or(u32::MAX);
        self.spans.push((span(start), span(self.bytes.len())));
    }

    fn get(bytes: &[u8], (start, end): (u32, u32)) -> &[u8] {
        bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    fn sorted(mut self) -> Self {
        let bytes = &self.bytes;
        self.spans.sort_unstable_by(|one, other| Self::get(bytes, *one).cmp(Self::get(bytes, *other)));
        self
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|span| Self::get(&self.bytes, *span))
    }
}

/// Walks through the folder `root`, which the user knows as `path`.
pub(super) fn walk(root: BorrowedFd<'_>, path: &Path) -> Result<Found, FileError> {
    let mut found = Found::default();
    found.walk(root, path, &mut Vec::new(), 1)?;
    Ok(found)
}

impl Found {
    /// `prefix` is the path of the folder, with a slash behind it unless it is the root.
    fn walk(
        &mut self,
        folder: BorrowedFd<'_>,
        root: &Path,
        prefix: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), FileError> {
        let shown = |prefix: &[u8]| root.join(OsStr::from_bytes(prefix));
        if depth > MANIFEST_DEPTH {
            return Err(FileError::TooDeep { path: shown(prefix) });
        }
        let names = self.names(folder).map_err(FileError::read(&shown(prefix)))?;
        if u32::try_from(names.spans.len()).is_ok_and(|count| count > MANIFEST_ENTRIES) {
            return Err(too_many(root));
        }
        if names.spans.is_empty() && depth > 1 {
            let path = prefix.strip_suffix(b"/").unwrap_or(prefix);
            let (stamp, path) = (Stamp::default(), path.into());
            self.push(root, &Entry { kind: OfferKind::Folder, stamp, path })?;
        }
        for name in names.iter() {
            let before = prefix.len();
            prefix.extend_from_slice(name);
            let path = shown(prefix);
            let failed = FileError::read(&path);
            if let Some(name) = name.strip_suffix(b"/") {
                let inner = open_folder(folder, name).map_err(failed)?;
                self.walk(inner.as_fd(), root, prefix, depth + 1)?;
            } else {
                accessat(folder, name, Access::READ_OK, AtFlags::EACCESS)
                    .map_err(io::Error::from)
                    .map_err(&failed)?;
                let (_, stat) = look(folder, name).map_err(io::Error::from).map_err(&failed)?;
                let stamp = stamp(&stat);
                if stamp.size > FILE_BYTES {
                    return Err(FileError::TooLarge { path: shown(prefix) });
                }
                self.push(root, &Entry { kind: OfferKind::File, stamp, path: prefix.as_slice().into() })?;
            }
            prefix.truncate(before);
        }
        Ok(())
    }

    /// The files and folders in a folder; others are counted.
    fn names(&mut self, folder: BorrowedFd<'_>) -> io::Result<Names> {
        let mut names = Names::default();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => look(folder, name)?.0,
                known => known,
            };
            match kind {
                FileType::RegularFile | FileType::Directory => names.push(name, kind),
                FileType::Symlink => self.skipped.links += 1,
                _ => self.skipped.specials += 1,
            }
        }
        Ok(names.sorted())
    }

    fn push(&mut self, root: &Path, entry: &Entry<'_>) -> Result<(), FileError> {
        self.manifest_bytes += MANIFEST_HEAD_BYTES + entry.path.len() as u64;
        if self.entries.len() >= MANIFEST_ENTRIES || self.manifest_bytes > MANIFEST_BYTES {
            return Err(too_many(root));
        }
        self.entries.push(entry);
        self.total = self.total.saturating_add(entry.stamp.size);
        Ok(())
    }
}

fn too_many(root: &Path) -> FileError {
    FileError::TooMany { path: PathBuf::from(root) }
}
