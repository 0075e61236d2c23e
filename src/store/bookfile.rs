//! The peer book's file. Only an absent file is an empty book; whatever else goes wrong refuses.

use super::whole::{self, Privacy};
use super::{Home, StoreFault};
use crate::chat::book::{Book, Change};
use crate::limits;

/// The file's name in the home folder.
const FILE: &str = "peers";
/// What a new book begins with.
const HEADING: &str =
    "# rsachat peers, one a line: name, fingerprint, trust (unverified, verified, blocked), addresses\n";

/// The book as it stands.
///
/// # Errors
/// [`StoreFault`], with the line when it is damaged.
pub fn read_book(home: &Home) -> Result<Book, StoreFault> {
    let path = home.file(FILE);
    match whole::read(&path, limits::BOOK_BYTES, Privacy::Open)? {
        None => Ok(Book::default()),
        Some(text) => Book::parse(&text).map_err(|damage| StoreFault::Damaged { path, damage }),
    }
}

/// Changes the book for all processes, under a short lock, and returns it as it is then.
///
/// # Errors
/// [`StoreFault`]; a damaged book is not written to.
pub fn change_book(home: &Home, changes: &[Change]) -> Result<Book, StoreFault> {
    let _lock = home.lock()?;
    let mut book = read_book(home)?;
    if book == Book::default() {
        book = Book::parse(HEADING).unwrap_or_default();
    }
    for change in changes {
        book.apply(change);
    }
    whole::write(&home.file(FILE), &book.to_string())?;
    Ok(book)
}
