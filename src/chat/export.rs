//! Message that a face takes out of the chat: to the clipboard of its terminal, or into a file.

/// Exact text of a message, on its way to a place outside the chat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    /// The place.
    pub to: ExportTarget,
    /// Message that it is, in words.
    pub label: String,
    /// The text.
    pub text: Vec<u8>,
}

/// Place that a message is taken to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExportTarget {
    /// Clipboard of the terminal (OSC 52).
    Clipboard,
    /// New file of this name.
    File(String),
}

/// Reason why a message was not taken out of the chat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExportError {
    /// There is no terminal with a clipboard.
    NoTerminal,
    /// The face is a program at the socket of a home.
    ProgramAtSocket,
    /// The file was not written.
    NotWritten {
        /// Its name.
        file: String,
        /// Reason of the system, in words for the user.
        why: String,
    },
}
