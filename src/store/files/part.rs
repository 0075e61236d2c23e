//! Part of a transfer: what has arrived of it, in the folder where it lands, until it is whole and
//! gets its name.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags, fallocate, fchmod, fsync, mkdirat, unlinkat};
use rustix::io::Errno;

use super::destination::Destination;
use super::entries::{Entry, EntryList, Stamp};
use super::error::{FileError, is_other_kind};
use super::extent::hash_up_to;
use super::layout::Layout;
use super::leftovers::{part_name, remove_part, sweep};
use super::naming::{FinalName, name_part, umask};
use super::tree::{Missing, Tree, look, open_beneath, open_folder};
use crate::delivery::Room;
use crate::limits::FILE_BYTES;
use crate::transfer::{BlockHasher, BlockList, FileName, OutOfOrder};
use crate::wire::{Offer, OfferKind, Position, TransferId};
pub use identity::PartIdentity;
use identity::identity_of;
use write_behind::WriteBehind;

mod identity;
mod lending;
mod syncing;
mod write_behind;
mod writing;

/// Modes of what is received, before the umask; until then it is the user's alone.
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);
const PART_MODE: Mode = Mode::from_raw_mode(0o600);
const PART_FOLDER_MODE: Mode = Mode::from_raw_mode(0o700);

/// A transfer that is being received.
#[derive(Debug)]
pub struct Part {
    id: TransferId,
    kind: OfferKind,
    /// The folder where it lands; only its lender has that of a part that is borrowed.
    folder: Option<File>,
    folder_path: PathBuf,
    name: FinalName,
    layout: Layout,
    /// The part of a folder.
    tree: Option<Tree>,
    identity: PartIdentity,
    at: Position,
    current: Option<Current>,
    /// Bytes that were written since the last synchronisation.
    unsynced: u64,
}

/// Entry that is being written.
#[derive(Debug)]
struct Current {
    file: File,
    hasher: BlockHasher,
    writing: WriteBehind,
}

/// Place up to which everything survives a loss of power.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Synced<'a> {
    /// The place.
    pub at: Position,
    /// Hashes of the whole blocks of the entry at it.
    pub blocks: &'a [[u8; 32]],
}

/// What is found of a part.
#[derive(Debug)]
pub enum Reopened {
    /// It goes on.
    Part(Box<Part>),
    /// It has its name: the program ended between that and the note of it.
    Filed(PathBuf),
    /// Nothing of it is there: it begins again.
    Gone,
}

impl Part {
    /// Begins. `entries` are those of the manifest of a folder.
    ///
    /// # Errors
    /// [`FileError`]; nothing is left behind then.
    pub fn begin(
        destination: &Destination,
        offer: &Offer,
        entries: EntryList,
        room: Room,
    ) -> Result<Self, FileError> {
        let mut part = Self::unopened(destination, offer, entries)?;
        if part.layout.entries().iter().any(|entry| entry.stamp.size > FILE_BYTES) {
            return Err(FileError::TooLarge { path: part.final_path() });
        }
        if room == Room::Reserve {
            destination.check_room(offer.total)?;
        }
        match part.make() {
            Err(Errno::EXIST) => return Err(FileError::InTheWay { path: part.path() }),
            made => made.map_err(|error| part.error(error))?,
        }
        if let Err(error) = part.begun(room) {
            let _ = remove_part(&part.path());
            return Err(part.error(error));
        }
        Ok(part)
    }

    /// Goes on behind a place up to which it was synchronised, with the blocks that are known.
    /// What was written behind that place is dropped.
    ///
    /// # Errors
    /// [`FileError::InTheWay`] when what has its name is something else, or less than it was.
    pub fn reopen(
        destination: &Destination,
        offer: &Offer,
        entries: EntryList,
        room: Room,
        identity: PartIdentity,
        synced: Synced<'_>,
    ) -> Result<Reopened, FileError> {
        let mut part = Self::unopened(destination, offer, entries)?;
        (part.identity, part.at) = (identity, synced.at);
        let found = part.find(synced.blocks);
        if matches!(found, Ok(true)) {
            let left = part.left();
            if room == Room::Reserve {
                destination.check_room(left)?;
                part.reserve().map_err(|error| part.error(error))?;
            }
            return Ok(Reopened::Part(Box::new(part)));
        }
        if let Some(filed) = part.filed().map_err(|error| part.error(error))? {
            return Ok(Reopened::Filed(filed));
        }
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Reopened::Gone),
            Err(error) if !is_other_kind(&error) => Err(part.error(error)),
            _ => Err(FileError::InTheWay { path: part.path() }),
        }
    }

    /// Removes what has arrived of a transfer that is not open, if it is still there.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn discard_closed(
        destination: &Destination,
        id: TransferId,
        identity: PartIdentity,
    ) -> Result<(), FileError> {
        let path = destination.folder().join(part_name(id));
        let failed = FileError::write(destination.folder(), &path);
        let part = match open_beneath(destination.open()?, &part_name(id), OFlags::PATH, Mode::empty()) {
            Ok(part) => File::from(part),
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(failed(error.into())),
        };
        if identity_of(&part).map_err(&failed)? != identity {
            return Ok(());
        }
        remove_part(&path).map_err(failed)
    }

    /// Removes what an earlier process has made for a transfer without a note of what it is.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn drop_leftover(destination: &Destination, id: TransferId) -> Result<(), FileError> {
        let path = destination.folder().join(part_name(id));
        let is_part = fs::symlink_metadata(&path)
            .is_ok_and(|found| found.is_dir() || (found.is_file() && found.nlink() == 1));
        let removed = if is_part { remove_part(&path) } else { Ok(()) };
        removed.map_err(FileError::write(destination.folder(), &path))
    }

    fn unopened(destination: &Destination, offer: &Offer, entries: EntryList) -> Result<Self, FileError> {
        let (folder, name) = (destination.open()?, destination.final_name(&offer.name));
        if look(&folder, &name.0).is_err_and(|error| error == Errno::NAMETOOLONG) {
            return Err(FileError::LongName { path: destination.folder().join(OsStr::from_bytes(&name.0)) });
        }
        Ok(Self {
            id: offer.id,
            kind: offer.kind,
            folder: Some(folder),
            folder_path: destination.folder().to_owned(),
            name,
            layout: layout(offer, entries)?,
            tree: None,
            identity: PartIdentity { inode: 0, made_ns: 0 },
            at: Position::START,
            current: None,
            unsynced: 0,
        })
    }

    fn make(&mut self) -> rustix::io::Result<()> {
        let name = part_name(self.id);
        match self.kind {
            OfferKind::File => {
                let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
                let file = File::from(open_beneath(self.folder_handle()?, &name, flags, PART_MODE)?);
                self.current = Some(Current::new(file));
            }
            OfferKind::Folder => mkdirat(self.folder_handle()?, name, PART_FOLDER_MODE)?,
        }
        Ok(())
    }

    fn begun(&mut self, room: Room) -> io::Result<()> {
        if self.kind == OfferKind::Folder {
            let folder = open_folder(self.folder_handle()?, part_name(self.id).as_bytes())?;
            self.identity = identity_of(&File::from(folder.try_clone()?))?;
            self.tree = Some(Tree::new(folder));
        } else if let Some(current) = &self.current {
            self.identity = identity_of(&current.file)?;
        }
        if room == Room::Reserve {
            self.reserve()?;
        }
        // Its name is to survive a loss of power as what is in it does.
        Ok(fsync(self.folder_handle()?)?)
    }

    /// Opens what is there; `false` if it is something else.
    fn find(&mut self, known: &[[u8; 32]]) -> io::Result<bool> {
        let name = part_name(self.id);
        let file = match self.kind {
            OfferKind::File => {
                let flags = OFlags::RDWR | OFlags::NONBLOCK;
                let file = File::from(open_beneath(self.folder_handle()?, &name, flags, Mode::empty())?);
                if identity_of(&file)? != self.identity {
                    return Ok(false);
                }
                file
            }
            OfferKind::Folder => {
                let root = open_folder(self.folder_handle()?, name.as_bytes())?;
                let is_same = identity_of(&File::from(root.try_clone()?))? == self.identity;
                if !is_same || !sweep(root.as_fd(), &self.layout, self.at)? {
                    return Ok(false);
                }
                let tree = self.tree.insert(Tree::new(root));
                let is_folder = |number: &u32| {
                    self.layout.entry(*number).is_some_and(|entry| entry.kind == OfferKind::Folder)
                };
                for number in (0..self.at.entry).filter(is_folder) {
                    let names = self.layout.path(number).unwrap_or_default();
                    tree.folder(bytes_of(&names), Missing::Make)?;
                }
                if self.at.offset == 0 {
                    return Ok(true);
                }
                open_entry(tree, &self.layout.path(self.at.entry).unwrap_or_default(), OFlags::empty())?
            }
        };
        // A file that is whole has no place in it any more.
        let written = if self.is_complete() { self.total() } else { self.at.offset };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.nlink() != 1 || metadata.len() < written {
            return Ok(false);
        }
        file.set_len(written)?;
        let known = BlockList::new(known.to_vec()).up_to(self.at.offset);
        self.current = Some(Current::after(file, known));
        Ok(true)
    }

    /// The path of what was given its name before, if it was: the program has ended since.
    fn filed(&self) -> io::Result<Option<PathBuf>> {
        for name in self.name.candidates() {
            let found = open_beneath(self.folder_handle()?, name.as_slice(), OFlags::PATH, Mode::empty());
            let Ok(found) = found else { continue };
            let found = File::from(found);
            let is_whole = self.kind == OfferKind::Folder || found.metadata()?.len() == self.total();
            if is_whole && identity_of(&found)? == self.identity {
                if self.kind == OfferKind::File {
                    // It has had both names for a moment, where the file system cannot do better.
                    let _ = unlinkat(self.folder_handle()?, part_name(self.id), AtFlags::empty());
                }
                fsync(self.folder_handle()?)?;
                return Ok(Some(self.folder_path.join(OsStr::from_bytes(&name))));
            }
        }
        Ok(None)
    }

    /// Takes the room of a file that is to come, where the file system can.
    fn reserve(&self) -> io::Result<()> {
        let Some(current) = self.current.as_ref().filter(|_| self.kind == OfferKind::File) else {
            return Ok(());
        };
        match self.left() {
            0 => Ok(()),
            left => match fallocate(&current.file, FallocateFlags::KEEP_SIZE, self.at.offset, left) {
                Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(error.into()),
                _ => Ok(()),
            },
        }
    }

    /// Hashes about `budget` bytes of what was received before and is not known by its blocks.
    /// Returns how many are left; [`Part::write`] hashes all of them.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn hash_beginning(&mut self, budget: u64) -> Result<u64, FileError> {
        self.hash_up_to_place(budget).map_err(|error| self.error(error))
    }

    fn hash_up_to_place(&mut self, budget: u64) -> io::Result<u64> {
        let Some(current) = &mut self.current else { return Ok(0) };
        hash_up_to(&current.file, &mut current.hasher, self.at.offset, budget)?;
        Ok(self.at.offset.saturating_sub(current.hasher.bytes()))
    }

    /// The transfer.
    #[must_use]
    pub fn id(&self) -> TransferId {
        self.id
    }

    /// Its entries.
    #[must_use]
    pub fn entries(&self) -> &EntryList {
        self.layout.entries()
    }

    /// The folder where it lands.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder_path
    }

    /// The place behind what is written.
    #[must_use]
    pub fn position(&self) -> Position {
        self.at
    }

    /// The identity by which it is opened again.
    #[must_use]
    pub fn identity(&self) -> PartIdentity {
        self.identity
    }

    /// Whether everything is written.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.at.entry == self.layout.len()
    }

    /// Makes everything durable and gives it its name, numbered if that is taken. Returns the path.
    ///
    /// # Errors
    /// [`FileError`]; the part can be opened again.
    pub fn finish(mut self) -> Result<PathBuf, FileError> {
        if !self.is_complete() {
            return Err(OutOfOrder.into());
        }
        let mut finish = || -> io::Result<Vec<u8>> {
            match (&self.tree, &mut self.current) {
                (Some(tree), _) => {
                    fchmod(tree.root(), FOLDER_MODE & !umask())?;
                    tree.sync_file_system()?;
                }
                (None, Some(current)) => {
                    fchmod(&current.file, FILE_MODE & !umask())?;
                    current.writing.sync(|| current.file.sync_all())?;
                }
                (None, None) => {}
            }
            let name = name_part(self.folder_handle()?, &part_name(self.id), self.kind, &self.name)?;
            fsync(self.folder_handle()?)?;
            Ok(name)
        };
        let name = finish().map_err(|error| self.error(error))?;
        Ok(self.folder_path.join(OsStr::from_bytes(&name)))
    }

    /// Removes what has arrived.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn discard(self) -> Result<(), FileError> {
        remove_part(&self.path()).map_err(|error| self.error(error))
    }

    fn folder_handle(&self) -> rustix::io::Result<&File> {
        self.folder.as_ref().ok_or(Errno::NOTSUP)
    }

    fn path(&self) -> PathBuf {
        self.folder_path.join(part_name(self.id))
    }

    fn final_path(&self) -> PathBuf {
        self.folder_path.join(OsStr::from_bytes(&self.name.0))
    }

    /// An error of the system, for the user: of the name that is to be.
    fn error(&self, error: impl Into<io::Error>) -> FileError {
        let error = error.into();
        if error.kind() == io::ErrorKind::NotFound {
            return FileError::Removed { path: self.path() };
        }
        FileError::write(&self.folder_path, &self.final_path())(error)
    }

    /// Bytes of one file.
    fn total(&self) -> u64 {
        self.layout.entry(0).map_or(0, |entry| entry.stamp.size)
    }

    /// Bytes that are still to come.
    fn left(&self) -> u64 {
        let sizes = (self.at.entry..self.layout.len()).filter_map(|number| self.layout.entry(number));
        sizes.map(|entry| entry.stamp.size).sum::<u64>().saturating_sub(self.at.offset)
    }
}

impl Current {
    fn new(file: File) -> Self {
        Self::after(file, BlockList::default())
    }

    /// One whose first blocks are known.
    fn after(file: File, known: BlockList) -> Self {
        Self { file, hasher: BlockHasher::after(known), writing: WriteBehind::default() }
    }

    /// The hash of the whole file, which stays open until it is synchronised.
    fn take_hasher(&mut self) -> BlockHasher {
        std::mem::replace(&mut self.hasher, BlockHasher::after(BlockList::default()))
    }
}

fn layout(offer: &Offer, entries: EntryList) -> Result<Layout, OutOfOrder> {
    let entries = match offer.kind {
        OfferKind::File => {
            let stamp = Stamp { size: offer.total, modified_ns: 0, inode: 0 };
            let mut one = EntryList::default();
            one.push(&Entry { kind: OfferKind::File, stamp, path: b"file".into() });
            one
        }
        OfferKind::Folder => entries,
    };
    if entries.len() == offer.entries { Layout::new(entries) } else { Err(OutOfOrder) }
}

fn bytes_of(names: &[FileName]) -> impl Iterator<Item = &[u8]> {
    names.iter().map(|name| name.as_str().as_bytes())
}

/// Opens a file of a folder, below folders that are made if need be.
fn open_entry(tree: &mut Tree, names: &[FileName], flags: OFlags) -> io::Result<File> {
    let (name, folders) = names.split_last().ok_or(io::ErrorKind::InvalidFilename)?;
    let folder = tree.folder(bytes_of(folders), Missing::Make)?;
    // A mode is for a file that is made.
    let mode = if flags.contains(OFlags::CREATE) { FILE_MODE } else { Mode::empty() };
    let flags = flags | OFlags::RDWR | OFlags::NONBLOCK;
    Ok(File::from(open_beneath(folder, name.as_str(), flags, mode)?))
}
