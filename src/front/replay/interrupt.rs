//! Ctrl-C while scripts run: the one that is being played stops at its next line.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

static CAME: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on SIGINT is remembered instead of ending the process.
pub(super) fn catch() -> io::Result<()> {
    let flag = Arc::clone(CAME.get_or_init(Arc::default));
    signal_hook::flag::register(signal_hook::consts::SIGINT, flag)?;
    Ok(())
}

/// Whether it came.
pub(super) fn came() -> bool {
    CAME.get().is_some_and(|flag| flag.load(Ordering::SeqCst))
}
