//! Shared state of the line editor, its gate for output, and the events that it reports.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::complete::Vocabulary;
use super::terminal_guard::TerminalGuard;
use crate::app::os::unix_ms;
use crate::chat::PromptView;
use crate::chat::command::{self, COMMANDS, ParsedLine};
use crate::time::UnixMs;
use crate::ui::render::layout::Layout;
use crate::ui::render::size;

/// Interval at which a waiting printer checks whether the program ends, in milliseconds.
const POLL_MS: u64 = 50;
/// Longest wait of [`PrintGate::close`] for a message that is being printed, in milliseconds.
const CLOSE_WAIT_MS: u64 = 5;

/// Result of one read of the editor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum EditorEvent {
    /// A line, or a pasted block with its newlines.
    Line(String),
    /// Ctrl-C on an empty line; on any other it only clears the line.
    Interrupt,
    /// A paste that the editor cannot lay out; it is dropped.
    TooLong {
        /// Its length in bytes.
        bytes: u64,
    },
    /// Ctrl-D, or the terminal is gone.
    End,
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
        let vocabulary = Vocabulary { commands: &COMMANDS, names: Vec::new() };
        Self { prompt, painted_prompt: None, layout, vocabulary }
    }

    /// Whether the prompt on the screen is out of date.
    pub(crate) fn is_prompt_stale(&self) -> bool {
        self.painted_prompt.as_ref().is_some_and(|painted| *painted != self.prompt)
    }

    /// The message that a line becomes, laid out; `None` for a command or when nobody is addressed.
    pub(crate) fn own_message(&self, line: &str) -> Option<String> {
        self.prompt.addressed.as_ref()?;
        let Ok(ParsedLine::Text(text)) = command::parse_line(line) else { return None };
        Some(self.layout.own_message(&self.prompt.own_name, &text, UnixMs(unix_ms()), size().cells))
    }

    /// A note of the editor itself, laid out.
    pub(crate) fn note(&self, text: &str) -> String {
        self.layout.note(text, UnixMs(unix_ms()), size().cells)
    }
}

/// State shared by the editor thread, the owner of the terminal and the printer.
pub(crate) struct EditorShared {
    state: Mutex<EditorState>,
    pub(crate) gate: PrintGate,
    pub(crate) terminal: TerminalGuard,
    /// Whether the program ends: output waits no longer, and an external editor is killed.
    pub(crate) closing: AtomicBool,
}

impl EditorShared {
    pub(crate) fn new(state: EditorState, terminal: TerminalGuard) -> Self {
        let (gate, closing) = (PrintGate::default(), AtomicBool::default());
        Self { state: Mutex::new(state), gate, terminal, closing }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, EditorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
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
