//! One piece of work with a thread of its own, for what may take seconds and cannot be stopped: looking a name
//! up, making a key. It does not know what the work is.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use mio::Waker;

use super::worker::{Panicked, guarded, lower_priority};

/// The owner's end. Dropping it is cancelling: the work goes on to its end, and its result is thrown away.
#[derive(Debug)]
pub struct BackgroundTask<T> {
    result: Receiver<Result<T, Panicked>>,
}

impl<T: Send + 'static> BackgroundTask<T> {
    /// Starts the work, at a lower priority than the loop where the system allows it. `name` is at most 15
    /// characters, as the system shows it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        name: &str,
        waker: Arc<Waker>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, result) = channel();
        thread::Builder::new().name(name.into()).spawn(move || {
            lower_priority();
            if sender.send(guarded(work)).is_ok() {
                // A loop that cannot be woken is over.
                let _ = waker.wake();
            }
        })?;
        Ok(Self { result })
    }

    /// The result, once; never waits.
    #[must_use]
    pub fn finished(&self) -> Option<Result<T, Panicked>> {
        self.result.try_recv().ok()
    }

    /// Throws the result away, whenever it comes.
    pub fn cancel(self) {}
}
