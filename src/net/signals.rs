//! Signals that end the program, as events or remembered. It does not know what ending takes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use mio::Waker;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals as Caught};

/// A signal that asks the program to end.
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
    /// Its number, for the exit code.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::HangUp => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}

/// The receiving end. From [`Signals::start`] on, none of these signals ends the process by itself, not even
/// after this is dropped: the line editor puts back the handler it found, and must find one that does nothing
/// worse. SIGPIPE is ignored by every Rust program; a closed pipe is an error of `write`.
#[derive(Debug)]
pub struct Signals {
    events: Receiver<Signal>,
    catcher: Handle,
}

impl Signals {
    /// Begins to catch. A SIGHUP that is ignored already (`nohup`) stays ignored.
    ///
    /// # Errors
    /// When the system refuses the handlers or the thread.
    pub fn start(waker: Arc<Waker>) -> io::Result<Self> {
        let mut caught = Caught::new(wanted())?;
        let catcher = caught.handle();
        let (sender, events) = channel();
        thread::Builder::new().name("signals".into()).spawn(move || {
            for number in &mut caught {
                let signal = match number {
                    SIGHUP => Signal::HangUp,
                    SIGINT => Signal::Interrupt,
                    _ => Signal::Terminate,
                };
                if sender.send(signal).is_err() || waker.wake().is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { events, catcher })
    }

    /// The next signal, if one came; never waits.
    #[must_use]
    pub fn next(&self) -> Option<Signal> {
        self.events.try_recv().ok()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.catcher.close();
    }
}

/// The first of these signals, kept for who looks from time to time and waits for nothing. The second ends the
/// process on the spot.
#[derive(Debug)]
pub struct Remembered(Arc<AtomicUsize>);

impl Remembered {
    /// Begins to catch, for the rest of the process. A SIGHUP that is ignored already stays ignored.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn start() -> io::Result<Self> {
        let number = Arc::new(AtomicUsize::new(0));
        let again = Arc::new(AtomicBool::new(false));
        for signal in wanted() {
            // In this order: what the first signal sets, only the second must see.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
            flag::register(signal, Arc::clone(&again))?;
            flag::register_usize(signal, Arc::clone(&number), usize::try_from(signal).unwrap_or_default())?;
        }
        Ok(Self(number))
    }

    /// The number of the signal, once one came.
    #[must_use]
    pub fn number(&self) -> Option<u8> {
        u8::try_from(self.0.load(Ordering::SeqCst)).ok().filter(|number| *number > 0)
    }
}

fn wanted() -> Vec<i32> {
    let mut wanted = vec![SIGINT, SIGTERM];
    if !is_hang_up_ignored() {
        wanted.push(SIGHUP);
    }
    wanted
}

/// Asked of `/proc`, where there is one, as asking the system itself needs unsafe code. Elsewhere: no.
fn is_hang_up_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| does_ignore(&status, SIGHUP))
}

/// proc(5): `SigIgn` is a mask in hexadecimal, the lowest bit is signal 1.
fn does_ignore(status: &str, signal: i32) -> bool {
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
        assert!(does_ignore(status, SIGHUP));
        assert!(!does_ignore(status, SIGINT));
        assert!(!does_ignore("Name:\tx\n", SIGHUP));
        assert!(!does_ignore("SigIgn:\tnonsense\n", SIGHUP));
    }
}
