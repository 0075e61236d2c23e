//! Worker thread with two job queues: jobs of authenticated peers go before those of the others.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use mio::Waker;

use crate::ids::JobQueue;
use crate::limits::UNAUTHENTICATED_JOBS;

/// Scheduling priority of the worker thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Priority {
    /// Lower than the reactor's, which has other things to do, where the system allows it.
    Lower,
    /// The reactor's: it only waits for the work.
    Same,
}

/// Number of a submitted job, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(u64);

/// Error of a full queue; the job comes back.
#[derive(Debug)]
pub struct Full<J>(pub J);

/// Error of a job that panicked. Its thread goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("background work failed unexpectedly")]
pub struct Panicked;

/// Owner's end of the thread. Dropping it ends the thread after the current job; waiting jobs are
/// dropped.
#[derive(Debug)]
pub struct Worker<J, R> {
    shared: Arc<Shared<J>>,
    results: Receiver<(Ticket, Result<R, Panicked>)>,
}

#[derive(Debug)]
struct Shared<J> {
    queues: Mutex<Queues<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Queues<J> {
    /// Waiting jobs in the order in which they run.
    waiting: BTreeMap<(JobQueue, Ticket), J>,
    submitted: u64,
    owner: Owner,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Alive,
    Dropped,
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
        let queues = Queues { waiting: BTreeMap::new(), submitted: 0, owner: Owner::Alive };
        let shared = Arc::new(Shared { queues: Mutex::new(queues), changed: Condvar::new() });
        let (sender, results) = channel();
        let worker = Self { shared: Arc::clone(&shared), results };
        thread::Builder::new().name(name.into()).spawn(move || {
            if priority == Priority::Lower {
                lower_priority();
            }
            run_jobs(&shared, &sender, &waker, run);
        })?;
        Ok(worker)
    }

    /// Puts a job into a queue.
    ///
    /// # Errors
    /// [`Full`], with the job, when too many unauthenticated peers wait already.
    pub fn submit(&self, queue: JobQueue, job: J) -> Result<Ticket, Full<J>> {
        let mut queues = self.shared.lock();
        if queue == JobQueue::Unauthenticated {
            let waiting = queues.waiting.keys().filter(|(other, _)| *other == queue).count();
            if waiting >= UNAUTHENTICATED_JOBS {
                return Err(Full(job));
            }
        }
        let ticket = Ticket(queues.submitted);
        queues.submitted += 1;
        queues.waiting.insert((queue, ticket), job);
        self.shared.changed.notify_one();
        Ok(ticket)
    }

    /// Removes a waiting job. If it has begun, its result comes all the same.
    pub fn cancel(&self, ticket: Ticket) {
        self.shared.lock().waiting.retain(|(_, waiting), _| *waiting != ticket);
    }

    /// The next result, in the order in which jobs finish; never waits.
    #[must_use]
    pub fn finished(&self) -> Option<(Ticket, Result<R, Panicked>)> {
        self.results.try_recv().ok()
    }
}

impl<J, R> Drop for Worker<J, R> {
    fn drop(&mut self) {
        self.shared.lock().owner = Owner::Dropped;
        self.shared.changed.notify_one();
    }
}

impl<J> Shared<J> {
    /// A panic cannot leave the queues half changed, so a poisoned lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, Queues<J>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<(Ticket, J)> {
        let mut queues = self.lock();
        loop {
            if queues.owner == Owner::Dropped {
                queues.waiting.clear();
                return None;
            }
            if let Some(((_, ticket), job)) = queues.waiting.pop_first() {
                return Some((ticket, job));
            }
            queues = self.changed.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn run_jobs<J, R>(
    shared: &Shared<J>,
    results: &Sender<(Ticket, Result<R, Panicked>)>,
    waker: &Waker,
    run: impl Fn(J) -> R,
) {
    while let Some((ticket, job)) = shared.next() {
        let result = catch_panic(|| run(job));
        if results.send((ticket, result)).is_err() || waker.wake().is_err() {
            return;
        }
    }
}

pub(super) fn catch_panic<R>(work: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

/// Raises the nice value of this thread by ten. Only on Linux, where priorities belong to threads;
/// elsewhere it would slow the whole process.
pub(super) fn lower_priority() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}

#[cfg(test)]
mod tests;
