//! Thread that performs jobs in the order in which they come; its answers wake the event loop.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use mio::Waker;

use crate::limits::LOCK_TIMEOUT_MS;

/// Longest wait for jobs at the end of the program: that for the lock of the home, and a disk that
/// takes its time.
pub(super) const FINISH: Duration = Duration::from_millis(2 * LOCK_TIMEOUT_MS);

/// Owner's end of the thread. Dropping it ends the thread once it has performed what waits.
pub(super) struct JobThread<J, A> {
    jobs: Sender<J>,
    answers: Receiver<A>,
}

/// The thread's end.
pub(super) struct Jobs<J, A> {
    submitted: Receiver<J>,
    answers: Sender<A>,
    waker: Arc<Waker>,
}

/// The thread has ended: what was submitted is answered no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ended;

impl<J: Send + 'static, A: Send + 'static> JobThread<J, A> {
    pub(super) fn start(
        name: &str,
        waker: Arc<Waker>,
        run: impl FnOnce(Jobs<J, A>) + Send + 'static,
    ) -> io::Result<Self> {
        let ((jobs, taken), (sender, answers)) = (channel(), channel());
        let thread = Jobs { submitted: taken, answers: sender, waker };
        thread::Builder::new().name(name.into()).spawn(move || run(thread))?;
        Ok(Self { jobs, answers })
    }

    /// Hands a job over, or gives it back if the thread has ended.
    pub(super) fn submit(&self, job: J) -> Result<(), J> {
        self.jobs.send(job).map_err(|unsent| unsent.0)
    }

    /// The next answer, if there is one.
    pub(super) fn answer(&self) -> Result<Option<A>, Ended> {
        match self.answers.try_recv() {
            Ok(answer) => Ok(Some(answer)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Ended),
        }
    }

    /// The next answer, which may take until a moment.
    pub(super) fn answer_until(&self, until: Instant) -> Option<A> {
        self.answers.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
    }

    /// Lets the thread end, and waits for that until a moment.
    pub(super) fn end(self, until: Instant) {
        let Self { jobs, answers } = self;
        drop(jobs);
        while answers.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
    }
}

impl<J, A> Jobs<J, A> {
    /// The next job. `None` ends the thread.
    pub(super) fn next(&self) -> Option<J> {
        self.submitted.recv().ok()
    }

    /// The next job, if it comes in time.
    pub(super) fn next_within(&self, patience: Duration) -> Result<J, RecvTimeoutError> {
        self.submitted.recv_timeout(patience)
    }

    /// Jobs that wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = J> {
        self.submitted.try_iter()
    }

    /// Hands answers on; `false` when nobody takes them.
    pub(super) fn answer(&self, answers: impl IntoIterator<Item = A>) -> bool {
        let sent = answers.into_iter().all(|answer| self.answers.send(answer).is_ok());
        sent && self.waker.wake().is_ok()
    }
}
