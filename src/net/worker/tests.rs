//! Order, bounds, cancellation and panics of worker and background task.

use std::sync::mpsc;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::*;
use crate::net::background::BackgroundTask;

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
    let worker = Worker::start("test", Priority::Lower, waker, move |job| {
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
    for (queue, job) in [
        (JobQueue::Unauthenticated, "s1"),
        (JobQueue::Authenticated, "k1"),
        (JobQueue::Unauthenticated, "s2"),
        (JobQueue::Authenticated, "k2"),
    ] {
        worker.submit(queue, job).unwrap();
    }
    open.send(()).unwrap();
    let done: Vec<_> = (0..5).map(|_| looper.until(|| worker.finished()).1.unwrap()).collect();
    assert_eq!(done, ["gate", "k1", "k2", "s1", "s2"]);
}

#[test]
fn the_thirty_third_unauthenticated_job_is_refused_and_an_authenticated_one_is_not() {
    let looper = Loop::new();
    let (worker, _open) = busy(Arc::clone(&looper.1));
    let tickets: Vec<_> =
        (0..UNAUTHENTICATED_JOBS).map(|_| worker.submit(JobQueue::Unauthenticated, "s").unwrap()).collect();
    let Err(Full(job)) = worker.submit(JobQueue::Unauthenticated, "one more") else { panic!("no limit") };
    assert_eq!(job, "one more");
    assert!(worker.submit(JobQueue::Authenticated, "k").is_ok());
    worker.cancel(tickets[3]);
    assert!(worker.submit(JobQueue::Unauthenticated, "now").is_ok());
    assert!(worker.submit(JobQueue::Unauthenticated, "full again").is_err());
}

#[test]
fn a_job_taken_out_is_never_done() {
    let mut looper = Loop::new();
    let (worker, open) = busy(Arc::clone(&looper.1));
    let gone = worker.submit(JobQueue::Unauthenticated, "gone").unwrap();
    worker.submit(JobQueue::Unauthenticated, "stays").unwrap();
    worker.cancel(gone);
    open.send(()).unwrap();
    assert_eq!(looper.until(|| worker.finished()).1, Ok("gate"));
    assert_eq!(looper.until(|| worker.finished()).1, Ok("stays"));
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
    let worker =
        Worker::start("test", Priority::Lower, Arc::clone(&looper.1), move |(): ()| drop(held.clone()))
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
    let task = BackgroundTask::<()>::start("test", Arc::clone(&looper.1), || panic!("asked for")).unwrap();
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
