//! Rows of the line: as rustyline lays them out, and as a terminal wraps them anew.

use rustyline::GraphemeClusterMode;
use unicode_segmentation::UnicodeSegmentation as _;

/// Distance of rustyline's tab stops.
const TAB_CELLS: usize = 8;

/// Place on the screen, or in the rows of the line. Both count from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Place {
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// A text from a column on with a newline wherever rustyline's layout begins another row and blanks
/// for tabs, and the column behind it.
///
/// A row that only the terminal wraps, many terminals join with the next when they become wider.
/// rustyline would then clear as many rows as there were, and some of them are messages.
pub(super) fn ended_rows(text: &str, start: usize, cells: usize) -> (String, usize) {
    let mode = GraphemeClusterMode::from_env();
    let (mut rows, mut column) = (String::with_capacity(text.len()), start);
    for cluster in text.graphemes(true) {
        let blanks = " ".repeat(TAB_CELLS - column % TAB_CELLS);
        let shown = if cluster == "\t" { blanks.as_str() } else { cluster };
        let width = if cluster == "\n" { 0 } else { cells_of(shown, mode) };
        if column + width > cells {
            rows.push('\n');
            column = 0;
        }
        rows.push_str(shown);
        column = if cluster == "\n" { 0 } else { column + width };
    }
    (rows, column)
}

fn cells_of(text: &str, mode: GraphemeClusterMode) -> usize {
    text.graphemes(true).map(|cluster| usize::from(mode.width(cluster))).sum()
}

/// End of a row that a terminal of so many cells wraps. Its column is that of the edge where the
/// row is full.
fn wrapped_end(row: &str, cells: usize) -> Place {
    let mode = GraphemeClusterMode::from_env();
    row.graphemes(true).fold(Place::default(), |Place { row, column }, cluster| {
        let width = cells_of(cluster, mode);
        if column + width > cells {
            Place { row: row + 1, column: width }
        } else {
            Place { row, column: column + width }
        }
    })
}

/// What a terminal that becomes narrower does with rows that no longer fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Narrowing {
    Wraps,
    Cuts,
}

impl Narrowing {
    /// What is known of the terminal that the environment names.
    pub(super) fn of_terminal() -> Option<Self> {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        let (term, is_tmux) = (var("TERM"), !var("TMUX").is_empty() && var("STY").is_empty());
        let wraps = ["tmux", "xterm-kitty", "xterm-ghostty", "foot", "alacritty"];
        let is_known = wraps.iter().any(|name| term.starts_with(name));
        (is_known || (is_tmux && term.starts_with("screen"))).then_some(Self::Wraps)
    }
}

/// Prompt and line on the screen, as far as they stand before the cursor.
#[derive(Debug, Default)]
pub(super) struct BeforeCursor {
    /// Cells of a row as they were laid out.
    cells: usize,
    prompt: String,
    text: String,
    /// The text as the painting that comes next shows it.
    next: String,
}

impl BeforeCursor {
    /// Takes note of the line before it is painted.
    pub(super) fn will_be(&mut self, text: &str) {
        self.text = std::mem::replace(&mut self.next, text.to_owned());
    }

    /// Takes note that the cursor moves.
    pub(super) fn moves(&mut self, text: &str) {
        text.clone_into(&mut self.next);
    }

    /// Takes note of a prompt that is painted, in a row of so many cells.
    pub(super) fn paint(&mut self, prompt: &str, cells: usize) {
        prompt.clone_into(&mut self.prompt);
        self.cells = cells;
    }

    /// Begins with nothing, in rows of so many cells.
    pub(super) fn begin(&mut self, cells: usize) {
        *self = Self { cells, ..Self::default() };
    }

    /// Row of the line in which the cursor was painted.
    pub(super) fn row(&self) -> usize {
        self.painted().1.row
    }

    /// Cells of a row as the line was last laid out.
    pub(super) fn cells(&self) -> usize {
        self.cells
    }

    /// The rows as they were painted, and the place of the cursor in them.
    fn painted(&self) -> (Vec<String>, Place) {
        let (rows, column) = ended_rows(&(self.prompt.clone() + &self.text), 0, self.cells);
        let mut rows: Vec<_> = rows.split('\n').map(str::to_owned).collect();
        if column == self.cells {
            rows.push(String::new());
        }
        let column = if column == self.cells { 0 } else { column };
        let row = rows.len() - 1;
        (rows, Place { row, column })
    }

    /// Place of the cursor where a terminal of so many cells has wrapped the rows.
    fn wrapped(&self, cells: usize) -> Place {
        let (rows, _) = self.painted();
        let mut ends = rows.iter().map(|row| wrapped_end(row, cells)).rev();
        let last = ends.next().unwrap_or_default();
        Place { row: last.row + ends.map(|end| end.row + 1).sum::<usize>(), ..last }
    }

    /// Whether a terminal of so many cells may have put the cursor into another row of the line.
    pub(super) fn may_have_moved(&self, cells: usize) -> bool {
        let end = self.wrapped(cells);
        end.row != self.painted().1.row || end.column == cells
    }

    /// Row of the line in which the cursor stands where a terminal of so many cells tells its
    /// place. The column shows what the terminal does; where it does not, it does what it did
    /// before.
    pub(super) fn row_told(&self, cells: usize, told: Place, known: &mut Option<Narrowing>) -> usize {
        let (end, painted) = (self.wrapped(cells), self.painted().1);
        let wrapped_row = match told.column {
            column if end.column < cells => (column == end.column).then_some(end.row),
            // Behind a full row, terminals differ.
            0 => Some(end.row + 1),
            column => (column + 1 >= cells).then_some(end.row),
        };
        let is_cut = told.column == painted.column.min(cells.saturating_sub(1));
        let row = match (wrapped_row, is_cut) {
            (Some(row), false) => {
                *known = Some(Narrowing::Wraps);
                row
            }
            (None, true) => {
                *known = Some(Narrowing::Cuts);
                painted.row
            }
            (Some(row), true) if *known == Some(Narrowing::Wraps) => row,
            _ => painted.row,
        };
        row.min(told.row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_a_line_ends_where_rustyline_sees_it() {
        for (line, rows, column) in [
            ("", "", 5),
            ("abcde", "abcde", 10),
            ("abcdef", "abcde\nf", 1),
            ("가나다", "가나\n다", 2),
            ("abcde\nf", "abcde\nf", 1),
            ("abc\n", "abc\n", 0),
            // 5 cells and 2 wide characters, then 5 of them: the row is full.
            ("가나다라마바사", "가나\n다라마바사", 10),
            ("\tx", "   x", 9),
            ("abcd\tx", "abcd\n       x", 8),
        ] {
            let (found, end) = ended_rows(line, 5, 10);
            assert_eq!((found.as_str(), end), (rows, column), "{line:?}");
        }
    }

    fn shown(prompt: &str, text: &str, cells: usize) -> BeforeCursor {
        let mut shown = BeforeCursor::default();
        shown.moves(text);
        shown.will_be(text);
        shown.paint(prompt, cells);
        shown
    }

    #[test]
    fn what_a_narrower_terminal_does_is_seen_by_the_column_of_the_cursor_and_remembered() {
        use Narrowing::{Cuts, Wraps};
        let told = |row, column| Place { row, column };
        let long = "x".repeat(60);
        for (text, cells, place, before, rows, after) in [
            // 65 cells: a row of 65 in one of 80, two rows of 40.
            (&*long, 40, told(9, 25), None, 1, Some(Wraps)),
            (&long, 40, told(9, 39), None, 0, Some(Cuts)),
            (&long, 40, told(9, 7), Some(Wraps), 0, Some(Wraps)),
            (&long, 40, told(0, 25), None, 0, Some(Wraps)),
            (&long[..30], 40, told(9, 35), None, 0, None),
            (&long[..35], 40, told(9, 39), Some(Cuts), 0, Some(Cuts)),
            (&long[..35], 20, told(9, 0), None, 2, Some(Wraps)),
            (&long[..35], 20, told(9, 19), Some(Wraps), 1, Some(Wraps)),
        ] {
            let mut known = before;
            let found = shown("bob> ", text, 80).row_told(cells, place, &mut known);
            assert_eq!((found, known), (rows, after), "{} {cells} {place:?}", text.len());
        }
        // Two rows of 80 and 20 cells: at 40 the cursor stands in column 20 either way.
        let two = shown("bob> ", &"x".repeat(95), 80);
        for (mut known, rows) in [(None, 1), (Some(Cuts), 1), (Some(Wraps), 2)] {
            assert_eq!(two.row_told(40, told(9, 20), &mut known), rows);
        }
        let wide = shown("bob> ", &"가".repeat(20), 80);
        assert_eq!(wide.row_told(20, told(9, 5), &mut None), 0);
        assert_eq!(wide.row_told(20, told(9, 6), &mut None), 2);
    }

    #[test]
    fn what_is_not_yet_painted_does_not_count() {
        let mut shown = shown("bob> ", "x", 80);
        shown.will_be(&"x".repeat(60));
        assert!(!shown.may_have_moved(40));
        shown.will_be("");
        assert!(shown.may_have_moved(40));
    }
}
