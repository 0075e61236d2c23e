//! Key bindings besides rustyline's own: newlines, suspension, and the external editor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustyline::history::FileHistory;
use rustyline::{
    Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, KeyCode, KeyEvent, Modifiers,
    RepeatCount,
};

/// A backslash and the end of its line.
const CONTINUATION: &str = "\\\n";

/// Effects of our own keys on the line that is edited.
#[derive(Default)]
pub(crate) struct KeyState {
    to_external_editor: AtomicBool,
    /// Lines that were continued by Enter behind a backslash.
    continuations: AtomicUsize,
}

impl KeyState {
    /// Forgets the last line.
    pub(crate) fn clear(&self) {
        self.to_external_editor.store(false, Ordering::SeqCst);
        self.continuations.store(0, Ordering::SeqCst);
    }

    pub(crate) fn is_for_external_editor(&self) -> bool {
        self.to_external_editor.load(Ordering::SeqCst)
    }

    /// The line without the backslashes that continued it. Those of a pasted text are its own.
    pub(crate) fn without_continuations(&self, line: &str) -> String {
        if line.matches(CONTINUATION).count() <= self.continuations.load(Ordering::SeqCst) {
            line.replace(CONTINUATION, "\n")
        } else {
            line.to_owned()
        }
    }
}

/// Binds our own keys.
pub(crate) fn bind<H: rustyline::Helper>(
    editor: &mut Editor<H, FileHistory>,
    keys: &Arc<KeyState>,
    suspend: impl Fn() + Send + Sync + 'static,
) {
    // Alt-Enter, as terminals send it: escape, then what Enter sends.
    for code in [KeyCode::Enter, KeyCode::Char('\r'), KeyCode::Char('\n')] {
        editor.bind_sequence(KeyEvent(code, Modifiers::ALT), Cmd::Newline);
    }
    editor.bind_sequence(KeyEvent(KeyCode::Char('J'), Modifiers::CTRL | Modifiers::ALT), Cmd::Newline);
    editor.bind_sequence(KeyEvent(KeyCode::Char('M'), Modifiers::CTRL | Modifiers::ALT), Cmd::Newline);
    // rustyline's own Ctrl-Z would give the shell the modes between two lines.
    let suspend = on_key(move |_| {
        suspend();
        Some(Cmd::Repaint)
    });
    editor.bind_sequence(KeyEvent::ctrl('Z'), suspend);
    // Vi mode has no keys for these: clear the screen, and leave a search with the line as it was.
    editor.bind_sequence(KeyEvent::ctrl('L'), Cmd::ClearScreen);
    editor.bind_sequence(KeyEvent::ctrl('G'), Cmd::Abort);
    let state = Arc::clone(keys);
    let enter = on_key(move |context| {
        is_continued(context).then(|| {
            state.continuations.fetch_add(1, Ordering::SeqCst);
            Cmd::Newline
        })
    });
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::NONE), enter);
    // As in bash.
    let state = Arc::clone(keys);
    let edit = on_key(move |_| {
        state.to_external_editor.store(true, Ordering::SeqCst);
        Some(Cmd::AcceptLine)
    });
    editor.bind_sequence(Event::KeySeq(vec![KeyEvent::ctrl('X'), KeyEvent::ctrl('E')]), edit);
}

/// Whether Enter continues the line, as in a shell, behind a backslash that no other one escapes.
fn is_continued(context: &EventContext<'_>) -> bool {
    let line = context.line();
    let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
    let is_command = line.starts_with(':') && !line.starts_with("::");
    backslashes % 2 == 1 && context.pos() == line.len() && !is_command
}

fn on_key(command: impl Fn(&EventContext<'_>) -> Option<Cmd> + Send + Sync + 'static) -> EventHandler {
    EventHandler::Conditional(Box::new(KeyHandler(command)))
}

/// Closure as rustyline's handler of a key.
struct KeyHandler<F>(F);

impl<F: Fn(&EventContext<'_>) -> Option<Cmd> + Send + Sync> ConditionalEventHandler for KeyHandler<F> {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        (self.0)(context)
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
        assert_eq!(
            keys.without_continuations("a \\\n b \\\n c"),
            "a \\\n b \\\n c",
            "one of them was pasted"
        );
        keys.clear();
        assert_eq!(keys.without_continuations("C:\\"), "C:\\");
    }
}
