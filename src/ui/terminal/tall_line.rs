//! Line that has more rows than the screen: the rows around its cursor are painted, so that no key
//! leaves a copy of the others.
//!
//! The rows above the screen stay those of the line, as many as rustyline takes to be there. On a
//! screen that becomes taller they come back, and it clears them.

use std::ops::Range;

use super::line_rows::{cut_rows, ended_rows};

/// Line as it is laid out behind its prompt.
#[derive(Debug)]
pub(crate) struct TallLine {
    rows: Vec<String>,
    /// Rows of rustyline's layout: behind a full last row it has an empty one, and writes its
    /// newline itself.
    total: usize,
    /// Row of the cursor in it.
    cursor: usize,
    screen_rows: usize,
}

impl TallLine {
    /// The line with its cursor, if the screen has too few rows for it. The prompt ends in a
    /// row and at a column.
    pub(crate) fn of(
        (before, behind): (&str, &str),
        (prompt_row, prompt_end): (usize, usize),
        (cells, screen_rows): (usize, usize),
    ) -> Option<Self> {
        let (mut text, column) = ended_rows(before, prompt_end, cells);
        let cursor = prompt_row + text.matches('\n').count() + usize::from(column == cells);
        let (rest, end) = ended_rows(behind, column, cells);
        text.push_str(&rest);
        let rows: Vec<_> = text.split('\n').map(str::to_owned).collect();
        let total = prompt_row + rows.len() + usize::from(end == cells);
        (screen_rows > 1 && total > screen_rows).then_some(Self { rows, total, cursor, screen_rows })
    }

    /// The same, of each row what a narrower screen has room for.
    pub(super) fn cut(mut self, start: usize, cells: usize) -> Self {
        let rows = cut_rows(&self.rows.join("\n"), start, cells);
        self.rows = rows.split('\n').map(str::to_owned).collect();
        self
    }

    /// What is painted, where so many rows of the line are above the screen, and how many are then:
    /// first those that leave the screen, then those that stay on it.
    pub(crate) fn painted(self, prompt: &[String], above: usize) -> (String, usize) {
        let (mut rows, mut texts) = (prompt.to_vec(), self.rows.into_iter());
        if let Some(last) = rows.last_mut() {
            last.extend(texts.next());
        }
        rows.extend(texts);
        let leaving = above..self.total - self.screen_rows;
        let first = self.cursor.min(leaving.end);
        let staying = first..first + self.screen_rows - (self.total - rows.len());
        let of = |range: Range<usize>| rows.get(range).unwrap_or_default();
        ([of(leaving.clone()), of(staying)].concat().join("\n"), above.max(leaving.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is painted of a line behind the prompt `> `, ten cells wide, on a screen of three rows.
    fn painted(before: &str, behind: &str, above: usize) -> Option<(String, usize)> {
        let line = TallLine::of((before, behind), (0, 2), (10, 3))?;
        Some(line.painted(&["> ".to_owned()], above))
    }

    #[test]
    fn a_line_that_fits_is_painted_whole() {
        for line in ["", "aaaaaaaa", "aaaaaaaabbbbbbbbbbccccccccc"] {
            assert_eq!(painted(line, "", 0), None, "{line}");
        }
        assert_eq!(painted("", "aaaaaaaabbbbbbbbbbccccccccc", 0), None);
    }

    #[test]
    fn the_rows_around_the_cursor_are_painted_and_no_row_leaves_the_screen_twice() {
        let text = "aaaaaaaabbbbbbbbbbccccccccccddd";
        for (cursor, above, rows, are_above) in [
            (31, 0, "> aaaaaaaa\nbbbbbbbbbb\ncccccccccc\nddd", 1),
            (31, 1, "bbbbbbbbbb\ncccccccccc\nddd", 1),
            (31, 4, "bbbbbbbbbb\ncccccccccc\nddd", 4),
            (9, 1, "bbbbbbbbbb\ncccccccccc\nddd", 1),
            (7, 1, "> aaaaaaaa\nbbbbbbbbbb\ncccccccccc", 1),
            (0, 0, "> aaaaaaaa\n> aaaaaaaa\nbbbbbbbbbb\ncccccccccc", 1),
        ] {
            let (before, behind) = text.split_at(cursor);
            assert_eq!(
                painted(before, behind, above),
                Some((rows.to_owned(), are_above)),
                "{cursor} {above}"
            );
        }
    }

    #[test]
    fn behind_a_full_row_there_is_room_for_one_that_is_empty() {
        let text = "aaaaaaaabbbbbbbbbbcccccccccc";
        assert_eq!(painted(text, "", 1), Some(("bbbbbbbbbb\ncccccccccc".to_owned(), 1)));
        assert_eq!(painted("", text, 1), Some(("> aaaaaaaa\nbbbbbbbbbb".to_owned(), 1)));
        assert_eq!(
            painted("aaaaaaaabbbbbbbbbbccccccccc\n", "", 1),
            Some(("bbbbbbbbbb\nccccccccc\n".to_owned(), 1))
        );
    }
}
