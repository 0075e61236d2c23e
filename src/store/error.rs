//! Errors of the user's files and folders: always the path, the action, and what to do.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::crypto::Fingerprint;
use crate::text::safe::SafeText;
use crate::text::shell;
use crate::text::utf8::DecodeError;

/// Reason why a file or folder of the user's was not used. Nothing was changed unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing names a home folder.
    #[error("no home folder: HOME is not set; name one with --home DIR")]
    NoHome,
    /// `HOME` is a relative path.
    #[error("no home folder: HOME is {}, which is not an absolute path; name a folder with --home DIR", .value.display())]
    RelativeHome {
        /// The variable.
        value: OsString,
    },
    /// The system's reason.
    #[error("cannot {action} {}: {}{}", shown(.path), describe(.source), advice(.source, .path))]
    Io {
        /// Verb, as in `cannot read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Others can read or write what is the user's alone.
    #[error("{} is open to others ({mode:04o}); chmod {wanted:o} {}", shown(.path), quoted(.path))]
    OpenToOthers {
        /// The file or folder.
        path: PathBuf,
        /// The bits that it has.
        mode: u32,
        /// The bits that it should have.
        wanted: u32,
    },
    /// It is another user's.
    #[error("{} belongs to user {owner}, not to you; chown it, or name another folder with --home DIR", shown(.path))]
    WrongOwner {
        /// The file or folder.
        path: PathBuf,
        /// The other user's number.
        owner: u32,
    },
    /// It is a symbolic link, a folder, a pipe, a device.
    #[error("{} is {kind}, not {wanted}; move it away", shown(.path))]
    WrongKind {
        /// The file or folder.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// It is larger than anything we write.
    #[error("{} is too large to be ours (limit {limit} bytes); move it away", shown(.path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Its bytes are no text.
    #[error("{} is {why}{}", shown(.path), match .why { DecodeError::Utf16 => String::new(), DecodeError::NotUtf8 { line } => format!(" in line {line}; repair or move it") })]
    NotText {
        /// The file.
        path: PathBuf,
        /// What they are.
        why: DecodeError,
    },
    /// A new key would take the place of another.
    #[error("{} already holds a key; --replace generates a new one and keeps the old file beside it", shown(.path))]
    KeyPresent {
        /// The key's file.
        path: PathBuf,
    },
    /// Another process has the store of messages open.
    #[error("{} is open in another rsachat with this home{}; end that one and try again", shown(.path), numbered(*.process))]
    Held {
        /// The file.
        path: PathBuf,
        /// The other process, where the system tells.
        process: Option<u32>,
    },
    /// The store of messages is for another key than the identity.
    #[error("{} is sealed for another key{}; put that key back, or move the file away, with the messages waiting in it", shown(.path), list(.keys))]
    OtherIdentity {
        /// The file.
        path: PathBuf,
        /// The keys that open it.
        keys: Vec<Fingerprint>,
    },
    /// The store of messages was written by a later version.
    #[error("{} was written by a newer rsachat (format {version}); use that one", shown(.path))]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format's version.
        version: u32,
    },
    /// The store of messages does not hold what was written to it.
    #[error("{} is damaged ({why}); start rsachat, and it is moved aside", shown(.path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The store of messages was closed by an error before, and is open again.
    #[error("{} failed and has been opened again; try again", shown(.path))]
    Reopened {
        /// The file.
        path: PathBuf,
    },
    /// Another process held the lock for too long.
    #[error("{} is in use by another process; end it, or try again", shown(.path))]
    Busy {
        /// The lock.
        path: PathBuf,
    },
}

impl StoreError {
    /// For `map_err`: the action and its path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

fn numbered(process: Option<u32>) -> String {
    process.map_or_else(String::new, |process| format!(" (process {process})"))
}

fn list(keys: &[Fingerprint]) -> String {
    let keys: Vec<_> = keys.iter().map(Fingerprint::to_string).collect();
    if keys.is_empty() { String::new() } else { format!(" ({})", keys.join(", ")) }
}

/// Advice for the common causes; the others explain themselves with their path.
fn advice(source: &io::Error, path: &Path) -> String {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room and try again".into(),
        io::ErrorKind::ReadOnlyFilesystem => "; name another folder with --home DIR".into(),
        io::ErrorKind::PermissionDenied => format!("; look at ls -ld {}", quoted(path)),
        io::ErrorKind::NotADirectory => {
            "; a part of that path is not a folder; name another with --home DIR".into()
        }
        _ => String::new(),
    }
}

/// Reason of the system, worded like the sentences of this program: without the number of the
/// error, and without the name of a file that only the program sees.
pub(crate) fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    // Every sentence says before it what was attempted.
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// A path as it can be pasted into a shell.
pub(crate) fn quoted(path: &Path) -> String {
    shell::quoted(shown(path).as_str())
}

/// A path as it stands in a sentence: in one row, and with nothing that a terminal obeys.
pub(crate) fn shown(path: impl AsRef<Path>) -> SafeText {
    SafeText::line_from_bytes(path.as_ref().as_os_str().as_bytes())
}
