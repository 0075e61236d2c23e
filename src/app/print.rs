//! Lines on standard output and standard error, for what has no screen.

use std::io::{self, Write as _};

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
