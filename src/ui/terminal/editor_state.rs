//! Shared state of the line editor, its gate for output, and the events that it reports.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::Waker;
use unicode_width::UnicodeWidthStr as _;

use super::complete::Vocabulary;
use super::reflow::{self, PaintedLine};
use super::row_above::{RowAbove, RowWrap};
use super::screen_sizes::ScreenSizes;
use super::terminal_guard::TerminalGuard;
use crate::app::os::unix_ms;
use crate::chat::command::{COMMANDS, ParsedLine, parse_line};
use crate::chat::{Echo, KnownNames, LineStart, PromptView, ReturnedLine};
use crate::render::layout::Layout;
use crate::render::progress_row::ProgressRow;
use crate::render::prompt_line;
use crate::time::UnixMs;
use crate::ui::size::size;

/// Interval at which a waiting printer checks whether the program ends, in milliseconds.
const POLL_MS: u64 = 50;
/// Longest wait of [`Turn::wait`], in milliseconds.
const TURN_WAIT_MS: u64 = 1_000;
/// Longest wait of [`PrintGate::close`] for a message that is being printed, in milliseconds.
const CLOSE_WAIT_MS: u64 = 5;
/// Longest wait for a size to be told, and the interval at which that is looked at.
const SETTLED_AT_LATEST: Duration = Duration::from_secs(2);
const SETTLED_POLL: Duration = Duration::from_millis(20);

/// Result of one read of the editor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum EditorEvent {
    /// A line, or a pasted block with its newlines.
    Line(TypedLine),
    /// Ctrl-C on a line that was held.
    DropQuestion,
    /// Ctrl-C on an empty line; on any other it only clears the line.
    Interrupt,
    /// A paste that the editor cannot lay out; it is dropped.
    TooLong {
        /// Its length in bytes.
        bytes: u64,
    },
    /// The prompt on the screen may have to be painted anew; nobody waits for that.
    PromptStale,
    /// Ctrl-D.
    End,
    /// The terminal is gone.
    HungUp,
    /// The terminal cannot be read or written.
    Failed {
        /// The system's reason.
        why: String,
    },
}

/// Line of a person, and how it came about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TypedLine {
    pub(crate) text: String,
    /// The prompt as the line was begun.
    pub(crate) start: LineStart,
    /// Form in which the line stands on the screen.
    pub(crate) echo: Echo,
}

/// Prompt, layout and completions; they may change while a line is edited.
#[derive(Clone, Debug)]
pub(crate) struct EditorState {
    pub(crate) prompt: PromptView,
    pub(crate) painted_prompt: Option<PaintedPrompt>,
    /// Progress of a transfer, which stands above the line.
    pub(crate) progress: Option<ProgressRow>,
    /// Its row as the last painting found it.
    pub(crate) painted_progress: Option<String>,
    pub(crate) layout: Layout,
    pub(crate) vocabulary: Vocabulary,
}

/// Prompt as it was last painted.
#[derive(Clone, Debug)]
pub(crate) struct PaintedPrompt {
    pub(crate) view: PromptView,
    /// Cells that the line was laid out with.
    pub(crate) laid_out: usize,
    /// Cells of the screen as the read began.
    pub(crate) cells: usize,
}

impl EditorState {
    pub(crate) fn new(prompt: PromptView, layout: Layout) -> Self {
        let vocabulary =
            Vocabulary { commands: &COMMANDS, names: KnownNames::default(), transfers: Vec::new() };
        let (painted_prompt, progress, painted_progress) = (None, None, None);
        Self { prompt, painted_prompt, progress, painted_progress, layout, vocabulary }
    }

    /// The prompt as a line that is begun now has it.
    pub(crate) fn natural_prompt(&self) -> String {
        prompt_line::natural(&self.prompt, size().cells)
    }

    /// The row above the line as it is to be now.
    pub(crate) fn progress_row(&self) -> Option<String> {
        self.progress.as_ref().map(|row| row.fitted(size().cells))
    }

    /// Whether the prompt on the screen is out of date, or has another width than a new one, or the
    /// row above it is.
    pub(crate) fn is_prompt_stale(&self) -> bool {
        self.painted_prompt.as_ref().is_some_and(|painted| {
            !painted.view.looks_like(&self.prompt)
                || painted.laid_out != self.natural_prompt().width()
                || self.painted_progress != self.progress_row()
        })
    }

    /// Whether the line is to be laid out with another prompt. One that has become longer is cut
    /// while something is typed, so that this stays in its place.
    pub(crate) fn has_misfit(&self, text: &str) -> bool {
        let natural = self.natural_prompt().width();
        self.painted_prompt.as_ref().is_some_and(|painted| {
            let must_fit = text.is_empty() || natural < painted.laid_out || painted.cells != size().cells;
            natural != painted.laid_out && must_fit
        })
    }

    /// The message that a line becomes, laid out; `None` for a command, or when the line may not be
    /// sent to the addressee at once.
    pub(crate) fn own_message(&self, line: &str, start: &LineStart) -> Option<String> {
        let (author, text) = self.prompt.message_of(line, start, &self.vocabulary.names)?;
        Some(self.layout.own_message(&author, &text, UnixMs(unix_ms()), size().cells))
    }

    /// A note of the editor itself, laid out.
    pub(crate) fn note(&self, text: &str) -> String {
        self.layout.note(text, UnixMs(unix_ms()), size().cells)
    }
}

/// Kind of line that is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum LineMode {
    /// Text or a command.
    #[default]
    Line,
    /// The answer to a question.
    Answer,
}

/// Line that is read, as it was last painted.
#[derive(Default)]
pub(crate) struct LineText {
    pub(crate) mode: LineMode,
    pub(crate) text: String,
    /// Its text before it became longer than any line may be.
    pub(crate) before_giant: String,
    /// The prompt as it was begun.
    pub(crate) start: Option<LineStart>,
    pub(crate) painted: PaintedLine,
    /// What keys that came while the terminal took no output are to make of the text.
    pub(crate) typed_unseen: Option<TypedUnseen>,
}

impl LineText {
    /// The text with what is to be made of it.
    pub(crate) fn text_to_come(&self) -> String {
        self.typed_unseen.as_ref().map_or_else(|| self.text.clone(), |typed| typed.applied_to(&self.text))
    }
}

/// Change of the end of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TypedUnseen {
    /// Characters that are taken away.
    erased: usize,
    added: String,
}

impl TypedUnseen {
    pub(crate) fn between(before: &str, after: &str) -> Self {
        let same: String =
            before.chars().zip(after.chars()).take_while(|(a, b)| a == b).map(|(same, _)| same).collect();
        let rest = |text: &str| text.chars().skip(same.chars().count()).collect::<String>();
        Self { erased: rest(before).chars().count(), added: rest(after) }
    }

    pub(crate) fn applied_to(&self, text: &str) -> String {
        let kept = text.chars().count().saturating_sub(self.erased);
        text.chars().take(kept).chain(self.added.chars()).collect()
    }
}

/// Place of the cursor since the size has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum CursorPlace {
    /// Where the editor has it.
    #[default]
    Painted,
    /// In its row of the line; the terminal has wrapped that anew.
    Found,
    /// Below everything, with as many empty rows above it as the line has.
    BelowAll,
    /// Anywhere: no line was read.
    Unknown,
}

/// Way of the editor's events to their handler.
pub(crate) struct EventSender {
    shared: Arc<EditorShared>,
    sender: SyncSender<EditorEvent>,
    waker: Arc<Waker>,
}

impl EventSender {
    pub(crate) fn new(shared: Arc<EditorShared>, sender: SyncSender<EditorEvent>, waker: Arc<Waker>) -> Self {
        Self { shared, sender, waker }
    }

    pub(crate) fn shared(&self) -> &EditorShared {
        &self.shared
    }

    /// Reports that the prompt is to be painted anew. Where events wait, another painting follows.
    pub(crate) fn report_stale_prompt(&self) {
        let _ = self.sender.try_send(EditorEvent::PromptStale);
        let _ = self.waker.wake();
    }

    /// Hands an event over, and waits until it was handled. `None` where nobody takes it any more.
    pub(crate) fn hand_over(&self, event: EditorEvent) -> Option<HandledLine> {
        self.shared.turn.begin(&event);
        if self.shared.is_closing() || self.sender.send(event).is_err() {
            return None;
        }
        let _ = self.waker.wake();
        Some(self.shared.turn.wait())
    }
}

/// State shared by the editor thread, the owner of the terminal and the printer.
pub(crate) struct EditorShared {
    state: Mutex<EditorState>,
    /// Locked before the state, where both are.
    line: Mutex<LineText>,
    /// What the next painting of the line prints in the place of the row above it.
    printed: Mutex<String>,
    /// Row that stands above the line.
    row_above: Mutex<RowAbove>,
    pub(crate) gate: PrintGate,
    pub(crate) terminal: TerminalGuard,
    pub(crate) turn: Turn,
    /// Whether the program ends: output waits no longer, and an external editor is killed.
    pub(crate) closing: AtomicBool,
    /// Whether a search of the history is open, which ESC alone leaves.
    searching: AtomicBool,
    /// Whether a read was left, and the one in its place has not painted yet.
    beginning_anew: AtomicBool,
    pub(crate) sizes: ScreenSizes,
    /// Whether the terminal wraps its rows anew when it becomes narrower, before it tells.
    pub(crate) reflows: bool,
    cursor: Mutex<CursorPlace>,
}

impl EditorShared {
    pub(crate) fn new(state: EditorState, terminal: TerminalGuard) -> Self {
        let (gate, closing) = (PrintGate::default(), AtomicBool::default());
        let (state, line) = (Mutex::new(state), Mutex::default());
        let (turn, searching, beginning_anew) =
            (Turn::default(), AtomicBool::default(), AtomicBool::default());
        let sizes = ScreenSizes::new();
        let reflows = reflow::is_tmux(|name| std::env::var(name).ok());
        let (cursor, printed, row_above) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self {
            state,
            line,
            printed,
            row_above,
            gate,
            terminal,
            turn,
            closing,
            searching,
            beginning_anew,
            sizes,
            reflows,
            cursor,
        }
    }

    pub(crate) fn cursor(&self) -> CursorPlace {
        *self.lock_cursor()
    }

    pub(crate) fn set_cursor(&self, place: CursorPlace) {
        *self.lock_cursor() = place;
    }

    /// Takes note that the line is painted, or that a read begins in the last row of the screen.
    pub(crate) fn take_cursor(&self) -> CursorPlace {
        std::mem::take(&mut self.lock_cursor())
    }

    fn lock_cursor(&self) -> MutexGuard<'_, CursorPlace> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the size of the screen holds, on a terminal that moves rows: what is painted
    /// before that stands elsewhere. A size that no signal tells is taken note of in the end.
    pub(crate) fn wait_settled(&self) {
        let mut until = Instant::now() + SETTLED_AT_LATEST;
        while self.reflows && !self.is_closing() {
            let now = Instant::now();
            if self.gate.is_held() {
                until = now + SETTLED_AT_LATEST;
            } else if size() == self.sizes.settled() {
                return;
            } else if now > until {
                self.sizes.note_settled();
            }
            self.gate.wait_changed(SETTLED_POLL);
        }
    }

    pub(crate) fn line(&self) -> MutexGuard<'_, LineText> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a text printed with the next painting.
    pub(crate) fn print_above(&self, text: &str) {
        self.lock_printed().push_str(text);
    }

    /// What is to be printed.
    pub(crate) fn take_printed(&self) -> String {
        std::mem::take(&mut self.lock_printed())
    }

    fn lock_printed(&self) -> MutexGuard<'_, String> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn row_above(&self) -> MutexGuard<'_, RowAbove> {
        self.row_above.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text that the line is to go on with, where keys have come that the editor did not read.
    pub(crate) fn take_typed_unseen(&self) -> Option<String> {
        let mut line = self.line();
        line.typed_unseen.take().map(|typed| typed.applied_to(&line.text))
    }

    /// Whether the terminal wraps the rows that stand on it.
    pub(crate) fn row_wrap(&self) -> RowWrap {
        if self.reflows { RowWrap::Anew } else { RowWrap::AsBefore }
    }

    /// Whether a line is being edited, and no question answered.
    pub(crate) fn edits_line(&self) -> bool {
        self.is_read() && self.line().mode == LineMode::Line
    }

    /// Whether a line stands on the screen that is read.
    pub(crate) fn is_read(&self) -> bool {
        self.gate.is_open() || self.beginning_anew.load(Ordering::SeqCst)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, EditorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_beginning_anew(&self, is_beginning: bool) {
        self.beginning_anew.store(is_beginning, Ordering::SeqCst);
    }

    pub(crate) fn set_searching(&self, is_searching: bool) {
        self.searching.store(is_searching, Ordering::SeqCst);
    }

    pub(crate) fn is_searching(&self) -> bool {
        self.searching.load(Ordering::SeqCst)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }
}

/// Turn of the editor thread: a line is read once the one before has been handled, so that the
/// prompt shows what follows from that.
#[derive(Default)]
pub(crate) struct Turn {
    state: Mutex<TurnState>,
    handled: Condvar,
}

#[derive(Default)]
struct TurnState {
    is_pending: bool,
    /// Text that was not sent, for the next line.
    returned: Option<ReturnedLine>,
    place: LinePlace,
}

/// Place of a line on the screen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
enum LinePlace {
    /// The line stands there as it was typed.
    #[default]
    Typed,
    /// It waits for the message of this text.
    Waits(String),
    /// The message is to be painted there.
    Said,
}

/// What became of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HandledLine {
    /// Text that was given back.
    pub(crate) returned: Option<ReturnedLine>,
    /// Form in which the line is to stand on the screen.
    pub(crate) echo: Echo,
}

impl Turn {
    /// An event is on its way to its handler; a line may wait for the message of its text.
    fn begin(&self, event: &EditorEvent) {
        let mut state = self.lock();
        state.is_pending = true;
        state.place = match event {
            EditorEvent::Line(TypedLine { text, echo: Echo::Pending, .. }) => match parse_line(text) {
                Ok(ParsedLine::Text(text)) => LinePlace::Waits(text),
                _ => LinePlace::Typed,
            },
            _ => LinePlace::Typed,
        };
    }

    /// A text of ours was accepted. Returns whether its message is shown in the place of the line.
    pub(crate) fn say(&self, text: &[u8]) -> bool {
        let mut state = self.lock();
        let is_its = matches!(&state.place, LinePlace::Waits(waits) if waits.as_bytes() == text);
        if is_its {
            state.place = LinePlace::Said;
        }
        is_its
    }

    /// Puts a text into the next line.
    pub(crate) fn put_back(&self, line: ReturnedLine) {
        self.lock().returned = Some(line);
    }

    /// The line has been handled.
    pub(crate) fn end(&self) {
        self.lock().is_pending = false;
        self.handled.notify_all();
    }

    /// Waits until the event has been handled, for at most [`TURN_WAIT_MS`]. The message of a line
    /// that is accepted later does not take its place.
    fn wait(&self) -> HandledLine {
        let limit = Duration::from_millis(TURN_WAIT_MS);
        let waited = self.handled.wait_timeout_while(self.lock(), limit, |state| state.is_pending);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let is_said = std::mem::take(&mut state.place) == LinePlace::Said;
        let echo = if is_said { Echo::Message } else { Echo::Line };
        HandledLine { returned: state.returned.take(), echo }
    }

    fn lock(&self) -> MutexGuard<'_, TurnState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gate for output, closed while no line is edited: another program may have the terminal, and what
/// rustyline's printer writes just as a line begins would stand behind its prompt.
#[derive(Default)]
pub(crate) struct PrintGate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    open: bool,
    /// Number of the times that it was closed.
    closings: u64,
    /// Whether the screen has another size than the editor knows.
    held: bool,
    printing: bool,
}

impl PrintGate {
    /// Prints once the gate is open, or at once when the program ends.
    pub(crate) fn print<R>(&self, closing: &AtomicBool, print: impl FnOnce() -> R) -> R {
        let mut state = self.lock();
        while (!state.open || state.held) && !closing.load(Ordering::SeqCst) {
            let waited = self.changed.wait_timeout(state, Duration::from_millis(POLL_MS));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.printing = true;
        drop(state);
        let printed = print();
        self.lock().printing = false;
        self.changed.notify_all();
        printed
    }

    /// Opens the gate: a line is painted, and the printer knows how to write above it.
    pub(crate) fn open(&self) {
        let mut state = self.lock();
        if !state.open {
            state.open = true;
            self.changed.notify_all();
        }
    }

    pub(crate) fn closings(&self) -> u64 {
        self.lock().closings
    }

    fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Holds output back, also while a line is edited.
    pub(crate) fn hold(&self) {
        self.lock().held = true;
    }

    pub(crate) fn is_held(&self) -> bool {
        self.lock().held
    }

    fn wait_changed(&self, at_most: Duration) {
        drop(self.changed.wait_timeout(self.lock(), at_most));
    }

    pub(crate) fn release(&self) {
        self.lock().held = false;
        self.changed.notify_all();
    }

    /// Closes the gate. The wait for output under way is short: only the next line empties a full
    /// printer.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        state.closings += 1;
        let limit = Duration::from_millis(CLOSE_WAIT_MS);
        drop(self.changed.wait_timeout_while(state, limit, |state| state.printing));
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
