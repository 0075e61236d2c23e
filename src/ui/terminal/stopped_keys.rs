//! Keys that come while the terminal takes no output: the editor waits to write and does not read
//! them. An end is carried out at once; everything else goes into the line once the terminal takes
//! output again, unsent, since whoever typed it has not seen it.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read as _};
use std::os::unix::thread::JoinHandleExt as _;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};

use mio::Waker;
use nix::sys::pthread::{Pthread, pthread_kill};
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, poll};

use super::editor_state::{EditorEvent, EditorShared, TypedLine, TypedUnseen};
use crate::app::output::{is_ready, is_writable};
use crate::chat::Echo;
use crate::chat::command::{self, Command, ParsedLine};
use crate::limits;

/// Time in which the editor, if it does not wait to write, has read a key, in milliseconds.
const READ_WITHIN_MS: i64 = 200;

/// Owner of the thread that reads such keys.
pub(crate) struct StoppedKeys {
    /// Dropped to end the thread.
    closing: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl StoppedKeys {
    /// Starts the thread beside the editor's, which has to outlive it. What it reads does not wait.
    pub(crate) fn start(
        editor: &JoinHandle<()>,
        shared: &Arc<EditorShared>,
        sender: SyncSender<EditorEvent>,
        waker: Arc<Waker>,
        keys: File,
    ) -> io::Result<Self> {
        let (closed, closing) = io::pipe()?;
        let (shared, editor) = (Arc::clone(shared), editor.as_pthread_t() as Pthread);
        let watch = Watch { keys, closed, shared, editor, sender, waker };
        let thread = thread::Builder::new().name("keys".into()).spawn(|| watch.run())?;
        Ok(Self { closing: Some(closing), thread: Some(thread) })
    }
}

impl Drop for StoppedKeys {
    fn drop(&mut self) {
        self.closing = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its hook.
            let _ = thread.join();
        }
    }
}

struct Watch {
    keys: File,
    closed: PipeReader,
    shared: Arc<EditorShared>,
    editor: Pthread,
    sender: SyncSender<EditorEvent>,
    waker: Arc<Waker>,
}

/// What woke the thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Woken {
    Closing,
    Key,
    Writable,
}

impl Watch {
    fn run(mut self) {
        loop {
            // What the editor reads itself, it has read after a moment.
            if self.wait(PollFlags::empty()) == Woken::Closing || self.is_closing_within(READ_WITHIN_MS) {
                return;
            }
            let is_stuck = is_ready(&self.keys, PollFlags::IN, 0)
                && self.shared.edits_line()
                && !is_writable(&io::stdout(), 0);
            if is_stuck && self.read() == Woken::Closing {
                return;
            }
        }
    }

    /// Reads keys until the terminal takes output.
    fn read(&mut self) -> Woken {
        let (line, mut keys) = (self.shared.line().text.clone(), Vec::new());
        let before = self.shared.line().text_to_come();
        loop {
            let mut buffer = [0; 4_096];
            let read = self.keys.read(&mut buffer).unwrap_or(0);
            let room = limits::LINE_BYTES.saturating_sub(keys.len());
            keys.extend(buffer.iter().take(read.min(room)));
            let event = match typed(&before, &keys) {
                Typed::Line(_) => None,
                Typed::Quit(text) => {
                    let start = self.shared.state().prompt.start.clone();
                    Some(EditorEvent::Line(TypedLine { text, start, echo: Echo::Line }))
                }
                Typed::End => Some(EditorEvent::End),
            };
            if let Some(event) = event {
                keys.clear();
                // Events that wait are about the same end.
                let _ = self.sender.try_send(event);
                let _ = self.waker.wake();
            }
            match self.wait(PollFlags::OUT) {
                Woken::Key => {}
                woken => {
                    if let Typed::Line(text) = typed(&before, &keys) {
                        self.give_back(TypedUnseen::between(&line, &text));
                    }
                    return woken;
                }
            }
        }
    }

    /// Gives what was typed to the line: the editor, which can write again, begins it anew.
    fn give_back(&self, typed: TypedUnseen) {
        // Locked until the signal is taken: who finds what was typed has no other end to expect.
        let mut line = self.shared.line();
        if line.typed_unseen.replace(typed).is_none() {
            // rustyline ends its read with it. The thread is there until this one has been joined.
            let _ = pthread_kill(self.editor, Signal::SIGINT);
        }
    }

    /// Waits for the end, a key, or what is asked of the output.
    fn wait(&self, output: PollFlags) -> Woken {
        let stdout = io::stdout();
        let mut polled = [
            PollFd::new(&self.closed, PollFlags::IN),
            PollFd::new(&self.keys, PollFlags::IN),
            PollFd::new(&stdout, output),
        ];
        // An interrupted wait is begun anew.
        let _ = poll(&mut polled, None);
        match polled.map(|one| !one.revents().is_empty()) {
            [true, ..] => Woken::Closing,
            [_, _, true] if !output.is_empty() => Woken::Writable,
            _ => Woken::Key,
        }
    }

    fn is_closing_within(&self, ms: i64) -> bool {
        is_ready(&self.closed, PollFlags::IN, ms)
    }
}

/// What keys have made of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Typed {
    Line(String),
    /// The command that leaves.
    Quit(String),
    /// Ctrl-D on an empty line.
    End,
}

/// Reads keys as the simplest of editors does: what moves the cursor is left out, and so is Enter
/// but between two rows.
fn typed(before: &str, keys: &[u8]) -> Typed {
    let (mut text, mut is_pasted) = (before.to_owned(), false);
    let keys = String::from_utf8_lossy(keys);
    let mut keys = keys.chars();
    while let Some(key) = keys.next() {
        match key {
            '\x1b' => match escape_sequence(&mut keys).as_str() {
                "[200~" => is_pasted = true,
                "[201~" => is_pasted = false,
                "\r" => text.push('\n'),
                _ => {}
            },
            '\r' | '\n' => {
                let row = text.rsplit('\n').next().unwrap_or_default();
                if !is_pasted && command::parse_line(row) == Ok(ParsedLine::Command(Command::Quit)) {
                    return Typed::Quit(row.to_owned());
                }
                text.push('\n');
            }
            '\x04' if text.is_empty() => return Typed::End,
            '\x03' | '\x15' => text.clear(),
            '\x08' | '\x7f' => _ = text.pop(),
            key if key.is_control() => {}
            key => text.push(key),
        }
    }
    text.truncate(text.trim_end_matches('\n').len());
    Typed::Line(text)
}

/// The rest of an escape sequence (ECMA-48): up to its final byte, or one character.
fn escape_sequence(keys: &mut impl Iterator<Item = char>) -> String {
    let mut sequence: String = keys.next().into_iter().collect();
    if sequence == "[" {
        for key in keys {
            sequence.push(key);
            if ('\x40'..='\x7e').contains(&key) {
                break;
            }
        }
    } else if sequence == "O" {
        sequence.extend(keys.next());
    }
    sequence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_changes_the_end_of_a_line() {
        for (before, after) in [("", "안"), ("안녕", "안"), ("abc", "xy"), ("a", "ab\nc")] {
            assert_eq!(TypedUnseen::between(before, after).applied_to(before), after);
        }
        assert_eq!(TypedUnseen::between("ab", "ac").applied_to("ab!"), "abc");
    }

    #[test]
    fn keys_that_nobody_saw_make_a_line_and_only_an_end_is_carried_out() {
        let line = |text: &str| Typed::Line(text.to_owned());
        for (before, keys, wanted) in [
            ("", "안녕\r", line("안녕")),
            ("안", "녕\x7f녕하\x1b[D\x1bOC세요\rhi\r", line("안녕하세요\nhi")),
            (":quit", "\x1b\r:q", line(":quit\n:q")),
            (":qu", "it\r", Typed::Quit(":quit".to_owned())),
            ("ab\n:qu", "it \r", Typed::Quit(":quit ".to_owned())),
            ("", "\x1b[200~:quit\r\x1b[201~", line(":quit")),
            ("x", "\x04", line("x")),
            ("x", "\x03\x04", Typed::End),
            ("", ":quite\r", line(":quite")),
        ] {
            assert_eq!(typed(before, keys.as_bytes()), wanted, "{before:?} {keys:?}");
        }
    }
}
