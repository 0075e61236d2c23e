//! Guard of the terminal's modes and title, which it restores at the end, on a panic and on Ctrl-Z.
//!
//! Only the thread that calls `kill` is sure to be stopped when it returns (POSIX, `kill`), and
//! only if no other thread can take the signal; else the shell gets a raw terminal. So every thread
//! but the editor's blocks SIGTSTP.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags};
use rustix::stdio::{dup2_stdin, dup2_stdout};
use rustix::termios::{
    Action, InputModes, LocalModes, OptionalActions, QueueSelector, Termios, tcflow, tcflush, tcgetattr,
    tcsetattr, ttyname,
};

use crate::app::broker::{self, Broker};
use crate::app::{os, output};
use crate::chat::PromptView;
use crate::config::Title;
use crate::text::safe::SafeText;

/// Name of the editor thread. Its panics are caught, and their messages would land in the line.
pub(crate) const EDITOR_THREAD: &str = "editor";

const BRACKETED_PASTE_ON: &str = "\x1b[?2004h";
const BRACKETED_PASTE_OFF: &str = "\x1b[?2004l";

/// Pushes the title that was there onto the terminal's stack (XTWINOPS 22).
const PUSH: &str = "\x1b[22;2t";
/// Empties the title, for terminals without a stack, and pops the old one (XTWINOPS 23).
const POP: &str = "\x1b]2;\x1b\\\x1b[23;2t";

/// Time without room for output after which a terminal counts as stopped, in milliseconds.
const STOPPED_AFTER_MS: i64 = 100;

/// Terminal and modes that the panic hook restores: a hook has no other way to know them.
static MODES_AT_PANIC: Mutex<Option<(OwnedFd, Termios)>> = Mutex::new(None);
static PANIC_HOOK: Once = Once::new();

pub(crate) struct TerminalGuard {
    /// The terminal that keys come from; standard input may be that of the filter.
    keys: OwnedFd,
    modes: Termios,
    title: Mutex<TitleBar>,
    /// Held by whoever reads the terminal: the filter, or another program.
    reading: Mutex<()>,
}

impl TerminalGuard {
    pub(crate) fn acquire(title: TitleBar) -> io::Result<Self> {
        let keys = io::stdin().as_fd().try_clone_to_owned()?;
        let modes = tcgetattr(&keys)?;
        *MODES_AT_PANIC.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((keys.try_clone()?, modes.clone()));
        PANIC_HOOK.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if std::thread::current().name() == Some(EDITOR_THREAD) {
                    return;
                }
                let at_panic = MODES_AT_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((keys, modes)) = at_panic.as_ref() {
                    restore_modes(keys, modes);
                }
                drop(at_panic);
                previous(panic);
            }));
        });
        let guard = Self { keys, modes, title: Mutex::new(title), reading: Mutex::default() };
        guard.set_idle_modes();
        Ok(guard)
    }

    /// Sets the modes between two lines, to which rustyline returns after each: the terminal
    /// neither edits nor echoes, and keys pressed then wait for the next line, as they are.
    pub(crate) fn set_idle_modes(&self) {
        // A terminal that is gone needs no modes.
        let _ = tcsetattr(&self.keys, OptionalActions::Now, &self.idle_modes());
    }

    /// The modes between two lines.
    pub(crate) fn idle_modes(&self) -> Termios {
        let mut modes = self.modes.clone();
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        modes.input_modes -= InputModes::ICRNL | InputModes::INLCR | InputModes::IXON;
        modes
    }

    /// The terminal that keys come from.
    pub(crate) fn keys(&self) -> BorrowedFd<'_> {
        self.keys.as_fd()
    }

    /// Restores modes and title for another program. The next prompt sets the title again.
    pub(crate) fn release(&self) {
        restore_modes(&self.keys, &self.modes);
        let title = self.title().restore();
        write_control(title);
    }

    /// The right to read the terminal.
    pub(crate) fn reading(&self) -> MutexGuard<'_, ()> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The title, which the painting of a prompt updates.
    pub(crate) fn title(&self) -> MutexGuard<'_, TitleBar> {
        self.title.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the process group with the shell's own modes, and returns to the line when continued.
    pub(crate) fn suspend(&self) {
        let Ok(editing) = tcgetattr(&self.keys) else { return };
        self.release();
        let stopped = broker::of_process().map(Broker::suspend);
        if stopped.is_none_or(|stopped| stopped.is_err()) {
            // Should that fail, nothing is stopped.
            let _ = kill(Pid::from_raw(0), Signal::SIGTSTP);
        }
        let _ = tcsetattr(&self.keys, OptionalActions::Now, &editing);
        write_control(BRACKETED_PASTE_ON);
    }

    /// Releases the terminal for good.
    pub(crate) fn restore(&self) {
        self.release();
        *MODES_AT_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Blocks the signals that one thread is to take, in this thread and in those that it starts; to be
/// called before any is started.
pub(crate) fn block_signals() -> io::Result<()> {
    let signals: SigSet = [Signal::SIGTSTP, Signal::SIGWINCH].into_iter().collect();
    Ok(signals.thread_block()?)
}

/// Unblocks SIGTSTP in this thread, which is the editor's.
pub(crate) fn unblock_sigtstp() -> io::Result<()> {
    Ok(SigSet::from(Signal::SIGTSTP).thread_unblock()?)
}

/// Restores the modes and turns bracketed paste off. A terminal that is gone needs neither.
fn restore_modes(keys: impl AsFd, modes: &Termios) {
    // One that takes nothing is not waited for.
    let when = if is_stopped() { OptionalActions::Now } else { OptionalActions::Drain };
    let _ = tcsetattr(keys, when, modes);
    write_control(BRACKETED_PASTE_OFF);
}

fn write_control(sequence: &str) {
    if !is_stopped() {
        let _ = os::print(sequence);
    }
}

/// Whether the terminal takes no output, for longer than a busy one.
pub(crate) fn is_stopped() -> bool {
    !output::is_writable(&io::stdout(), STOPPED_AFTER_MS)
}

/// Drops the output that the terminal has not taken, and whoever waits to write goes on.
pub(crate) fn discard_output() {
    // A terminal that is gone has none.
    let _ = tcflow(io::stdout(), Action::OOn);
    let _ = tcflush(io::stdout(), QueueSelector::OFlush);
}

/// Opens the terminal anew for standard input and output: other programs that share the inherited
/// descriptors may make them non-blocking, and the line editor cannot wait. Where it cannot be
/// opened, those that were inherited stay.
pub(crate) fn own_descriptors() {
    if let Ok(terminal) = reopened(io::stdin(), OFlags::empty()) {
        let _ = dup2_stdin(terminal);
    }
    if let Ok(terminal) = reopened(io::stdout(), OFlags::empty()) {
        let _ = dup2_stdout(terminal);
    }
}

/// The terminal, opened anew.
pub(crate) fn reopened(terminal: impl AsFd, more: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | more;
    rustix::fs::open(ttyname(terminal, Vec::new())?, flags, Mode::empty())
}

/// Title of the terminal (OSC 2, XTWINOPS): the addressed peer and the number of unread messages.
///
/// Never a word of a message: a title stands in lists of windows, and on screens that are shared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TitleBar {
    /// Not asked for, or the terminal has none.
    Disabled,
    /// As it was before this program.
    Original,
    /// Set to this text.
    Set(String),
}

impl TitleBar {
    pub(crate) fn new(setting: Title) -> Self {
        // The console has no title, and old ones print what they do not know.
        let console = std::env::var("TERM").is_ok_and(|term| term == "linux");
        if setting == Title::Kept && !console { Self::Original } else { Self::Disabled }
    }

    /// The sequence that sets the title to that of a prompt, if it is another one.
    pub(crate) fn update(&mut self, prompt: &PromptView) -> Option<String> {
        let title = title_of(prompt);
        let push = match self {
            Self::Disabled => return None,
            Self::Set(shown) if *shown == title => return None,
            Self::Set(_) => "",
            Self::Original => PUSH,
        };
        let sequence = format!("{push}\x1b]2;{title}\x1b\\");
        *self = Self::Set(title);
        Some(sequence)
    }

    /// The sequence that restores the original title.
    pub(crate) fn restore(&mut self) -> &'static str {
        if !matches!(self, Self::Set(_)) {
            return "";
        }
        *self = Self::Original;
        POP
    }
}

fn title_of(prompt: &PromptView) -> String {
    let peer = prompt.addressed.as_ref().map(|to| format!(": {}", to.name)).unwrap_or_default();
    let unread = if prompt.unread == 0 { String::new() } else { format!(" ({})", prompt.unread) };
    // A name is safe by itself; this is the last moment to be sure of it.
    SafeText::line(&format!("rsachat{peer}{unread}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{AddressedView, LineStart, Presence, TrustLevel};

    fn prompt(addressed: Option<&str>, unread: usize) -> PromptView {
        let addressed = addressed.map(|name| AddressedView {
            name: name.to_owned(),
            trust_level: Some(TrustLevel::Unverified),
            presence: Presence::Here,
        });
        PromptView {
            own_name: "alice".to_owned(),
            addressed,
            waiting: 3,
            unread,
            unread_of: Vec::new(),
            has_others: false,
            start: LineStart::default(),
        }
    }

    #[test]
    fn a_title_is_pushed_once_changed_when_it_differs_and_given_back() {
        let mut bar = TitleBar::Original;
        assert_eq!(bar.restore(), "", "a title that was never set is left alone");
        assert_eq!(bar.update(&prompt(None, 0)).unwrap(), format!("{PUSH}\x1b]2;rsachat\x1b\\"));
        assert_eq!(bar.update(&prompt(Some("밥"), 2)).unwrap(), "\x1b]2;rsachat: 밥 (2)\x1b\\");
        assert_eq!(bar.update(&prompt(Some("밥"), 2)), None);
        assert_eq!((bar.restore(), bar.restore()), (POP, ""));
        assert!(bar.update(&prompt(Some("밥"), 2)).unwrap().starts_with(PUSH), "and after Ctrl-Z anew");
        assert_eq!(TitleBar::new(Title::Untouched).update(&prompt(None, 0)), None);
    }

    #[test]
    fn a_title_cannot_be_left_by_a_name() {
        let mut bar = TitleBar::Set(String::new());
        let bytes = bar.update(&prompt(Some("a\x1b\\\x07b"), 0)).unwrap();
        assert_eq!(bytes, "\x1b]2;rsachat: a\\u{1b}\\\\u{7}b\x1b\\");
    }
}
