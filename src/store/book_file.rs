//! The peer book as a file that several processes change. It knows nothing of what trust means.

use std::path::{Path, PathBuf};

use super::atomic_write;
use super::checked_read::{self, Others};
use super::error::StoreError;
use super::home::Home;
use crate::limits::BOOK_BYTES;
use crate::peers::book::{BadLine, Book, Change, ChangeOutcome, Damage, EntryError};

const FILE: &str = "peers";

/// Why there is no peer book to go by. Nobody is accepted then: only an absent file is an empty book.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Lines are wrong.
    #[error("{} is damaged, {damage}; mend it with an editor", .path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// Which lines, and why.
        damage: Damage,
    },
    /// One more peer would make it larger than what is read.
    #[error("{} is full (limit {BOOK_BYTES} bytes); forget some peers", .path.display())]
    Full {
        /// Where.
        path: PathBuf,
    },
}

/// Where the book is, or would be.
#[must_use]
pub fn path(home: &Home) -> PathBuf {
    home.path().join(FILE)
}

/// The book as it is on disk; empty only if there is no file.
///
/// # Errors
/// The file is there and cannot be read whole, or is damaged.
pub fn read(home: &Home) -> Result<Book, BookError> {
    home.check()?;
    let path = path(home);
    match checked_read::read(&path, BOOK_BYTES, Others::Read)? {
        None => Ok(Book::new()),
        Some(bytes) => parse(&bytes).map_err(|damage| BookError::Damaged { path, damage }),
    }
}

/// Writes a change into the book on disk as it is now, under the lock of the home, and returns the result:
/// what other processes wrote meanwhile is in it.
///
/// # Errors
/// As [`read`], or the file cannot be written; it is then as before.
pub fn change(home: &Home, change: &Change) -> Result<Book, BookError> {
    let _lock = home.lock()?;
    let mut book = read(home)?;
    if book.apply(change) == ChangeOutcome::Changed {
        write(home.path(), &book)?;
    }
    Ok(book)
}

fn write(folder: &Path, book: &Book) -> Result<(), BookError> {
    let text = book.to_string();
    // Strangers are remembered too: without this, enough of them would make the book unreadable.
    if text.len() as u64 > BOOK_BYTES {
        return Err(BookError::Full { path: folder.join(FILE) });
    }
    atomic_write::write(folder, FILE, text.as_bytes())?;
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<Book, Damage> {
    match str::from_utf8(bytes) {
        Ok(text) => Book::parse(text),
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let number = before.split(|byte| *byte == b'\n').count();
            Err(Damage { lines: vec![BadLine { number, error: EntryError::NotText }] })
        }
    }
}
