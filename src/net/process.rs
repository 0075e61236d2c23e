//! The process: what it inherits and may leave behind (limits, descriptors, core files), and its
//! termination signals (SIGHUP, SIGINT, SIGTERM), as events or as a flag; and SIGCONT.

use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use mio::Waker;
use nix::sys::signal::SigSet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals as SignalIterator};

/// Raises the soft limit of open descriptors to the hard one and returns the limit now in force;
/// `None` is no limit. Only for processes without a line editor, whose `select` cannot see
/// descriptors past 1,023.
///
/// # Errors
/// The system's refusal; the old limit then still holds.
pub fn raise_fd_limit() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(getrlimit(Resource::Nofile).current)
}

/// Disables core files, and reading the memory of the process by others of the same user: both
/// would hold keys.
///
/// # Errors
/// The system's refusal; giving up a right is always allowed.
pub fn disable_core_dumps() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // A core file that is piped to a program knows no limit, and a debugger needs none.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Lets a write beyond the limit of a file's size fail (`EFBIG`), so that the reason can be told:
/// SIGXFSZ would end the process. A command that is started from here finds the signal as usual.
///
/// # Errors
/// When the system refuses the handler.
pub fn catch_file_size_limit() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// Descriptors from 3 up that the process has inherited. Only before it opens any of its own.
#[must_use]
pub fn inherited_descriptors() -> Vec<RawFd> {
    let Ok(listed) = fs::read_dir("/dev/fd") else { return Vec::new() };
    let numbers: Vec<RawFd> =
        listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    // The folder itself was open while it was listed, and is no more.
    let is_open = |number: &RawFd| fs::symlink_metadata(format!("/dev/fd/{number}")).is_ok();
    numbers.into_iter().filter(|number| *number > 2 && is_open(number)).collect()
}

/// Closes inherited descriptors, so that no command that is started from here sees them. Each only
/// once: its number may be another's afterwards.
pub fn close_descriptors(descriptors: Vec<RawFd>) {
    for descriptor in descriptors {
        // One that is closed already does no harm.
        let _ = nix::unistd::close(descriptor);
    }
}

/// Lets the signals that a terminal or a service manager sends to a whole process group pass, for a
/// process that ends with another one of the group. A program that is started from here finds them
/// as usual: what is ignored already stays ignored.
///
/// # Errors
/// When the system refuses the handlers.
pub fn outlive_signals() -> io::Result<()> {
    // Who started it may have blocked some.
    SigSet::all().thread_unblock()?;
    let signals = heeded_of([SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTERM]);
    signals.into_iter().try_for_each(|signal| flag::register(signal, Arc::default()).map(drop))
}

/// Signal that asks the program to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIGHUP: the terminal is gone.
    HangUp,
    /// SIGINT: Ctrl-C where no editor has the terminal.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// The signal's number, for the exit code.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::HangUp => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}

/// Receiving end of the signals. From [`Signals::start`] on, none of them ends the process by
/// itself, not even after this is dropped: the line editor restores the handler that it found,
/// which must not be the default one. SIGPIPE is ignored by every Rust program; a closed pipe is an
/// error of `write`.
#[derive(Debug)]
pub struct Signals {
    events: Receiver<Signal>,
    continued: Arc<AtomicBool>,
    iterator: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Signals {
    /// Begins to catch. A SIGHUP or SIGINT that is ignored already stays ignored.
    ///
    /// # Errors
    /// When the system refuses the handlers or the thread.
    pub fn start(waker: Arc<Waker>) -> io::Result<Self> {
        let mut caught = SignalIterator::new(caught_signals().into_iter().chain([SIGCONT]))?;
        let iterator = caught.handle();
        let (sender, events) = channel();
        let continued = Arc::new(AtomicBool::new(false));
        let goes_on = Arc::clone(&continued);
        let thread = thread::Builder::new().name("signals".into()).spawn(move || {
            for number in &mut caught {
                let signal = match number {
                    SIGCONT => {
                        goes_on.store(true, Ordering::SeqCst);
                        if waker.wake().is_err() {
                            return;
                        }
                        continue;
                    }
                    SIGHUP => Signal::HangUp,
                    SIGINT => Signal::Interrupt,
                    _ => Signal::Terminate,
                };
                if sender.send(signal).is_err() || waker.wake().is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { events, continued, iterator, thread: Some(thread) })
    }

    /// Whether the process was stopped and goes on, since the last call.
    #[must_use]
    pub fn take_continued(&self) -> bool {
        self.continued.swap(false, Ordering::SeqCst)
    }

    /// The next signal, if there is one; never waits.
    #[must_use]
    pub fn next(&self) -> Option<Signal> {
        self.events.try_recv().ok()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.iterator.close();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its hook.
            let _ = thread.join();
        }
    }
}

/// Flag that the first signal sets, for a program that looks at it from time to time.
#[derive(Debug)]
pub struct SignalFlag(Arc<AtomicUsize>);

/// What a second signal does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecondSignal {
    /// It ends the process at once.
    EndsProcess,
    /// Nothing: the process has others to end first.
    IsIgnored,
}

impl SignalFlag {
    /// Begins to catch, until the process ends. A SIGHUP or SIGINT that is ignored already stays
    /// ignored.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn start(second: SecondSignal) -> io::Result<Self> {
        let number = Arc::new(AtomicUsize::new(0));
        let again = Arc::new(AtomicBool::new(false));
        for signal in caught_signals() {
            // In this order: no signal is lost that comes meanwhile, and the shutdown must not see
            // what the same signal sets.
            flag::register_usize(signal, Arc::clone(&number), usize::try_from(signal).unwrap_or_default())?;
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
            if second == SecondSignal::EndsProcess {
                flag::register(signal, Arc::clone(&again))?;
            }
        }
        Ok(Self(number))
    }

    /// The signal's number, once one has come.
    #[must_use]
    pub fn number(&self) -> Option<u8> {
        u8::try_from(self.0.load(Ordering::SeqCst)).ok().filter(|number| *number > 0)
    }
}

/// SIGTERM, and those of SIGHUP and SIGINT that the starter of the program did not have ignored:
/// `nohup` does the one, a shell without job control the other for what it runs in the background.
fn caught_signals() -> Vec<i32> {
    heeded_of([SIGHUP, SIGINT]).into_iter().chain([SIGTERM]).collect()
}

/// Those of some signals that are not ignored.
fn heeded_of<const N: usize>(signals: [i32; N]) -> Vec<i32> {
    // Asking the system itself needs unsafe code. Without `/proc` they count as not ignored.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    signals.into_iter().filter(|signal| !is_ignored(&status, *signal)).collect()
}

/// proc(5): `SigIgn` is a mask in hexadecimal, the lowest bit is signal 1.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_mask_of_the_process() {
        let status = "Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n";
        assert!(is_ignored(status, SIGHUP));
        assert!(!is_ignored(status, SIGINT));
        assert!(!is_ignored("Name:\tx\n", SIGHUP));
        assert!(!is_ignored("SigIgn:\tnonsense\n", SIGHUP));
    }
}
