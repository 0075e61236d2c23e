//! Rows of the typed line, as rustyline lays it out.

use rustyline::GraphemeClusterMode;
use unicode_segmentation::UnicodeSegmentation as _;

/// Distance of rustyline's tab stops.
const TAB_CELLS: usize = 8;

/// A text from a column on with a newline wherever rustyline's layout begins another row and blanks
/// for tabs, and the column behind it.
///
/// A row that only the terminal wraps, many terminals join with the next when they become wider.
/// rustyline would then clear as many rows as there were, and some of them are messages.
pub(crate) fn ended_rows(text: &str, start: usize, cells: usize) -> (String, usize) {
    let mode = GraphemeClusterMode::from_env();
    let (mut rows, mut column) = (String::with_capacity(text.len()), start);
    for cluster in text.graphemes(true) {
        let blanks = " ".repeat(TAB_CELLS - column % TAB_CELLS);
        let shown = if cluster == "\t" { blanks.as_str() } else { cluster };
        let width =
            if cluster == "\n" { 0 } else { shown.graphemes(true).map(|c| usize::from(mode.width(c))).sum() };
        if column + width > cells {
            rows.push('\n');
            column = 0;
        }
        rows.push_str(shown);
        column = if cluster == "\n" { 0 } else { column + width };
    }
    (rows, column)
}

/// Rows of a line behind a prompt that ends in a row and at a column. Behind a full row rustyline
/// has an empty one.
pub(crate) fn line_rows(text: &str, (prompt_row, prompt_end): (usize, usize), cells: usize) -> usize {
    let (rows, end) = ended_rows(text, prompt_end, cells);
    prompt_row + rows.matches('\n').count() + 1 + usize::from(end == cells)
}

/// Such rows, each as far as a screen of so many cells has room for it.
pub(crate) fn cut_rows(rows: &str, start: usize, cells: usize) -> String {
    let cut = rows.split('\n').enumerate().map(|(number, row)| {
        let (wrapped, _) = ended_rows(row, if number == 0 { start } else { 0 }, cells);
        wrapped.split('\n').next().unwrap_or_default().to_owned()
    });
    cut.collect::<Vec<_>>().join("\n")
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

    #[test]
    fn rows_that_are_cut_stay_as_many() {
        for (rows, start, cut) in [
            ("", 5, ""),
            ("abcdef\nghijkl", 2, "abcd\nghijkl"),
            ("가나다\n라마바사", 1, "가나\n라마바"),
            ("abc\nde\n", 9, "\nde\n"),
        ] {
            assert_eq!(cut_rows(rows, start, 6), cut, "{rows:?}");
        }
    }
}
