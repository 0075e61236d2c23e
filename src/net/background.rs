//! One job on a thread of its own, for work that may take seconds and cannot be stopped: resolving
//! a name, generating a key.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use mio::Waker;

use super::worker::{Panicked, catch_panic, lower_priority};

/// Receiving end of the result. Dropping it cancels: the work goes on to its end, and its result is
/// dropped.
#[derive(Debug)]
pub struct BackgroundTask<T> {
    result: Receiver<Result<T, Panicked>>,
}

impl<T: Send + 'static> BackgroundTask<T> {
    /// Starts the work, at a lower priority than the reactor where the system allows it. `name` has
    /// at most 15 characters, as the system shows it.
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
            if sender.send(catch_panic(work)).is_ok() {
                // A reactor that cannot be woken is gone.
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
}
