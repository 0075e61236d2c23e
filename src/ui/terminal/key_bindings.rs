//! Key bindings of the line, and their effects on it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustyline::history::FileHistory;
use rustyline::{Cmd, Editor, Event, EventContext, Helper, KeyCode, KeyEvent, Modifiers};

use super::editor_state::EditorShared;
use super::key_handler::{is_continued, on_key};
use super::line_edits::LineEdits;

/// A backslash and the end of its line.
const CONTINUATION: &str = "\\\n";

/// Binds our own keys, besides rustyline's.
pub(super) fn bind<H: Helper>(
    editor: &mut Editor<H, FileHistory>,
    keys: &Arc<KeyState>,
    shared: &Arc<EditorShared>,
) {
    let state = Arc::clone(keys);
    editor.bind_sequence(Event::Any, on_key(move |key, context| state.edits().key(key, context)));
    let state = Arc::clone(keys);
    let undo = on_key(move |_, _| state.edits().undo());
    editor.bind_sequence(Event::KeySeq(vec![KeyEvent::ctrl('X'), KeyEvent::ctrl('U')]), undo);
    // Alt-Enter, as terminals send it: escape, then what Enter sends.
    for code in [KeyCode::Enter, KeyCode::Char('\r'), KeyCode::Char('\n')] {
        editor.bind_sequence(KeyEvent(code, Modifiers::ALT), Cmd::Newline);
    }
    editor.bind_sequence(KeyEvent(KeyCode::Char('J'), Modifiers::CTRL | Modifiers::ALT), Cmd::Newline);
    editor.bind_sequence(KeyEvent(KeyCode::Char('M'), Modifiers::CTRL | Modifiers::ALT), Cmd::Newline);
    // rustyline's own Ctrl-Z would give the shell the modes between two lines.
    let suspended = Arc::clone(shared);
    let suspend = on_key(move |_, context| {
        let (size, wrap) = (suspended.sizes.layout(), suspended.row_wrap());
        suspended.row_above().remove(before_cursor(context), size, wrap);
        suspended.terminal.suspend();
        suspended.sizes.note_settled();
        Some(Cmd::Repaint)
    });
    editor.bind_sequence(KeyEvent::ctrl('Z'), suspend);
    // Vi mode has no keys for these: clear the screen, leave a search with the line as it was.
    let (state, shared) = (Arc::clone(keys), Arc::clone(shared));
    let clear = on_key(move |_, context| {
        state.screen_cleared.store(true, Ordering::SeqCst);
        // Some terminals keep what they clear.
        shared.row_above().remove(before_cursor(context), shared.sizes.layout(), shared.row_wrap());
        Some(Cmd::ClearScreen)
    });
    editor.bind_sequence(KeyEvent::ctrl('L'), clear);
    editor.bind_sequence(KeyEvent::ctrl('G'), Cmd::Abort);
    let state = Arc::clone(keys);
    let enter = on_key(move |_, context| {
        is_continued(context).then(|| {
            state.continuations.fetch_add(1, Ordering::SeqCst);
            Cmd::Newline
        })
    });
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::NONE), enter);
    // As in bash.
    let state = Arc::clone(keys);
    let edit = on_key(move |_, _| {
        state.to_external_editor.store(true, Ordering::SeqCst);
        Some(Cmd::AcceptLine)
    });
    editor.bind_sequence(Event::KeySeq(vec![KeyEvent::ctrl('X'), KeyEvent::ctrl('E')]), edit);
}

/// Effects of keys on the line that is edited.
#[derive(Default)]
pub(super) struct KeyState {
    edits: Mutex<LineEdits>,
    /// Ctrl-L: the line stands in the first row, as far as no text came above it.
    pub(super) screen_cleared: AtomicBool,
    pub(super) to_external_editor: AtomicBool,
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

    /// The line without the backslashes that continued it. Those of a pasted text are its own.
    pub(super) fn without_continuations(&self, line: &str) -> String {
        if line.matches(CONTINUATION).count() <= self.continuations.load(Ordering::SeqCst) {
            line.replace(CONTINUATION, "\n")
        } else {
            line.to_owned()
        }
    }
}

fn before_cursor<'l>(context: &'l EventContext<'_>) -> &'l str {
    context.line().get(..context.pos()).unwrap_or_else(|| context.line())
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
