//! Lines on standard output and standard error, for what has no screen.

use std::io::{self, IsTerminal as _, Write as _};

/// A line on standard error; if that is gone too, nobody can be told.
pub(crate) fn eprint_line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints text on standard error as it is.
pub(crate) fn eprint(text: &str) -> io::Result<()> {
    io::stderr().lock().write_all(text.as_bytes())
}

/// A line on standard output.
pub(crate) fn print_line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
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
