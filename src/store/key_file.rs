//! Files of the user's private keys, as PEM text.

use std::fs;
use std::io;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::safe_file::{self, Access};
use super::{Home, StoreError};
use crate::chat::KeyFor;
use crate::limits::KEY_FILE_BYTES;

/// Treatment of a key that exists already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OverwritePolicy<'a> {
    /// It stays, and the new one is not written.
    Refuse,
    /// It is kept beside the new one, its name ending in the date.
    KeepOld {
        /// The day, as it appears in the name: `2026-11-24`.
        date: &'a str,
    },
    /// It is the same key under another passphrase: no copy, which the old passphrase would open.
    Rewrite,
}

/// Paths of a saved key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SavedKey {
    pub(crate) path: PathBuf,
    /// Copy of the key that existed before, if it was kept.
    pub(crate) old: Option<PathBuf>,
}

/// Path of the key file, which need not exist.
pub(crate) fn path(home: &Home, key: KeyFor) -> PathBuf {
    home.path().join(name(key))
}

/// Name of a key file.
pub(super) fn name(key: KeyFor) -> &'static str {
    match key {
        KeyFor::Identity => "identity.pem",
        KeyFor::Oaep => "raw.pem",
    }
}

/// Whether a file of that name is a key, or one that was replaced.
pub(super) fn is_name(name: &str) -> bool {
    let text = name.strip_suffix(".pem");
    [KeyFor::Identity, KeyFor::Oaep].into_iter().any(|key| {
        let date = text.and_then(|text| text.strip_prefix(stem(key)));
        date.is_some_and(|date| {
            date.is_empty()
                || date.starts_with('-') && date.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
    })
}

/// The text of the key file; `None` if there is no such file. A file that is not regular, another
/// user's, open to others, too large, not text or unreadable is never taken for absence.
pub(crate) fn load_key_text(home: &Home, key: KeyFor) -> Result<Option<Zeroizing<String>>, StoreError> {
    home.check()?;
    safe_file::read_text(&path(home, key), KEY_FILE_BYTES, Access::Secret)
}

/// Writes the key file atomically, under the lock of the home. Of two processes that save a first
/// key at once exactly one succeeds; the other gets [`StoreError::KeyPresent`] and loads that one.
/// After an error the old key is untouched.
pub(crate) fn save_key_text(
    home: &Home,
    key: KeyFor,
    pem: &str,
    policy: OverwritePolicy<'_>,
) -> Result<SavedKey, StoreError> {
    let _lock = home.lock()?;
    let path = path(home, key);
    let present = match fs::symlink_metadata(&path) {
        Ok(metadata) => Some(metadata.is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(StoreError::io("look at", &path)(error)),
    };
    let old = match (present, policy) {
        (None, _) | (Some(true), OverwritePolicy::Rewrite) => None,
        (Some(_), OverwritePolicy::Refuse) => return Err(StoreError::KeyPresent { path }),
        (Some(true), OverwritePolicy::KeepOld { date }) => Some(keep_copy(home, key, date)?),
        (Some(false), _) => {
            return Err(StoreError::WrongKind { path, kind: "something else", wanted: "a file" });
        }
    };
    safe_file::write(&path, pem.as_bytes(), home.durability())?;
    Ok(SavedKey { path, old })
}

/// Gives the present key a second name, so that at no moment there is no key.
fn keep_copy(home: &Home, key: KeyFor, date: &str) -> Result<PathBuf, StoreError> {
    /// Copies of one day, at most; a hundred new keys a day are a mistake.
    const COPIES: usize = 100;
    let stem = stem(key);
    let date: String = date.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let mut copy = home.path().join(format!("{stem}-{date}.pem"));
    for number in 2..=COPIES {
        match fs::hard_link(path(home, key), &copy) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                copy = home.path().join(format!("{stem}-{date}-{number}.pem"));
            }
            linked => {
                let kept = linked.and_then(|()| safe_file::sync_folder(home.path()));
                return kept.map_err(StoreError::io("keep the old key as", &copy)).map(|()| copy);
            }
        }
    }
    Err(StoreError::io("keep the old key as", &copy)(io::ErrorKind::AlreadyExists.into()))
}

/// Name of a key file without its extension.
fn stem(key: KeyFor) -> &'static str {
    name(key).trim_end_matches(".pem")
}
