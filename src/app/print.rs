//! Printing for commands without a screen.

use std::io::{self, Write as _};

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
