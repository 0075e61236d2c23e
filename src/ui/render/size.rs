//! How much there is of the screen.

use std::io;

/// Cells of a screen that does not know its own width.
const CELLS: usize = 80;
/// Rows of a screen that does not know its own.
const ROWS: usize = 24;

/// How much there is of a screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size {
    /// Cells of a row.
    pub(crate) cells: usize,
    pub(crate) rows: usize,
}

/// The screen as it is now. It knows best; `COLUMNS` is for one that does not.
pub(crate) fn size() -> Size {
    let told = || std::env::var("COLUMNS").ok().and_then(|cells| cells.parse().ok());
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => Size { cells: size.ws_col.into(), rows: size.ws_row.into() },
        _ => Size { cells: told().filter(|cells| *cells > 0).unwrap_or(CELLS), rows: ROWS },
    }
}

/// Cells of a row on the screen.
pub(crate) fn cells() -> usize {
    size().cells
}
