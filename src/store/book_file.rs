//! File of the peer book, which several processes change.

use std::path::PathBuf;

use super::atomic_write;
use super::checked_read::{self, Access};
use super::error::StoreError;
use super::home::Home;
use crate::limits::BOOK_BYTES;
use crate::peers::book::{BadLine, Book, Change, ChangeOutcome, Damage, EntryError};

/// Reason why there is no peer book. Nobody is accepted then: only an absent file is an empty book.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Lines are wrong.
    #[error("{} is damaged, {damage}; mend it with an editor", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damaged lines and their errors.
        damage: Damage,
    },
    /// One more peer would make it larger than [`BOOK_BYTES`].
    #[error("{} is full (limit {BOOK_BYTES} bytes); forget some peers", .path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
}

/// Path of the book, which need not exist.
#[must_use]
pub fn path(home: &Home) -> PathBuf {
    home.path().join("peers")
}

/// Reads the book; it is empty only if there is no file.
///
/// # Errors
/// The file exists and cannot be read whole, or is damaged.
pub fn read(home: &Home) -> Result<Book, BookError> {
    home.check()?;
    let path = path(home);
    match checked_read::read(&path, BOOK_BYTES, Access::Public)? {
        None => Ok(Book::new()),
        Some(bytes) => parse(&bytes).map_err(|damage| BookError::Damaged { path, damage }),
    }
}

/// Applies a change to the book on disk, under the lock of the home, and returns the new book: it
/// includes what other processes wrote meanwhile.
///
/// # Errors
/// As [`read`], or the file cannot be written; it is then as before.
pub fn change(home: &Home, change: &Change) -> Result<Book, BookError> {
    let _lock = home.lock()?;
    let mut book = read(home)?;
    if book.apply(change) == ChangeOutcome::Changed {
        let text = book.to_string();
        // Every peer that connects is remembered: enough of them would make the book unreadable.
        if text.len() as u64 > BOOK_BYTES {
            return Err(BookError::Full { path: path(home) });
        }
        atomic_write::write(&path(home), text.as_bytes())?;
    }
    Ok(book)
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
