//! Process that has a file locked, as `/proc` of Linux tells; elsewhere it is not known.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Number of a process that holds a `flock` of the file, which a database of redb takes.
pub(super) fn holder(path: &Path) -> Option<u32> {
    let file = fs::metadata(path).ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().filter_map(|row| locked_by(row, file.ino())).find(|process| {
        // The list names the device of the file system, which is not always that of the file.
        let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        let mut open = open.filter_map(|entry| fs::metadata(entry.path()).ok());
        open.any(|open| (open.dev(), open.ino()) == (file.dev(), file.ino()))
    })
}

/// The process of a row such as `1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`, if its lock is
/// for this inode.
fn locked_by(row: &str, inode: u64) -> Option<u32> {
    let mut words = row.split_whitespace().skip_while(|word| *word != "FLOCK").skip(3);
    let (process, name) = (words.next()?, words.next()?);
    let locked: u64 = name.rsplit(':').next()?.parse().ok()?;
    if locked == inode { process.parse().ok() } else { None }
}
