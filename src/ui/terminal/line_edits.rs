//! Edits of the line that is read: what a read that takes the place of another goes on with.
//!
//! rustyline cannot hand its own undo list, mode and place in the history to another read. What is
//! lost is what only the last keys know: that one kill goes on with another, what vi's `.` repeats.

use std::mem;

use rustyline::{Cmd, EditMode, Event, EventContext, InputMode, KeyCode, KeyEvent, Modifiers};

use crate::limits::UNDO_BYTES;

/// Kind of read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum ReadKind {
    /// The first of the line, which rustyline can undo.
    #[default]
    First,
    /// One that took the place of another.
    Anew,
}

/// Texts that the line had, and where rustyline is in it.
#[derive(Debug, Default)]
pub(super) struct LineEdits {
    read: ReadKind,
    /// The line as the last key found it.
    line: String,
    /// Texts to undo to, the oldest first: one for each word, as rustyline does it.
    earlier: Vec<String>,
    /// Whether the last key was to undo.
    is_undoing: bool,
    /// Text to undo to, which is put into the line as a completion is.
    undone: Option<String>,
    /// Whether keys are commands of vi.
    takes_commands: bool,
    /// Whether an entry of the history is in the line.
    is_browsing: bool,
}

impl LineEdits {
    /// Edits of a line that begins with a text.
    pub(super) fn of(initial: &str) -> Self {
        Self { line: initial.to_owned(), ..Self::default() }
    }

    /// The line goes on in a new read.
    pub(super) fn begin_anew(&mut self) {
        self.read = ReadKind::Anew;
    }

    pub(super) fn set_browsing(&mut self, is_browsing: bool) {
        self.is_browsing = is_browsing;
    }

    /// Whether a new read would go on as this one: it begins outside of the history, and where keys
    /// are text.
    pub(super) fn can_begin_anew(&self) -> bool {
        !self.takes_commands && !self.is_browsing
    }

    /// Takes note of a key before it is carried out. The command in its stead, if it is to undo
    /// what rustyline does not know.
    pub(super) fn key(&mut self, key: &Event, context: &EventContext<'_>) -> Option<Cmd> {
        let is_inserting = context.input_mode() == InputMode::Insert;
        let leaves = context.mode() == EditMode::Vi && is_key(key, KeyCode::Esc, Modifiers::NONE);
        self.takes_commands = !is_inserting || leaves;
        let undoes = is_key(key, KeyCode::Char('_'), Modifiers::CTRL)
            || (is_key(key, KeyCode::Char('u'), Modifiers::NONE) && !is_inserting);
        self.note(context.line());
        if undoes { self.undo() } else { None }
    }

    /// Takes note that the next command undoes.
    pub(super) fn undo(&mut self) -> Option<Cmd> {
        if self.read == ReadKind::First {
            self.is_undoing = true;
            return None;
        }
        self.line = self.earlier.pop()?;
        self.undone = Some(self.line.clone());
        Some(Cmd::Complete)
    }

    /// The text to undo to, if the line is to become that.
    pub(super) fn undone(&self) -> Option<String> {
        self.undone.clone()
    }

    /// Takes note that the line becomes the text to undo to. Returns whether there is one.
    pub(super) fn take_undone(&mut self) -> bool {
        self.undone.take().is_some()
    }

    /// Takes note of the text of the line as a key finds it.
    pub(super) fn note(&mut self, line: &str) {
        let was_undoing = mem::take(&mut self.is_undoing);
        if self.line == line {
            return;
        }
        let before = mem::replace(&mut self.line, line.to_owned());
        if was_undoing {
            let known = self.earlier.iter().rposition(|text| text == line);
            self.earlier.truncate(known.unwrap_or(self.earlier.len()));
        } else if !goes_on_with_word(&before, line) {
            self.earlier.push(before);
            let mut bytes: usize = self.earlier.iter().map(String::len).sum();
            while bytes > UNDO_BYTES {
                bytes -= self.earlier.remove(0).len();
            }
        }
    }
}

/// Place of the cursor in a text to which a line is undone: behind the change.
pub(super) fn behind_change(line: &str, text: &str) -> usize {
    let same = line.chars().rev().zip(text.chars().rev()).take_while(|(a, b)| a == b);
    text.len() - same.map(|(same, _)| same.len_utf8()).sum::<usize>()
}

fn is_key(event: &Event, code: KeyCode, modifiers: Modifiers) -> bool {
    matches!(event, Event::KeySeq(keys) if *keys == [KeyEvent(code, modifiers)])
}

/// Whether a text is another with one more letter or digit of its last word.
fn goes_on_with_word(before: &str, line: &str) -> bool {
    let mut added = line.strip_prefix(before).unwrap_or_default().chars();
    let is_one = added.next().is_some_and(char::is_alphanumeric) && added.next().is_none();
    is_one && !before.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(texts: &[&str]) -> LineEdits {
        let mut edits = LineEdits::default();
        for text in texts {
            edits.note(text);
        }
        edits
    }

    #[test]
    fn a_line_that_is_begun_anew_is_undone_by_words_and_whole_where_it_was_killed() {
        for (texts, undone) in [
            (&["a", "ab", "ab ", "ab c", "ab cd"][..], &["ab", ""][..]),
            (&["typed", ""], &["typed", ""]),
            (&["밥", "밥 ", "밥 먹", "밥 ", "밥"], &["밥 ", "밥 먹", "밥", ""]),
        ] {
            let mut edits = edits(texts);
            assert_eq!(edits.undo(), None, "rustyline undoes it");
            edits.note(texts.last().unwrap());
            edits.begin_anew();
            for text in undone {
                assert_eq!(edits.undo(), Some(Cmd::Complete), "{texts:?}");
                assert_eq!(edits.undone().as_deref(), Some(*text), "{texts:?}");
                assert!(edits.take_undone());
                edits.note(text);
            }
            assert_eq!(edits.undo(), None, "{texts:?}");
        }
    }

    #[test]
    fn what_rustyline_has_undone_is_not_undone_twice() {
        let mut edits = edits(&["a", "a ", "a b"]);
        edits.undo();
        edits.note("a");
        edits.begin_anew();
        edits.undo();
        assert_eq!(edits.undone().as_deref(), Some(""));
    }

    #[test]
    fn the_cursor_goes_behind_what_was_undone() {
        for (line, text, cursor) in
            [("one two", "one", 3), ("밥 먹자", "밥 자", 4), ("", "all", 3), ("all", "", 0)]
        {
            assert_eq!(behind_change(line, text), cursor, "{line:?} {text:?}");
        }
    }

    #[test]
    fn texts_to_undo_to_have_a_bound() {
        let long = "x".repeat(UNDO_BYTES / 2 + 1);
        let edits = edits(&[&long, "y", &long, "z", "z "]);
        assert_eq!(edits.earlier.iter().map(String::len).max(), Some(long.len()));
        assert!(edits.earlier.iter().map(String::len).sum::<usize>() <= UNDO_BYTES);
    }
}
