//! Shared state of the line editor, its gate for output, and the events that it reports.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::complete::Vocabulary;
use super::terminal_guard::TerminalGuard;
use crate::app::os::unix_ms;
use crate::chat::command::{self, COMMANDS, ParsedLine};
use crate::chat::{Echo, KnownNames, LineStart, Presence, PromptView, author};
use crate::render::layout::Layout;
use crate::time::UnixMs;
use crate::ui::size::size;

/// Interval at which a waiting printer checks whether the program ends, in milliseconds.
const POLL_MS: u64 = 50;
/// Longest wait of [`Turn::wait`], in milliseconds.
const TURN_WAIT_MS: u64 = 1_000;
/// Longest wait of [`PrintGate::close`] for a message that is being printed, in milliseconds.
const CLOSE_WAIT_MS: u64 = 5;

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
    /// The prompt as it was last painted.
    pub(crate) painted_prompt: Option<PromptView>,
    pub(crate) layout: Layout,
    pub(crate) vocabulary: Vocabulary,
}

impl EditorState {
    pub(crate) fn new(prompt: PromptView, layout: Layout) -> Self {
        let vocabulary = Vocabulary { commands: &COMMANDS, names: KnownNames::default() };
        Self { prompt, painted_prompt: None, layout, vocabulary }
    }

    /// Whether the prompt on the screen is out of date.
    pub(crate) fn is_prompt_stale(&self) -> bool {
        self.painted_prompt.as_ref().is_some_and(|painted| !painted.looks_like(&self.prompt))
    }

    /// The message that a line becomes, laid out; `None` for a command, or when the line may not be
    /// sent to the addressee at once.
    pub(crate) fn own_message(&self, line: &str, start: &LineStart) -> Option<String> {
        let to = self.prompt.addressed.as_ref().filter(|to| to.presence == Presence::Here)?;
        let Ok(ParsedLine::Text(text)) = command::parse_line(line) else { return None };
        let names_another = text
            .split_once(": ")
            .is_some_and(|(name, _)| name != to.name && self.vocabulary.names.contains(name));
        if !start.is_for(&self.prompt.start) || names_another || text.starts_with('/') {
            return None;
        }
        let to = if self.prompt.has_others { std::slice::from_ref(&to.name) } else { &[] };
        let author = author(&self.prompt.own_name, to);
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
    /// The prompt as it was begun.
    pub(crate) start: Option<LineStart>,
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

/// State shared by the editor thread, the owner of the terminal and the printer.
pub(crate) struct EditorShared {
    state: Mutex<EditorState>,
    /// Locked before the state, where both are.
    line: Mutex<LineText>,
    pub(crate) gate: PrintGate,
    pub(crate) terminal: TerminalGuard,
    pub(crate) turn: Turn,
    /// Whether the program ends: output waits no longer, and an external editor is killed.
    pub(crate) closing: AtomicBool,
}

impl EditorShared {
    pub(crate) fn new(state: EditorState, terminal: TerminalGuard) -> Self {
        let (gate, closing) = (PrintGate::default(), AtomicBool::default());
        let (state, line) = (Mutex::new(state), Mutex::default());
        Self { state, line, gate, terminal, turn: Turn::default(), closing }
    }

    pub(crate) fn line(&self) -> MutexGuard<'_, LineText> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text that the line is to go on with, where keys have come that the editor did not read.
    pub(crate) fn take_typed_unseen(&self) -> Option<String> {
        let mut line = self.line();
        line.typed_unseen.take().map(|typed| typed.applied_to(&line.text))
    }

    /// Whether a line is being edited, and no question answered.
    pub(crate) fn edits_line(&self) -> bool {
        self.gate.is_open() && self.line().mode == LineMode::Line
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, EditorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    returned: Option<String>,
}

impl Turn {
    /// A line is on its way to its handler.
    pub(crate) fn begin(&self) {
        self.lock().is_pending = true;
    }

    /// Puts a text into the next line.
    pub(crate) fn put_back(&self, text: String) {
        self.lock().returned = Some(text);
    }

    /// The line has been handled.
    pub(crate) fn end(&self) {
        self.lock().is_pending = false;
        self.handled.notify_all();
    }

    /// Waits until the line has been handled, for at most [`TURN_WAIT_MS`]; returns the text that
    /// it gave back.
    pub(crate) fn wait(&self) -> Option<String> {
        let limit = Duration::from_millis(TURN_WAIT_MS);
        let waited = self.handled.wait_timeout_while(self.lock(), limit, |state| state.is_pending);
        waited.unwrap_or_else(PoisonError::into_inner).0.returned.take()
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
    printing: bool,
}

impl PrintGate {
    /// Prints once the gate is open, or at once when the program ends.
    pub(crate) fn print<R>(&self, closing: &AtomicBool, print: impl FnOnce() -> R) -> R {
        let mut state = self.lock();
        while !state.open && !closing.load(Ordering::SeqCst) {
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

    fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Closes the gate. The wait for output under way is short: only the next line empties a full
    /// printer.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        let limit = Duration::from_millis(CLOSE_WAIT_MS);
        drop(self.changed.wait_timeout_while(state, limit, |state| state.printing));
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
