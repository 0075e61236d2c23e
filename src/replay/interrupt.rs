//! Signals while scripts run: the one that is being played stops at its next line, or out of its wait, and its
//! homes are removed. A second signal does not wait for that.

use std::io;
use std::sync::OnceLock;

use crate::net::signals::SignalFlag;

static CAME: OnceLock<SignalFlag> = OnceLock::new();

/// From now on signals are remembered instead of ending the process.
pub(crate) fn catch() -> io::Result<()> {
    if CAME.get().is_none() {
        // Nobody else sets it: scripts are played one after the other.
        let _ = CAME.set(SignalFlag::start()?);
    }
    Ok(())
}

/// Whether one came.
pub(crate) fn came() -> bool {
    number().is_some()
}

/// The exit code of the one that came.
pub(crate) fn code() -> u8 {
    number().map_or(0, |number| number.saturating_add(128))
}

fn number() -> Option<u8> {
    CAME.get().and_then(SignalFlag::number)
}
