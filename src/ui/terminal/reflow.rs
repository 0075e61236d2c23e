//! Reflow of the typed line: a terminal that wraps its rows anew when it becomes narrower has more
//! rows of the line than the editor, which would clear too few of them.
//!
//! Only tmux is known to do so: elsewhere a repeated row is better than a lost one.

use std::time::Duration;

use super::line_rows::{cut_rows, ended_rows};
use super::screen_sizes::Columns;

/// Time for which a size has to hold: tmux wraps its rows at once, and tells the size up to 250 ms
/// later, perhaps first one that holds no more.
pub(crate) const SETTLING: Duration = Duration::from_millis(500);

/// Whether the terminal is tmux, by these variables of the environment.
pub(crate) fn is_tmux(env: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let term = set("TERM").unwrap_or_default();
    // GNU screen has the same name as older versions of tmux, and wraps nothing.
    term.starts_with("tmux") || term.starts_with("screen") && set("TMUX").is_some() && set("STY").is_none()
}

/// Line as it stands on the screen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct PaintedLine {
    pub(crate) text: String,
    /// Place of the cursor in it, in bytes.
    pub(crate) cursor: usize,
    /// Hint behind it.
    pub(crate) hint: String,
    /// Row in which the prompt ends, and the column behind it.
    pub(crate) prompt: (usize, usize),
    /// Cells of a row as rustyline has laid it out.
    pub(crate) cells: usize,
    /// What is known of rustyline's columns: where it puts the cursor follows from them.
    pub(crate) columns: Columns,
    /// Cells of the screen, at which longer rows are cut.
    pub(crate) screen_cells: usize,
}

impl PaintedLine {
    /// Rows below the cursor, its column, and the rows of the whole.
    pub(crate) fn place(&self) -> (usize, usize, usize) {
        let position = |text: &str| {
            let (rows, column) = ended_rows(text, self.prompt.1, self.cells);
            let row = self.prompt.0 + rows.matches('\n').count();
            if column == self.cells { (row + 1, 0) } else { (row, column) }
        };
        let (row, column) = position(self.text.get(..self.cursor).unwrap_or(&self.text));
        let (last, _) = position(&(self.text.clone() + &self.hint));
        (last - row, column, last + 1)
    }

    /// Rows that a screen which has become narrower makes of it besides those that it had.
    pub(crate) fn rows_gained(&self, now: usize) -> usize {
        let (rows, _) = ended_rows(&(self.text.clone() + &self.hint), self.prompt.1, self.cells);
        let stand_in = " ".repeat(self.prompt.1);
        let on_screen = cut_rows(&(stand_in + &rows), 0, self.screen_cells);
        on_screen.split('\n').map(|row| ended_rows(row, 0, now).0.matches('\n').count()).sum()
    }
}

/// More rows than any screen has.
const MOST_ROWS: usize = 9_999;

/// Sequence that goes to the last row of the screen.
pub(crate) const TO_LAST_ROW: &str = "\x1b[9999B";

pub(crate) fn up(rows: usize) -> String {
    if rows == 0 { String::new() } else { format!("\x1b[{rows}A") }
}

pub(crate) fn to_column(column: usize) -> String {
    format!("\x1b[{}G", column + 1)
}

/// Sequence that goes to the first row of the line, from where the editor takes it to be, and
/// deletes all rows from there on. Cleared from the top of the screen on (ED), tmux would keep them
/// as history.
pub(crate) fn clear_gained(rows: usize) -> String {
    format!("{}\x1b[{MOST_ROWS}M", up(rows))
}

/// Sequence that goes to the bottom of the screen and makes so many empty rows there.
pub(crate) fn leave(rows: usize) -> String {
    TO_LAST_ROW.to_owned() + &"\r\n".repeat(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_line_becomes_as_many_as_a_narrower_screen_makes_of_it() {
        let line = "x".repeat(90);
        for (text, start, cells, screen_cells, now, rows) in [
            ("", 7, 80, 80, 30, 0),
            (&line[..20], 10, 80, 80, 30, 0),
            (&line[..21], 10, 80, 80, 30, 1),
            (&line, 10, 80, 80, 30, 2),
            (&line, 10, 80, 80, 40, 1),
            (&line, 10, 40, 40, 80, 0),
            // A wide character leaves a cell free at the edge.
            ("가나다라마바사", 0, 14, 14, 7, 2),
            ("가나\n다라", 0, 14, 14, 3, 2),
            // Cut, so that each of its rows is one.
            (&line, 10, 80, 30, 30, 0),
            (&line, 10, 80, 30, 20, 1),
        ] {
            let prompt = (0, start);
            let painted =
                PaintedLine { text: text.to_owned(), prompt, cells, screen_cells, ..PaintedLine::default() };
            assert_eq!(painted.rows_gained(now), rows, "{text} {start} {cells} {screen_cells} {now}");
        }
    }

    #[test]
    fn only_tmux_is_taken_for_tmux() {
        for (term, tmux, sty, expected) in [
            ("tmux-256color", "", "", true),
            ("screen-256color", "/tmp/tmux-0/default,1,0", "", true),
            ("screen-256color", "", "", false),
            ("screen", "/tmp/tmux-0/default,1,0", "5.pts-0", false),
            ("xterm-256color", "/tmp/tmux-0/default,1,0", "", false),
        ] {
            let env = |name: &str| {
                let value =
                    [("TERM", term), ("TMUX", tmux), ("STY", sty)].into_iter().find(|one| one.0 == name);
                value.map(|(_, value)| value.to_owned())
            };
            assert_eq!(is_tmux(env), expected, "{term} {tmux} {sty}");
        }
    }
}
