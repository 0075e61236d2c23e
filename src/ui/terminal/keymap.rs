//! Keys of ours besides those of rustyline: lines of a text, and the way to an external editor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustyline::history::FileHistory;
use rustyline::{
    Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, KeyCode, KeyEvent, Modifiers,
    RepeatCount,
};

use super::helper::Helper;
use super::terminal_guard::SavedTerminal;

/// A backslash and the end of its line.
const CONTINUED: &str = "\\\n";

/// What was pressed while a line was typed.
#[derive(Clone, Default)]
pub(crate) struct KeyState {
    /// The line is to be taken along to an external editor.
    to_editor: Arc<AtomicBool>,
    /// How often Enter went on behind a backslash.
    continued: Arc<AtomicUsize>,
}

impl KeyState {
    /// Before each line.
    pub(crate) fn clear(&self) {
        self.to_editor.store(false, Ordering::SeqCst);
        self.continued.store(0, Ordering::SeqCst);
    }

    pub(crate) fn is_for_editor(&self) -> bool {
        self.to_editor.load(Ordering::SeqCst)
    }

    /// The line without the backslashes that only joined it. Those of a pasted text are its own.
    pub(crate) fn joined(&self, line: &str) -> String {
        if line.matches(CONTINUED).count() <= self.continued.load(Ordering::SeqCst) {
            line.replace(CONTINUED, "\n")
        } else {
            line.to_owned()
        }
    }
}

/// Binds the keys.
pub(crate) fn bind(editor: &mut Editor<Helper, FileHistory>, pressed: &KeyState, saved: &Arc<SavedTerminal>) {
    // Alt-Enter, as terminals send it: escape, then what Enter sends.
    for code in [KeyCode::Enter, KeyCode::Char('\r'), KeyCode::Char('\n')] {
        editor.bind_sequence(KeyEvent(code, Modifiers::ALT), Cmd::Newline);
    }
    editor.bind_sequence(KeyEvent(KeyCode::Char('J'), Modifiers::CTRL | Modifiers::ALT), Cmd::Newline);
    editor.bind_sequence(KeyEvent(KeyCode::Char('M'), Modifiers::CTRL | Modifiers::ALT), Cmd::Newline);
    let stop = EventHandler::Conditional(Box::new(Stop(Arc::clone(saved))));
    editor.bind_sequence(KeyEvent::ctrl('Z'), stop);
    // The keys of vi have none for these: a clean screen, and out of a search with the line as it was.
    editor.bind_sequence(KeyEvent::ctrl('L'), Cmd::ClearScreen);
    editor.bind_sequence(KeyEvent::ctrl('G'), Cmd::Abort);
    let enter = EventHandler::Conditional(Box::new(Continue(pressed.clone())));
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::NONE), enter);
    let keys = vec![KeyEvent::ctrl('X'), KeyEvent::ctrl('E')];
    editor
        .bind_sequence(Event::KeySeq(keys), EventHandler::Conditional(Box::new(TakeAlong(pressed.clone()))));
}

/// Enter behind a backslash goes on in a new line, as in a shell. Two of them are two.
struct Continue(KeyState);

impl ConditionalEventHandler for Continue {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let line = context.line();
        let slashes = line.chars().rev().take_while(|c| *c == '\\').count();
        let command = line.starts_with(':') && !line.starts_with("::");
        let goes_on = slashes % 2 == 1 && context.pos() == line.len() && !command;
        goes_on.then(|| {
            self.0.continued.fetch_add(1, Ordering::SeqCst);
            Cmd::Newline
        })
    }
}

/// Ctrl-Z. rustyline's own would give the shell the modes between two lines.
struct Stop(Arc<SavedTerminal>);

impl ConditionalEventHandler for Stop {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.suspend();
        Some(Cmd::Repaint)
    }
}

/// Ctrl-X Ctrl-E, as in bash.
struct TakeAlong(KeyState);

impl ConditionalEventHandler for TakeAlong {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.to_editor.store(true, Ordering::SeqCst);
        Some(Cmd::AcceptLine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_backslashes_that_were_typed_to_go_on_are_taken_away() {
        let pressed = KeyState::default();
        assert_eq!(pressed.joined("a \\\n b"), "a \\\n b", "a pasted script");
        pressed.continued.store(1, Ordering::SeqCst);
        assert_eq!(pressed.joined("a \\\n b"), "a \n b");
        assert_eq!(pressed.joined("a \\\n b \\\n c"), "a \\\n b \\\n c", "one of them was pasted");
        pressed.clear();
        assert_eq!(pressed.joined("C:\\"), "C:\\");
    }
}
