//! Printing for commands without a screen.

use std::io::{self, IsTerminal as _, Write as _};

/// Prints a line on standard error. An error of that has nowhere to go.
pub(crate) fn eprint_line(text: &str) {
    let _ = eprint(&format!("{text}\n"));
}

/// Prints text on standard error as it is.
pub(crate) fn eprint(text: &str) -> io::Result<()> {
    io::stderr().lock().write_all(text.as_bytes())
}

/// Prints a line on standard output.
pub(crate) fn print_line(text: &str) -> io::Result<()> {
    print(&format!("{text}\n"))
}

/// Prints text on standard output as it is, and flushes.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Text on standard error, without a newline: a progress line.
pub(crate) fn eprint_text(text: &str) {
    let _ = write!(io::stderr().lock(), "{text}");
}

pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}
