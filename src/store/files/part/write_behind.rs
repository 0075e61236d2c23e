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
    running: Option<Flush>,
    /// Offset before which everything survives a loss of power, since it was last taken.
    synced: Option<u64>,
    /// Why something did not reach the disk: the system tells that once.
    failed: Option<io::ErrorKind>,
}

/// Thread that makes durable what was written before it began.
#[derive(Debug)]
struct Flush {
    upto: u64,
    thread: JoinHandle<io::Result<()>>,
}

impl WriteBehind {
    /// Takes note of bytes that were written, up to an offset.
    ///
    /// # Errors
    /// Those of earlier ones that did not reach the disk.
    pub(super) fn wrote(&mut self, file: &File, bytes: u64, upto: u64) -> io::Result<()> {
        self.unflushed += bytes;
        if self.unflushed < FILE_FLUSH_BYTES { Ok(()) } else { self.begin(file, upto) }
    }

    /// Begins to take what is written before an offset to the disk, unless it does so already.
    ///
    /// # Errors
    /// As for [`WriteBehind::wrote`].
    pub(super) fn begin(&mut self, file: &File, upto: u64) -> io::Result<()> {
        if self.running.as_ref().is_some_and(|flush| !flush.thread.is_finished()) {
            return Ok(());
        }
        self.end()?;
        self.unflushed = 0;
        let file = file.try_clone()?;
        // Without a thread it is synchronised later.
        let thread = thread::Builder::new().name("flush".into()).spawn(move || file.sync_data());
        self.running = thread.ok().map(|thread| Flush { upto, thread });
        Ok(())
    }

    /// The offset before which everything survives a loss of power, if that is more than was known.
    ///
    /// # Errors
    /// As for [`WriteBehind::wrote`].
    pub(super) fn take_synced(&mut self) -> io::Result<Option<u64>> {
        if self.running.as_ref().is_some_and(|flush| flush.thread.is_finished()) {
            self.end()?;
        }
        Ok(self.synced.take())
    }

    /// Makes everything durable that is written.
    ///
    /// # Errors
    /// Those of this and of earlier ones.
    pub(super) fn sync(&mut self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.end()?;
        self.note_failure(sync())?;
        // That is more.
        self.synced = None;
        Ok(())
    }

    /// Waits until it has done what it began.
    ///
    /// # Errors
    /// What did not reach the disk, each time: nobody else is told of it.
    fn end(&mut self) -> io::Result<()> {
        if let Some(Flush { upto, thread }) = self.running.take() {
            self.note_failure(thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))?;
            self.synced = Some(upto);
        }
        self.failed.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn note_failure(&mut self, result: io::Result<()>) -> io::Result<()> {
        result.inspect_err(|error| self.failed = Some(error.kind()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_reach_the_disk_once_is_never_said_to_be_there() {
        let mut writing = WriteBehind::default();
        writing.sync(|| Ok(())).unwrap();
        let full = || Err(io::ErrorKind::StorageFull.into());
        assert_eq!(writing.sync(full).unwrap_err().kind(), io::ErrorKind::StorageFull);
        let file = tempfile::tempfile().unwrap();
        for failed in
            [writing.sync(|| Ok(())), writing.begin(&file, 1), writing.wrote(&file, FILE_FLUSH_BYTES, 1)]
        {
            assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
        assert!(writing.running.is_none());
    }

    #[test]
    fn a_place_is_told_once_the_disk_has_what_is_before_it() {
        let file = tempfile::tempfile().unwrap();
        let mut writing = WriteBehind::default();
        writing.wrote(&file, FILE_FLUSH_BYTES - 1, 7).unwrap();
        assert!(writing.running.is_none());
        writing.wrote(&file, 1, 8).unwrap();
        assert_eq!(writing.running.as_ref().map(|flush| flush.upto), Some(8));
        writing.end().unwrap();
        assert_eq!((writing.take_synced().unwrap(), writing.take_synced().unwrap()), (Some(8), None));
    }
}
