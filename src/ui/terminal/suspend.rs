//! Ctrl-Z. The terminal is given back, the whole process group signalled and the terminal taken again as soon as
//! `kill` returns. Only the thread that calls it is sure to be stopped by then (POSIX, `kill`), and only if no
//! other thread can take the signal; else the shell gets a raw terminal. So all others block it.

use std::io;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

/// Keeps the stop signal from this thread and from those it starts. To be called before any is started.
pub(crate) fn leave_to_editor() -> io::Result<()> {
    Ok(SigSet::from(Signal::SIGTSTP).thread_block()?)
}

/// Takes the signal here, in the editor's thread.
pub(crate) fn take_here() -> io::Result<()> {
    Ok(SigSet::from(Signal::SIGTSTP).thread_unblock()?)
}

/// Stops everybody in the process group, and comes back when the shell says so.
pub(crate) fn stop() {
    // Should that fail, nothing is stopped.
    let _ = kill(Pid::from_raw(0), Signal::SIGTSTP);
}
