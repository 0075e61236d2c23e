//! What ends the program with words: the message, what to do next, and the exit code.

use std::fmt;
use std::io;

use crate::store::StoreError;
use crate::store::book_file::BookError;

/// Exit codes, as the README's table has them.
pub(crate) mod code {
    /// Ran, but did not end as asked.
    pub(crate) const FAILED: u8 = 1;
    /// Bad usage.
    pub(crate) const USAGE: u8 = 2;
    /// The machine refused.
    pub(crate) const MACHINE: u8 = 3;
    /// Not the peer asked for, or the handshake was refused.
    pub(crate) const REFUSED: u8 = 4;
    /// Silence or loss before everything was acknowledged.
    pub(crate) const LOST: u8 = 5;
    /// Whoever read our output has gone: as a program that SIGPIPE ends, and as silent.
    pub(crate) const READER_GONE: u8 = 141;
}

/// A failure of the whole program.
#[derive(Debug)]
pub(crate) struct AppError {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) code: u8,
}

impl AppError {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, code }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// In words for a notice, which has a mark of its own: the message, then what to do.
    pub(crate) fn in_a_row(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; {hint}", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rsachat: error: {}", self.message)?;
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

impl From<std::io::Error> for AppError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(code::READER_GONE, String::new());
        }
        Self::new(code::MACHINE, error.to_string())
    }
}

/// The system's reason in the manners of this program.
pub(crate) fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    // What was tried stands before it in every sentence of ours.
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
