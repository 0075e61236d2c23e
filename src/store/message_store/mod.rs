//! Store of the messages that were accepted and not received yet (`docs/STORE.md`): one file of the
//! home, which one process has open. What is committed survives the end of the process and a loss
//! of power; all values are sealed.

mod backend;
mod copy;
mod failure;
mod history;
mod holder;
mod letter_rows;
mod rows;
mod sealed_table;
mod spare;
mod tables;
#[cfg(test)]
mod tests;
mod transfer_rows;

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::backend::StoreFile;
use self::failure::{Failure, error_of};
use self::history::HistoryPart;
use self::spare::Spare;
use self::tables::Tables;
use super::error::quoted;
use super::home::Lock;
use super::safe_file::{self, Durability};
use super::{Home, StoreError};
use crate::crypto::{Fingerprint, Identity, PublicKey, StoreKey};
use crate::delivery::{PairChange, Pairs, StoreBatch, StoreChange};
use crate::time::UnixMs;

pub use crate::delivery::{Direction, FoundEntries, HistoryEntry, HistoryRow};
pub use backend::{DiskState, SimulatedDisk};
pub(crate) use copy::{StoreCopy, check};
pub use history::HistoryReader;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use rows::read_and_write_any;

/// Name of the file.
pub(crate) const NAME: &str = "store.redb";
/// Size from which a file that is mostly empty is made smaller as it is opened.
const COMPACT_BYTES: u64 = 4 * 1024 * 1024;
/// Share of the file that must be in use for it to stay as it is, as a divisor.
const COMPACT_SHARE: u64 = 4;
/// Bytes of one sealed row, about.
const ROW_BYTES: u64 = 512;

/// Store of messages of one home, open in this process alone.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct MessageStore {
    path: PathBuf,
    durability: Durability,
    disk: SimulatedDisk,
    key: Arc<StoreKey>,
    /// `None` after an error, until the file could be opened again.
    tables: Option<Tables>,
    spare: Spare,
}

/// What a write needs on a disk that is nearly full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Need {
    /// Room of its own: the spare stays.
    Room,
    /// No more than the spare, which it may use up.
    Spare,
}

/// A store as it was opened.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct OpenedStore {
    /// The store.
    pub store: MessageStore,
    /// What is kept in it.
    pub pairs: Pairs,
    /// The damaged file that was in its place, if there was one.
    pub put_aside: Option<PutAside>,
}

/// A damaged file that was put aside; a fresh store is in its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutAside {
    /// Where it is now.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for PutAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, why } = self;
        let path = quoted(path);
        write!(f, "the message store was damaged ({why}); it is kept as {path}, and a new one was started")
    }
}

/// A commit of which nothing, or in the rarest case everything, is on disk.
#[derive(thiserror::Error)]
#[error("{why}")]
pub struct FailedCommit {
    /// What happened.
    #[source]
    pub why: StoreError,
    /// What is kept now, read again; `None` while the file cannot be read. Every commit tries that
    /// again before it does anything else.
    pub pairs: Option<Pairs>,
}

impl fmt::Debug for FailedCommit {
    /// Without what is kept, which is nobody else's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedCommit").field("why", &self.why).finish_non_exhaustive()
    }
}

impl MessageStore {
    /// Opens the store of a home, or creates it. A damaged file is put aside, never overwritten.
    ///
    /// # Errors
    /// [`StoreError::Held`] while another process has it open, [`StoreError::OtherIdentity`] when
    /// it is for another key, and others about the home and its files.
    pub fn open(home: &Home, identity: &Identity) -> Result<OpenedStore, StoreError> {
        Self::open_on(home, identity, &SimulatedDisk::default())
    }

    /// The same on a disk that a replay or a test lets fail.
    ///
    /// # Errors
    /// As of [`MessageStore::open`].
    pub fn open_on(
        home: &Home,
        identity: &Identity,
        disk: &SimulatedDisk,
    ) -> Result<OpenedStore, StoreError> {
        let lock = home.lock()?;
        let files = StoreFiles::of(home, disk);
        let mut put_aside = None;
        match files.open(identity) {
            Ok(Some((tables, key, pairs))) => {
                return Ok(OpenedStore { store: files.store(tables, key), pairs, put_aside });
            }
            Ok(None) => {}
            Err(StoreError::Damaged { why, .. }) => {
                put_aside = Some(PutAside { path: files.put_aside(&lock)?, why });
            }
            Err(error) => return Err(error),
        }
        let (tables, key) = files.create(&lock, identity.public())?;
        Ok(OpenedStore { store: files.store(tables, Arc::new(key)), pairs: Pairs::new(), put_aside })
    }

    /// What is kept in the store of a home, if there is one; it is closed again.
    ///
    /// # Errors
    /// As of [`MessageStore::open`], and [`StoreError::Damaged`]: nothing is put aside.
    pub(crate) fn look(home: &Home, identity: &Identity) -> Result<Option<Pairs>, StoreError> {
        let files = StoreFiles::of(home, &SimulatedDisk::default());
        let Some((tables, _)) = files.open_tables()? else { return Ok(None) };
        let pairs = tables.unwrap_key(identity).and_then(|key| tables.read(&key));
        pairs.map(Some).map_err(|failure| error_of(failure, "read", &files.path))
    }

    /// Whether messages of ours to a peer are in the store of a home, or the marks of those that
    /// were taken back. Nothing is decrypted for that.
    ///
    /// # Errors
    /// As of [`MessageStore::look`].
    pub(crate) fn has_rows_for(home: &Home, peer: &Fingerprint) -> Result<bool, StoreError> {
        let files = StoreFiles::of(home, &SimulatedDisk::default());
        let Some((tables, _)) = files.open_tables()? else { return Ok(false) };
        tables.has_rows_for(peer).map_err(|failure| error_of(failure, "read", &files.path))
    }

    /// Process that has the store of a home open, where the system tells.
    pub(crate) fn holder(home: &Home) -> Option<u32> {
        holder::holder(&path(home))
    }

    /// Damaged stores that were put aside in a home, by name.
    pub(crate) fn damaged(home: &Home) -> Vec<PathBuf> {
        let files = fs::read_dir(home.path()).into_iter().flatten().flatten().map(|entry| entry.path());
        let prefix = format!("{NAME}.bad");
        let is_bad =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
        let mut damaged: Vec<_> = files.filter(is_bad).collect();
        damaged.sort();
        damaged
    }

    /// Whether a home has a store.
    pub(crate) fn exists(home: &Home) -> bool {
        path(home).exists()
    }

    /// Makes changes, all or none; they are on disk once this returns.
    ///
    /// # Errors
    /// [`FailedCommit`], with what is kept now.
    pub fn commit(&mut self, changes: &[StoreChange]) -> Result<(), FailedCommit> {
        self.commit_with_history(changes, &[])
    }

    /// The same, with messages that are appended to the history.
    ///
    /// # Errors
    /// [`FailedCommit`], as of a commit.
    pub fn commit_with_history(
        &mut self,
        changes: &[StoreChange],
        history: &[HistoryEntry],
    ) -> Result<(), FailedCommit> {
        let is_empty = changes.is_empty() && history.is_empty();
        let takes_room = takes_room(changes, history);
        let need = if takes_room { Need::Room } else { Need::Spare };
        self.write(need, |tables, key| if is_empty { Ok(()) } else { tables.commit(key, changes, history) })
    }

    /// Makes changes that follow each other, as one commit. Where the disk has no room for all, as
    /// many of the first batches as it has room for. Returns how many are on disk.
    ///
    /// # Errors
    /// [`FailedCommit`] of the first batch that is not.
    pub fn commit_first(&mut self, batches: &[StoreBatch]) -> (usize, Result<(), FailedCommit>) {
        let (mut rest, mut most) = (batches, batches.len());
        while !rest.is_empty() {
            let (next, others) = rest.split_at(most.min(rest.len()));
            let changes: Vec<_> = next.iter().flat_map(|batch| &batch.changes).cloned().collect();
            let history: Vec<_> = next.iter().flat_map(|batch| &batch.history).cloned().collect();
            match self.commit_with_history(&changes, &history) {
                Ok(()) => rest = others,
                // What is on disk is known again.
                Err(FailedCommit { why, pairs: Some(_) }) if next.len() > 1 && is_full(&why) => {
                    most = next.len() / 2;
                }
                Err(failed) => return (batches.len() - rest.len(), Err(failed)),
            }
        }
        (batches.len(), Ok(()))
    }

    /// The history as it is now, to be read in any thread.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub fn history(&self) -> Result<HistoryReader, StoreError> {
        let Some(tables) = &self.tables else { return Err(StoreError::Reopened { path: self.path.clone() }) };
        history(tables, &self.key, &self.path)
    }

    /// Deletes the history of one peer or of all, or what of it is older than a moment. Returns the
    /// number of messages that went.
    ///
    /// # Errors
    /// [`FailedCommit`], as of a commit.
    pub fn forget_history(
        &mut self,
        peer: Option<&Fingerprint>,
        before: Option<UnixMs>,
    ) -> Result<u64, FailedCommit> {
        let (mut forgotten, mut part) = (0, Some(HistoryPart::FIRST));
        while let Some(at) = part {
            let mut done = (0, None);
            self.write(Need::Spare, |tables, key| {
                done = tables.forget(key, peer, before, at)?;
                Ok(())
            })?;
            forgotten += done.0;
            part = done.1;
        }
        if forgotten * ROW_BYTES > COMPACT_BYTES
            && let Some(tables) = &mut self.tables
            && let Err(failure) = tables.compact()
        {
            return Err(self.reopen(error_of(failure, "write", &self.path)));
        }
        Ok(forgotten)
    }

    /// Wraps the store key to one more identity, which then opens the store too.
    ///
    /// # Errors
    /// [`FailedCommit`], as of a commit.
    pub fn add_wrap(&mut self, identity: &PublicKey) -> Result<(), FailedCommit> {
        self.write(Need::Spare, |tables, key| tables.add_wrap(key, identity))
    }

    /// Lets no other identity than one open the store: once its key file is on disk.
    ///
    /// # Errors
    /// [`FailedCommit`], as of a commit; also when that identity does not open it.
    pub fn drop_wraps_but(&mut self, identity: &Fingerprint) -> Result<(), FailedCommit> {
        self.write(Need::Spare, |tables, _| tables.drop_wraps_but(identity))
    }

    /// Writes. On a full disk once more behind a compaction: what was taken out has left room in
    /// the file, scattered or not free before the next commit.
    fn write(
        &mut self,
        need: Need,
        mut write: impl FnMut(&Tables, &StoreKey) -> Result<(), Failure>,
    ) -> Result<(), FailedCommit> {
        if need == Need::Room {
            self.keep_spare()?;
        }
        let failed = match self.write_once(&mut write) {
            Err(failed) if is_full(&failed.why) => failed,
            result => return result,
        };
        if !self.compact() {
            return Err(self.reopen(failed.why));
        }
        if need == Need::Room {
            self.keep_spare()?;
        }
        self.write_once(&mut write)
    }

    fn write_once(
        &mut self,
        write: impl FnOnce(&Tables, &StoreKey) -> Result<(), Failure>,
    ) -> Result<(), FailedCommit> {
        let why = match self.tables.as_ref().map(|tables| write(tables, &self.key)) {
            Some(Ok(())) => return Ok(()),
            Some(Err(failure)) => error_of(failure, "write", &self.path),
            None => StoreError::Reopened { path: self.path.clone() },
        };
        if is_full(&why) {
            // For what takes messages out: that needs room too before it gives any back.
            self.spare.give();
        }
        Err(self.reopen(why))
    }

    /// Refuses what takes room where there is no more than what taking messages out needs.
    fn keep_spare(&mut self) -> Result<(), FailedCommit> {
        if self.spare.keep().is_ok() || self.compact() && self.spare.keep().is_ok() {
            return Ok(());
        }
        let full = rustix::io::Errno::NOSPC.into();
        Err(self.reopen(StoreError::io("write", &self.path)(full)))
    }

    /// Gives the room of deleted rows back to the file system. After an error nothing is trusted.
    fn compact(&mut self) -> bool {
        let is_compact = self.tables.as_mut().is_some_and(|tables| tables.compact().is_ok());
        if !is_compact {
            self.tables = None;
        }
        is_compact
    }

    /// Closes the file and reads it again: what a failed write left behind, it alone knows.
    fn reopen(&mut self, why: StoreError) -> FailedCommit {
        self.tables = None;
        match self.files().reopen(&self.key) {
            Ok((tables, pairs)) => {
                self.tables = Some(tables);
                FailedCommit { why, pairs: Some(pairs) }
            }
            Err(error) => {
                let why = if matches!(why, StoreError::Reopened { .. }) { error } else { why };
                FailedCommit { why, pairs: None }
            }
        }
    }

    fn files(&self) -> StoreFiles {
        StoreFiles { path: self.path.clone(), durability: self.durability, disk: self.disk.clone() }
    }
}

/// Whether changes make the file larger: a full disk takes all others.
pub(crate) fn takes_room(changes: &[StoreChange], history: &[HistoryEntry]) -> bool {
    !history.iter().all(HistoryEntry::is_mark) || changes.iter().any(|change| is_addition(&change.change))
}

fn is_addition(change: &PairChange) -> bool {
    match change {
        PairChange::Queue(..) | PairChange::Receive(..) | PairChange::Transfer(..) => true,
        PairChange::Rewrite(..)
        | PairChange::Outbound(_)
        | PairChange::Inbound(_)
        | PairChange::Unqueue(_)
        | PairChange::Clear(_)
        | PairChange::Expose(..)
        | PairChange::Calls(_)
        | PairChange::Renewals(_)
        | PairChange::EndTransfer(_)
        | PairChange::Letters(_)
        | PairChange::EndLetters
        | PairChange::Bundles(_)
        | PairChange::Forget => false,
    }
}

fn is_full(error: &StoreError) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error, StoreError::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
}

/// The history in the tables of a file.
fn history(tables: &Tables, key: &Arc<StoreKey>, path: &Path) -> Result<HistoryReader, StoreError> {
    let reader = tables.snapshot().and_then(|snapshot| HistoryReader::new(&snapshot, key, path));
    reader.map_err(|failure| error_of(failure, "read", path))
}

/// Path of the store, which need not exist.
pub(crate) fn path(home: &Home) -> PathBuf {
    home.path().join(NAME)
}

/// File of a store, and those beside it.
struct StoreFiles {
    path: PathBuf,
    durability: Durability,
    disk: SimulatedDisk,
}

impl StoreFiles {
    fn of(home: &Home, disk: &SimulatedDisk) -> Self {
        Self { path: path(home), durability: home.durability(), disk: disk.clone() }
    }

    fn store(self, tables: Tables, key: Arc<StoreKey>) -> MessageStore {
        let Self { path, durability, disk } = self;
        let mut spare = Spare::new(with_suffix(&path, ".spare"), &disk);
        // Without it nothing that takes room is committed.
        let _ = spare.keep();
        MessageStore { path, durability, disk, key, tables: Some(tables), spare }
    }

    /// Opens the file; `None` if there is none.
    fn open(&self, identity: &Identity) -> Result<Option<(Tables, Arc<StoreKey>, Pairs)>, StoreError> {
        let read = |tables: &Tables| {
            let key = tables.unwrap_key(identity)?;
            tables.read(&key).map(|pairs| (Arc::new(key), pairs))
        };
        let Some((mut tables, bytes)) = self.open_tables()? else { return Ok(None) };
        let (key, pairs) = read(&tables).map_err(|failure| error_of(failure, "read", &self.path))?;
        // A history is compacted as it is forgotten, which is when it leaves room.
        let rows: usize = pairs.values().map(|pair| 2 + pair.outbox.len() + pair.inbox.len()).sum();
        if bytes > COMPACT_BYTES
            && rows as u64 * ROW_BYTES < bytes / COMPACT_SHARE
            && history(&tables, &key, &self.path)?.is_empty()?
            && tables.compact().is_err()
        {
            // The disk may be too full even for that; after an error nothing is trusted.
            drop(tables);
            let (tables, pairs) = self.reopen(&key)?;
            return Ok(Some((tables, key, pairs)));
        }
        Ok(Some((tables, key, pairs)))
    }

    /// Opens the file after an error.
    fn reopen(&self, key: &StoreKey) -> Result<(Tables, Pairs), StoreError> {
        let missing = || StoreError::io("read", &self.path)(rustix::io::Errno::NOENT.into());
        let (tables, _) = self.open_tables()?.ok_or_else(missing)?;
        let pairs = tables.read(key).map_err(|failure| error_of(failure, "read", &self.path))?;
        Ok((tables, pairs))
    }

    fn open_tables(&self) -> Result<Option<(Tables, u64)>, StoreError> {
        let Some(file) = safe_file::open_secret(&self.path)? else { return Ok(None) };
        let bytes = file.metadata().map_err(StoreError::io("read", &self.path))?.len();
        let tables = self.backend(file).and_then(Tables::open);
        tables.map(|tables| Some((tables, bytes))).map_err(|failure| error_of(failure, "read", &self.path))
    }

    fn backend(&self, file: File) -> Result<StoreFile, Failure> {
        Ok(StoreFile::new(file, self.durability, &self.disk)?)
    }

    /// Creates the file under another name until its first commit is on disk: a file of that name
    /// is whole, or damaged, never unfinished.
    fn create(&self, _: &Lock, identity: &PublicKey) -> Result<(Tables, StoreKey), StoreError> {
        let new = with_suffix(&self.path, ".new");
        remove(&new).map_err(StoreError::io("remove", &new))?;
        let file = safe_file::create_new(&new).map_err(StoreError::io("create", &new))?;
        let created = self
            .backend(file)
            .and_then(|backend| Tables::create(backend, identity))
            .map_err(|failure| error_of(failure, "write", &self.path))
            .and_then(|created| {
                let renamed = fs::rename(&new, &self.path).and_then(|()| self.sync_folder());
                renamed.map_err(StoreError::io("write", &self.path)).map(|()| created)
            });
        if created.is_err() {
            // It holds nothing, and the next attempt removes it as well.
            let _ = remove(&new);
        }
        created
    }

    /// Gives a damaged file another name, which none has.
    fn put_aside(&self, _: &Lock) -> Result<PathBuf, StoreError> {
        for number in 1_u32.. {
            let suffix = if number == 1 { ".bad".to_owned() } else { format!(".bad-{number}") };
            let bad = with_suffix(&self.path, &suffix);
            match fs::symlink_metadata(&bad) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let renamed = fs::rename(&self.path, &bad).and_then(|()| self.sync_folder());
                    return renamed.map_err(StoreError::io("put aside", &self.path)).map(|()| bad);
                }
                Err(error) => return Err(StoreError::io("look at", &bad)(error)),
                Ok(_) => {}
            }
        }
        Err(StoreError::io("put aside", &self.path)(io::ErrorKind::AlreadyExists.into()))
    }

    fn sync_folder(&self) -> io::Result<()> {
        match (self.durability, self.path.parent()) {
            (Durability::Synced, Some(folder)) => safe_file::sync_folder(folder),
            _ => Ok(()),
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removes a file if there is one.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
