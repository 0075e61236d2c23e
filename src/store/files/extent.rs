//! Extents of a sparse file: its data, and the holes that take no room.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::transfer::BlockHasher;

/// Bytes that are read at a time to be hashed.
const READ_BYTES: usize = 128 * 1024;

/// Piece of a file, from a place on to the one that is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    Data(u64),
    Hole(u64),
}

impl Extent {
    pub(super) fn end(self) -> u64 {
        match self {
            Self::Data(end) | Self::Hole(end) => end,
        }
    }

    /// The piece that begins at a place before `size`. What a file system does not tell is data.
    pub(super) fn at(file: &File, offset: u64, size: u64) -> Self {
        match seek(file, SeekFrom::Data(offset)) {
            Ok(data) if data > offset => Self::Hole(data.min(size)),
            Err(Errno::NXIO) => Self::Hole(size),
            Ok(_) => match seek(file, SeekFrom::Hole(offset)) {
                Ok(hole) if hole > offset => Self::Data(hole.min(size)),
                _ => Self::Data(size),
            },
            Err(_) => Self::Data(size),
        }
    }
}

/// Hashes about `budget` bytes more of a file, up to a place in it.
pub(super) fn hash_up_to(file: &File, hasher: &mut BlockHasher, end: u64, mut budget: u64) -> io::Result<()> {
    let mut buffer = Vec::new();
    while hasher.bytes() < end && budget > 0 {
        let offset = hasher.bytes();
        match Extent::at(file, offset, end) {
            Extent::Hole(hole) => {
                hasher.update_zeros(hole - offset);
                budget = budget.saturating_sub(READ_BYTES as u64);
            }
            Extent::Data(data) => {
                let length = usize::try_from(data - offset).unwrap_or(READ_BYTES).min(READ_BYTES);
                buffer.resize(length, 0);
                file.read_exact_at(&mut buffer, offset)?;
                hasher.update(&buffer);
                budget = budget.saturating_sub(length as u64);
            }
        }
    }
    Ok(())
}
