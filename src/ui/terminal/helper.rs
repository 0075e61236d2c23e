//! rustyline helper: painting, hints, completion, validation and key bindings of the line.
//!
//! The last painting of a text shows it as it stands among the messages.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::line_buffer::LineBuffer;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Changeset, CompletionType, Context, Editor};
use unicode_width::UnicodeWidthStr as _;

use super::complete::{self, LineHint};
use super::editor_state::{
    CursorPlace, EditorEvent, EditorShared, EventSender, HandledLine, LineMode, PaintedPrompt, TypedLine,
};
use super::key_bindings::{self, KeyState};
use super::line_edits::behind_change;
use super::line_rows::{ended_rows, line_rows};
use super::line_state::{LineState, Painting};
use super::reflow::{self, PaintedLine};
use super::resizes;
use super::row_above;
use super::screen_sizes::Columns;
use super::tall_line::TallLine;
use crate::app::os;
use crate::chat::{Echo, LineStart, display};
use crate::limits;
use crate::render::colour::{self, ColourDepth};
use crate::render::{Size, prompt_line};
use crate::ui::size::size;

/// Rows of a pasted block that stay on the screen while its sender is asked about it.
const SAMPLE_ROWS: usize = 3;

/// Line of a read that is left and begun anew where it stands, since rustyline has laid it out with
/// a prompt of another width.
///
/// It unwinds the stack. Every other end of a read goes down to the next row first, and may lose
/// what was typed ahead.
pub(crate) struct BeginAnew {
    pub(crate) text: String,
    /// Place of the cursor in it, in bytes.
    pub(crate) cursor: usize,
}

/// Line that was handed over as Enter was pressed.
pub(crate) struct HandedOver {
    /// What became of it, unless nobody handles lines any more.
    pub(crate) handled: Option<HandledLine>,
    /// Message that is painted in its place if it was accepted.
    message: String,
}

pub(crate) struct Helper {
    shared: Arc<EditorShared>,
    keys: Arc<KeyState>,
    line: Cell<LineState>,
    events: Arc<EventSender>,
    /// Line that was handed over before its last painting.
    handed_over: RefCell<Option<HandedOver>>,
    /// Rows of the prompt that are to be painted with the line, where that is a tall one.
    prompt_of_tall: RefCell<Vec<String>>,
}

impl Helper {
    pub(crate) fn new(shared: Arc<EditorShared>, events: Arc<EventSender>) -> Self {
        let (keys, line, handed_over) = (Arc::default(), Cell::default(), RefCell::default());
        Self { shared, keys, line, events, handed_over, prompt_of_tall: RefCell::default() }
    }

    /// Binds our own keys, besides rustyline's.
    pub(crate) fn bind_keys(&self, editor: &mut Editor<Self, FileHistory>) {
        key_bindings::bind(editor, &self.keys, &self.shared);
    }

    /// Resets the state before a line, which begins with a text.
    pub(crate) fn start_line(&self, mode: LineMode, initial: &str) {
        self.shared.wait_settled();
        if self.shared.take_cursor() == CursorPlace::Unknown {
            // A terminal that is gone shows nothing.
            let _ = os::print(reflow::TO_LAST_ROW);
        }
        let begun_cells = self.shared.sizes.begin().cells;
        self.line.set(LineState { mode, begun_cells, ..LineState::default() });
        self.shared.state().painted_prompt = None;
        self.keys.begin(initial);
        self.handed_over.take();
        let mut line = self.shared.line();
        line.mode = mode;
        if mode == LineMode::Line {
            initial.clone_into(&mut line.text);
            line.before_giant.clear();
            line.start = None;
        }
    }

    /// Begins the line once more where it stands, after [`BeginAnew`].
    pub(crate) fn start_anew(&self) {
        self.shared.wait_settled();
        let (line, begun_cells) = (self.line.get(), self.shared.sizes.begin().cells);
        let painting = Painting::Line;
        self.line.set(LineState { painting, begun_cells, is_anew: true, ..line });
        self.shared.state().painted_prompt = None;
        self.keys.edits().begin_anew();
    }

    /// The text of the line as it was last painted.
    pub(crate) fn last_text(&self) -> String {
        self.shared.line().text.clone()
    }

    /// The text of the line before it became longer than any line may be.
    pub(crate) fn take_text_before_giant(&self) -> String {
        std::mem::take(&mut self.shared.line().before_giant)
    }

    /// A line that was read, with the prompt as it was begun.
    pub(crate) fn typed(&self, text: String) -> TypedLine {
        TypedLine { text, start: self.start(), echo: Echo::Line }
    }

    /// The line, if it was handed over as Enter was pressed.
    pub(crate) fn take_handed_over(&self) -> Option<HandedOver> {
        self.handed_over.take()
    }

    /// Hands over a line that may become a message. Its last painting waits for that: a line that
    /// is refused never stands there as said.
    fn hand_over(&self, line: &str, message: String) -> Painting {
        // What is printed meanwhile would stand above a line that is painted no more.
        self.shared.gate.close();
        let text = self.without_continuations(line);
        let line = TypedLine { text, start: self.start(), echo: Echo::Pending };
        let handled = self.events.hand_over(EditorEvent::Line(line));
        let is_said = handled.as_ref().is_some_and(|handled| handled.echo == Echo::Message);
        self.handed_over.replace(Some(HandedOver { handled, message }));
        if is_said { Painting::Message } else { Painting::Accepted }
    }

    fn start(&self) -> LineStart {
        self.shared.line().start.clone().unwrap_or_else(|| self.shared.state().prompt.start.clone())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.line.get().bytes
    }

    pub(crate) fn is_block(&self) -> bool {
        self.line.get().is_block()
    }

    pub(crate) fn is_for_external_editor(&self) -> bool {
        self.keys.to_external_editor.load(Ordering::SeqCst)
    }

    /// The line as it is accepted, without continuations and the newlines at its end.
    pub(crate) fn without_continuations(&self, line: &str) -> String {
        self.keys.without_continuations(line).trim_end_matches('\n').to_owned()
    }

    /// Takes note of the size that the line is laid out for from now on.
    fn track_layout(&self) {
        let rows = || self.shared.line().painted.place().2;
        if self.shared.sizes.take_told(rows) {
            self.line.set(LineState { rows_above: 0, ..self.line.get() });
        }
    }

    /// Takes note that a key was handled, or a size, whose painting comes next, if it has one.
    fn key_handled(&self) {
        self.line.set(LineState { by_key: true, ..self.line.get() });
    }

    /// Takes note of a line that was painted on a wider screen, which has wrapped it anew.
    fn track_reflow(&self) {
        let now = self.shared.sizes.settled().cells;
        let is_left = self.shared.cursor() == CursorPlace::BelowAll;
        let painted = self.shared.line().painted.clone();
        if now < painted.screen_cells && self.shared.reflows && !is_left {
            self.line.set(LineState { rows_gained: Some(painted.rows_gained(now)), ..self.line.get() });
        }
    }

    /// Rows as the screen has room for them, while they are edited.
    fn cut(&self, rows: String, start: usize) -> String {
        let is_edited = self.line.get().painting == Painting::Line;
        if is_edited { self.shared.sizes.cut(rows, start) } else { rows }
    }

    /// Whether a read with another prompt is to take the place of this one.
    fn is_misfit(&self, text: &str) -> bool {
        self.line.get().mode == LineMode::Line
            && self.keys.edits().can_begin_anew()
            && self.shared.state().has_misfit(text)
    }

    fn is_screen_cleared(&self) -> bool {
        self.keys.screen_cleared.load(Ordering::SeqCst)
    }

    /// Where the painting begins: on a cleared screen, where the printer saved the cursor, unless
    /// that has another size since. Then what is printed above the line, and the row above it.
    fn place(&self, prompt: &str) -> String {
        let line = self.line.get();
        // Above a line that is accepted comes nothing any more, however quickly keys follow.
        let is_edited = line.painting == Painting::Line;
        let printed = if is_edited { self.shared.take_printed() } else { String::new() };
        // Below what is printed, the line is painted whole.
        let is_continued = line.by_key && !line.is_anew && printed.is_empty();
        let rows_above = if is_continued { line.rows_above } else { 0 };
        let is_moved = self.shared.gate.is_held();
        let is_saved = self.is_screen_cleared() && !is_moved && (!line.by_key || line.is_anew);
        let place = if is_saved { "\x1b8" } else { "" }.to_owned()
            + &line.rows_gained.map(reflow::clear_gained).unwrap_or_default();
        let above = self.row_above(prompt, &printed);
        self.line.set(LineState { by_key: false, is_anew: false, rows_gained: None, rows_above, ..line });
        place + &above
    }

    /// What is printed, in the place of the row above the line, and that row. A key leaves it as it
    /// stands.
    fn row_above(&self, prompt: &str, printed: &str) -> String {
        let LineState { by_key, mode, painting, .. } = self.line.get();
        let (Size { cells, rows }, layout) = (self.shared.sizes.settled(), self.shared.sizes.layout());
        let (prompt_rows, prompt_end) = ended_rows(prompt, 0, layout.cells);
        let prompt = (prompt_rows.matches('\n').count(), prompt_end);
        let has_room = row_above::has_room(line_rows(&self.last_text(), prompt, layout.cells), rows);
        let mut state = self.shared.state();
        let progress = state.progress_row();
        let mut above = self.shared.row_above();
        let is_shown = above.is_allowed() && has_room && painting == Painting::Line && mode == LineMode::Line;
        let shown = progress.clone().filter(|_| is_shown);
        if by_key && printed.is_empty() && shown.is_some() && above.stands_in(cells) {
            return String::new();
        }
        state.painted_progress = progress;
        let mut text = above.take_cleared(cells, self.shared.row_wrap()) + printed;
        if let Some(row) = shown {
            above.set(row.width(), cells, prompt);
            text += &self.shared.row_wrap().written(&colour::paint(&row, colour::DIM, state.layout.depth));
            text.push('\n');
        }
        text
    }

    /// Sequence that removes the row above the line, from a cursor in the row below the line.
    fn removed_row(&self, hint_rows: usize) -> String {
        let LineState { prompt_row, prompt_end, .. } = self.line.get();
        let (size, cells) = (self.shared.sizes.settled(), self.shared.sizes.layout().cells);
        let rows = line_rows(&self.last_text(), (prompt_row, prompt_end), cells) + hint_rows;
        self.shared.row_above().take_removed(rows, size, self.shared.row_wrap())
    }

    /// Removes the row above a line that was left.
    pub(crate) fn remove_row(&self) {
        // A terminal that is gone shows nothing.
        let _ = os::print(&self.removed_row(self.line.get().hint_rows));
    }

    /// Whether the read is left at this painting, since a new one would have another prompt. What
    /// the printer writes, it writes when no key waits to be read; a painting that may follow from
    /// a key only asks for one of the printer's.
    fn leaves(&self) -> bool {
        let line = self.line.get();
        let is_misfit = self.is_misfit(&self.last_text());
        // Keys that came while the terminal took no output between the two reads.
        let has_typed = line.is_anew && self.shared.line().typed_unseen.is_some();
        let is_left = has_typed || (is_misfit && !line.by_key);
        self.shared.set_beginning_anew(is_left);
        if is_left {
            self.line.set(LineState { painting: Painting::Left, ..line });
            self.shared.line().painted = PaintedLine::default();
            self.shared.gate.close();
        } else if is_misfit {
            self.events.report_stale_prompt();
        }
        is_left
    }

    /// Updates the state of the line. More than one newline at once was not typed.
    fn track(&self, text: &str) -> LineState {
        let mut line = self.line.get();
        let newlines = text.trim_end_matches('\n').matches('\n').count();
        line.pasted |= newlines > line.newlines + 1;
        line.newlines = newlines;
        line.bytes = text.len();
        self.line.set(line);
        if line.mode == LineMode::Line {
            self.track_start(text);
        }
        line
    }

    /// Takes note of how the line stands on the screen, but for its hint.
    fn track_painted(&self, text: &str, cursor: usize) {
        let LineState { prompt_row, prompt_end, .. } = self.line.get();
        let mut line = self.shared.line();
        text.clone_into(&mut line.painted.text);
        (line.painted.cursor, line.painted.prompt) = (cursor, (prompt_row, prompt_end));
        line.painted.cells = self.shared.sizes.layout().cells;
        line.painted.columns = self.shared.sizes.columns();
        line.painted.screen_cells = self.shared.sizes.settled().cells;
    }

    /// The first character of a line fixes whom it is for: whom the prompt showed then. A giant
    /// paste may be lost, and what was typed before it is not.
    fn track_start(&self, text: &str) {
        let mut line = self.shared.line();
        if text.len() > limits::LINE_BYTES && line.text.len() <= limits::LINE_BYTES {
            line.before_giant = std::mem::take(&mut line.text);
        }
        if text.is_empty() {
            line.start = None;
        } else if line.start.is_none() {
            let state = self.shared.state();
            let shown = state.painted_prompt.as_ref().map_or(&state.prompt, |painted| &painted.view);
            line.start = Some(shown.start.clone());
        }
        text.clone_into(&mut line.text);
    }

    fn own_message(&self, line: &str) -> Option<String> {
        let start = self.start();
        self.shared.state().own_message(&self.without_continuations(line), &start)
    }

    /// A text that is painted in the place of a line. The layout stays that of the line: where that
    /// is known to end at the edge, rustyline goes one row down.
    fn in_place_of<'l>(&self, line: &str, mut text: String) -> Cow<'l, str> {
        let cells = self.shared.sizes.layout().cells;
        let column = ended_rows(line, self.line.get().prompt_end, cells).1;
        let is_known = self.shared.sizes.columns() == Columns::Known;
        if is_known && (column == cells || (column == 0 && line.contains('\n'))) {
            text.push_str("\x1b[A");
        }
        Cow::Owned(text)
    }

    /// The rows of the prompt, and of the line behind it.
    fn prompt_rows(&self, prompt: &str) -> String {
        let (rows, prompt_end) = ended_rows(prompt, 0, self.shared.sizes.layout().cells);
        let prompt_row = rows.matches('\n').count();
        self.line.set(LineState { prompt_end, prompt_row, ..self.line.get() });
        self.cut(rows, 0)
    }

    /// The line, if it is one of text that the screen has too few rows for.
    fn tall(&self, text: &str, cursor: usize) -> Option<TallLine> {
        let LineState { mode, prompt_end, prompt_row, .. } = self.line.get();
        let (cells, rows) = (self.shared.sizes.layout().cells, self.shared.sizes.settled().rows);
        let parts = text.split_at_checked(cursor).filter(|_| mode == LineMode::Line)?;
        TallLine::of(parts, (prompt_row, prompt_end), (cells, rows))
    }

    fn text_rows(&self, text: &str) -> String {
        let LineState { prompt_end, rows_above, .. } = self.line.get();
        let (rows, text_end) = ended_rows(text, prompt_end, self.shared.sizes.layout().cells);
        self.line.set(LineState { text_end, hint_rows: 0, ..self.line.get() });
        let prompt = std::mem::take(&mut *self.prompt_of_tall.borrow_mut());
        if !prompt.is_empty()
            && let Some(tall) = self.tall(text, self.line.get().cursor)
        {
            let cells = self.shared.sizes.settled().cells;
            let is_cut = self.line.get().painting == Painting::Line && self.shared.sizes.is_narrower();
            let tall = if is_cut { tall.cut(prompt_end, cells) } else { tall };
            // On a screen that has become taller, it stays in the last rows with every key.
            let rows = self.shared.sizes.settled().rows;
            let first = reflow::TO_LAST_ROW.to_owned() + &reflow::up(rows.saturating_sub(1));
            let place = if rows_above > 0 { first } else { String::new() };
            let (rows_of_tall, rows_above) = tall.painted(&prompt, rows_above);
            self.line.set(LineState { rows_above, ..self.line.get() });
            return place + &rows_of_tall;
        }
        self.cut(rows, prompt_end)
    }
}

/// The beginning of a block, and how many more lines there are.
fn sample(line: &str) -> String {
    let rows: Vec<_> = line.lines().collect();
    let shown = rows.iter().take(SAMPLE_ROWS).copied().collect::<Vec<_>>().join("\n");
    format!("{shown}\n{}", display::block_rest(rows.len().saturating_sub(SAMPLE_ROWS)))
}

impl rustyline::Helper for Helper {}

impl Validator for Helper {
    /// Accepts every line; this is the last moment before its last painting.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let line = self.track(context.input());
        let painting = if line.mode == LineMode::Answer || self.is_for_external_editor() {
            Painting::Accepted
        } else if line.is_block() {
            Painting::Sample
        } else if let Some(message) = self.own_message(context.input()) {
            self.hand_over(context.input(), message)
        } else {
            Painting::Accepted
        };
        self.line.set(LineState { painting, ..line });
        // An empty message asks for a painting without hints.
        let is_whole = !self.shared.row_above().stands() && !self.shared.sizes.need_paintings();
        let is_painted = painting != Painting::Accepted || !is_whole;
        Ok(ValidationResult::Valid(is_painted.then(String::new)))
    }
}

impl Highlighter for Helper {
    fn highlight<'l>(&self, line: &'l str, pos: usize) -> Cow<'l, str> {
        let painting = self.track(line).painting;
        if painting != Painting::Left {
            self.track_painted(line, pos);
            self.shared.line().painted.hint.clear();
        }
        match painting {
            Painting::Line | Painting::Accepted => Cow::Owned(self.text_rows(line)),
            Painting::Message => {
                let message = self.handed_over.borrow().as_ref().map(|line| line.message.clone());
                self.in_place_of(line, message.unwrap_or_default())
            }
            Painting::Sample => self.in_place_of(line, sample(line)),
            Painting::Left => resume_unwind(Box::new(BeginAnew { text: line.to_owned(), cursor: pos })),
        }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, default: bool) -> Cow<'b, str> {
        let is_by_key = self.line.get().by_key;
        if !is_by_key {
            self.track_layout();
            self.track_reflow();
        }
        if self.handed_over.borrow().is_none() {
            if default && self.line.get().mode == LineMode::Line && self.leaves() {
                return Cow::Borrowed("");
            }
            self.shared.gate.open();
        }
        // Another prompt than the line's: that of a search, or of a repetition.
        self.shared.set_searching(!default);
        self.shared.take_cursor();
        if !is_by_key && self.shared.sizes.are_to_be_told() && resizes::tell_editor().is_ok() {
            self.shared.sizes.tell();
        }
        let place = self.place(prompt);
        let rows = self.prompt_rows(prompt);
        let line = self.line.get();
        if !default || line.mode == LineMode::Answer {
            self.line.set(LineState { rows_above: 0, ..line });
            return Cow::Owned(place + &rows);
        }
        if line.painting == Painting::Message {
            return Cow::Owned(place);
        }
        let typed = self.last_text();
        let mut state = self.shared.state();
        let laid_out = prompt.width();
        let view = state.prompt.clone();
        state.painted_prompt = Some(PaintedPrompt { view, laid_out, cells: line.begun_cells });
        let text = prompt_line::fitted(&state.prompt, laid_out, size().cells);
        let rows = self.prompt_rows(&text);
        let painted = |row: &str| colour::paint(row, colour::OWN, state.layout.depth);
        let is_line = matches!(line.painting, Painting::Line | Painting::Accepted);
        let is_tall = is_line && self.tall(&typed, line.cursor).is_some();
        let painted = if is_tall {
            self.prompt_of_tall.replace(rows.split('\n').map(painted).collect());
            String::new()
        } else {
            painted(&rows)
        };
        // The title changes with the prompt.
        let title = self.shared.terminal.title().update(&state.prompt).unwrap_or_default();
        Cow::Owned(format!("{place}{title}{painted}"))
    }

    /// Whether the whole line is to be painted, not only what was typed: on a cleared screen, on
    /// one that cuts its rows, in a tall line and where rustyline's columns are not known.
    fn highlight_char(&self, line: &str, pos: usize, _kind: CmdKind) -> bool {
        self.track_layout();
        self.shared.wait_settled();
        self.track_reflow();
        self.key_handled();
        self.track_painted(line, pos);
        self.line.set(LineState { cursor: pos, ..self.line.get() });
        if self.is_misfit(line) || self.shared.sizes.are_to_be_told() {
            self.events.report_stale_prompt();
        }
        self.is_screen_cleared() || self.shared.sizes.need_paintings() || self.tall(line, pos).is_some()
    }

    fn highlight_candidate<'c>(&self, candidate: &'c str, _completion: CompletionType) -> Cow<'c, str> {
        self.key_handled();
        // The list begins below the line, which stays there.
        Cow::Owned(self.removed_row(0) + candidate)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        let text_end = self.line.get().text_end;
        let (rows, _) = ended_rows(hint, text_end, self.shared.sizes.layout().cells);
        self.line.set(LineState { hint_rows: rows.matches('\n').count(), ..self.line.get() });
        hint.clone_into(&mut self.shared.line().painted.hint);
        let hint = colour::paint(&self.cut(rows, text_end), colour::DIM, self.shared.state().layout.depth);
        Cow::Owned(self.shared.row_wrap().written(&hint))
    }
}

impl Hinter for Helper {
    type Hint = LineHint;

    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<LineHint> {
        self.keys.edits().set_browsing(context.history_index() < context.history().len());
        let tracked = self.track(line);
        if pos < line.len() || tracked.mode == LineMode::Answer {
            return None;
        }
        if tracked.is_block() {
            return Some(LineHint { display: display::block_hint(tracked.newlines + 1), completion: None });
        }
        // Its own rows fill the screen.
        if self.tall(line, pos).is_some() {
            return None;
        }
        let state = self.shared.state();
        let hint = state.vocabulary.hint(line)?;
        Some(match state.layout.depth {
            // Undimmed it must not look as if it were typed.
            ColourDepth::Monochrome => {
                LineHint { display: format!("  [{}]", hint.display.trim()), completion: None }
            }
            _ => hint,
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
        if let Some(text) = self.keys.edits().undone() {
            return Ok((0, vec![Pair { display: String::new(), replacement: text }]));
        }
        if self.line.get().mode == LineMode::Answer {
            return Ok((pos, Vec::new()));
        }
        let (start, pairs) = self.shared.state().vocabulary.candidates(line, pos);
        let size = size();
        Ok((start, complete::fit_to_screen(pairs, size.cells, size.rows)))
    }

    fn update(&self, line: &mut LineBuffer, start: usize, elected: &str, changes: &mut Changeset) {
        let is_undone = self.keys.edits().take_undone();
        let cursor = if is_undone { behind_change(line.as_str(), elected) } else { start + elected.len() };
        let end = if is_undone { line.as_str().len() } else { line.pos() };
        line.replace(start..end, elected, changes);
        line.set_pos(cursor);
    }
}
