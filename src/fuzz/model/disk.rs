//! Disk of the model: the book on it, what is asked of it, and the blocks that it does not hold
//! yet.

use std::collections::{BTreeMap, VecDeque};

use crate::chat::Input;
use crate::crypto::Fingerprint;
use crate::ids::ConnId;
use crate::peers::book::{Book, Change, ChangedBook};

/// What is asked of the book, by its number.
pub(super) enum DiskJob {
    Read(ConnId),
    Change(u64, Vec<Change>),
}

impl DiskJob {
    /// Key that it is about.
    pub(super) fn subject(&self) -> Option<Fingerprint> {
        match self {
            Self::Read(_) => None,
            Self::Change(_, changes) => changes.first().and_then(Change::fingerprint),
        }
    }
}

/// Block that is not on disk: it holds from the job that was to write it.
struct UnsavedBlock {
    job: u64,
    changes: Vec<Change>,
}

#[derive(Default)]
pub(super) struct Disk {
    pub(super) book: Book,
    pub(super) fails: bool,
    pub(super) waits: bool,
    pub(super) jobs: VecDeque<DiskJob>,
    unsaved_blocks: BTreeMap<Fingerprint, UnsavedBlock>,
}

impl Disk {
    /// Takes note of blocks, which hold from now on, whether or not they can be written.
    pub(super) fn note_blocks(&mut self, job: u64, changes: &[Change]) {
        let is_block = |change: &&Change| matches!(change, Change::Block { .. });
        for key in changes.iter().filter(is_block).filter_map(Change::fingerprint) {
            let changes =
                changes.iter().filter(|change| change.fingerprint() == Some(key)).cloned().collect();
            self.unsaved_blocks.entry(key).or_insert(UnsavedBlock { job, changes });
        }
    }

    pub(super) fn forget_block(&mut self, key: Fingerprint) {
        self.unsaved_blocks.remove(&key);
    }

    pub(super) fn work(&mut self, job: DiskJob) -> Input<'static> {
        match job {
            DiskJob::Read(conn) => Input::Book { conn, book: Ok(Some(self.book.clone())) },
            DiskJob::Change(_, _) if self.fails => Input::Changed(Err("no space left on device".to_owned())),
            DiskJob::Change(job, changes) => {
                let is_written =
                    |change: &Change| matches!(change, Change::Block { .. } | Change::Unblock { .. });
                for key in changes.iter().filter(|change| is_written(change)).filter_map(Change::fingerprint)
                {
                    self.unsaved_blocks.retain(|other, block| *other != key || block.job > job);
                }
                let outcome = self.book.apply_all(&changes);
                Input::Changed(Ok(ChangedBook { book: self.book.clone(), outcome }))
            }
        }
    }

    /// A book with the blocks that are not on disk.
    pub(super) fn with_unsaved_blocks(&self, mut book: Book) -> Book {
        for block in self.unsaved_blocks.values() {
            let _ = book.apply_all(&block.changes);
        }
        book
    }
}
