//! Size of the terminal at standard output.

use std::io;

use crate::render::Size;

/// Size of the terminal. Without one COLUMNS says how many cells a row has, or it has 80.
pub(crate) fn size() -> Size {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => Size { cells: size.ws_col.into(), rows: size.ws_row.into() },
        _ => {
            let columns = std::env::var("COLUMNS").ok().and_then(|cells| cells.parse().ok());
            let cells = columns.filter(|cells| *cells > 0).unwrap_or(Size::DEFAULT.cells);
            Size { cells, ..Size::DEFAULT }
        }
    }
}
