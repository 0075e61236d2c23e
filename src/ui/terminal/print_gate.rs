//! Gate between the external printer and the line editor.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Interval at which a waiting printer checks whether the program ends, in milliseconds.
const POLL_MS: u64 = 50;
/// Longest wait of [`PrintGate::close`] for a message that is being printed, in milliseconds.
const CLOSE_WAIT_MS: u64 = 5;

/// Gate for output, closed while no line is edited: another program may have the terminal, and what
/// rustyline's printer writes just as a line begins would stand behind its prompt.
#[derive(Default)]
pub(crate) struct PrintGate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    open: bool,
    printing: bool,
}

impl PrintGate {
    /// Prints once the gate is open, or at once when the program ends.
    pub(crate) fn print<R>(&self, closing: &AtomicBool, print: impl FnOnce() -> R) -> R {
        let mut state = self.lock();
        while !state.open && !closing.load(Ordering::SeqCst) {
            let waited = self.changed.wait_timeout(state, Duration::from_millis(POLL_MS));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.printing = true;
        drop(state);
        let printed = print();
        self.lock().printing = false;
        self.changed.notify_all();
        printed
    }

    /// Opens the gate: a line is painted, and the printer knows how to write above it.
    pub(crate) fn open(&self) {
        let mut state = self.lock();
        if !state.open {
            state.open = true;
            self.changed.notify_all();
        }
    }

    /// Closes the gate. The wait for output under way is short: only the next line empties a full
    /// printer.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        let limit = Duration::from_millis(CLOSE_WAIT_MS);
        drop(self.changed.wait_timeout_while(state, limit, |state| state.printing));
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
