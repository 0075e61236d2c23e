//! What rustyline asks while a line is edited: how the prompt and the line are painted, what can be completed,
//! and whether Enter ends the line. The last painting of a text shows it as it stands among the messages.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, GraphemeClusterMode};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::EditorState;
use super::complete::{self, Suggestion};
use super::editor_thread::PrintGate;
use super::keymap::KeyState;
use super::terminal_guard::SavedTerminal;
use crate::app::clock::unix_ms;
use crate::chat::display;
use crate::limits;
use crate::ui::render::colour::{self, Style};
use crate::ui::render::size::{cells, size};

/// Rows of a pasted block that stay on the screen while its sender is asked about it.
const SAMPLE_ROWS: usize = 3;

/// What is being read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LineMode {
    /// A line: text or a command.
    Line,
    /// The answer to a question.
    Answer,
}

/// What the next painting is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Painting {
    /// The line as it is typed.
    EditorEvent,
    /// The text as it was said.
    Message,
    /// The beginning of a block that is asked about.
    Sample,
}

pub(crate) struct Helper {
    live: Arc<Mutex<EditorState>>,
    gate: Arc<PrintGate>,
    saved: Arc<SavedTerminal>,
    reading: Cell<LineMode>,
    painting: Cell<Painting>,
    /// The prompt's cells as they were laid out.
    prompt_cells: Cell<usize>,
    /// Length of the line when it was last looked at, and its newlines.
    bytes: Cell<usize>,
    newlines: Cell<usize>,
    pasted: Cell<bool>,
    pressed: KeyState,
}

impl Helper {
    pub(crate) fn new(
        live: Arc<Mutex<EditorState>>,
        gate: Arc<PrintGate>,
        saved: Arc<SavedTerminal>,
        pressed: KeyState,
    ) -> Self {
        Self {
            live,
            gate,
            saved,
            reading: Cell::new(LineMode::Line),
            painting: Cell::new(Painting::EditorEvent),
            prompt_cells: Cell::new(0),
            bytes: Cell::new(0),
            newlines: Cell::new(0),
            pasted: Cell::new(false),
            pressed,
        }
    }

    /// Before each line.
    pub(crate) fn begin(&self, reading: LineMode) {
        self.reading.set(reading);
        self.painting.set(Painting::EditorEvent);
        self.bytes.set(0);
        self.newlines.set(0);
        self.pasted.set(false);
        self.pressed.clear();
    }

    /// Whether nothing stood on the line when it was last looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.get() == 0
    }

    /// Bytes of the line when it was last looked at.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Whether the line is a pasted block that is not sent without asking.
    pub(crate) fn is_block(&self) -> bool {
        self.pasted.get() && self.newlines.get() >= limits::PASTE_LINES
    }

    /// Whether the line is to go to an external editor.
    pub(crate) fn is_for_editor(&self) -> bool {
        self.pressed.is_for_editor()
    }

    /// The line as it is meant: one that went on behind backslashes has lost them.
    pub(crate) fn meant(&self, line: &str) -> String {
        self.pressed.joined(line).trim_end_matches('\n').to_owned()
    }

    fn live(&self) -> MutexGuard<'_, EditorState> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// More than one newline at once was not typed.
    fn look_at(&self, line: &str) {
        let newlines = line.trim_end_matches('\n').matches('\n').count();
        if newlines > self.newlines.get() + 1 {
            self.pasted.set(true);
        }
        self.newlines.set(newlines);
        self.bytes.set(line.len());
    }

    fn said(&self, line: &str) -> Option<String> {
        let now = self.live();
        let text = (now.text_of)(&self.meant(line))?;
        Some(now.form.own(&now.state.own, &text, unix_ms(), cells()))
    }

    /// What is painted in the place of a line. The layout stays that of the line: where that ends at the
    /// edge, rustyline goes one row down.
    fn instead<'l>(&self, line: &str, mut text: String) -> Cow<'l, str> {
        if ends_at_edge(self.prompt_cells.get(), line, cells()) {
            text.push_str("\x1b[A");
        }
        Cow::Owned(text)
    }
}

/// The beginning of a block, and how much more there is.
fn sample(line: &str) -> String {
    let rows: Vec<_> = line.lines().collect();
    let shown = rows.iter().take(SAMPLE_ROWS).copied().collect::<Vec<_>>().join("\n");
    format!("{shown}\n{}", display::block_rest(rows.len().saturating_sub(SAMPLE_ROWS)))
}

/// Whether rustyline's layout of a line ends left of a row's first cell.
fn ends_at_edge(prompt: usize, line: &str, cells: usize) -> bool {
    let mode = GraphemeClusterMode::from_env();
    let mut col = prompt;
    for cluster in line.graphemes(true) {
        let width = usize::from(mode.width(cluster));
        col = match cluster {
            "\n" => 0,
            _ if col + width > cells => width,
            _ => col + width,
        };
    }
    col == cells || (col == 0 && line.contains('\n'))
}

impl rustyline::Helper for Helper {}

impl Validator for Helper {
    /// Every line ends with Enter; this is the last moment before its last painting.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let line = context.input();
        self.look_at(line);
        let painting = match self.reading.get() {
            LineMode::Line if self.is_for_editor() => Painting::EditorEvent,
            LineMode::Line if self.is_block() => Painting::Sample,
            LineMode::Line if self.said(line).is_some() => Painting::Message,
            LineMode::Line | LineMode::Answer => Painting::EditorEvent,
        };
        self.painting.set(painting);
        // An empty message asks for a painting without hints.
        Ok(ValidationResult::Valid((painting != Painting::EditorEvent).then(String::new)))
    }
}

impl Highlighter for Helper {
    fn highlight<'l>(&self, line: &'l str, _pos: usize) -> Cow<'l, str> {
        self.look_at(line);
        match self.painting.get() {
            Painting::EditorEvent => Cow::Borrowed(line),
            Painting::Message => self.instead(line, self.said(line).unwrap_or_default()),
            Painting::Sample => self.instead(line, sample(line)),
        }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, default: bool) -> Cow<'b, str> {
        self.gate.open();
        if !default || self.reading.get() == LineMode::Answer {
            return Cow::Borrowed(prompt);
        }
        self.prompt_cells.set(prompt.width());
        if self.painting.get() == Painting::Message {
            return Cow::Borrowed("");
        }
        let mut now = self.live();
        now.painted = Some(now.state.clone());
        let text = now.state.fitted(prompt.width(), cells());
        let painted = colour::painted(&text, colour::OWN, now.form.style);
        // Whatever paints the prompt brings the title along.
        Cow::Owned(match self.saved.title().change(&now.state) {
            Some(title) => title + &painted,
            None => painted,
        })
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(colour::dim(hint, self.live().form.style))
    }
}

impl Hinter for Helper {
    type Hint = Suggestion;

    fn hint(&self, line: &str, pos: usize, _context: &Context<'_>) -> Option<Suggestion> {
        self.look_at(line);
        if pos < line.len() || self.reading.get() == LineMode::Answer {
            return None;
        }
        if self.is_block() {
            let shown = display::block_hint(self.newlines.get() + 1);
            return Some(Suggestion { shown, taken: None });
        }
        let now = self.live();
        let suggestion = complete::suggestion(&now, line)?;
        Some(match now.form.style {
            // Undimmed it must not look as if it were typed.
            Style::Plain => Suggestion { shown: format!("  [{}]", suggestion.shown.trim()), taken: None },
            _ => suggestion,
        })
    }
}

impl Completer for Helper {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        if self.reading.get() == LineMode::Answer {
            return Ok((pos, Vec::new()));
        }
        let (start, pairs) = complete::candidates(&self.live(), line, pos)?;
        let size = size();
        Ok((start, complete::cut(pairs, size.cells, size.rows)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_is_where_rustyline_sees_it() {
        for (line, edge) in [("", false), ("abcd", false), ("abcde", true), ("가나", false), ("a\n", true)]
        {
            assert_eq!(ends_at_edge(5, line, 10), edge, "{line:?}");
        }
        // 5 cells and 2, then 5 wide ones: the row is full.
        assert!(ends_at_edge(5, "가나다라마바사", 10));
    }
}
