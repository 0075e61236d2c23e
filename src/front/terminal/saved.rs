//! The terminal's modes as they were, given back at the end and by a panic.

use std::io::{self, Write as _};
use std::sync::{Mutex, Once, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// What the panic hook gives back: a hook has no other way to know.
static AT_PANIC: Mutex<Option<Termios>> = Mutex::new(None);
static HOOK: Once = Once::new();

pub(super) struct SavedTerminal(Termios);

impl SavedTerminal {
    pub(super) fn take() -> io::Result<Self> {
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
        Ok(Self(modes))
    }

    pub(super) fn restore(&self) {
        give_back(&self.0);
        *AT_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The modes, and bracketed paste off. A terminal that is gone needs neither.
fn give_back(modes: &Termios) {
    let _ = tcsetattr(io::stdin(), OptionalActions::Drain, modes);
    let mut out = io::stdout();
    let _ = out.write_all(b"\x1b[?2004l").and_then(|()| out.flush());
}
