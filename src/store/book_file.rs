//! File of the peer book, which several processes change.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::home::Lock;
use super::safe_file::{self, Access};
use super::{Home, StoreError, shown};
use crate::limits::BOOK_BYTES;
use crate::peers::book::{BadLine, Book, Change, ChangeOutcome, ChangedBook, Damage, EntryError};
use crate::text::utf8::{self, DecodeError};

/// Reason why there is no peer book. Nobody is accepted then: only an absent file is an empty book.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BookError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{} is damaged, {damage}; repair it with an editor", shown(.path))]
    Damaged { path: PathBuf, damage: Damage },
    /// One more peer would make it larger than [`BOOK_BYTES`].
    #[error("{} is full (limit {BOOK_BYTES} bytes); forget some peers", shown(.path))]
    Full { path: PathBuf },
}

/// Name of the file.
pub(super) const NAME: &str = "peers";

/// Path of the book, which need not exist.
pub(crate) fn path(home: &Home) -> PathBuf {
    home.path().join(NAME)
}

/// Reads the book. It is empty only if there is no file: one that cannot be read whole, or is
/// damaged, is an error.
pub(crate) fn read(home: &Home) -> Result<Book, BookError> {
    home.check()?;
    let path = path(home);
    match safe_file::read(&path, BOOK_BYTES, Access::Public)? {
        None => Ok(Book::new()),
        Some(bytes) => parse(&bytes).map_err(|damage| BookError::Damaged { path, damage }),
    }
}

/// State of the file, which differs once another process has replaced it; `None`: there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BookStamp(Option<FileState>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct FileState {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    /// Owner and permissions change this moment only.
    status_changed: (i64, i64),
}

/// State of the book's file, without reading it.
pub(crate) fn stamp(home: &Home) -> BookStamp {
    let metadata = std::fs::symlink_metadata(path(home)).ok();
    BookStamp(metadata.map(|file| FileState {
        inode: file.ino(),
        bytes: file.size(),
        modified: (file.mtime(), file.mtime_nsec()),
        status_changed: (file.ctime(), file.ctime_nsec()),
    }))
}

/// Reads the book, unless it is as it was when it was read before.
pub(crate) fn read_changed(
    home: &Home,
    known: Option<BookStamp>,
) -> Result<Option<(Book, BookStamp)>, BookError> {
    home.check()?;
    // Before the book itself: what changes meanwhile is read the next time.
    let stamp = stamp(home);
    if known == Some(stamp) {
        return Ok(None);
    }
    read(home).map(|book| Some((book, stamp)))
}

/// Applies changes to the book on disk, in one write under the lock of the home, and returns the
/// new book with the state of its file: it includes what other processes wrote meanwhile. After an
/// error the file is as before.
pub(crate) fn change(home: &Home, changes: &[Change]) -> Result<(ChangedBook, BookStamp), BookError> {
    change_under(&home.lock()?, home, changes)
}

/// The same without waiting for the lock.
pub(crate) fn try_change(home: &Home, changes: &[Change]) -> Result<(ChangedBook, BookStamp), BookError> {
    change_under(&home.try_lock()?, home, changes)
}

fn change_under(_: &Lock, home: &Home, changes: &[Change]) -> Result<(ChangedBook, BookStamp), BookError> {
    let mut book = read(home)?;
    let outcome = book.apply_all(changes);
    if outcome == ChangeOutcome::Changed {
        let text = book.to_string();
        // Every peer that connects is remembered: enough of them would make the book unreadable.
        if text.len() as u64 > BOOK_BYTES {
            return Err(BookError::Full { path: path(home) });
        }
        safe_file::write(&path(home), text.as_bytes(), home.durability())?;
    }
    Ok((ChangedBook { book, outcome }, stamp(home)))
}

fn parse(bytes: &[u8]) -> Result<Book, Damage> {
    let damage = |number, error| Damage { lines: vec![BadLine { number, error }] };
    match utf8::decode(bytes) {
        Ok(text) => Book::parse(text),
        Err(DecodeError::Utf16) => Err(damage(1, EntryError::Utf16)),
        Err(DecodeError::NotUtf8 { line }) => Err(damage(line, EntryError::NotText)),
    }
}
