//! Signal that the screen has another size (SIGWINCH). One thread takes it, so that none is missed:
//! it tells rustyline, and has the prompt fitted.

use std::io;
use std::os::unix::thread::JoinHandleExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::pthread::{Pthread, pthread_kill};
use nix::sys::signal::{SigSet, Signal, raise};

use super::editor_state::EventSender;

/// Pause between two signals to a thread that is to end.
const END_SIGNAL_PAUSE: Duration = Duration::from_millis(5);

/// Owner of the thread that takes the signal, which every other thread blocks.
pub(crate) struct Resizes {
    is_closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Resizes {
    pub(crate) fn start(events: Arc<EventSender>) -> io::Result<Self> {
        let is_closing = Arc::<AtomicBool>::default();
        let closing = Arc::clone(&is_closing);
        let thread =
            thread::Builder::new().name("resizes".into()).spawn(move || take_all(&closing, &events))?;
        Ok(Self { is_closing, thread: Some(thread) })
    }
}

impl Drop for Resizes {
    fn drop(&mut self) {
        self.is_closing.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // It may wait for a size to hold.
            thread.thread().unpark();
            // Again and again: the system drops one that waits where rustyline takes its handler
            // away, and that handler takes one which comes while the thread lets it.
            while !thread.is_finished() {
                // The cast is for musl, whose C library has a pointer there.
                let _ = pthread_kill(thread.as_pthread_t() as Pthread, Signal::SIGWINCH);
                thread::sleep(END_SIGNAL_PAUSE);
            }
            // A panic there has been reported by its hook.
            let _ = thread.join();
        }
    }
}

fn take_all(closing: &AtomicBool, events: &EventSender) {
    let signal = SigSet::from(Signal::SIGWINCH);
    while signal.wait().is_ok() && !closing.load(Ordering::SeqCst) {
        events.settle_size();
        // To rustyline's handler, if a line is read: it runs here as soon as this thread lets it.
        let told = raise(Signal::SIGWINCH).and_then(|()| signal.thread_unblock());
        events.size_told();
        if told.and_then(|()| signal.thread_block()).is_err() {
            return;
        }
    }
}
