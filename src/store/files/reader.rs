//! Reader of what is offered: the records of its contents, from a place on, in order.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, pread};

use super::entries::{Entry, Stamp};
use super::error::FileError;
use super::extent::{Extent, hash_up_to};
use super::source::{Source, open, stamp_of};
use super::tree::{Missing, Tree, open_beneath};
use crate::limits::FILE_CHUNK_BYTES;
use crate::transfer::{BlockHasher, BlockList, OutOfOrder, cost};
use crate::wire::{OfferKind, Position, TransferId, TransferRecord};

/// Bytes of the unit in which a file system counts what a file takes.
const ALLOCATION_BYTES: u64 = 512;

/// What a record takes at least of the budget of a read: small ones take more memory than their
/// cost.
const RECORD_BYTES: u64 = 1024;

/// Reader of one transfer. What was offered is what is sent: a file that has changed is an error.
#[derive(Debug)]
pub struct SourceReader {
    source: Arc<Source>,
    id: TransferId,
    at: Position,
    /// The folder, for one.
    tree: Option<Tree>,
    /// The entry at the place.
    current: Option<Current>,
    /// Whole blocks before the place that were hashed earlier.
    known: BlockList,
}

/// Entry that is being read.
#[derive(Debug)]
struct Current {
    /// `None` for an empty folder.
    file: Option<File>,
    stamp: Stamp,
    hasher: BlockHasher,
    /// The piece of the file that the place is in.
    extent: Option<Extent>,
}

impl SourceReader {
    /// Reads from a place on. `known` are blocks of that entry that need not be hashed again.
    ///
    /// # Errors
    /// [`FileError::OutOfOrder`] when there is no such place, [`FileError::SourceChanged`] when
    /// the folder is gone.
    pub fn new(
        source: Arc<Source>,
        id: TransferId,
        at: Position,
        known: BlockList,
    ) -> Result<Self, FileError> {
        let size = source.entries().get(at.entry).map(|entry| entry.stamp.size);
        if at.entry > source.entries().len() || at.offset > size.unwrap_or(0) {
            return Err(OutOfOrder.into());
        }
        let tree = match source.kind() {
            OfferKind::File => None,
            OfferKind::Folder => {
                let folder = open(source.path(), OFlags::DIRECTORY);
                let failed = |error| unreadable(&source, source.path(), error);
                Some(Tree::new(OwnedFd::from(folder.map_err(failed)?)))
            }
        };
        Ok(Self { source, id, at, tree, current: None, known })
    }

    /// Reads records that cost about `budget` bytes. There are none at the end, and while the
    /// beginning of a file is hashed of which nothing is known ([`SourceReader::unhashed`]).
    ///
    /// # Errors
    /// [`FileError::SourceChanged`] and [`FileError::Read`]; the reader is of no use then.
    pub fn read(&mut self, budget: usize) -> Result<Vec<TransferRecord>, FileError> {
        let (mut records, mut left) = (Vec::new(), budget as u64);
        while left > 0 {
            let source = Arc::clone(&self.source);
            let Some(entry) = source.entries().get(self.at.entry) else { break };
            let path = source.path_of(&entry);
            let failed = |error| unreadable(&source, &path, error);
            let mut current = match self.current.take() {
                Some(current) => current,
                None => self.open(&entry).map_err(failed)?,
            };
            if current.hasher.bytes() < self.at.offset {
                let behind = self.at.offset - current.hasher.bytes();
                current.hash(self.at.offset, left).map_err(failed)?;
                left = left.saturating_sub(behind);
                self.current = Some(current);
                continue;
            }
            let record = current.next(self.id, self.at).map_err(failed)?;
            match &record {
                Some(TransferRecord::Hole { length, .. }) => self.at.offset += length,
                Some(TransferRecord::Chunk { bytes, .. }) => self.at.offset += bytes.len() as u64,
                _ => {}
            }
            let record = if let Some(record) = record {
                self.current = Some(current);
                record
            } else {
                let (entry, size) = (self.at.entry, current.stamp.size);
                let root = current.hasher.root();
                self.at = Position { entry: entry + 1, offset: 0 };
                TransferRecord::EndOfFile { id: self.id, entry, size, root }
            };
            left = left.saturating_sub(cost(&record).max(RECORD_BYTES));
            records.push(record);
        }
        Ok(records)
    }

    /// The place behind what was read.
    #[must_use]
    pub fn position(&self) -> Position {
        self.at
    }

    /// The whole blocks of the entry at that place that were hashed.
    #[must_use]
    pub fn blocks(&self) -> &BlockList {
        self.current.as_ref().map_or(&self.known, |current| current.hasher.blocks())
    }

    /// Bytes that are to be hashed before anything is read.
    #[must_use]
    pub fn unhashed(&self) -> u64 {
        let hashed = self.current.as_ref().map_or_else(|| self.known.bytes(), |now| now.hasher.bytes());
        self.at.offset.saturating_sub(hashed)
    }

    /// Opens an entry and makes sure that it is as it was.
    fn open(&mut self, entry: &Entry<'_>) -> io::Result<Current> {
        let known = std::mem::take(&mut self.known).up_to(self.at.offset);
        let hasher = BlockHasher::after(known);
        if entry.kind == OfferKind::Folder {
            return Ok(Current { file: None, stamp: entry.stamp, hasher, extent: None });
        }
        let file = match &mut self.tree {
            Some(tree) => open_below(tree, &entry.path)?,
            None => self.source.open_file()?,
        };
        let metadata = file.metadata()?;
        let is_sparse = metadata.blocks() * ALLOCATION_BYTES < metadata.len();
        let extent = (!is_sparse).then_some(Extent::Data(entry.stamp.size));
        let current = Current { file: Some(file), stamp: entry.stamp, hasher, extent };
        current.check()?;
        Ok(current)
    }
}

impl Current {
    /// An error of this kind stands for a source that has changed.
    fn check(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let metadata = file.metadata()?;
        let is_same = metadata.is_file() && stamp_of(&metadata) == self.stamp;
        if is_same { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn hash(&mut self, end: u64, budget: u64) -> io::Result<()> {
        match &self.file {
            Some(file) => hash_up_to(file, &mut self.hasher, end, budget),
            None => Ok(()),
        }
    }

    /// The next record of contents; `None` at the end of a file that is still as it was.
    fn next(&mut self, id: TransferId, at: Position) -> io::Result<Option<TransferRecord>> {
        let Some(file) = self.file.as_ref().filter(|_| at.offset < self.stamp.size) else {
            self.check()?;
            return Ok(None);
        };
        let known = self.extent.filter(|extent| extent.end() > at.offset);
        let extent = known.unwrap_or_else(|| Extent::at(file, at.offset, self.stamp.size));
        self.extent = Some(extent);
        let length = extent.end() - at.offset;
        if let Extent::Hole(_) = extent {
            self.hasher.update_zeros(length);
            return Ok(Some(TransferRecord::Hole { id, at, length }));
        }
        let length = usize::try_from(length).unwrap_or(FILE_CHUNK_BYTES).min(FILE_CHUNK_BYTES);
        let bytes = read_at(file, at.offset, length)?;
        self.hasher.update(&bytes);
        Ok(Some(TransferRecord::Chunk { id, at, bytes }))
    }
}

/// So many bytes of a file from a place on; their buffer is not zeroed before.
fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = offset + bytes.len() as u64;
        match pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn open_below(tree: &mut Tree, path: &[u8]) -> io::Result<File> {
    let mut folders: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let name = folders.pop().unwrap_or_default();
    let folder = tree.folder(folders, Missing::Refuse)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(open_beneath(folder, name, flags, Mode::empty())?))
}

/// What an error of the system says about a source. One that is gone, shorter, or has become a
/// link or a folder has changed; what else is wrong is the reason itself.
fn unreadable(source: &Source, path: &Path, error: io::Error) -> FileError {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound, UnexpectedEof};
    let path = match source.kind() {
        OfferKind::File => source.path(),
        OfferKind::Folder => path,
    };
    let is_link = error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
    if is_link || matches!(error.kind(), IsADirectory | NotADirectory | NotFound | UnexpectedEof) {
        FileError::SourceChanged { path: path.to_owned() }
    } else {
        FileError::Read { path: path.to_owned(), source: error }
    }
}
