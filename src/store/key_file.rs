//! The files with the user's private keys, as text. It knows nothing of what the text means.

use std::fs;
use std::io;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::atomic_write;
use super::checked_read::{self, Others};
use super::error::StoreError;
use super::home::Home;
use crate::chat::KeyFor;
use crate::limits::KEY_FILE_BYTES;

/// What becomes of a key that is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replacing<'a> {
    /// It stays, and the new one is not written.
    Refuse,
    /// It is kept beside the new one, its name ending in the date.
    KeepOld {
        /// The day, as it is to stand in the name: `2026-11-24`.
        date: &'a str,
    },
    /// It is the same key under another passphrase: no copy, which the old passphrase would open.
    Rewrite,
}

/// A key was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Saved {
    /// Where it is.
    pub path: PathBuf,
    /// Where the key is that was there before, if it was kept.
    pub old: Option<PathBuf>,
}

/// Where the key is, or would be.
#[must_use]
pub fn path(home: &Home, of: KeyFor) -> PathBuf {
    home.path().join(format!("{}.pem", stem(of)))
}

/// The text of the key file; none if there is no such file.
///
/// # Errors
/// It is no regular file, another user's, open to others, too large, not text, or cannot be read: nothing of
/// that is ever taken for absence.
pub fn load_key_text(home: &Home, of: KeyFor) -> Result<Option<Zeroizing<String>>, StoreError> {
    home.check()?;
    let path = path(home, of);
    let Some(bytes) = checked_read::read(&path, KEY_FILE_BYTES, Others::Nothing)? else { return Ok(None) };
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(Some(Zeroizing::new(text.to_owned()))),
        Err(_) => Err(StoreError::NotText { path }),
    }
}

/// Writes the key file, whole or not at all, under the lock of the home. Of two processes that make a first
/// key at once exactly one succeeds; the other gets [`StoreError::KeyPresent`] and loads that one.
///
/// # Errors
/// There is a key and it is to stay, or a file cannot be written; the old key is then untouched.
pub fn save_key_text(
    home: &Home,
    of: KeyFor,
    pem: &str,
    replacing: Replacing<'_>,
) -> Result<Saved, StoreError> {
    let _lock = home.lock()?;
    let path = path(home, of);
    let present = match fs::symlink_metadata(&path) {
        Ok(metadata) => Some(metadata.is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(StoreError::io("look at", &path)(error)),
    };
    let old = match (present, replacing) {
        (None, _) | (Some(true), Replacing::Rewrite) => None,
        (Some(_), Replacing::Refuse) => return Err(StoreError::KeyPresent { path }),
        (Some(true), Replacing::KeepOld { date }) => Some(keep(home, of, date)?),
        (Some(false), _) => return Err(StoreError::Kind { path, kind: "something else", wanted: "a file" }),
    };
    atomic_write::write(home.path(), &format!("{}.pem", stem(of)), pem.as_bytes())?;
    Ok(Saved { path, old })
}

/// Gives the present key a second name, so that at no moment there is no key at all.
fn keep(home: &Home, of: KeyFor, date: &str) -> Result<PathBuf, StoreError> {
    /// Copies of one day; a hundred new keys a day are a mistake.
    const COPIES: usize = 100;
    let stem = stem(of);
    let date: String = date.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    let mut copy = home.path().join(format!("{stem}-{date}.pem"));
    for number in 2..=COPIES {
        match fs::hard_link(path(home, of), &copy) {
            Ok(()) => {
                atomic_write::settle(home.path()).map_err(StoreError::io("keep the old key as", &copy))?;
                return Ok(copy);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                last = error;
                copy = home.path().join(format!("{stem}-{date}-{number}.pem"));
            }
            Err(error) => {
                last = error;
                break;
            }
        }
    }
    Err(StoreError::io("keep the old key as", &copy)(last))
}

/// The name of a key's file without its end.
fn stem(of: KeyFor) -> &'static str {
    match of {
        KeyFor::Identity => "identity",
        KeyFor::RawWire => "raw",
    }
}
