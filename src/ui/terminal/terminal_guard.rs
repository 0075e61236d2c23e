//! The terminal's modes and title as they were, given back at the end, by a panic and to other programs. Between two
//! lines the terminal neither edits nor echoes: keys pressed in that moment wait for the next line, as they are.

use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rustix::termios::{InputModes, LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::title::TitleBar;

/// What the panic hook gives back: a hook has no other way to know.
static AT_PANIC: Mutex<Option<Termios>> = Mutex::new(None);
static HOOK: Once = Once::new();

pub(crate) struct SavedTerminal {
    modes: Termios,
    title: Mutex<TitleBar>,
}

impl SavedTerminal {
    pub(crate) fn take(title: TitleBar) -> io::Result<Self> {
        let modes = tcgetattr(io::stdin())?;
        *AT_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(modes.clone());
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if std::thread::current().name() == Some(super::EDITOR) {
                    return;
                }
                if let Some(modes) = AT_PANIC.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                    give_back(modes);
                }
                before(panic);
            }));
        });
        let saved = Self { modes, title: Mutex::new(title) };
        saved.hold();
        Ok(saved)
    }

    /// The modes between two lines: rustyline goes back to them after each.
    pub(crate) fn hold(&self) {
        let mut modes = self.modes.clone();
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        modes.input_modes -= InputModes::ICRNL | InputModes::INLCR | InputModes::IXON;
        // A terminal that is gone needs no modes.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
    }

    /// The modes that other programs expect, and the title that was there. The next painting of a prompt takes it.
    pub(crate) fn lend(&self) {
        give_back(&self.modes);
        let title = self.title().give_back();
        let mut out = io::stdout();
        let _ = out.write_all(title.as_bytes()).and_then(|()| out.flush());
    }

    /// The title, which the painting of a prompt changes.
    pub(crate) fn title(&self) -> MutexGuard<'_, TitleBar> {
        self.title.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the program for the shell, with the terminal as the shell had it, and takes it again afterwards.
    pub(crate) fn suspend(&self) {
        let Ok(editing) = tcgetattr(io::stdin()) else { return };
        self.lend();
        super::suspend::stop();
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &editing);
        let mut out = io::stdout();
        let _ = out.write_all(b"\x1b[?2004h").and_then(|()| out.flush());
    }

    pub(crate) fn restore(&self) {
        self.lend();
        *AT_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The modes, and bracketed paste off. A terminal that is gone needs neither.
fn give_back(modes: &Termios) {
    let _ = tcsetattr(io::stdin(), OptionalActions::Drain, modes);
    let mut out = io::stdout();
    let _ = out.write_all(b"\x1b[?2004l").and_then(|()| out.flush());
}
