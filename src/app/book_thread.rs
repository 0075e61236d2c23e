//! Peer book and list of the met on disk, and the thread on which a running program reads and
//! changes them: another process may hold the lock of the home for seconds.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use mio::Waker;

use super::job_thread::{FINISH, JobThread, Jobs};
use crate::chat::Input;
use crate::ids::ConnId;
use crate::limits::{LOCK_TIMEOUT_MS, MET_PEERS};
use crate::net::worker::catch_panic;
use crate::peers::book::{Book, Change, ChangedBook};
use crate::peers::met::MetChange;
use crate::store::book_file::{self, BookError, BookStamp};
use crate::store::{Home, StoreError, met_file};

/// Time between two attempts to take the lock, in which jobs are taken that need none.
const LOCK_RETRY: Duration = Duration::from_millis(2);
/// Changes of the list of the met that are written together, where so many come.
const MET_BATCH: usize = MET_PEERS;

/// Job about the files of the book. Each has one answer, which may be none.
pub(crate) enum BookJob {
    /// Read the book for the judgement of a key.
    Judge(ConnId),
    /// Read the book if another process has changed it.
    Look,
    /// Change the book, in one write.
    Change(Vec<Change>),
    /// Change the list of the met.
    ChangeMet(MetChange),
}

/// Kind of a [`BookJob`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum JobKind {
    Judge,
    Look,
    Change,
    ChangeMet,
}

impl BookJob {
    fn kind(&self) -> JobKind {
        match self {
            Self::Judge(_) => JobKind::Judge,
            Self::Look => JobKind::Look,
            Self::Change(_) => JobKind::Change,
            Self::ChangeMet(_) => JobKind::ChangeMet,
        }
    }
}

/// Files of the book in one home, as this process last saw them.
pub(crate) struct BookFiles {
    home: Home,
    /// State of the book's file as the chat knows it; `None` if that is to be read again.
    known: Option<BookStamp>,
    /// State in which it could not be used, which was reported.
    unusable: Option<BookStamp>,
}

impl BookFiles {
    pub(crate) fn new(home: Home) -> Self {
        // Another process may have changed it since the chat's book was read.
        Self { home, known: None, unusable: None }
    }

    /// Performs a job, and waits for the lock if it needs that.
    pub(crate) fn perform(&mut self, job: &BookJob) -> Option<Input<'static>> {
        match job {
            BookJob::Judge(conn) => Some(Input::Book { conn: *conn, book: self.read() }),
            BookJob::Look => self.look(),
            BookJob::Change(changes) => {
                let result = book_file::change(&self.home, changes);
                Some(Input::Changed(self.note(result)))
            }
            BookJob::ChangeMet(change) => self.change_met(std::slice::from_ref(change)),
        }
    }

    /// Reads the book if another process has changed it, or an unusable one.
    fn look(&mut self) -> Option<Input<'static>> {
        if self.unusable.is_some_and(|stamp| stamp == book_file::stamp(&self.home)) {
            return None;
        }
        self.read().transpose().map(Input::BookChanged)
    }

    /// The book, if its file is not as the chat knows it.
    fn read(&mut self) -> Result<Option<Book>, String> {
        let read = book_file::read_changed(&self.home, self.known);
        self.unusable = read.is_err().then(|| book_file::stamp(&self.home));
        let (book, stamp) = read.map_err(|error| error.to_string())?.unzip();
        self.known = stamp.or(self.known);
        Ok(book)
    }

    /// Changes the book; while another process holds the lock, not before the wait has ended.
    fn try_change(&mut self, changes: &[Change], until: Instant) -> Option<Input<'static>> {
        match book_file::try_change(&self.home, changes) {
            Err(BookError::Store(StoreError::Busy { .. })) if Instant::now() < until => None,
            result => Some(Input::Changed(self.note(result))),
        }
    }

    fn note(&mut self, changed: Result<(ChangedBook, BookStamp), BookError>) -> Result<ChangedBook, String> {
        let (changed, stamp) = changed.map_err(|error| error.to_string())?;
        self.known = Some(stamp);
        Ok(changed)
    }

    /// Changes the list on disk, which is for the next session: a failure is none of this one's.
    fn change_met(&self, changes: &[MetChange]) -> Option<Input<'static>> {
        met_file::change(&self.home, changes).ok().map(Input::Met)
    }
}

/// Who performs the jobs of a client.
pub(crate) enum BookAccess {
    /// The caller, at once: a replay is the same each time.
    Here(BookFiles),
    /// A thread of its own.
    Thread(BookThread),
}

impl BookAccess {
    /// Hands a job over. Returns its answer if that is known at once.
    pub(crate) fn submit(&mut self, job: BookJob) -> Option<Input<'static>> {
        match self {
            Self::Here(files) => files.perform(&job),
            Self::Thread(thread) => thread.submit(job),
        }
    }

    /// The next answer, if there is one.
    pub(crate) fn finished(&mut self) -> Option<Input<'static>> {
        match self {
            Self::Here(_) => None,
            Self::Thread(thread) => thread.finished(),
        }
    }

    /// The next answer, once all jobs are done or it takes too long: at the end of the program.
    pub(crate) fn finish(&mut self) -> Vec<Input<'static>> {
        match self {
            Self::Here(_) => Vec::new(),
            Self::Thread(thread) => thread.finish(),
        }
    }
}

/// Answer to jobs of one kind that were done together.
struct Answer {
    of: JobKind,
    jobs: usize,
    input: Option<Input<'static>>,
}

/// Owner's end of the thread.
pub(crate) struct BookThread {
    thread: JobThread<BookJob, Answer>,
    /// Jobs that are not answered.
    outstanding: BTreeMap<JobKind, usize>,
}

impl BookThread {
    pub(crate) fn start(files: BookFiles, waker: Arc<Waker>) -> io::Result<Self> {
        let run = |jobs| Server { files, changes: VecDeque::new(), met: Vec::new(), jobs }.run();
        let thread = JobThread::start("book", waker, run)?;
        Ok(Self { thread, outstanding: BTreeMap::new() })
    }

    fn submit(&mut self, job: BookJob) -> Option<Input<'static>> {
        let kind = job.kind();
        // One look that is not answered yet sees what another would.
        if kind == JobKind::Look && self.outstanding.get(&kind).is_some_and(|count| *count > 0) {
            return None;
        }
        match self.thread.submit(job) {
            Ok(()) => {
                *self.outstanding.entry(kind).or_default() += 1;
                None
            }
            Err(unsent) => failure(&unsent, "the peer book thread has ended"),
        }
    }

    fn finished(&mut self) -> Option<Input<'static>> {
        while let Ok(Some(answer)) = self.thread.answer() {
            if let Some(input) = self.take(answer) {
                return Some(input);
            }
        }
        None
    }

    fn finish(&mut self) -> Vec<Input<'static>> {
        let until = Instant::now() + FINISH;
        let mut inputs = Vec::new();
        while self.outstanding.values().any(|count| *count > 0) {
            let Some(answer) = self.thread.answer_until(until) else { break };
            inputs.extend(self.take(answer));
        }
        inputs
    }

    fn take(&mut self, answer: Answer) -> Option<Input<'static>> {
        let outstanding = self.outstanding.entry(answer.of).or_default();
        *outstanding = outstanding.saturating_sub(answer.jobs);
        // The chat's list has changes already that this one is without.
        let is_old = answer.of == JobKind::ChangeMet && *outstanding > 0;
        answer.input.filter(|_| !is_old)
    }
}

/// The thread's end. Reads go first, since a judgement needs no lock; changes are made in the order
/// in which they came.
struct Server {
    jobs: Jobs<BookJob, Answer>,
    files: BookFiles,
    /// Changes that wait for the lock, each until a moment.
    changes: VecDeque<(BookJob, Instant)>,
    met: Vec<MetChange>,
}

impl Server {
    fn run(mut self) {
        while self.take_job().is_some_and(|()| self.change_book() && self.change_met_list()) {}
    }

    /// Takes a job, and waits for one if there is nothing else to do. `None` ends the thread.
    fn take_job(&mut self) -> Option<()> {
        let job = if !self.changes.is_empty() {
            self.jobs.next_within(LOCK_RETRY)
        } else if !self.met.is_empty() {
            self.jobs.next_within(Duration::ZERO)
        } else {
            self.jobs.next().ok_or(RecvTimeoutError::Disconnected)
        };
        match job {
            Err(RecvTimeoutError::Timeout) if self.changes.is_empty() => {
                return self.write_met().then_some(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
            Ok(job @ BookJob::Change(_)) => {
                let until = Instant::now() + Duration::from_millis(LOCK_TIMEOUT_MS);
                self.changes.push_back((job, until));
            }
            Ok(BookJob::ChangeMet(change)) => self.met.push(change),
            Ok(job @ (BookJob::Judge(_) | BookJob::Look)) => {
                let input = catch_panic(|| self.files.perform(&job));
                let input = input.unwrap_or_else(|panicked| failure(&job, &panicked.to_string()));
                return self.tell(job.kind(), 1, input).then_some(());
            }
        }
        Some(())
    }

    /// Makes the changes that wait, unless another process holds the lock.
    fn change_book(&mut self) -> bool {
        while let Some((job, until)) = self.changes.front() {
            let BookJob::Change(changes) = job else { return false };
            let input = match catch_panic(|| self.files.try_change(changes, *until)) {
                Ok(None) => return true,
                Ok(input) => input,
                Err(panicked) => failure(job, &panicked.to_string()),
            };
            self.changes.pop_front();
            if !self.tell(JobKind::Change, 1, input) {
                return false;
            }
        }
        true
    }

    fn change_met_list(&mut self) -> bool {
        self.met.len() < MET_BATCH || self.write_met()
    }

    fn write_met(&mut self) -> bool {
        let changes = std::mem::take(&mut self.met);
        if changes.is_empty() {
            return true;
        }
        let input = catch_panic(|| self.files.change_met(&changes)).ok().flatten();
        self.tell(JobKind::ChangeMet, changes.len(), input)
    }

    fn tell(&mut self, of: JobKind, jobs: usize, input: Option<Input<'static>>) -> bool {
        self.jobs.answer([Answer { of, jobs, input }])
    }
}

/// Answer to a job that could not be performed.
fn failure(job: &BookJob, why: &str) -> Option<Input<'static>> {
    match job {
        BookJob::Judge(conn) => Some(Input::Book { conn: *conn, book: Err(why.to_owned()) }),
        BookJob::Change(_) => Some(Input::Changed(Err(why.to_owned()))),
        BookJob::Look | BookJob::ChangeMet(_) => None,
    }
}
