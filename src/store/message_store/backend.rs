//! File under a store, whose disk a replay or a test lets be full or fail.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

use crate::store::safe_file::Durability;

/// Disk under a store, as a replay or a test wants it.
#[derive(Clone, Default, Debug)]
pub struct SimulatedDisk(Arc<Disk>);

#[derive(Default, Debug)]
struct Disk {
    state: Mutex<DiskState>,
    syncs: AtomicU64,
}

/// State of a [`SimulatedDisk`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum DiskState {
    /// What the file system does is done.
    #[default]
    Works,
    /// Nothing can be written: no space left.
    Full,
    /// Nothing can be written behind so many bytes of a file.
    FullBehind(u64),
    /// Nothing that was written reaches the medium.
    Fails,
}

impl SimulatedDisk {
    /// Sets the state, at once and for all who share the disk.
    pub fn set(&self, state: DiskState) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Times that something was made sure to be on it.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.0.syncs.load(Ordering::SeqCst)
    }

    fn state(&self) -> DiskState {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a file be written up to this many bytes, or not.
    pub(super) fn write(&self, upto: u64) -> io::Result<()> {
        let is_full = match self.state() {
            DiskState::Full => true,
            DiskState::FullBehind(bytes) => upto > bytes,
            DiskState::Works | DiskState::Fails => false,
        };
        if is_full { Err(rustix::io::Errno::NOSPC.into()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.syncs.fetch_add(1, Ordering::SeqCst);
        if self.state() == DiskState::Fails { Err(rustix::io::Errno::IO.into()) } else { Ok(()) }
    }
}

/// File of a store.
#[derive(Debug)]
pub(super) struct StoreFile {
    file: FileBackend,
    /// The same file, to be looked at.
    handle: File,
    durability: Durability,
    disk: SimulatedDisk,
}

impl StoreFile {
    pub(super) fn new(
        file: File,
        durability: Durability,
        disk: &SimulatedDisk,
    ) -> Result<Self, DatabaseError> {
        let handle = file.try_clone()?;
        Ok(Self { file: FileBackend::new(file)?, handle, durability, disk: disk.clone() })
    }

    /// Fails where the file has no name any more: what is written into it nobody reads again.
    fn has_name(&self) -> io::Result<()> {
        let links = rustix::fs::fstat(&self.handle)?.st_nlink;
        if links == 0 { Err(io::Error::other("it was deleted")) } else { Ok(()) }
    }
}

impl StorageBackend for StoreFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        // What a file grows by is a hole at first.
        self.disk.write(0)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.sync()?;
        self.has_name()?;
        match self.durability {
            Durability::Synced => self.file.sync_data(),
            Durability::Temporary => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write(offset + data.len() as u64)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
