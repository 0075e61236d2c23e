//! Identity of a part, by which an earlier one is known again.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::UNIX_EPOCH;

/// Identity of a part on its disk, by which it is known again under any name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartIdentity {
    /// Its inode.
    pub inode: u64,
    /// When that was made, in nanoseconds since 1970: numbers of inodes are used again. 0 where the
    /// file system does not say.
    pub made_ns: u64,
}

pub(super) fn identity_of(file: &File) -> io::Result<PartIdentity> {
    let metadata = file.metadata()?;
    let made = metadata.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    let made_ns = made.map_or(0, |made| u64::try_from(made.as_nanos()).unwrap_or(0));
    Ok(PartIdentity { inode: metadata.ino(), made_ns })
}
