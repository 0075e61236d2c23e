//! Row above the line for as long as that is edited: the progress of a transfer.
//!
//! Paintings of the line write and remove it, outside rustyline's layout: they begin in the row
//! below it. What is printed takes its place.

use super::line_rows::ended_rows;
use crate::app::os;
use crate::render::Size;
use crate::render::wrap::rows_on_screen;

/// Rows of the screen that are left to hints of the line.
const HINT_ROWS: usize = 3;

/// The row, if it stands.
#[derive(Debug, Default)]
pub(crate) struct RowAbove {
    standing: Option<StandingRow>,
    /// Whether what is printed takes its place, so that it may stand.
    is_allowed: bool,
}

#[derive(Clone, Copy, Debug)]
struct StandingRow {
    /// Cells of its text.
    width: usize,
    /// Cells of the screen as it was written.
    cells: usize,
    /// Row and column in which the prompt below it ends.
    prompt: (usize, usize),
}

/// Whether a terminal that becomes narrower wraps its rows anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RowWrap {
    Anew,
    AsBefore,
}

impl RowWrap {
    /// Rows as they are written: cut at the edge (DECAWM), since a screen that has become narrower
    /// meanwhile would wrap them. What it wraps anew is counted as it is wrapped.
    pub(crate) fn written(self, rows: &str) -> String {
        match self {
            Self::Anew => rows.to_owned(),
            Self::AsBefore => format!("\x1b[?7l{rows}\x1b[?7h"),
        }
    }
}

impl RowAbove {
    pub(crate) fn is_allowed(&self) -> bool {
        self.is_allowed
    }

    pub(crate) fn allow(&mut self) {
        self.is_allowed = true;
    }

    /// The next painting removes it.
    pub(crate) fn disallow(&mut self) {
        self.is_allowed = false;
    }

    pub(crate) fn stands(&self) -> bool {
        self.standing.is_some()
    }

    /// Whether it stands as a screen of so many cells has it.
    pub(crate) fn stands_in(&self, cells: usize) -> bool {
        self.standing.is_some_and(|row| row.cells == cells)
    }

    /// Its place is not known any more: it stays there.
    pub(crate) fn forget(&mut self) {
        self.standing = None;
    }

    /// Takes note that it is written.
    pub(crate) fn set(&mut self, width: usize, cells: usize, prompt: (usize, usize)) {
        self.standing = Some(StandingRow { width, cells, prompt });
    }

    /// Sequence that goes from the row below it to its place, and clears that.
    pub(crate) fn take_cleared(&mut self, cells: usize, wrap: RowWrap) -> String {
        let rows = self.standing.take().map_or(0, |row| row.rows(cells, wrap));
        "\x1b[A\x1b[2K".repeat(rows)
    }

    /// Sequence that removes it, from a cursor so many rows below the first row of the line: what
    /// is below it moves up, and the cursor with that.
    pub(crate) fn take_removed(&mut self, below: usize, size: Size, wrap: RowWrap) -> String {
        let rows = self.standing.take().map_or(0, |row| row.rows(size.cells, wrap));
        let up = below + rows;
        if rows == 0 || up >= size.rows {
            return String::new();
        }
        format!("\x1b7\x1b[{up}A\x1b[{rows}M\x1b8\x1b[{rows}A")
    }

    /// Removes it while the line is edited, with this text before the cursor.
    pub(crate) fn remove(&mut self, before_cursor: &str, size: Size, wrap: RowWrap) {
        let Some(StandingRow { prompt: (row, column), .. }) = self.standing else { return };
        let (rows, end) = ended_rows(before_cursor, column, size.cells);
        let below = row + rows.matches('\n').count() + usize::from(end == size.cells);
        // A terminal that is gone shows nothing.
        let _ = os::print(&self.take_removed(below, size, wrap));
    }
}

impl StandingRow {
    /// Rows that it has on a screen of so many cells.
    fn rows(self, cells: usize, wrap: RowWrap) -> usize {
        match wrap {
            RowWrap::Anew => rows_on_screen(self.width, cells).max(1),
            RowWrap::AsBefore => 1,
        }
    }
}

/// Whether a line of so many rows leaves room for it.
pub(crate) fn has_room(line_rows: usize, screen_rows: usize) -> bool {
    line_rows + HINT_ROWS + 2 <= screen_rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { cells: 40, rows: 10 };

    fn standing() -> RowAbove {
        let mut row = RowAbove::default();
        row.set(52, 80, (0, 7));
        row
    }

    #[test]
    fn it_is_cleared_in_as_many_rows_as_a_narrower_screen_makes_of_it() {
        assert_eq!(standing().take_cleared(80, RowWrap::Anew), "\x1b[A\x1b[2K");
        assert_eq!(standing().take_cleared(40, RowWrap::Anew), "\x1b[A\x1b[2K\x1b[A\x1b[2K");
        assert_eq!(standing().take_cleared(40, RowWrap::AsBefore), "\x1b[A\x1b[2K");
        assert_eq!(RowAbove::default().take_cleared(40, RowWrap::Anew), "");
    }

    #[test]
    fn it_is_removed_only_where_it_is_on_the_screen() {
        assert_eq!(standing().take_removed(2, SIZE, RowWrap::AsBefore), "\x1b7\x1b[3A\x1b[1M\x1b8\x1b[1A");
        assert_eq!(standing().take_removed(9, SIZE, RowWrap::AsBefore), "");
        assert_eq!(RowAbove::default().take_removed(2, SIZE, RowWrap::AsBefore), "");
    }
}
