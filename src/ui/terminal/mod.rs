//! The edited terminal: rustyline in a thread of its own, since it offers no other way to be awaited together
//! with sockets. It knows nothing of conversations: lines go out; a prompt, words to complete and the form of
//! one's own lines come in.

pub(crate) mod complete;
pub(crate) mod editor_thread;
pub(crate) mod external_editor;
pub(crate) mod helper;
pub(crate) mod keymap;
pub(crate) mod prompt_line;
pub(crate) mod suspend;
pub(crate) mod terminal_guard;
pub(crate) mod title;

use std::io::{self, IsTerminal as _};
use std::os::unix::thread::JoinHandleExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::Waker;
use nix::sys::pthread::{Pthread, pthread_kill};
use nix::sys::signal::Signal;
use rustyline::config::Configurer as _;
use rustyline::error::ReadlineError;
use rustyline::{ColorMode, CompletionType, Config, EditMode, Editor, ExternalPrinter as _};

use super::render::colour::Style;
use super::render::layout::{Layout, OutputMode};
use super::screen::Sink;
use crate::config::{EditorMode, TimeFormat, Title};
use crate::limits;
pub(crate) use complete::{Arguments, Word};
use editor_thread::{EditorThread, Lines, PrintGate};
use helper::Helper;
use keymap::KeyState;
pub(crate) use prompt_line::PromptState;
pub(crate) use suspend::leave_to_editor;
use terminal_guard::SavedTerminal;
use title::TitleBar;

/// Name of the thread that edits. Its panics are caught, and their words would land in the line.
const EDITOR: &str = "editor";

/// Has rustyline paint the line anew and leaves everything else: up from the row that it cleared for a message,
/// and down again. In the first row there is no up: that leaves a blank row above.
const REPAINT: &str = "\x1b[A\n";

/// What the person did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum EditorEvent {
    /// A line, or a pasted block with its newlines.
    Line(String),
    /// Ctrl-C with nothing on the line; with something on it, the line was cleared and that was all.
    Interrupt,
    /// More was pasted than the editor can lay out; it is gone.
    TooLong {
        /// Its length in bytes.
        bytes: u64,
    },
    /// Ctrl-D, or the terminal is gone.
    End,
}

/// Whether an editor can run: both ends are a terminal that understands cursor movement.
pub(crate) fn is_edited() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    let dumb = matches!(term.as_str(), "" | "dumb" | "emacs" | "cons25");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb
}

/// What can change while a line is typed.
#[derive(Clone, Debug)]
pub(crate) struct EditorState {
    pub(crate) state: PromptState,
    /// The state as it was last painted.
    pub(crate) painted: Option<PromptState>,
    pub(crate) names: Vec<String>,
    pub(crate) words: Vec<Word>,
    pub(crate) form: Layout,
    /// What a line says, if it is text and somebody hears it.
    pub(crate) text_of: fn(&str) -> Option<String>,
}

impl EditorState {
    /// Whether the prompt on the screen is not the one that holds.
    fn is_stale(&self) -> bool {
        self.painted.as_ref().is_some_and(|painted| *painted != self.state)
    }
}

impl Default for EditorState {
    fn default() -> Self {
        let form = Layout::new(OutputMode::Screen, Style::Plain, TimeFormat::default());
        let state = PromptState::default();
        Self { state, painted: None, names: Vec::new(), words: Vec::new(), form, text_of: |_| None }
    }
}

/// How somebody likes to edit.
pub(crate) struct EditorOptions<'a> {
    /// Whose keys the line has.
    pub(crate) keys: EditorMode,
    /// File that keeps typed lines.
    pub(crate) history: Option<&'a Path>,
    /// Whether the terminal's title follows the conversation.
    pub(crate) title: Title,
}

/// The editor's owner. [`Terminal::finish`] gives the terminal back; so does a panic.
pub(crate) struct Terminal {
    typed: Receiver<EditorEvent>,
    live: Arc<Mutex<EditorState>>,
    leaving: Arc<AtomicBool>,
    editor: Option<JoinHandle<()>>,
    saved: Arc<SavedTerminal>,
}

impl Terminal {
    /// Starts the editor. Before any socket: its `select` cannot see descriptors past 1,023.
    pub(crate) fn start(
        live: EditorState,
        habits: &EditorOptions<'_>,
        waker: Arc<Waker>,
    ) -> io::Result<(Self, Sink)> {
        let saved = Arc::new(SavedTerminal::take(TitleBar::of_terminal(habits.title))?);
        let live = Arc::new(Mutex::new(live));
        let gate = Arc::new(PrintGate::default());
        let mut editor = editor(&live, &gate, &saved, habits).map_err(other)?;
        let mut printer = editor.create_external_printer().map_err(other)?;
        let (sender, typed) = sync_channel(limits::LINES_AHEAD);
        let leaving = Arc::new(AtomicBool::new(false));
        let desk = EditorThread {
            sender,
            waker,
            live: Arc::clone(&live),
            leaving: Arc::clone(&leaving),
            gate: Arc::clone(&gate),
            saved: Arc::clone(&saved),
            history: habits.history.map(Path::to_path_buf),
        };
        let editor = thread::Builder::new().name(EDITOR.into()).spawn(move || desk.read_lines(editor))?;
        let left = Arc::clone(&leaving);
        let seen = Arc::clone(&live);
        let sink: Sink = Box::new(move |text| {
            let stale = || seen.lock().unwrap_or_else(PoisonError::into_inner).is_stale();
            gate.pass(&left, || match text.as_str() {
                "" if !stale() => Ok(()),
                "" => printer.print(REPAINT.to_owned()).map_err(other),
                _ => printer.print(text).map_err(other),
            })
        });
        Ok((Self { typed, live, leaving, editor: Some(editor), saved }, sink))
    }

    /// The next thing that the person did, if there is one.
    pub(crate) fn next(&self) -> Option<EditorEvent> {
        self.typed.try_recv().ok()
    }

    /// What stands before the cursor and what can be completed, to be changed. Seen at the next repaint.
    pub(crate) fn live(&self) -> Arc<Mutex<EditorState>> {
        Arc::clone(&self.live)
    }

    /// The program ends: nothing is held back any more, and an external editor ends too.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
    }

    /// Ends the editor and gives the terminal back as it was. A reader can only be ended by SIGINT, which
    /// rustyline turns into an error; its handler and ours make it harmless otherwise.
    pub(crate) fn finish(&mut self) {
        self.leave();
        let Some(editor) = self.editor.take() else { return };
        let patience = Instant::now() + Duration::from_secs(1);
        while !editor.is_finished() && Instant::now() < patience {
            while self.next().is_some() {}
            // To the thread itself: sent to the process, another thread may take it while a search is open.
            // The cast is for musl, whose C library has a pointer there.
            let _ = pthread_kill(editor.as_pthread_t() as Pthread, Signal::SIGINT);
            thread::sleep(Duration::from_millis(5));
        }
        if editor.is_finished() {
            let _ = editor.join();
        }
        self.saved.restore();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.finish();
    }
}

fn editor(
    live: &Arc<Mutex<EditorState>>,
    gate: &Arc<PrintGate>,
    saved: &Arc<SavedTerminal>,
    habits: &EditorOptions<'_>,
) -> rustyline::Result<Lines> {
    let mode = match habits.keys {
        EditorMode::Emacs => EditMode::Emacs,
        EditorMode::Vi => EditMode::Vi,
    };
    let config = Config::builder()
        .edit_mode(mode)
        .completion_type(CompletionType::List)
        // At once, and never asking whether: while rustyline waits for a second key, nothing that arrives is
        // shown. The list fits the screen by itself.
        .completion_show_all_if_ambiguous(true)
        .completion_prompt_limit(usize::MAX)
        .color_mode(ColorMode::Forced)
        .history_ignore_space(true)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_max_history_size(1_000)?;
    let pressed = KeyState::default();
    editor.set_helper(Some(Helper::new(
        Arc::clone(live),
        Arc::clone(gate),
        Arc::clone(saved),
        pressed.clone(),
    )));
    keymap::bind(&mut editor, &pressed, saved);
    if let Some(path) = habits.history {
        editor.load_history(path)?;
    }
    Ok(editor)
}

fn other(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        other => io::Error::other(other),
    }
}
