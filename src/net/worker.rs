//! Heavy work off the loop: one thread that runs jobs in order, those of known peers before those of strangers.
//! It does not know what a job is.

use crate::ids::JobQueue;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use mio::Waker;

use crate::limits::STRANGERS_WAITING;

/// How the work stands to the loop that asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Priority {
    /// The loop has something else to do, which must not suffer: lower than the loop, where the system allows it.
    Lower,
    /// The loop only waits for the work.
    Same,
}

/// The name of a submitted job, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(u64);

/// No room in the queue; the job comes back.
#[derive(Debug)]
pub struct Full<J>(pub J);

/// The work ended in a panic instead of a result. The thread that did it goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("background work failed unexpectedly")]
pub struct Panicked;

/// The owner's end of the thread. Dropping it ends the thread after the job under way; what waits is dropped.
#[derive(Debug)]
pub struct Worker<J, R> {
    desk: Arc<Shared<J>>,
    results: Receiver<(Ticket, Result<R, Panicked>)>,
}

#[derive(Debug)]
struct Shared<J> {
    waiting: Mutex<Waiting<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting<J> {
    known: VecDeque<(Ticket, J)>,
    strangers: VecDeque<(Ticket, J)>,
    submitted: u64,
    owner: Owner,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    There,
    Gone,
}

impl<J: Send + 'static, R: Send + 'static> Worker<J, R> {
    /// Starts the thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        name: &str,
        priority: Priority,
        waker: Arc<Waker>,
        run: impl Fn(J) -> R + Send + 'static,
    ) -> io::Result<Self> {
        let waiting =
            Waiting { known: VecDeque::new(), strangers: VecDeque::new(), submitted: 0, owner: Owner::There };
        let desk = Arc::new(Shared { waiting: Mutex::new(waiting), changed: Condvar::new() });
        let (sender, results) = channel();
        let inside = Arc::clone(&desk);
        thread::Builder::new().name(name.into()).spawn(move || {
            if priority == Priority::Lower {
                lower_priority();
            }
            work(&inside, &sender, &waker, run);
        })?;
        Ok(Self { desk, results })
    }

    /// Puts a job into a queue.
    ///
    /// # Errors
    /// [`Full`], with the job, when too many strangers wait already.
    pub fn submit(&self, queue: JobQueue, job: J) -> Result<Ticket, Full<J>> {
        let mut waiting = self.desk.lock();
        if queue == JobQueue::Unauthenticated && waiting.strangers.len() >= STRANGERS_WAITING {
            return Err(Full(job));
        }
        let ticket = Ticket(waiting.submitted);
        waiting.submitted += 1;
        match queue {
            JobQueue::Authenticated => waiting.known.push_back((ticket, job)),
            JobQueue::Unauthenticated => waiting.strangers.push_back((ticket, job)),
        }
        self.desk.changed.notify_one();
        Ok(ticket)
    }

    /// Takes a job out again, for one who is no longer there. If it has begun, its result comes all the same.
    pub fn cancel(&self, ticket: Ticket) {
        let mut waiting = self.desk.lock();
        waiting.known.retain(|(waits, _)| *waits != ticket);
        waiting.strangers.retain(|(waits, _)| *waits != ticket);
    }

    /// The next result, in the order of the work done; never waits.
    #[must_use]
    pub fn finished(&self) -> Option<(Ticket, Result<R, Panicked>)> {
        self.results.try_recv().ok()
    }
}

impl<J, R> Drop for Worker<J, R> {
    fn drop(&mut self) {
        self.desk.lock().owner = Owner::Gone;
        self.desk.changed.notify_one();
    }
}

impl<J> Shared<J> {
    /// A panic cannot leave the queues half changed, so a poisoned lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, Waiting<J>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<(Ticket, J)> {
        let mut waiting = self.lock();
        loop {
            if waiting.owner == Owner::Gone {
                waiting.known.clear();
                waiting.strangers.clear();
                return None;
            }
            if let Some(job) = waiting.known.pop_front().or_else(|| waiting.strangers.pop_front()) {
                return Some(job);
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn work<J, R>(
    desk: &Shared<J>,
    results: &Sender<(Ticket, Result<R, Panicked>)>,
    waker: &Waker,
    run: impl Fn(J) -> R,
) {
    while let Some((ticket, job)) = desk.next() {
        let result = guarded(|| run(job));
        if results.send((ticket, result)).is_err() || waker.wake().is_err() {
            return;
        }
    }
}

/// Runs something and makes a value of its panic.
pub(super) fn guarded<R>(work: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

/// Ten steps nicer, for this thread alone: so it is on Linux, where priorities belong to threads. Elsewhere it
/// would slow the whole process.
pub(super) fn lower_priority() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}

#[cfg(test)]
mod tests;
