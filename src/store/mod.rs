//! The home folder: the identity and the peer book on disk. It moves texts whole or not at all, under the
//! right modes, and knows neither RSA nor trust.

mod bookfile;
mod home;
mod keyfile;
mod whole;

pub use bookfile::{change_book, read_book};
pub use home::Home;
pub use keyfile::{Replacing, load_key, save_key};

use std::io;
use std::path::PathBuf;

/// What the machine refused, always with the path and what was being done.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// No home folder is known.
    #[error("no home folder: HOME is not set; name one with --home DIR")]
    NoHome,
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others can read what only we should.
    #[error("{} is open to others ({mode:04o}); chmod {right} it", path.display())]
    Mode {
        /// Which file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The bits that it should have, as one types them.
        right: &'static str,
    },
    /// Not an ordinary file.
    #[error("{} is not an ordinary file", .0.display())]
    NotAFile(PathBuf),
    /// Larger than such a file can be.
    #[error("{} is too large to be what it should be", .0.display())]
    TooLarge(PathBuf),
    /// Not text.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// A key is there already.
    #[error("there is a key in {} already", .0.display())]
    KeyExists(PathBuf),
    /// The peer book is damaged.
    #[error("{} is damaged, {damage}; mend or remove that line", path.display())]
    Damaged {
        /// The book.
        path: PathBuf,
        /// Line and cause.
        damage: crate::chat::book::Damage,
    },
    /// Another process keeps the folder locked.
    #[error("{} is locked by another process", .0.display())]
    Locked(PathBuf),
}

impl StoreFault {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
