//! Interruption of runs by signals. The first stops a run at its next line or out of its wait, so
//! that its homes are removed; a second ends the process at once.

use std::io;
use std::sync::OnceLock;

use crate::net::process::SignalFlag;

static SIGNAL: OnceLock<SignalFlag> = OnceLock::new();

/// Remembers signals from now on, instead of ending the process.
pub(crate) fn catch() -> io::Result<()> {
    if SIGNAL.get().is_none() {
        // Scripts are played one after the other, so no other thread sets it.
        let _ = SIGNAL.set(SignalFlag::start()?);
    }
    Ok(())
}

/// Whether a signal came.
pub(crate) fn came() -> bool {
    number().is_some()
}

/// Exit code for the signal that came.
pub(crate) fn exit_code() -> u8 {
    number().map_or(0, |number| number.saturating_add(128))
}

fn number() -> Option<u8> {
    SIGNAL.get().and_then(SignalFlag::number)
}
