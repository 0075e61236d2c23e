//! Signals while scripts run: the one that is being played stops at its next line, or out of its wait.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use crate::net::signals::Signal;

static CAME: OnceLock<Arc<AtomicBool>> = OnceLock::new();
/// The number of the signal that ended a wait; 0 is none.
static HEARD: AtomicU8 = AtomicU8::new(0);

/// From now on SIGINT is remembered instead of ending the process.
pub(super) fn catch() -> io::Result<()> {
    let flag = Arc::clone(CAME.get_or_init(Arc::default));
    signal_hook::flag::register(signal_hook::consts::SIGINT, flag)?;
    Ok(())
}

/// A signal has ended a wait.
pub(super) fn heard(signal: Signal) {
    HEARD.store(signal.number(), Ordering::SeqCst);
}

/// Whether one came.
pub(super) fn came() -> bool {
    HEARD.load(Ordering::SeqCst) != 0 || CAME.get().is_some_and(|flag| flag.load(Ordering::SeqCst))
}

/// The exit code of the one that came.
pub(super) fn code() -> u8 {
    match HEARD.load(Ordering::SeqCst) {
        0 => Signal::Interrupt.number() + 128,
        number => number.saturating_add(128),
    }
}
