//! Parts of transfers that never ended, and what a kill has left in the part of a folder.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustix::fs::{AtFlags, Dir, FileType, unlinkat};

use super::error::FileError;
use super::layout::Layout;
use super::tree::{look, open_folder, stamp};
use crate::limits::{FILE_PART_KEPT_MS, MANIFEST_DEPTH};
use crate::time::UnixMs;
use crate::wire::{OfferKind, Position, TransferId};

const PREFIX: &str = ".rsachat-";
const SUFFIX: &str = ".part";
/// Digits of a transfer's id in the name of its part.
const DIGITS: usize = 16;

/// Name of the part of a transfer, in the folder where it lands.
pub(super) fn part_name(id: TransferId) -> String {
    let digits: String =
        id.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(DIGITS).map(digit).collect();
    format!("{PREFIX}{digits}{SUFFIX}")
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or('0')
}

/// Removes the parts in a folder that nothing was written to for a month, but for those of
/// transfers that are known.
///
/// # Errors
/// [`FileError::Read`] and [`FileError::Write`].
pub fn remove_stale_parts(folder: &Path, now: UnixMs, known: &[TransferId]) -> Result<(), FileError> {
    let failed = FileError::read(folder);
    for entry in fs::read_dir(folder).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| is_part_name(name)) else { continue };
        let Ok(metadata) = entry.metadata() else { continue };
        let age = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let written = UnixMs(age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
        let is_stale =
            now.since(written) > FILE_PART_KEPT_MS && known.iter().all(|id| part_name(*id) != name);
        if (metadata.is_file() || metadata.is_dir()) && is_stale {
            remove_part(&entry.path()).map_err(FileError::write(folder, &entry.path()))?;
        }
    }
    Ok(())
}

fn is_part_name(name: &str) -> bool {
    let digits = name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(SUFFIX));
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    digits.is_some_and(|digits| digits.len() == DIGITS && digits.chars().all(is_digit))
}

/// Removes a part, with everything in it.
pub(super) fn remove_part(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes from the part of a folder what was not synchronised: all but the entries before a place
/// and the one at it. Whether each of those is there, whole.
pub(super) fn sweep(root: BorrowedFd<'_>, layout: &Layout, at: Position) -> io::Result<bool> {
    let is_file = |number: &u32| layout.entry(*number).is_some_and(|entry| entry.kind == OfferKind::File);
    let is_begun = at.offset > 0;
    let kept = (0..at.entry.saturating_add(u32::from(is_begun))).filter(is_file);
    let kept = kept.filter_map(|number| {
        let size = if number < at.entry { layout.entry(number)?.stamp.size } else { at.offset };
        Some((layout.key(&layout.path(number)?), (number, size)))
    });
    let mut sweep = Sweep { layout, at, kept: kept.collect() };
    sweep.folder(root, &mut Vec::new())?;
    Ok(sweep.kept.is_empty())
}

struct Sweep<'a> {
    layout: &'a Layout,
    at: Position,
    /// Files that must be there and were not met yet, with their sizes, by their paths.
    kept: HashMap<u64, (u32, u64)>,
}

impl Sweep<'_> {
    fn folder(&mut self, folder: BorrowedFd<'_>, path: &mut Vec<Vec<u8>>) -> io::Result<()> {
        if path.len() > MANIFEST_DEPTH {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let (kind, stat) = look(folder, name)?;
            path.push(name.to_vec());
            if kind == FileType::Directory {
                self.folder(open_folder(folder, name)?.as_fd(), path)?;
            } else {
                let key = self.layout.key_of(path.iter().map(Vec::as_slice));
                let size = stamp(&stat).size;
                let is_whole = |(number, kept): &(u32, u64)| {
                    let is_size = if *number < self.at.entry { size == *kept } else { size >= *kept };
                    is_size && kind == FileType::RegularFile && stat.st_nlink == 1
                };
                if self.kept.get(&key).is_some_and(is_whole) {
                    self.kept.remove(&key);
                } else {
                    unlinkat(folder, name, AtFlags::empty())?;
                }
            }
            path.pop();
        }
        Ok(())
    }
}
