//! Rendering of notices: rows, colours, widths and the safety card.

pub(crate) mod colour;
pub(crate) mod cut;
pub(crate) mod layout;

mod safety_card;
mod wrap;

use std::io;

/// Size where the terminal does not tell its own.
const DEFAULT: Size = Size { cells: 80, rows: 24 };

/// Size of the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size {
    /// Cells of a row.
    pub(crate) cells: usize,
    pub(crate) rows: usize,
}

/// The size as the terminal tells it; `COLUMNS` is for one that does not.
pub(crate) fn size() -> Size {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => Size { cells: size.ws_col.into(), rows: size.ws_row.into() },
        _ => {
            let columns = std::env::var("COLUMNS").ok().and_then(|cells| cells.parse().ok());
            Size { cells: columns.filter(|cells| *cells > 0).unwrap_or(DEFAULT.cells), ..DEFAULT }
        }
    }
}
