//! Synchronisation of a part: what of it survives a loss of power.

use std::io;

use super::{Current, Part, Synced};
use crate::store::files::error::FileError;
use crate::transfer::BLOCK_BYTES;
use crate::wire::Position;

impl Part {
    /// What the records cost that were written and may not survive a loss of power, in bytes.
    #[must_use]
    pub fn unsynced(&self) -> u64 {
        self.unsynced
    }

    /// Makes everything that is written survive a loss of power.
    ///
    /// # Errors
    /// [`FileError::Full`] and [`FileError::Write`].
    pub fn sync(&mut self) -> Result<Synced<'_>, FileError> {
        let synced = match (&self.tree, &mut self.current) {
            (Some(tree), _) => tree.sync_file_system(),
            (None, Some(current)) => current.writing.sync(|| current.file.sync_data()),
            (None, None) => Ok(()),
        };
        synced.map_err(|error| self.error(error))?;
        self.unsynced = 0;
        let blocks = self.current.as_ref().map_or(&[][..], |current| current.hasher.blocks().hashes());
        Ok(Synced { at: self.at, blocks })
    }

    /// Makes what is written survive a loss of power while more is written, where that can be: of
    /// one file. Returns the place up to which everything does, once it is more than before.
    ///
    /// # Errors
    /// As for [`Part::sync`].
    pub fn sync_behind(&mut self) -> Result<Option<Synced<'_>>, FileError> {
        let at = self.at;
        if self.tree.is_some() || self.is_complete() || self.current.is_none() {
            return self.sync().map(Some);
        }
        match self.synced_behind() {
            Ok(None) => Ok(None),
            Ok(Some(offset)) => {
                self.unsynced = at.offset.saturating_sub(offset);
                let blocks =
                    self.current.as_ref().map_or(&[][..], |current| current.hasher.blocks().hashes());
                let whole = usize::try_from(offset / BLOCK_BYTES).unwrap_or(usize::MAX).min(blocks.len());
                let blocks = blocks.get(..whole).unwrap_or_default();
                Ok(Some(Synced { at: Position { offset, ..at }, blocks }))
            }
            Err(error) => Err(self.error(error)),
        }
    }

    fn synced_behind(&mut self) -> io::Result<Option<u64>> {
        let Some(Current { file, writing, .. }) = &mut self.current else { return Ok(None) };
        let synced = writing.take_synced()?;
        if synced.is_none() {
            writing.begin(file, self.at.offset)?;
        }
        Ok(synced)
    }
}
