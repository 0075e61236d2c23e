//! The editor's thread: it reads lines, asks about pasted blocks, and hands the terminal to an external editor.

use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mio::Waker;
use rustyline::Editor;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;

use super::helper::{Helper, LineMode};
use super::terminal_guard::SavedTerminal;
use super::{EditorEvent, EditorState, external_editor, suspend};
use crate::app::clock::unix_ms;
use crate::chat::display;
use crate::limits;
use crate::ui::render::size::cells;

/// The command that this thread carries out itself.
const EDIT: &str = ":edit";

pub(crate) type Lines = Editor<Helper, FileHistory>;

/// Time between two looks at whether the program ends, in milliseconds.
const LOOK_EVERY_MS: u64 = 50;
/// Time to wait before a line for a message that is being written, in milliseconds.
const SETTLE_MS: u64 = 5;

/// Holds back what is to be shown while no line is read: another program may have the terminal, and what
/// rustyline's printer writes just as a line begins would stand behind its prompt.
#[derive(Default)]
pub(crate) struct PrintGate {
    state: Mutex<Traffic>,
    changed: Condvar,
}

#[derive(Default)]
struct Traffic {
    reading: bool,
    passing: bool,
}

impl PrintGate {
    /// Writes once a line is read, or when nobody will read any more.
    pub(crate) fn pass<R>(&self, leaving: &AtomicBool, write: impl FnOnce() -> R) -> R {
        let mut state = self.lock();
        while !state.reading && !leaving.load(Ordering::SeqCst) {
            let waited = self.changed.wait_timeout(state, Duration::from_millis(LOOK_EVERY_MS));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.passing = true;
        drop(state);
        let written = write();
        self.lock().passing = false;
        self.changed.notify_all();
        written
    }

    /// A line is painted: from now on the printer knows how to write above it.
    pub(crate) fn open(&self) {
        let mut state = self.lock();
        if !state.reading {
            state.reading = true;
            self.changed.notify_all();
        }
    }

    /// No line is read. Waits for what is being written, but not for long: a full printer is emptied by the next line only.
    fn close(&self) {
        let mut state = self.lock();
        state.reading = false;
        let limit = Duration::from_millis(SETTLE_MS);
        let settled = self.changed.wait_timeout_while(state, limit, |state| state.passing);
        drop(settled);
    }

    fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The editor thread's side.
pub(crate) struct EditorThread {
    pub(crate) sender: SyncSender<EditorEvent>,
    pub(crate) waker: Arc<Waker>,
    pub(crate) live: Arc<Mutex<EditorState>>,
    pub(crate) leaving: Arc<AtomicBool>,
    pub(crate) gate: Arc<PrintGate>,
    pub(crate) saved: Arc<SavedTerminal>,
    pub(crate) history: Option<PathBuf>,
}

/// What became of a line.
enum Read {
    /// It goes to the chat.
    EditorEvent(EditorEvent),
    /// It is put on the next line to be edited.
    Again(String),
    /// It is gone.
    Nothing,
}

impl EditorThread {
    pub(crate) fn read_lines(self, mut editor: Lines) {
        // Should that fail, Ctrl-Z does nothing.
        let _ = suspend::take_here();
        let mut carried = String::new();
        while !self.leaving.load(Ordering::SeqCst) {
            let typed = match self.read(&mut editor, &std::mem::take(&mut carried)) {
                Read::EditorEvent(typed) => typed,
                Read::Again(text) => {
                    carried = text;
                    continue;
                }
                Read::Nothing => continue,
            };
            let is_last = typed == EditorEvent::End;
            if self.leaving.load(Ordering::SeqCst) || self.sender.send(typed).is_err() {
                break;
            }
            let _ = self.waker.wake();
            if is_last {
                break;
            }
        }
    }

    fn read(&self, editor: &mut Lines, initial: &str) -> Read {
        let prompt = self.look(|live| live.state.text(cells()));
        begin(editor, LineMode::Line);
        // Rows are counted in sixteen bits, and a giant paste overflows them.
        let read = catch_unwind(AssertUnwindSafe(|| editor.readline_with_initial(&prompt, (initial, ""))));
        self.gate.close();
        let Ok(read) = read else {
            let bytes = editor.helper().map_or(0, Helper::bytes).max(limits::LINE_BYTES + 1);
            return Read::EditorEvent(EditorEvent::TooLong { bytes: bytes as u64 });
        };
        match read {
            Ok(line) => {
                let line = editor.helper().map_or_else(String::new, |helper| helper.meant(&line));
                self.entered(editor, &line)
            }
            Err(ReadlineError::Interrupted) => {
                let empty = editor.helper().is_none_or(Helper::is_empty);
                if empty { Read::EditorEvent(EditorEvent::Interrupt) } else { Read::Nothing }
            }
            Err(_) => Read::EditorEvent(EditorEvent::End),
        }
    }

    fn entered(&self, editor: &mut Lines, line: &str) -> Read {
        let (block, for_editor) =
            editor.helper().map_or((false, false), |helper| (helper.is_block(), helper.is_for_editor()));
        if for_editor {
            return self.edit(editor, line);
        }
        if line.trim() == EDIT {
            return self.edit(editor, "");
        }
        self.remember(editor, line);
        if block {
            self.ask(editor, line.to_owned())
        } else {
            Read::EditorEvent(EditorEvent::Line(line.to_owned()))
        }
    }

    /// What is remembered in a file is appended line by line: several sessions may share it, and none is lost
    /// with the program.
    fn remember(&self, editor: &mut Lines, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        // A line that cannot be remembered is sent all the same.
        let added = editor.add_history_entry(line).unwrap_or(false);
        if let Some(path) = self.history.as_ref().filter(|_| added) {
            let _ = editor.append_history(path);
        }
    }

    /// Asks what is to be done with a block.
    fn ask(&self, editor: &mut Lines, mut block: String) -> Read {
        while !self.leaving.load(Ordering::SeqCst) {
            let question = display::block_question(block.lines().count());
            begin(editor, LineMode::Answer);
            let answer = editor.readline(&question);
            self.gate.close();
            let answer = match answer {
                Ok(answer) => answer.trim().to_lowercase(),
                Err(_) => "drop".to_owned(),
            };
            match answer.as_str() {
                "s" | "send" => {
                    self.look(|live| {
                        if let Some(text) = (live.text_of)(&block) {
                            tell(&live.form.own(&live.state.own, &text, unix_ms(), cells()));
                        }
                    });
                    return Read::EditorEvent(EditorEvent::Line(block));
                }
                "e" | "edit" => match self.externally(&block) {
                    Ok(text) if text.trim().is_empty() => break,
                    Ok(text) => block = text,
                    Err(why) => self.note(&why),
                },
                "d" | "drop" => break,
                _ => self.note(display::BLOCK_ANSWERS),
            }
        }
        self.note(display::DROPPED);
        Read::Nothing
    }

    /// `:edit`: a short text comes back to the line, a long one is asked about.
    fn edit(&self, editor: &mut Lines, text: &str) -> Read {
        match self.externally(text) {
            Ok(text) if text.trim().is_empty() => {
                self.note(display::DROPPED);
                Read::Nothing
            }
            Ok(text) if text.lines().count() > limits::PASTE_LINES => self.ask(editor, text),
            Ok(text) => Read::Again(text),
            Err(why) => {
                self.note(&why);
                Read::Again(text.to_owned())
            }
        }
    }

    fn externally(&self, text: &str) -> Result<String, String> {
        let command = external_editor::command();
        self.saved.lend();
        let edited = external_editor::edited(&command, text, &self.leaving);
        self.saved.hold();
        edited.map_err(|why| display::editor_failed(&command, &why))
    }

    /// Something of the editor's own, among the news.
    fn note(&self, told: &str) {
        tell(&self.look(|live| live.form.aside(told, unix_ms(), cells())));
    }

    fn look<R>(&self, look: impl FnOnce(&EditorState) -> R) -> R {
        look(&self.live.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn begin(editor: &Lines, reading: LineMode) {
    if let Some(helper) = editor.helper() {
        helper.begin(reading);
    }
}

/// Between two lines the terminal has its ordinary modes. One that is gone needs no words.
fn tell(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
