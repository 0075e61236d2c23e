//! Copy of a whole store, read while nobody has it open: as it is on disk, values sealed.

use std::io::{self, Read};
use std::ops::Bound;

use redb::StorageBackend as _;

use super::backend::{SimulatedDisk, StoreFile};
use super::failure::{Failure, error_of};
use super::{StoreFiles, path};
use crate::crypto::Fingerprint;
use crate::store::{Home, StoreError, safe_file};

/// A whole store, which no process opens until this is dropped.
#[derive(Debug)]
pub(crate) struct StoreCopy {
    file: StoreFile,
    read: u64,
    bytes: u64,
    /// The keys that open it.
    keys: Vec<Fingerprint>,
}

impl StoreCopy {
    /// The store of a home, if there is one. All its pages are checked, and what a killed process
    /// left is brought in order.
    ///
    /// # Errors
    /// [`StoreError::Held`] while a process has it open, and others about the file.
    pub(crate) fn begin(home: &Home) -> Result<Option<Self>, StoreError> {
        let files = StoreFiles::of(home, &SimulatedDisk::default());
        let Some((tables, _)) = files.open_tables()? else { return Ok(None) };
        let path = path(home);
        let keys = tables.keys().map_err(|failure| error_of(failure, "read", &path))?;
        drop(tables);
        let Some(file) = safe_file::open_secret(&path)? else { return Ok(None) };
        let locked = files.backend(file).and_then(|file| {
            let all = (Bound::Unbounded, Bound::Unbounded);
            let is_ours = file.try_lock_range(all.0, all.1).map_err(io::Error::other)?;
            if is_ours { Ok(file) } else { Err(Failure::Held) }
        });
        let file = locked.map_err(|failure| error_of(failure, "lock", &path))?;
        let bytes = file.len().map_err(StoreError::io("read", &path))?;
        Ok(Some(Self { file, read: 0, bytes, keys }))
    }

    /// Refuses a store that this identity does not open.
    ///
    /// # Errors
    /// [`StoreError::OtherIdentity`].
    pub(crate) fn check_key(&self, home: &Home, identity: &Fingerprint) -> Result<(), StoreError> {
        if self.keys.contains(identity) {
            return Ok(());
        }
        Err(StoreError::OtherIdentity { path: path(home), keys: self.keys.clone() })
    }

    /// Bytes of the whole.
    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }
}

impl Read for StoreCopy {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.bytes - self.read).unwrap_or(usize::MAX);
        let (out, _) = out.split_at_mut(left.min(out.len()));
        self.file.read(self.read, out)?;
        self.read += out.len() as u64;
        Ok(out.len())
    }
}

/// Checks all pages of a copy in another folder, which is no store in use.
pub(crate) fn check(home: &Home) -> Result<(), StoreError> {
    StoreFiles::of(home, &SimulatedDisk::default()).open_tables().map(|_| ())
}
