//! The edited terminal: rustyline in a thread of its own, since it offers no other way to be awaited together
//! with sockets. It knows nothing of chat: lines go out, a prompt and words to complete come in.

mod helper;
mod saved;
mod suspend;

use std::io::{self, IsTerminal as _};
use std::os::unix::thread::JoinHandleExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::Waker;
use nix::sys::pthread::{Pthread, pthread_kill};
use nix::sys::signal::Signal;
use rustyline::config::Configurer as _;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{ColorMode, CompletionType, Config, Editor, ExternalPrinter as _};

use super::config::When;
use super::screen::{Sink, Style};
use crate::limits;
use helper::Helper;
pub(super) use helper::{Arguments, Live, PromptState, Word};
use saved::SavedTerminal;
pub(super) use suspend::leave_to_editor;

/// Name of the thread that edits. Its panics are caught, and their words would land in the line.
const EDITOR: &str = "editor";

/// What the person did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Typed {
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
pub(super) fn is_edited() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    let dumb = matches!(term.as_str(), "" | "dumb" | "emacs" | "cons25");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb
}

/// Colour is for terminals whose owner did not say otherwise.
pub(super) fn style(when: When) -> Style {
    match when {
        When::Always => Style::Colour,
        When::Auto if is_edited() => Style::Colour,
        When::Auto | When::Never => Style::Plain,
    }
}

/// The editor's owner. [`Terminal::finish`] gives the terminal back; so does a panic.
pub(super) struct Terminal {
    typed: Receiver<Typed>,
    live: Arc<Mutex<Live>>,
    leaving: Arc<AtomicBool>,
    editor: Option<JoinHandle<()>>,
    saved: SavedTerminal,
}

impl Terminal {
    /// Starts the editor. Before any socket: its `select` cannot see descriptors past 1,023.
    pub(super) fn start(live: Live, history: Option<&Path>, waker: Arc<Waker>) -> io::Result<(Self, Sink)> {
        let saved = SavedTerminal::take()?;
        let live = Arc::new(Mutex::new(live));
        let mut editor = editor(Helper::new(Arc::clone(&live)), history).map_err(other)?;
        let mut printer = editor.create_external_printer().map_err(other)?;
        let (sender, typed) = sync_channel(limits::LINES_AHEAD);
        let leaving = Arc::new(AtomicBool::new(false));
        let desk = Desk {
            sender,
            waker,
            live: Arc::clone(&live),
            leaving: Arc::clone(&leaving),
            history: history.map(Path::to_path_buf),
        };
        let editor = thread::Builder::new().name(EDITOR.into()).spawn(move || desk.read_lines(editor))?;
        let sink: Sink = Box::new(move |text| printer.print(text).map_err(other));
        Ok((Self { typed, live, leaving, editor: Some(editor), saved }, sink))
    }

    /// The next thing that the person did, if there is one.
    pub(super) fn next(&self) -> Option<Typed> {
        self.typed.try_recv().ok()
    }

    /// Changes what stands before the cursor and what can be completed. Seen at the next repaint.
    pub(super) fn set(&self, change: impl FnOnce(&mut Live)) {
        change(&mut self.live.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends the editor and gives the terminal back as it was. A reader can only be ended by SIGINT, which
    /// rustyline turns into an error; its handler and ours make it harmless otherwise.
    pub(super) fn finish(&mut self) {
        self.leaving.store(true, Ordering::SeqCst);
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

/// The editor thread's side.
struct Desk {
    sender: SyncSender<Typed>,
    waker: Arc<Waker>,
    live: Arc<Mutex<Live>>,
    leaving: Arc<AtomicBool>,
    history: Option<PathBuf>,
}

impl Desk {
    fn read_lines(self, mut editor: Editor<Helper, FileHistory>) {
        // Should that fail, Ctrl-Z does nothing.
        let _ = suspend::take_here();
        while !self.leaving.load(Ordering::SeqCst) {
            let prompt = self.live.lock().unwrap_or_else(PoisonError::into_inner).prompt();
            // Rows are counted in sixteen bits, and a giant paste overflows them.
            let read = catch_unwind(AssertUnwindSafe(|| editor.readline(&prompt)));
            let Ok(read) = read else {
                let bytes = editor.helper().map_or(0, Helper::bytes).max(limits::LINE_BYTES + 1);
                if self.sender.send(Typed::TooLong { bytes: bytes as u64 }).is_err() {
                    break;
                }
                let _ = self.waker.wake();
                continue;
            };
            let typed = match read {
                Ok(line) => {
                    let line = line.trim_end_matches('\n').to_owned();
                    if !line.trim().is_empty() {
                        // A line that cannot be remembered is sent all the same.
                        let _ = editor.add_history_entry(&line);
                    }
                    Typed::Line(line)
                }
                Err(ReadlineError::Interrupted) => {
                    let empty = editor.helper().is_none_or(Helper::is_empty);
                    if !empty {
                        continue;
                    }
                    Typed::Interrupt
                }
                Err(_) => Typed::End,
            };
            let is_last = typed == Typed::End;
            if self.leaving.load(Ordering::SeqCst) || self.sender.send(typed).is_err() {
                break;
            }
            let _ = self.waker.wake();
            if is_last {
                break;
            }
        }
        if let Some(path) = &self.history {
            let _ = editor.save_history(path);
        }
    }
}

fn editor(helper: Helper, history: Option<&Path>) -> rustyline::Result<Editor<Helper, FileHistory>> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .color_mode(ColorMode::Forced)
        .history_ignore_space(true)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_max_history_size(1_000)?;
    editor.set_helper(Some(helper));
    if let Some(path) = history.filter(|path| path.exists()) {
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
