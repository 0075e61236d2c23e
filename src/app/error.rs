//! Error that ends the program: message, hint and exit code.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::chat::DialOutcome;
use crate::store::StoreError;
use crate::store::book_file::BookError;
use crate::store::home_archive::ArchiveError;
pub(crate) use crate::store::{describe, shown};
use crate::text::safe::{SafeText, safe_rows};

/// Number of SIGPIPE.
pub(crate) const SIGPIPE: u8 = 13;

/// Exit codes from here on name a signal.
pub(crate) const SIGNAL_CODE: u8 = 128;

/// Exit codes, as in the table of `docs/COMMAND_LINE.md`. The end of a connection has the same code
/// at every front end:
///
/// | end | code |
/// | --- | --- |
/// | the peer left in order (`Bye`), everything acknowledged | 0 |
/// | the same, but lines were refused or had no way to go (named) | [`FAILED`](code::FAILED) |
/// | the peer could not keep what it got | [`FAILED`](code::FAILED) |
/// | it left before what was sent was acknowledged | [`LOST`](code::LOST) |
/// | cut or silence before everything was acknowledged | [`LOST`](code::LOST) |
/// | any of these before what was asked was answered | [`LOST`](code::LOST) |
pub(crate) mod code {
    /// Ran, but did not end as asked: something failed, was refused or had no way to go.
    pub(crate) const FAILED: u8 = 1;
    /// Bad usage.
    pub(crate) const USAGE: u8 = 2;
    /// The machine refused.
    pub(crate) const MACHINE: u8 = 3;
    /// Not the peer asked for, or the handshake was refused.
    pub(crate) const REFUSED: u8 = 4;
    /// Silence or loss before everything was acknowledged, or answered.
    pub(crate) const LOST: u8 = 5;
    /// Lines wait until their receivers have them.
    pub(crate) const QUEUED: u8 = 6;
    /// Standard output was closed by its reader: the exit code of a process that SIGPIPE ends, and
    /// nothing is printed.
    pub(crate) const READER_GONE: u8 = super::SIGNAL_CODE + super::SIGPIPE;
}

impl DialOutcome {
    /// Exit code of a command whose connection ended so.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Unreachable | Self::ListenFailed => code::MACHINE,
            Self::Refused => code::REFUSED,
            Self::Lost | Self::PeerLeftEarly => code::LOST,
            Self::NotCalled | Self::Failed => code::FAILED,
            Self::Left | Self::Done => 0,
        }
    }
}

/// Failure of the whole program.
#[derive(Clone, Debug)]
pub(crate) struct AppError {
    pub(crate) message: String,
    form: MessageForm,
    pub(crate) hint: Option<String>,
    pub(crate) code: u8,
}

/// Form of a message on standard error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum MessageForm {
    /// A sentence of the program.
    Sentence,
    /// Rows that each begin with `FILE:LINE:COLUMN:`, which editors jump to.
    Places,
}

impl AppError {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { message: safe_rows(&message.into()), form: MessageForm::Sentence, hint: None, code }
    }

    /// Mistakes in a file, each with its place at the beginning.
    pub(crate) fn at_places(code: u8, rows: &[String]) -> Self {
        Self { form: MessageForm::Places, ..Self::new(code, rows.join("\n")) }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(safe_rows(&hint.into()));
        self
    }

    /// The same with a hint whose commands work on the home folder that the command line names.
    pub(crate) fn at_home(mut self, home: Option<&Path>) -> Self {
        self.hint = self.hint.map(|hint| hint_at_home(&hint, home));
        self
    }

    /// One row for a notice: the message, then the hint.
    pub(crate) fn in_a_row(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; {hint}", self.message),
            None => self.message.clone(),
        }
    }
}

/// A hint whose commands work on the home folder that the command line names: without it they would
/// change another home, and the error would stay.
pub(crate) fn hint_at_home(hint: &str, home: Option<&Path>) -> String {
    let Some(home) = home.and_then(Path::to_str) else { return hint.to_owned() };
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    let word = if home.chars().all(is_plain) {
        home.to_owned()
    } else {
        format!("'{}'", home.replace('\'', r"'\''"))
    };
    let word = SafeText::line(&word);
    ["attach", "history", "home", "key", "outbox", "peers", "recv", "send"].into_iter().fold(
        hint.to_owned(),
        |hint, subcommand| {
            let at_home = format!("rsachat --home {word} {subcommand} ");
            hint.replace(&format!("rsachat {subcommand} "), &at_home)
        },
    )
}

/// A file error that names the folder that is missing.
pub(crate) fn naming_folder(error: io::Error, path: &Path) -> io::Error {
    match (error.kind(), path.parent()) {
        (io::ErrorKind::NotFound, Some(folder)) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            io::Error::new(error.kind(), format!("there is no folder {}", shown(folder)))
        }
        _ => error,
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            MessageForm::Sentence => write!(f, "rsachat: error: {}", self.message)?,
            MessageForm::Places => f.write_str(&self.message)?,
        }
        match &self.hint {
            Some(hint) => write!(f, "\nrsachat: hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        Self::new(code::MACHINE, error.to_string())
    }
}

impl From<BookError> for AppError {
    fn from(error: BookError) -> Self {
        Self::new(code::MACHINE, error.to_string())
    }
}

impl From<ArchiveError> for AppError {
    fn from(error: ArchiveError) -> Self {
        let (code, hint) = match &error {
            ArchiveError::Present { .. } => (code::FAILED, None),
            ArchiveError::KeyPresent { .. } | ArchiveError::NotEmpty { .. } => {
                (code::FAILED, Some("name another folder with --home DIR; nothing was changed"))
            }
            ArchiveError::NoKey { .. } => (code::MACHINE, Some("rsachat key new generates one")),
            error if error.is_wrong_passphrase() => (
                code::MACHINE,
                Some("the passphrase is the first line of the file, including any blanks; try again"),
            ),
            _ => (code::MACHINE, None),
        };
        let error = Self::new(code, error.to_string());
        hint.map_or_else(|| error.clone(), |hint| error.clone().hint(hint))
    }
}

impl From<io::Error> for AppError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(code::READER_GONE, String::new());
        }
        Self::new(code::MACHINE, describe(&error))
    }
}

/// Every address that was tried, and why it failed.
pub(crate) fn describe_attempts(tried: &[(SocketAddr, io::Error)]) -> String {
    let tried: Vec<_> = tried.iter().map(|(addr, why)| format!("{addr}: {}", describe(why))).collect();
    tried.join("; ")
}
