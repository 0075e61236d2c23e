//! Final name of a transfer: the one that is wanted, or the first numbered one that is free, and
//! its mode. What has a name is never replaced.

use std::fs;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Mode, RenameFlags, linkat, renameat, renameat_with, unlinkat};
use rustix::io::{Errno, Result};

use super::error::is_taken;
use super::tree::look;
use crate::limits::FILE_NAMES_TRIED;
use crate::transfer::FileName;
use crate::wire::OfferKind;

/// Name that a transfer is to have: as the user typed it, or as a peer's became.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FinalName(pub(super) Vec<u8>);

impl FinalName {
    /// The names to try, in their order: `name.ext`, `name (2).ext`.
    pub(super) fn candidates(&self) -> impl Iterator<Item = Vec<u8>> {
        let numbered = FileName::of_peer(&self.0);
        let others = (2..=FILE_NAMES_TRIED).map(move |number| numbered.numbered(number).as_str().into());
        std::iter::once(self.0.clone()).chain(others)
    }
}

/// Gives a part in a folder the first name that is free, and says which it is.
pub(super) fn name_part(folder: impl AsFd, part: &str, kind: OfferKind, name: &FinalName) -> Result<Vec<u8>> {
    for name in name.candidates() {
        match rename_new(folder.as_fd(), part, kind, &name) {
            Err(error) if is_taken(error) => {}
            result => return result.map(|()| name),
        }
    }
    Err(Errno::EXIST)
}

fn rename_new(folder: impl AsFd, part: &str, kind: OfferKind, name: &[u8]) -> Result<()> {
    match renameat_with(&folder, part, &folder, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_by_links(folder, part, kind, name),
        result => result,
    }
}

/// The same where the file system or the kernel cannot refuse to replace.
pub(super) fn rename_by_links(folder: impl AsFd, part: &str, kind: OfferKind, name: &[u8]) -> Result<()> {
    match kind {
        OfferKind::File => {
            linkat(&folder, part, &folder, name, AtFlags::empty())?;
            unlinkat(&folder, part, AtFlags::empty())
        }
        // Nothing but an empty folder can be replaced by a folder.
        OfferKind::Folder => match look(&folder, name) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => renameat(&folder, part, &folder, name),
            Err(error) => Err(error),
        },
    }
}

/// Bits that the user takes from new files. Where they cannot be read without being changed, which
/// other threads would notice, a file stays the user's alone.
pub(super) fn umask() -> Mode {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    let bits = bits.and_then(|bits| u32::from_str_radix(bits.trim(), 8).ok());
    Mode::from_raw_mode(bits.unwrap_or(0o077))
}
