//! Write-behind of a part: what was written goes to the disk while more arrives, so that a
//! synchronisation, and that of any other file, waits for little.

use std::fs::File;
use std::io;
use std::thread::{self, JoinHandle};

use crate::limits::FILE_FLUSH_BYTES;

/// Thread that takes what was written to the disk, now and then.
#[derive(Debug, Default)]
pub(super) struct WriteBehind {
    /// Bytes that were written since it last began.
    unflushed: u64,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl WriteBehind {
    /// Takes note of bytes that were written.
    ///
    /// # Errors
    /// Those of earlier ones that did not reach the disk.
    pub(super) fn wrote(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        self.unflushed += bytes;
        let is_running = self.running.as_ref().is_some_and(|running| !running.is_finished());
        if self.unflushed < FILE_FLUSH_BYTES || is_running {
            return Ok(());
        }
        self.end()?;
        self.unflushed = 0;
        let file = file.try_clone()?;
        // Without a thread it is synchronised later.
        self.running = thread::Builder::new().name("flush".into()).spawn(move || file.sync_data()).ok();
        Ok(())
    }

    /// Waits until it has done what it began.
    ///
    /// # Errors
    /// What did not reach the disk: nobody else is told of it.
    pub(super) fn end(&mut self) -> io::Result<()> {
        match self.running.take() {
            Some(running) => running.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())),
            None => Ok(()),
        }
    }
}
