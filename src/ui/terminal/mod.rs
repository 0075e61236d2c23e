//! Line editor on a terminal: rustyline in a thread of its own.
//!
//! rustyline cannot be awaited together with sockets in any other way.

mod complete;
mod editor_state;
mod editor_thread;
mod filtered_input;
mod helper;
mod key_bindings;
mod key_code;
mod key_filter;
mod key_handler;
mod line_edits;
mod line_printer;
mod line_rows;
mod line_state;
mod reflow;
mod resizes;
mod row_above;
mod screen_sizes;
mod stopped_keys;
mod tall_line;
mod terminal_guard;
mod typed_lines;

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::unix::thread::JoinHandleExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::Waker;
use nix::sys::pthread::{Pthread, pthread_kill};
use nix::sys::signal::Signal;
use rustix::fs::OFlags;
use rustyline::config::Configurer as _;
use rustyline::error::ReadlineError;
use rustyline::{ColorMode, CompletionType, Config, EditMode, Editor};

use super::screen::Printer;
use crate::app::os;
use crate::config::{EditorMode, Settings};
use crate::limits;
pub(crate) use complete::complete_path;
use editor_state::EventSender;
pub(crate) use editor_state::{EditorEvent, EditorShared, EditorState, TypedLine};
use editor_thread::{EditorThread, LineEditor};
use filtered_input::{FilteredInput, PseudoTerminal};
use helper::Helper;
use line_printer::LinePrinter;
use resizes::Resizes;
use stopped_keys::StoppedKeys;
pub(crate) use terminal_guard::block_signals;
use terminal_guard::{EDITOR_THREAD, TerminalGuard, TitleBar};
pub(crate) use typed_lines::{TypedInput, typed_lines};

/// Longest wait for the editor thread to end, and the interval between two signals to it.
const JOIN_TIMEOUT_MS: u64 = 1_000;
const INTERRUPT_EVERY_MS: u64 = 5;

/// Whether an editor can run: both ends are a terminal that understands cursor movement.
pub(crate) fn is_edited() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    let dumb = matches!(term.as_str(), "" | "dumb" | "emacs" | "cons25");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb
}

/// Terminal as the editor reads it, opened before the process is confined.
pub(crate) struct OpenedTerminal {
    /// `None` where the system has no pseudo-terminal to give.
    pseudo: Option<PseudoTerminal>,
    /// What the editor reads, once more; `None` where it cannot be opened anew.
    keys: Option<File>,
}

impl OpenedTerminal {
    pub(crate) fn open() -> Self {
        terminal_guard::own_descriptors();
        let pseudo = PseudoTerminal::open().ok();
        // Opened anew, since the mode is that of an opening: the editor's reads have to wait.
        let keys = match &pseudo {
            Some(pseudo) => terminal_guard::reopened(&pseudo.slave, OFlags::NONBLOCK),
            None => terminal_guard::reopened(io::stdin(), OFlags::NONBLOCK),
        };
        Self { pseudo, keys: keys.ok().map(File::from) }
    }
}

/// Owner of the editor thread. [`Terminal::finish`] restores the terminal; so does a panic.
pub(crate) struct Terminal {
    events: Receiver<EditorEvent>,
    shared: Arc<EditorShared>,
    thread: Option<JoinHandle<()>>,
    /// `None` where the terminal cannot be opened anew.
    keys: Option<StoppedKeys>,
    /// `None` where the system has no pseudo-terminal to give: the editor then reads the terminal.
    input: Option<FilteredInput>,
    /// `None` once it has ended.
    resizes: Option<Resizes>,
}

impl Terminal {
    /// Starts the editor. Before any socket: its `select` cannot see descriptors past 1,023.
    pub(crate) fn start(
        opened: OpenedTerminal,
        state: EditorState,
        settings: &Settings,
        waker: Arc<Waker>,
    ) -> io::Result<(Self, Printer)> {
        let guard = TerminalGuard::acquire(TitleBar::new(settings.title))?;
        let shared = Arc::new(EditorShared::new(state, guard));
        let filtered = |pseudo| FilteredInput::start(&shared, settings.editor, pseudo).ok();
        let input = opened.pseudo.and_then(filtered);
        let (sender, events) = sync_channel(limits::LINES_AHEAD);
        let handler = EventSender::new(Arc::clone(&shared), sender.clone(), Arc::clone(&waker));
        let handler = Arc::new(handler);
        let resizes = Some(Resizes::start(Arc::clone(&handler))?);
        let mut editor = line_editor(&shared, Arc::clone(&handler), settings).map_err(io_error)?;
        let external_printer = editor.create_external_printer().map_err(io_error)?;
        let history = settings.line_history.clone();
        let editing = EditorThread { events: handler, shared: Arc::clone(&shared), history };
        let thread = thread::Builder::new().name(EDITOR_THREAD.into()).spawn(move || editing.run(editor))?;
        let watched = |keys| StoppedKeys::start(&thread, &shared, sender, waker, keys).ok();
        let keys = opened.keys.and_then(watched);
        let mut printer = LinePrinter::new(Arc::clone(&shared), external_printer);
        let printer: Printer = Box::new(move |text| printer.print(&text));
        Ok((Self { events, shared, thread: Some(thread), keys, input, resizes }, printer))
    }

    /// The next event, if there is one.
    pub(crate) fn next(&self) -> Option<EditorEvent> {
        self.events.try_recv().ok()
    }

    /// The line that is being edited, if there is any text in it.
    pub(crate) fn draft(&self) -> Option<String> {
        let is_edited = self.shared.edits_line();
        is_edited.then(|| self.shared.line().text_to_come()).filter(|text| !text.trim().is_empty())
    }

    /// Lets the editor read on: the last line has been handled.
    pub(crate) fn end_turn(&self) {
        self.shared.turn.end();
    }

    /// The state of the editor; a change is seen at the next repaint.
    pub(crate) fn shared(&self) -> Arc<EditorShared> {
        Arc::clone(&self.shared)
    }

    /// Begins the shutdown: output is no longer held back, and an external editor is killed.
    pub(crate) fn begin_close(&self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        self.shared.turn.end();
    }

    /// Ends the editor and restores the terminal. Only SIGINT ends a read: rustyline turns it into
    /// an error, and its handler and ours make it harmless otherwise.
    pub(crate) fn finish(&mut self) {
        self.begin_close();
        self.keys = None;
        self.resizes = None;
        let Some(thread) = self.thread.take() else { return };
        let deadline = Instant::now() + Duration::from_millis(JOIN_TIMEOUT_MS);
        while !thread.is_finished() && Instant::now() < deadline {
            while self.next().is_some() {}
            if terminal_guard::is_stopped() {
                terminal_guard::discard_output();
            }
            // To the thread itself: sent to the process, another thread may take it while a search
            // is open. The cast is for musl, whose C library has a pointer there.
            let _ = pthread_kill(thread.as_pthread_t() as Pthread, Signal::SIGINT);
            thread::sleep(Duration::from_millis(INTERRUPT_EVERY_MS));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
        self.input = None;
        // A terminal that is gone needs no text.
        let _ = os::print(&self.shared.take_printed());
        self.shared.terminal.restore();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.finish();
    }
}

fn line_editor(
    shared: &Arc<EditorShared>,
    events: Arc<EventSender>,
    settings: &Settings,
) -> rustyline::Result<LineEditor> {
    let mode = match settings.editor {
        EditorMode::Emacs => EditMode::Emacs,
        EditorMode::Vi => EditMode::Vi,
    };
    let config = Config::builder()
        .edit_mode(mode)
        .completion_type(CompletionType::List)
        // At once, and never asking whether: while rustyline waits for a second key, nothing that
        // arrives is shown. The list fits the screen by itself.
        .completion_show_all_if_ambiguous(true)
        .completion_prompt_limit(usize::MAX)
        .color_mode(ColorMode::Forced)
        .history_ignore_space(true)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_max_history_size(1_000)?;
    let helper = Helper::new(Arc::clone(shared), events);
    helper.bind_keys(&mut editor);
    editor.set_helper(Some(helper));
    if let Some(path) = &settings.line_history {
        editor.load_history(path)?;
    }
    Ok(editor)
}

fn io_error(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        other => io::Error::other(other),
    }
}
