//! Source of a transfer: a file or a folder that a user offers, looked at once and known again
//! later.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::entries::{Entry, EntryList, Stamp};
use super::error::FileError;
use super::tree::nanoseconds;
use super::walk::{Skipped, walk};
use crate::limits::{FILE_BYTES, FILE_STREAM_BYTES};
use crate::wire::{ManifestEntry, Offer, OfferKind, TransferId};

/// A file or folder that is offered, as it was when the user named it.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    kind: OfferKind,
    name: Vec<u8>,
    entries: EntryList,
    total: u64,
    skipped: Skipped,
    /// File that stands for that of the path: a copy of one that is made as it is read, below
    /// `/proc` for instance, or one that another process has opened.
    opened: Option<File>,
}

/// What a process has to know of a file that another one has opened for it: where it is, and how it
/// was when it was offered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourceLoan {
    path: Vec<u8>,
    name: Vec<u8>,
    size: u64,
    modified_ns: i64,
    inode: u64,
}

/// State of a source, which is another one when any file of it has changed: a hash over names,
/// sizes, moments of change and inodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceIdentity(pub [u8; 32]);

impl Source {
    /// Looks at what a user names. A link that the user names is followed, as by cp and scp; links
    /// in a folder are not.
    ///
    /// # Errors
    /// [`FileError`] in words for the user.
    pub fn examine(path: &Path) -> Result<Self, FileError> {
        let failed = FileError::read(path);
        let metadata = fs::metadata(path).map_err(&failed)?;
        let absolute = std::path::absolute(path).map_err(&failed)?;
        let name = if let Some(name) = absolute.file_name() {
            name.as_bytes().to_vec()
        } else {
            let real = fs::canonicalize(path).map_err(&failed)?;
            let name = real.file_name().ok_or_else(|| FileError::Nameless { path: path.to_owned() });
            name?.as_bytes().to_vec()
        };
        if metadata.is_dir() {
            let found = walk(open(path, OFlags::DIRECTORY).map_err(&failed)?.as_fd(), path)?;
            let (entries, total, skipped) = (found.entries, found.total, found.skipped);
            return Ok(Self {
                path: absolute,
                kind: OfferKind::Folder,
                name,
                entries,
                total,
                skipped,
                opened: None,
            });
        }
        check_kind(path, &metadata)?;
        let mut file = open(path, OFlags::empty()).map_err(&failed)?;
        let mut metadata = file.metadata().map_err(&failed)?;
        check_kind(path, &metadata)?;
        let copy = if metadata.len() == 0 { copied(&mut file, path)? } else { None };
        if let Some(copy) = &copy {
            metadata = copy.metadata().map_err(&failed)?;
        }
        if metadata.len() > FILE_BYTES {
            return Err(FileError::TooLarge { path: path.to_owned() });
        }
        let mut entries = EntryList::default();
        entries.push(&Entry {
            kind: OfferKind::File,
            stamp: stamp_of(&metadata),
            path: name.as_slice().into(),
        });
        let (kind, total, skipped) = (OfferKind::File, metadata.len(), Skipped::default());
        Ok(Self { path: absolute, kind, name, entries, total, skipped, opened: copy })
    }

    /// Looks again at what was offered before, perhaps by another process.
    ///
    /// # Errors
    /// [`FileError::SourceChanged`] when it is not there, or not the same any more.
    pub fn examine_again(path: &Path, identity: SourceIdentity) -> Result<Self, FileError> {
        let changed = || FileError::SourceChanged { path: path.to_owned() };
        let source = Self::examine(path).map_err(|error| match error {
            FileError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => changed(),
            error => error,
        })?;
        if source.identity() == identity { Ok(source) } else { Err(changed()) }
    }

    /// The state that it has.
    #[must_use]
    pub fn identity(&self) -> SourceIdentity {
        let mut hash = Sha256::new();
        for entry in self.entries.iter() {
            let entry = entry.to_bytes();
            hash.update((entry.len() as u64).to_be_bytes());
            hash.update(entry);
        }
        SourceIdentity(hash.finalize().into())
    }

    /// Where it is; absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What of it is not sent.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// The offer of it.
    #[must_use]
    pub fn offer(&self, id: TransferId) -> Offer {
        let modified_ms = match self.kind {
            OfferKind::File => self.entries.get(0).map_or(0, |entry| entry.stamp.modified_ms()),
            OfferKind::Folder => 0,
        };
        let (kind, total, name) = (self.kind, self.total, self.name.clone());
        Offer { id, kind, entries: self.entries.len(), total, modified_ms, name }
    }

    /// Entries for the manifest of a folder, from one on: as many as take so many bytes there, and
    /// at least one.
    #[must_use]
    pub fn manifest(&self, first: u32, bytes: usize) -> Vec<ManifestEntry> {
        self.entries.page(first, bytes)
    }

    pub(super) fn entries(&self) -> &EntryList {
        &self.entries
    }

    pub(super) fn kind(&self) -> OfferKind {
        self.kind
    }

    /// Opens the file of a source of one file.
    pub(super) fn open_file(&self) -> io::Result<File> {
        match &self.opened {
            Some(opened) => opened.try_clone(),
            None => open(&self.path, OFlags::empty()),
        }
    }

    /// Opens the file, for another process to read. `None` for a folder, and where that fails.
    #[must_use]
    pub fn lend(&self) -> Option<(SourceLoan, File)> {
        let stamp = self.entries.get(0).filter(|_| self.kind == OfferKind::File)?.stamp;
        let Stamp { size, modified_ns, inode } = stamp;
        let (path, name) = (self.path.as_os_str().as_bytes().to_vec(), self.name.clone());
        Some((SourceLoan { path, name, size, modified_ns, inode }, self.open_file().ok()?))
    }

    /// A source that another process has lent.
    #[must_use]
    pub fn borrow(loan: SourceLoan, file: File) -> Self {
        let SourceLoan { path, name, size, modified_ns, inode } = loan;
        let (kind, stamp) = (OfferKind::File, Stamp { size, modified_ns, inode });
        let mut entries = EntryList::default();
        entries.push(&Entry { kind, stamp, path: name.as_slice().into() });
        let (path, skipped, opened) = (OsString::from_vec(path).into(), Skipped::default(), Some(file));
        Self { path, kind, name, entries, total: size, skipped, opened }
    }

    /// The path of one of its entries, for the user.
    pub(super) fn path_of(&self, entry: &Entry<'_>) -> PathBuf {
        match self.kind {
            OfferKind::File => self.path.clone(),
            OfferKind::Folder => self.path.join(OsStr::from_bytes(&entry.path)),
        }
    }
}

/// Opens to read; a pipe that has taken the place of a file does not block.
pub(super) fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

pub(super) fn stamp_of(metadata: &Metadata) -> Stamp {
    let modified_ns = nanoseconds(metadata.mtime(), metadata.mtime_nsec());
    Stamp { size: metadata.len(), modified_ns, inode: metadata.ino() }
}

fn check_kind(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    let kind = metadata.file_type();
    let kind = if kind.is_file() {
        return Ok(());
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_dir() {
        return Err(FileError::SourceChanged { path: path.to_owned() });
    } else {
        "a device"
    };
    Err(FileError::Special { path: path.to_owned(), kind })
}

/// File without a name: in memory where a confined process reaches no folder for such files.
fn unnamed() -> io::Result<File> {
    let file = tempfile::tempfile();
    #[cfg(target_os = "linux")]
    let file = file.or_else(|error| {
        let in_memory = rustix::fs::memfd_create("rsachat", rustix::fs::MemfdFlags::CLOEXEC);
        in_memory.map(File::from).map_err(|_| error)
    });
    file
}

/// Contents of a file that says that it is empty; `None` if it is.
fn copied(file: &mut File, path: &Path) -> Result<Option<File>, FileError> {
    let failed = FileError::read(path);
    // Some such files give whole records, and refuse to be read in other pieces.
    let mut buffer = vec![0; 65_536];
    let (mut copy, mut total) = (None, 0);
    loop {
        let length = file.read(&mut buffer).map_err(&failed)?;
        let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else { return Ok(copy) };
        total += length as u64;
        if total > FILE_STREAM_BYTES {
            return Err(FileError::Endless { path: path.to_owned() });
        }
        let copy = match &mut copy {
            Some(copy) => copy,
            none => none.insert(unnamed().map_err(&failed)?),
        };
        copy.write_all(piece).map_err(&failed)?;
    }
}
