//! Editor thread: reads lines, confirms pasted blocks, and runs an external editor.

use std::io;
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;
use rustyline::Editor;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;

use super::editor_state::{EditorEvent, EditorShared, EventSender, HandledLine, LineMode, TypedLine};
use super::helper::{BeginAnew, HandedOver, Helper};
use super::screen_sizes::AskedPrompt;
use super::terminal_guard::unblock_sigtstp;
use crate::app::error::describe;
use crate::app::external_editor;
use crate::app::os::print_line;
use crate::app::output::wait_writable;
use crate::chat::{Echo, ReturnCause, ReturnedLine, display};
use crate::limits;
use crate::peers::invitation::without_tokens;
use crate::peers::via::without_passwords;

/// The command that this thread carries out itself.
const EDIT: &str = ":edit";

pub(crate) type LineEditor = Editor<Helper, FileHistory>;

/// The editor thread's own state.
pub(crate) struct EditorThread {
    pub(crate) events: Arc<EventSender>,
    pub(crate) shared: Arc<EditorShared>,
    pub(crate) history: Option<PathBuf>,
}

/// Outcome of one read.
enum ReadOutcome {
    Event(EditorEvent),
    /// A line that was handled as Enter was pressed, unless nobody handles lines any more.
    Handled(Option<HandledLine>),
    /// Text to be edited further, in the next line.
    EditAgain(String),
    /// A paste that the editor cannot lay out, and the text before it.
    GiantPaste {
        bytes: u64,
        before: String,
    },
    Discarded,
}

/// What ended a read without a line.
enum Left {
    Anew(BeginAnew),
    Panicked,
}

/// What becomes of the line of a read that has panicked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AfterPanic {
    /// A paste was too much for the editor.
    GiantPaste,
    /// The text is edited further.
    EditAgain,
    /// It began with this text: that goes to the history, as it would panic without end.
    Remember,
}

impl AfterPanic {
    /// With the bytes of the line at last, its text, and the text that it began with.
    fn of(bytes: usize, text: &str, initial: &str) -> Self {
        if bytes > limits::LINE_BYTES {
            Self::GiantPaste
        } else if text == initial {
            Self::Remember
        } else {
            Self::EditAgain
        }
    }
}

impl EditorThread {
    pub(crate) fn run(self, mut editor: LineEditor) {
        // Should that fail, Ctrl-Z does nothing.
        let _ = unblock_sigtstp();
        let mut initial = String::new();
        // Text that the user is asked about, which Ctrl-C keeps.
        let mut asked = None;
        while !self.shared.is_closing() {
            let outcome = self.read_line(&mut editor, &std::mem::take(&mut initial));
            let handled = match outcome {
                ReadOutcome::Handled(handled) => handled,
                ReadOutcome::Discarded if asked.as_deref() == Some(helper(&editor).last_text().as_str()) => {
                    initial = asked.take().unwrap_or_default();
                    self.events.hand_over(EditorEvent::DropQuestion)
                }
                ReadOutcome::Event(event) => {
                    let is_last =
                        matches!(event, EditorEvent::End | EditorEvent::HungUp | EditorEvent::Failed { .. });
                    self.events.hand_over(event).filter(|_| !is_last)
                }
                ReadOutcome::EditAgain(text) => {
                    initial = text;
                    continue;
                }
                ReadOutcome::GiantPaste { bytes, before } => {
                    initial = before;
                    self.events.hand_over(EditorEvent::TooLong { bytes })
                }
                ReadOutcome::Discarded => continue,
            };
            let Some(handled) = handled else { break };
            asked = None;
            if let Some(ReturnedLine { text, cause }) = handled.returned {
                initial.clone_from(&text);
                asked = (cause == ReturnCause::Asked).then_some(text);
            }
        }
    }

    fn read_line(&self, editor: &mut LineEditor, initial: &str) -> ReadOutcome {
        helper(editor).start_line(LineMode::Line, initial);
        let mut begun = BeginAnew { text: initial.to_owned(), cursor: initial.len() };
        let read = loop {
            let prompt = self.shared.state().natural_prompt();
            let read = self.read(editor, &prompt, begun.text.split_at(begun.cursor));
            begun = match read {
                Ok(read) => break Some(read),
                Err(Left::Anew(left)) => left,
                Err(Left::Panicked) => break None,
            };
            if let Some(text) = self.shared.take_typed_unseen() {
                return ReadOutcome::EditAgain(text);
            }
            helper(editor).start_anew();
        };
        helper(editor).remove_row();
        let bytes = helper(editor).bytes();
        match read {
            Some(Ok(line)) => {
                let line = helper(editor).without_continuations(&line);
                match helper(editor).take_handed_over() {
                    Some(HandedOver { handled, .. }) => {
                        self.add_to_history(editor, &line);
                        ReadOutcome::Handled(handled)
                    }
                    None => self.accept_line(editor, &line),
                }
            }
            Some(Err(ReadlineError::Interrupted)) if let Some(text) = self.shared.take_typed_unseen() => {
                ReadOutcome::EditAgain(text)
            }
            Some(Err(ReadlineError::Interrupted)) if bytes > 0 => {
                // The program ends, not the person: the line is there at the next start.
                if self.shared.is_closing() {
                    self.add_to_history(editor, &helper(editor).last_text());
                }
                ReadOutcome::Discarded
            }
            Some(Err(ReadlineError::Interrupted)) => ReadOutcome::Event(EditorEvent::Interrupt),
            Some(Err(error)) => editor_failure(editor, error),
            None => {
                let text = helper(editor).last_text();
                match AfterPanic::of(bytes, &text, initial) {
                    AfterPanic::GiantPaste => {
                        let before = helper(editor).take_text_before_giant();
                        ReadOutcome::GiantPaste { bytes: bytes as u64, before }
                    }
                    AfterPanic::EditAgain => ReadOutcome::EditAgain(text),
                    AfterPanic::Remember => {
                        self.add_to_history(editor, &text);
                        self.print_note(display::NOT_SHOWN);
                        ReadOutcome::Discarded
                    }
                }
            }
        }
    }

    /// Reads one line. Rows are counted in sixteen bits, and a giant paste overflows them.
    fn read(
        &self,
        editor: &mut LineEditor,
        prompt: &str,
        initial: (&str, &str),
    ) -> Result<rustyline::Result<String>, Left> {
        let prompt = AskedPrompt { text: prompt, sizes: &self.shared.sizes };
        let read = catch_unwind(AssertUnwindSafe(|| editor.readline_with_initial(&prompt, initial)));
        self.shared.gate.close();
        read.map_err(|left| left.downcast().map_or(Left::Panicked, |left| Left::Anew(*left)))
    }

    fn accept_line(&self, editor: &mut LineEditor, line: &str) -> ReadOutcome {
        if helper(editor).is_for_external_editor() {
            return self.edit_externally(editor, line);
        }
        if line.trim() == EDIT {
            return self.edit_externally(editor, "");
        }
        let is_block = helper(editor).is_block();
        self.add_to_history(editor, line);
        if is_block {
            self.confirm_block(editor, line.to_owned())
        } else {
            ReadOutcome::Event(EditorEvent::Line(helper(editor).typed(line.to_owned())))
        }
    }

    /// Appends to the history file line by line: sessions may share it, and a crash loses no line.
    /// One with the password of a proxy or the token of an invitation is remembered nowhere.
    fn add_to_history(&self, editor: &mut LineEditor, line: &str) {
        if line.trim().is_empty() || without_passwords(line) != line || without_tokens(line) != line {
            return;
        }
        // A line that cannot be remembered is sent all the same.
        let added = editor.add_history_entry(line).unwrap_or(false);
        if let Some(path) = self.history.as_ref().filter(|_| added) {
            let _ = editor.append_history(path);
        }
    }

    /// Asks whether a block is to be sent, edited or dropped.
    fn confirm_block(&self, editor: &mut LineEditor, mut block: String) -> ReadOutcome {
        let start = helper(editor).typed(String::new()).start;
        while !self.shared.is_closing() {
            let question = display::block_question(block.lines().count());
            helper(editor).start_line(LineMode::Answer, "");
            let answer = match self.read(editor, &question, ("", "")) {
                Ok(Ok(answer)) => answer.trim().to_lowercase(),
                Err(Left::Panicked) if helper(editor).bytes() > limits::LINE_BYTES => {
                    "a giant paste".to_owned()
                }
                Ok(Err(_)) | Err(_) => "drop".to_owned(),
            };
            match answer.as_str() {
                "s" | "send" => {
                    let Some(message) = self.shared.state().own_message(&block, &start) else {
                        let line = TypedLine { text: block, start, echo: Echo::Line };
                        return ReadOutcome::Event(EditorEvent::Line(line));
                    };
                    let line = TypedLine { text: block, start, echo: Echo::Pending };
                    let handled = self.events.hand_over(EditorEvent::Line(line));
                    if handled.as_ref().is_some_and(|handled| handled.echo == Echo::Message) {
                        write_line(&message);
                    }
                    return ReadOutcome::Handled(handled);
                }
                "e" | "edit" => match self.run_external_editor(&block) {
                    Ok(text) if text.trim().is_empty() => break,
                    Ok(text) => block = text,
                    Err(why) => self.print_note(&why),
                },
                "d" | "drop" => break,
                _ => self.print_note(display::BLOCK_ANSWERS),
            }
        }
        self.print_note(display::DROPPED);
        ReadOutcome::Discarded
    }

    /// Edits a text in an external editor: a short one comes back to the line, a long one is
    /// confirmed.
    fn edit_externally(&self, editor: &mut LineEditor, text: &str) -> ReadOutcome {
        match self.run_external_editor(text) {
            Ok(text) if text.trim().is_empty() => {
                self.print_note(display::DROPPED);
                ReadOutcome::Discarded
            }
            Ok(text) if text.lines().count() > limits::PASTE_LINES => self.confirm_block(editor, text),
            Ok(text) => ReadOutcome::EditAgain(text),
            Err(why) => {
                self.print_note(&why);
                ReadOutcome::EditAgain(text.to_owned())
            }
        }
    }

    fn run_external_editor(&self, text: &str) -> Result<String, String> {
        let terminal = &self.shared.terminal;
        let reading = terminal.reading();
        terminal.release();
        let (output, errors) = (io::stdout(), io::stderr());
        let streams = [terminal.keys(), output.as_fd(), errors.as_fd()];
        let edited = external_editor::edit(text, streams, || self.shared.is_closing());
        terminal.set_idle_modes();
        drop(reading);
        edited.map_err(|why| display::editor_failed(&external_editor::command(), &why))
    }

    fn print_note(&self, text: &str) {
        let note = self.shared.state().note(text);
        write_line(&note);
    }
}

fn helper(editor: &LineEditor) -> &Helper {
    editor.helper().expect("an editor is built with its helper")
}

/// What follows from an error of the editor. A terminal that another program has made non-blocking
/// is waited for, and the line goes on.
fn editor_failure(editor: &LineEditor, error: ReadlineError) -> ReadOutcome {
    let error = match error {
        ReadlineError::Eof => return ReadOutcome::Event(EditorEvent::End),
        ReadlineError::Io(error) => error,
        ReadlineError::Errno(errno) => errno.into(),
        other => io::Error::other(other),
    };
    let is_hung_up = Errno::from_io_error(&error) == Some(Errno::IO);
    match error.kind() {
        io::ErrorKind::WouldBlock if wait_writable(&io::stdout()).is_ok() => {
            ReadOutcome::EditAgain(helper(editor).last_text())
        }
        _ if is_hung_up => ReadOutcome::Event(EditorEvent::HungUp),
        _ => ReadOutcome::Event(EditorEvent::Failed { why: describe(&error) }),
    }
}

/// Writes between two lines, when the terminal has its ordinary output modes.
fn write_line(text: &str) {
    // A terminal that is gone needs no text.
    let _ = print_line(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_taken_for_a_giant_paste_only_where_there_was_one_and_never_repeats_without_end() {
        let giant = "x".repeat(limits::LINE_BYTES + 1);
        assert_eq!(AfterPanic::of(giant.len(), &giant, ""), AfterPanic::GiantPaste);
        assert_eq!(AfterPanic::of(giant.len(), &giant, &giant), AfterPanic::GiantPaste);
        assert_eq!(AfterPanic::of(9, "안녕 bob", ""), AfterPanic::EditAgain);
        assert_eq!(AfterPanic::of(9, "안녕 bob", "안녕 bob"), AfterPanic::Remember);
    }
}
