//! Key bindings of ours, besides rustyline's, and what they do to the line that is edited.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustyline::history::FileHistory;
use rustyline::{
    Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, KeyCode, KeyEvent, Modifiers,
    RepeatCount,
};

use super::editor_state::EditorShared;
use super::line_edits::LineEdits;

/// A backslash and the end of its line.
const CONTINUATION: &str = "\\\n";

/// Effects of keys on the line that is edited.
#[derive(Default)]
pub(super) struct KeyState {
    edits: Mutex<LineEdits>,
    /// Whether a key was pressed whose effect has not been seen.
    pressed: AtomicBool,
    /// Ctrl-L: the line stands in the first row, as far as no text came above it.
    screen_cleared: AtomicBool,
    to_external_editor: AtomicBool,
    /// Lines that were continued by Enter behind a backslash.
    continuations: AtomicUsize,
}

impl KeyState {
    pub(super) fn edits(&self) -> MutexGuard<'_, LineEdits> {
        self.edits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the last line; the next begins with a text.
    pub(super) fn begin(&self, initial: &str) {
        *self.edits() = LineEdits::of(initial);
        self.screen_cleared.store(false, Ordering::SeqCst);
        self.to_external_editor.store(false, Ordering::SeqCst);
        self.continuations.store(0, Ordering::SeqCst);
    }

    /// Whether a key was pressed since the last call.
    pub(super) fn take_pressed(&self) -> bool {
        self.pressed.swap(false, Ordering::SeqCst)
    }

    pub(super) fn is_screen_cleared(&self) -> bool {
        self.screen_cleared.load(Ordering::SeqCst)
    }

    pub(super) fn is_for_external_editor(&self) -> bool {
        self.to_external_editor.load(Ordering::SeqCst)
    }

    /// The line without the backslashes that continued it. Those of a pasted text are its own.
    pub(super) fn without_continuations(&self, line: &str) -> String {
        if line.matches(CONTINUATION).count() <= self.continuations.load(Ordering::SeqCst) {
            line.replace(CONTINUATION, "\n")
        } else {
            line.to_owned()
        }
    }

    pub(super) fn bind<H: rustyline::Helper>(
        self: &Arc<Self>,
        editor: &mut Editor<H, FileHistory>,
        shared: &Arc<EditorShared>,
    ) {
        editor.bind_sequence(Event::Any, self.on_key(|keys, key, context| keys.edits().key(key, context)));
        let undo = self.on_key(|keys, _, _| keys.edits().undo());
        editor.bind_sequence(Event::KeySeq(vec![KeyEvent::ctrl('X'), KeyEvent::ctrl('U')]), undo);
        // Alt-Enter, as terminals send it: escape, then what Enter sends.
        for code in [KeyCode::Enter, KeyCode::Char('\r'), KeyCode::Char('\n')] {
            editor.bind_sequence(KeyEvent(code, Modifiers::ALT), Cmd::Newline);
        }
        editor.bind_sequence(KeyEvent(KeyCode::Char('J'), Modifiers::CTRL | Modifiers::ALT), Cmd::Newline);
        editor.bind_sequence(KeyEvent(KeyCode::Char('M'), Modifiers::CTRL | Modifiers::ALT), Cmd::Newline);
        // rustyline's own Ctrl-Z would give the shell the modes between two lines.
        let shared = Arc::clone(shared);
        let suspend = self.on_key(move |_, _, _| {
            shared.terminal.suspend();
            Some(Cmd::Repaint)
        });
        editor.bind_sequence(KeyEvent::ctrl('Z'), suspend);
        // Vi mode has no keys for these: clear the screen, leave a search with the line as it was.
        let clear = self.on_key(|keys, _, _| {
            keys.screen_cleared.store(true, Ordering::SeqCst);
            Some(Cmd::ClearScreen)
        });
        editor.bind_sequence(KeyEvent::ctrl('L'), clear);
        editor.bind_sequence(KeyEvent::ctrl('G'), Cmd::Abort);
        let enter = self.on_key(|keys, _, context| {
            is_continued(context).then(|| {
                keys.continuations.fetch_add(1, Ordering::SeqCst);
                Cmd::Newline
            })
        });
        editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::NONE), enter);
        // As in bash.
        let edit = self.on_key(|keys, _, _| {
            keys.to_external_editor.store(true, Ordering::SeqCst);
            Some(Cmd::AcceptLine)
        });
        editor.bind_sequence(Event::KeySeq(vec![KeyEvent::ctrl('X'), KeyEvent::ctrl('E')]), edit);
    }

    fn on_key(
        self: &Arc<Self>,
        command: impl Fn(&Self, &Event, &EventContext<'_>) -> Option<Cmd> + Send + Sync + 'static,
    ) -> EventHandler {
        EventHandler::Conditional(Box::new(KeyHandler { keys: Arc::clone(self), command }))
    }
}

/// Whether Enter continues the line, as in a shell, behind a backslash that no other one escapes.
fn is_continued(context: &EventContext<'_>) -> bool {
    let line = context.line();
    let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
    let is_command = line.starts_with(':') && !line.starts_with("::");
    backslashes % 2 == 1 && context.pos() == line.len() && !is_command
}

/// Closure as rustyline's handler of a key.
struct KeyHandler<F> {
    keys: Arc<KeyState>,
    command: F,
}

impl<F> ConditionalEventHandler for KeyHandler<F>
where
    F: Fn(&KeyState, &Event, &EventContext<'_>) -> Option<Cmd> + Send + Sync,
{
    fn handle(&self, key: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        self.keys.pressed.store(true, Ordering::SeqCst);
        (self.command)(&self.keys, key, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_backslashes_that_were_typed_to_go_on_are_taken_away() {
        let keys = KeyState::default();
        assert_eq!(keys.without_continuations("a \\\n b"), "a \\\n b", "a pasted script");
        keys.continuations.store(1, Ordering::SeqCst);
        assert_eq!(keys.without_continuations("a \\\n b"), "a \n b");
        let pasted = "a \\\n b \\\n c";
        assert_eq!(keys.without_continuations(pasted), pasted, "one of them was pasted");
        keys.begin("");
        assert_eq!(keys.without_continuations("C:\\"), "C:\\");
    }
}
