//! Record writer of a part: contents come in their order, and chunks that follow on each other are
//! written together.

use std::fs::File;
use std::io::{self, IoSlice};
use std::slice;

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::{Errno, pwritev};

use super::{Current, Part, bytes_of, open_entry};
use crate::store::files::error::FileError;
use crate::store::files::tree::Missing;
use crate::transfer::{BlockHasher, BlockList, OutOfOrder, cost};
use crate::wire::{OfferKind, Position, TransferRecord};

/// Why a record is not written.
enum Fault {
    OutOfOrder,
    Damaged,
    Io(io::Error),
}

impl Part {
    /// Writes a record of contents, which follows on the one before.
    ///
    /// # Errors
    /// As for [`Part::write_all`].
    pub fn write(&mut self, record: &TransferRecord) -> Result<(), FileError> {
        self.write_all(slice::from_ref(record))
    }

    /// Writes records of contents, which follow on each other and on the one before.
    ///
    /// # Errors
    /// [`FileError::OutOfOrder`] when one does not, [`FileError::Damaged`] when a file is not what
    /// its sender read; [`FileError::Full`] and [`FileError::Write`], after which the records from
    /// the place on can be written again.
    pub fn write_all(&mut self, records: &[TransferRecord]) -> Result<(), FileError> {
        self.write_records(records).map_err(|fault| match fault {
            Fault::OutOfOrder => OutOfOrder.into(),
            Fault::Damaged => FileError::Damaged { path: self.final_path() },
            Fault::Io(error) => self.error(error),
        })
    }

    fn write_records(&mut self, mut records: &[TransferRecord]) -> Result<(), Fault> {
        while let Some((first, others)) = records.split_first() {
            let pieces = self.pieces(records);
            if pieces.is_empty() {
                self.write_record(first)?;
                self.unsynced += cost(first);
                records = others;
            } else {
                let (written, later) = records.split_at(pieces.len());
                self.write_pieces(&pieces)?;
                self.unsynced += written.iter().map(cost).sum::<u64>();
                records = later;
            }
        }
        Ok(())
    }

    /// Bytes of the chunks that these records begin with, as far as they follow on each other.
    fn pieces<'a>(&self, records: &'a [TransferRecord]) -> Vec<&'a [u8]> {
        let size = self.layout.entry(self.at.entry).map_or(0, |entry| entry.stamp.size);
        let (mut place, mut pieces) = (self.at, Vec::new());
        for record in records {
            let TransferRecord::Chunk { id, at, bytes } = record else { break };
            let Ok(end) = end_within(place.offset, bytes.len() as u64, size) else { break };
            if (*id, *at) != (self.id, place) {
                break;
            }
            place.offset = end;
            pieces.push(bytes.as_slice());
        }
        pieces
    }

    fn write_pieces(&mut self, pieces: &[&[u8]]) -> Result<(), Fault> {
        let entry = self.layout.entry(self.at.entry).ok_or(Fault::OutOfOrder)?;
        let (kind, offset) = (entry.kind, self.at.offset);
        let current = self.open(kind)?;
        let length = write_all_at(&current.file, pieces, offset)?;
        for piece in pieces {
            current.hasher.update(piece);
        }
        current.writing.wrote(&current.file, length, offset + length)?;
        self.at.offset = offset + length;
        Ok(())
    }

    /// Writes a record other than a chunk that follows on.
    fn write_record(&mut self, record: &TransferRecord) -> Result<(), Fault> {
        let entry = self.layout.entry(self.at.entry).ok_or(Fault::OutOfOrder)?;
        let (kind, size, offset) = (entry.kind, entry.stamp.size, self.at.offset);
        let here = (self.id, self.at);
        match record {
            TransferRecord::Hole { id, at, length } if (*id, *at) == here => {
                let end = end_within(offset, *length, size)?;
                let current = self.open(kind)?;
                current.file.set_len(end)?;
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                // Room may have been taken for it; where it cannot be given back, it stays.
                let _ = fallocate(&current.file, flags, offset, *length);
                current.hasher.update_zeros(*length);
                self.at.offset = end;
            }
            TransferRecord::EndOfFile { id, entry, size: said, root } => {
                let end = Position { entry: *entry, offset: *said };
                if (*id, end) != here || offset != size {
                    return Err(Fault::OutOfOrder);
                }
                let hasher = match kind {
                    OfferKind::File => self.open(kind)?.take_hasher(),
                    OfferKind::Folder => {
                        let names = self.layout.path(self.at.entry).unwrap_or_default();
                        if let Some(tree) = &mut self.tree {
                            tree.folder(bytes_of(&names), Missing::Make)?;
                        }
                        BlockHasher::after(BlockList::default())
                    }
                };
                if hasher.root() != *root {
                    return Err(Fault::Damaged);
                }
                if self.kind == OfferKind::Folder {
                    self.current = None;
                }
                self.at = Position { entry: entry + 1, offset: 0 };
            }
            _ => return Err(Fault::OutOfOrder),
        }
        Ok(())
    }

    /// The file at the place, hashed up to there.
    fn open(&mut self, kind: OfferKind) -> Result<&mut Current, Fault> {
        if kind == OfferKind::Folder {
            return Err(Fault::OutOfOrder);
        }
        self.hash_up_to_place(u64::MAX)?;
        if let (None, Some(tree)) = (&self.current, &mut self.tree) {
            let names = self.layout.path(self.at.entry).unwrap_or_default();
            let file = open_entry(tree, &names, OFlags::CREATE | OFlags::EXCL)?;
            self.current = Some(Current::new(file));
        }
        self.current.as_mut().ok_or(Fault::OutOfOrder)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes pieces behind each other, from a place on. Returns how many bytes they have.
fn write_all_at(file: &File, pieces: &[&[u8]], offset: u64) -> io::Result<u64> {
    let (mut slices, mut at) = (pieces.iter().map(|piece| IoSlice::new(piece)).collect::<Vec<_>>(), offset);
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match pwritev(file, left, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                at += written as u64;
                IoSlice::advance_slices(&mut left, written);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(at - offset)
}

/// The end of what a record brings, within its file.
fn end_within(offset: u64, length: u64, size: u64) -> Result<u64, Fault> {
    offset.checked_add(length).filter(|end| *end <= size).ok_or(Fault::OutOfOrder)
}
