//! Room that is kept free beside a store: a full disk could otherwise never be emptied, since a
//! database takes room before it gives any back.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use super::backend::SimulatedDisk;
use crate::store::safe_file;

/// Bytes of the file: some commits that delete.
const SPARE_BYTES: usize = 32 * 1024;

/// File beside a store that does nothing but take room.
#[derive(Debug)]
pub(super) struct Spare {
    path: PathBuf,
    disk: SimulatedDisk,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Kept,
    Given,
}

impl Spare {
    pub(super) fn new(path: PathBuf, disk: &SimulatedDisk) -> Self {
        Self { path, disk: disk.clone(), state: State::Given }
    }

    /// Makes sure that the file is there.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        if self.state == State::Kept {
            return Ok(());
        }
        let present = fs::symlink_metadata(&self.path).is_ok_and(|file| file.len() == SPARE_BYTES as u64);
        if !present && let Err(error) = self.make() {
            self.give();
            return Err(error);
        }
        self.state = State::Kept;
        Ok(())
    }

    fn make(&self) -> io::Result<()> {
        self.disk.write(0)?;
        let mut file = safe_file::append(&self.path)?;
        file.set_len(0)?;
        // Not a hole, which takes no room.
        file.write_all(&vec![0; SPARE_BYTES])
    }

    /// Gives the room to whoever needs it first.
    pub(super) fn give(&mut self) {
        self.state = State::Given;
        let _ = fs::remove_file(&self.path);
    }
}
