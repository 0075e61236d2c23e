//! Threads for work: a worker with two job queues, where jobs of authenticated peers go before
//! those of the others, and a thread of its own for one job that may take seconds and cannot be
//! stopped: resolving a name, generating a key.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use mio::Waker;

use crate::ids::JobQueue;
use crate::limits::UNAUTHENTICATED_JOBS;

/// Scheduling priority of the worker thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ThreadPriority {
    /// Lower than the reactor's, which has other things to do, where the system allows it.
    Lower,
    /// The reactor's: it only waits for the work.
    Same,
}

/// Number of a submitted job, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Ticket(u64);

/// Error of a full queue; the job comes back.
#[derive(Debug)]
pub(crate) struct Full<J>(pub J);

/// Error of a job that panicked. Its thread goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("background work failed unexpectedly")]
pub(crate) struct Panicked;

/// Owner's end of the thread. Dropping it ends the thread after the current job; waiting jobs are
/// dropped.
#[derive(Debug)]
pub(crate) struct Worker<J, R> {
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
    pub(crate) fn start(
        name: &str,
        priority: ThreadPriority,
        waker: Arc<Waker>,
        run: impl Fn(J) -> R + Send + 'static,
    ) -> io::Result<Self> {
        let queues = Queues { waiting: BTreeMap::new(), submitted: 0, owner: Owner::Alive };
        let shared = Arc::new(Shared { queues: Mutex::new(queues), changed: Condvar::new() });
        let (sender, results) = channel();
        let worker = Self { shared: Arc::clone(&shared), results };
        thread::Builder::new().name(name.into()).spawn(move || {
            if priority == ThreadPriority::Lower {
                lower_priority();
            }
            while let Some((ticket, job)) = shared.next() {
                let result = catch_panic(|| run(job));
                if sender.send((ticket, result)).is_err() || waker.wake().is_err() {
                    return;
                }
            }
        })?;
        Ok(worker)
    }

    /// Puts a job into a queue; it comes back when too many unauthenticated peers wait already.
    pub(crate) fn submit(&self, queue: JobQueue, job: J) -> Result<Ticket, Full<J>> {
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

    /// The next result, in the order in which jobs finish; never waits.
    pub(crate) fn finished(&self) -> Option<(Ticket, Result<R, Panicked>)> {
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
    /// A panic cannot leave the queues half changed, so lock poisoning is ignored.
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

/// Receiving end of the result. Dropping it cancels: the work goes on to its end, and its result is
/// dropped.
#[derive(Debug)]
pub(crate) struct BackgroundTask<T> {
    result: Receiver<Result<T, Panicked>>,
}

impl<T: Send + 'static> BackgroundTask<T> {
    /// Starts the work, at a lower priority than the reactor where the system allows it. `name` has
    /// at most 15 characters, as the system shows it.
    pub(crate) fn start(
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
    pub(crate) fn finished(&self) -> Option<Result<T, Panicked>> {
        self.result.try_recv().ok()
    }
}

/// Runs work whose panic is an error, not the end of its thread.
pub(crate) fn catch_panic<R>(work: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

/// Raises the nice value of this thread by ten. Only on Linux, where priorities belong to threads;
/// elsewhere it would slow the whole process.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    /// A loop that only waits for wake-ups.
    struct Loop(Poll, Arc<Waker>);

    impl Loop {
        fn new() -> Self {
            let poll = Poll::new().unwrap();
            let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
            Self(poll, waker)
        }

        fn until<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> T {
            for _ in 0..1_000 {
                if let Some(found) = look() {
                    return found;
                }
                let mut events = Events::with_capacity(4);
                self.0.poll(&mut events, Some(LIMIT)).unwrap();
                assert!(!events.is_empty(), "nothing came");
            }
            panic!("woken 1,000 times for nothing");
        }
    }

    /// A worker whose first job, `gate`, keeps it busy until the sender is used or dropped.
    fn busy(waker: Arc<Waker>) -> (Worker<&'static str, &'static str>, mpsc::Sender<()>) {
        let (open, gate) = mpsc::channel();
        let (begun, has_begun) = mpsc::channel();
        let worker = Worker::start("test", ThreadPriority::Lower, waker, move |job| {
            if job == "gate" {
                begun.send(()).unwrap();
                let _ = gate.recv_timeout(LIMIT);
            }
            assert_ne!(job, "panic", "asked for");
            job
        })
        .unwrap();
        worker.submit(JobQueue::Authenticated, "gate").unwrap();
        has_begun.recv_timeout(LIMIT).unwrap();
        (worker, open)
    }

    #[test]
    fn authenticated_peers_are_served_before_the_others_and_each_in_order() {
        let mut looper = Loop::new();
        let (worker, open) = busy(Arc::clone(&looper.1));
        for (stranger, known) in [("s1", "k1"), ("s2", "k2")] {
            worker.submit(JobQueue::Unauthenticated, stranger).unwrap();
            worker.submit(JobQueue::Authenticated, known).unwrap();
        }
        open.send(()).unwrap();
        let done: Vec<_> = (0..5).map(|_| looper.until(|| worker.finished()).1.unwrap()).collect();
        assert_eq!(done, ["gate", "k1", "k2", "s1", "s2"]);
    }

    #[test]
    fn the_thirty_third_unauthenticated_job_is_refused_and_an_authenticated_one_is_not() {
        let looper = Loop::new();
        let (worker, _open) = busy(Arc::clone(&looper.1));
        for _ in 0..UNAUTHENTICATED_JOBS {
            worker.submit(JobQueue::Unauthenticated, "s").unwrap();
        }
        let Err(Full(job)) = worker.submit(JobQueue::Unauthenticated, "one more") else { panic!("no limit") };
        assert_eq!(job, "one more");
        assert!(worker.submit(JobQueue::Authenticated, "k").is_ok());
        worker.shared.lock().waiting.pop_last();
        assert!(worker.submit(JobQueue::Unauthenticated, "now").is_ok());
        assert!(worker.submit(JobQueue::Unauthenticated, "full again").is_err());
    }

    #[test]
    fn a_panic_is_reported_with_its_ticket_and_the_next_job_is_done() {
        let mut looper = Loop::new();
        let (worker, open) = busy(Arc::clone(&looper.1));
        let bad = worker.submit(JobQueue::Unauthenticated, "panic").unwrap();
        let good = worker.submit(JobQueue::Unauthenticated, "good").unwrap();
        open.send(()).unwrap();
        looper.until(|| worker.finished()).1.unwrap();
        assert_eq!(looper.until(|| worker.finished()), (bad, Err(Panicked)));
        assert_eq!(looper.until(|| worker.finished()), (good, Ok("good")));
    }

    #[test]
    fn the_thread_ends_with_its_owner() {
        let looper = Loop::new();
        let (held, is_dropped) = mpsc::channel::<()>();
        let worker = Worker::start("test", ThreadPriority::Lower, Arc::clone(&looper.1), move |(): ()| {
            drop(held.clone());
        })
        .unwrap();
        drop(worker);
        assert_eq!(is_dropped.recv_timeout(LIMIT), Err(mpsc::RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_task_wakes_the_loop_with_its_result_and_a_panic_is_one() {
        let mut looper = Loop::new();
        let task = BackgroundTask::start("test", Arc::clone(&looper.1), || 7).unwrap();
        assert_eq!(looper.until(|| task.finished()), Ok(7));
        assert_eq!(task.finished(), None);
        let panics = || -> () { panic!("asked for") };
        let task = BackgroundTask::start("test", Arc::clone(&looper.1), panics).unwrap();
        assert_eq!(looper.until(|| task.finished()), Err(Panicked));
    }

    #[test]
    fn the_result_of_a_cancelled_task_is_thrown_away() {
        let looper = Loop::new();
        let (open, gate) = mpsc::channel::<()>();
        let (result, is_dropped) = mpsc::channel::<()>();
        let task = BackgroundTask::start("test", Arc::clone(&looper.1), move || {
            let _ = gate.recv_timeout(LIMIT);
            result
        })
        .unwrap();
        drop(task);
        open.send(()).unwrap();
        assert_eq!(is_dropped.recv_timeout(LIMIT), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
