//! The identity's file as text. What stands in it is for others to understand.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::whole::{self, Privacy};
use super::{Home, StoreFault};
use crate::limits;

/// The file's name in the home folder.
const FILE: &str = "identity.pem";

/// What to do with a key that is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replacing<'a> {
    /// Refuse to write.
    Refuse,
    /// Keep the old file beside the new one, under a name with this date in it.
    KeepOld {
        /// The date, as it may stand in a file name.
        date: &'a str,
    },
    /// The same key in another form: nothing needs to be kept.
    SameKey,
}

/// The text of the key file and its path; no text when there is no such file.
///
/// # Errors
/// [`StoreFault`] for anything that is not an ordinary small file that only we can read.
pub fn load_key(home: &Home) -> Result<(PathBuf, Option<Zeroizing<String>>), StoreFault> {
    let path = home.file(FILE);
    let text = whole::read(&path, limits::KEY_FILE_BYTES, Privacy::Secret)?;
    if text.is_some() {
        home.prepare()?;
    }
    Ok((path, text))
}

/// Writes the key file, 0600, whole or not at all, and tells its path and where the old one went.
///
/// # Errors
/// [`StoreFault::KeyExists`] when there is one and it may not be replaced; otherwise what the machine says.
pub fn save_key(
    home: &Home,
    pem: &str,
    replacing: Replacing<'_>,
) -> Result<(PathBuf, Option<PathBuf>), StoreFault> {
    let _lock = home.lock()?;
    let path = home.file(FILE);
    let mut kept = None;
    if path.symlink_metadata().is_ok() {
        match replacing {
            Replacing::Refuse => return Err(StoreFault::KeyExists(path)),
            Replacing::SameKey => {}
            Replacing::KeepOld { date } => {
                let beside = free_name(home, date);
                std::fs::hard_link(&path, &beside).map_err(StoreFault::io("keep a copy of", &path))?;
                whole::sync_folder(home.path())?;
                kept = Some(beside);
            }
        }
    }
    whole::write(&path, pem)?;
    Ok((path, kept))
}

fn free_name(home: &Home, date: &str) -> PathBuf {
    let plain = home.file(&format!("identity-{date}.pem"));
    let numbered = (2..).map(|n| home.file(&format!("identity-{date}-{n}.pem")));
    std::iter::once(plain)
        .chain(numbered)
        .find(|path| path.symlink_metadata().is_err())
        .unwrap_or_else(|| home.file("identity-old.pem"))
}
