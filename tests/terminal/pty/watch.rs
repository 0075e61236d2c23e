//! A value that one thread changes and another waits on. It does not know what the value is.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest wait. Things come within milliseconds; this is for machines that are busy with something else.
const LIMIT: Duration = Duration::from_mins(1);

pub(crate) struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Condvar::new() }
    }

    /// Changes the value and wakes who waits.
    pub(crate) fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// Waits until the value is as wanted, and says whether it came to that.
    pub(crate) fn wait(&self, is_so: impl Fn(&T) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), LIMIT, |value| !is_so(value));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
