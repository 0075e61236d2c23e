//! Rows of a program with a terminal. A row is shown once the cursor has left it downwards, or it
//! has scrolled off the screen; where the cursor is, and below, rows stand as they are.

use vt100::Parser;

use crate::script::TerminalSize;

/// Bytes that are taken at once: no more rows than that can scroll off.
const CHUNK_BYTES: usize = 4_096;

/// Terminal of a program.
pub(super) struct Terminal {
    parser: Parser,
    /// Rows of the screen as they were shown, from its top.
    shown: Vec<Option<String>>,
    /// The same of the other screen: of two, one is for full-screen programs.
    shown_on_other: Vec<Option<String>>,
    is_alternate: bool,
}

impl Terminal {
    pub(super) fn new(size: TerminalSize) -> Self {
        Self {
            parser: Parser::new(size.rows, size.columns, CHUNK_BYTES),
            shown: Vec::new(),
            shown_on_other: Vec::new(),
            is_alternate: false,
        }
    }

    /// Whether the program wants the cursor keys in their application mode (DECCKM).
    pub(super) fn has_application_cursor(&self) -> bool {
        self.parser.screen().application_cursor()
    }

    /// Takes output. Returns the rows that it has finished.
    pub(super) fn process(&mut self, bytes: &[u8]) -> Vec<String> {
        bytes.chunks(CHUNK_BYTES).flat_map(|chunk| self.process_chunk(chunk)).collect()
    }

    fn process_chunk(&mut self, bytes: &[u8]) -> Vec<String> {
        self.parser.process(bytes);
        let is_alternate = self.parser.screen().alternate_screen();
        if is_alternate != self.is_alternate {
            self.is_alternate = is_alternate;
            std::mem::swap(&mut self.shown, &mut self.shown_on_other);
        }
        let mut rows = self.take_scrolled();
        let scrolled = rows.len();
        rows.extend(self.screen_rows());
        let finished = scrolled + self.first_pending();
        let mut new = Vec::new();
        let mut before = std::mem::take(&mut self.shown).into_iter();
        for (at, row) in rows.into_iter().enumerate() {
            let before = before.next().flatten();
            let is_same = before.as_ref() == Some(&row);
            let is_new = at < finished && !row.is_empty() && !is_same;
            let mark = (is_new || is_same).then(|| row.clone());
            if is_new {
                new.push(row);
            }
            if at >= scrolled {
                self.shown.push(mark);
            }
        }
        new
    }

    /// Rows from that of the cursor on.
    pub(super) fn pending(&self) -> Vec<String> {
        let rows = self.screen_rows().into_iter().zip(self.shown.iter().chain(std::iter::repeat(&None)));
        let rows = rows.skip(self.first_pending()).filter(|(_, shown)| shown.is_none());
        rows.map(|(row, _)| row).filter(|row| !row.is_empty()).collect()
    }

    /// Rows that have scrolled off the screen since the last call.
    fn take_scrolled(&mut self) -> Vec<String> {
        let screen = self.parser.screen_mut();
        let columns = screen.size().1.get();
        let mut rows = Vec::new();
        for offset in (1..=screen.scrollback_len()).rev() {
            screen.set_scrollback(offset);
            rows.extend(screen.rows(0, columns).next().map(|row| row.trim_end().to_owned()));
        }
        screen.set_scrollback(0);
        screen.clear_scrollback();
        rows
    }

    fn screen_rows(&self) -> Vec<String> {
        let screen = self.parser.screen();
        screen.rows(0, screen.size().1.get()).map(|row| row.trim_end().to_owned()).collect()
    }

    /// First row of the line in which the cursor is: a long line is wrapped over several.
    fn first_pending(&self) -> usize {
        let screen = self.parser.screen();
        let mut row = screen.cursor_position().0;
        while row.checked_sub(1).is_some_and(|above| screen.row_wrapped(above)) {
            row -= 1;
        }
        usize::from(row)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn terminal() -> Terminal {
        let cells = |count| NonZeroU16::new(count).unwrap();
        Terminal::new(TerminalSize { columns: cells(10), rows: cells(3) })
    }

    #[test]
    fn a_row_is_shown_once_when_the_cursor_has_left_it_or_it_has_scrolled_off() {
        let mut terminal = terminal();
        assert_eq!(terminal.process(b"one\r\ntw"), ["one"]);
        assert_eq!(terminal.pending(), ["tw"]);
        assert_eq!(terminal.process(b"o\r\n\r\nfour\r\nfive\r\n>"), ["two", "four", "five"]);
        assert_eq!(terminal.pending(), [">"]);
        let many: Vec<String> = (0..2_000).map(|row| format!("row {row}")).collect();
        let bytes = many.iter().fold(b"\r".to_vec(), |bytes, row| [&bytes, row.as_bytes(), b"\r\n"].concat());
        assert_eq!(terminal.process(&bytes), many);
    }

    #[test]
    fn a_notice_above_the_prompt_is_shown_and_the_prompt_stays_pending() {
        let mut terminal = terminal();
        assert!(terminal.process(b"> draft").is_empty());
        assert_eq!(terminal.process(b"\r\x1b[Jhello\r\n> draft"), ["hello"]);
        assert_eq!(terminal.pending(), ["> draft"]);
        assert_eq!(
            terminal.process(b"\r\x1b[Jhello\r\n> draft"),
            ["hello"],
            "the same text is a row of its own"
        );
        assert_eq!(terminal.process(b" is wrapped"), [""; 0], "a wrapped line is one");
        assert_eq!(terminal.pending(), ["> draft is", " wrapped"]);
        assert_eq!(terminal.process(b"\r\n"), ["> draft is", " wrapped"]);
    }

    #[test]
    fn what_a_full_screen_program_draws_is_seen_and_the_screen_before_it_is_not_shown_again() {
        let mut terminal = terminal();
        assert_eq!(terminal.process(b"before\r\n$ "), ["before"]);
        assert!(terminal.process(b"\x1b[?1049h\x1b[H\x1b[2J\x1b[3;1Hmenu\x1b[1;1H").is_empty());
        assert_eq!(terminal.pending(), ["menu"]);
        assert!(terminal.process(b"\x1b[?1049l").is_empty());
        assert_eq!(terminal.pending(), ["$"]);
    }
}
