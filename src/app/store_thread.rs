//! Store of messages, and the thread on which a running program commits to it: the event loop never
//! waits for a disk. All that waits is one commit.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use mio::Waker;

use super::job_thread::{Ended, FINISH, JobThread, Jobs};
use crate::crypto::{Fingerprint, PublicKey};
use crate::delivery::{Pairs, StoreChange};
use crate::store::{FailedCommit, MessageStore};

/// Job about the store. Each has one answer, and the answers come in the order of the jobs.
pub(crate) enum StoreJob {
    /// Make changes that belong together: all or none.
    Commit(Vec<StoreChange>),
    /// Let one more identity open the store.
    AddWrap(PublicKey),
    /// Let no other identity open it.
    DropWrapsBut(Fingerprint),
}

/// Answer to a [`StoreJob`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum StoreAnswer {
    /// It is on disk.
    Committed,
    /// It is not; no job that was submitted before this answer was taken will be.
    Failed {
        /// What happened, and what to do.
        why: String,
        /// What is kept now. `None` while the file cannot be read, which each later job tries
        /// again, and where an answer before this one, of the same failure, had it.
        pairs: Option<Pairs>,
    },
}

/// Who performs the jobs of a client.
pub(crate) enum StoreAccess {
    /// The caller, at once: a replay is the same each time.
    Here(Box<MessageStore>),
    /// A thread of its own.
    Thread(StoreThread),
}

impl StoreAccess {
    /// Hands a job over. Returns its answer if that is known at once.
    pub(crate) fn submit(&mut self, job: StoreJob) -> Option<StoreAnswer> {
        match self {
            Self::Here(store) => Some(answer(perform(store, &job))),
            Self::Thread(thread) => thread.submit(job),
        }
    }

    /// The next answer, if there is one.
    pub(crate) fn finished(&mut self) -> Option<StoreAnswer> {
        match self {
            Self::Here(_) => None,
            Self::Thread(thread) => thread.finished(),
        }
    }

    /// The answers to all jobs, once they are done or it takes too long: at the end of the program.
    pub(crate) fn finish(&mut self) -> Vec<StoreAnswer> {
        match self {
            Self::Here(_) => Vec::new(),
            Self::Thread(thread) => thread.finish(Instant::now() + FINISH),
        }
    }

    /// Closes the file, so that the next process opens it without a check of its whole; waits for
    /// that, but not too long.
    pub(crate) fn close(self) {
        match self {
            Self::Here(store) => drop(store),
            Self::Thread(thread) => thread.thread.end(Instant::now() + FINISH),
        }
    }
}

/// Number of a failure: what was submitted before it was known is built on what was never kept.
type Generation = u64;

/// Owner's end of the thread.
pub(crate) struct StoreThread {
    thread: JobThread<(Generation, StoreJob), (Generation, StoreAnswer)>,
    /// Failures that were answered.
    generation: Generation,
    /// Jobs that are not answered.
    outstanding: usize,
}

impl StoreThread {
    pub(crate) fn start(store: MessageStore, waker: Arc<Waker>) -> io::Result<Self> {
        let run = |jobs| Server { jobs, store, generation: 0, why: String::new() }.run();
        let thread = JobThread::start("store", waker, run)?;
        Ok(Self { thread, generation: 0, outstanding: 0 })
    }

    fn submit(&mut self, job: StoreJob) -> Option<StoreAnswer> {
        match self.thread.submit((self.generation, job)) {
            Ok(()) => {
                self.outstanding += 1;
                None
            }
            // Earlier jobs are answered first, by `finished`.
            Err(_) if self.outstanding > 0 => {
                self.outstanding += 1;
                None
            }
            Err(_) => Some(thread_ended()),
        }
    }

    fn finished(&mut self) -> Option<StoreAnswer> {
        match self.thread.answer() {
            Ok(answer) => answer.map(|answer| self.take(answer)),
            Err(Ended) if self.outstanding > 0 => {
                self.outstanding -= 1;
                Some(thread_ended())
            }
            Err(Ended) => None,
        }
    }

    fn finish(&mut self, until: Instant) -> Vec<StoreAnswer> {
        let mut answers = Vec::new();
        while self.outstanding > 0 {
            let Some(answer) = self.thread.answer_until(until) else { break };
            answers.push(self.take(answer));
        }
        let late = || StoreAnswer::Failed { why: "the disk takes too long".to_owned(), pairs: None };
        answers.extend((0..self.outstanding).map(|_| late()));
        self.outstanding = 0;
        answers
    }

    fn take(&mut self, (generation, answer): (Generation, StoreAnswer)) -> StoreAnswer {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.generation = generation;
        answer
    }
}

fn thread_ended() -> StoreAnswer {
    StoreAnswer::Failed { why: "the thread of the store has ended".to_owned(), pairs: None }
}

fn perform(store: &mut MessageStore, job: &StoreJob) -> Result<(), FailedCommit> {
    match job {
        StoreJob::Commit(changes) => store.commit(changes),
        StoreJob::AddWrap(identity) => store.add_wrap(identity),
        StoreJob::DropWrapsBut(identity) => store.drop_wraps_but(identity),
    }
}

fn answer(result: Result<(), FailedCommit>) -> StoreAnswer {
    match result {
        Ok(()) => StoreAnswer::Committed,
        Err(FailedCommit { why, pairs }) => StoreAnswer::Failed { why: why.to_string(), pairs },
    }
}

/// The thread's end.
struct Server {
    jobs: Jobs<(Generation, StoreJob), (Generation, StoreAnswer)>,
    store: MessageStore,
    /// Failures so far.
    generation: Generation,
    /// What happened at the last of them.
    why: String,
}

impl Server {
    fn run(mut self) {
        while let Some(job) = self.jobs.next() {
            let jobs = [job].into_iter().chain(self.jobs.waiting()).collect();
            if !self.serve(jobs) {
                return;
            }
        }
        let Self { jobs, store, .. } = self;
        // In this order: the file is closed when the owner learns of the end.
        drop(store);
        drop(jobs);
    }

    /// Performs jobs, commits that follow each other as one, and answers each. `false` when nobody
    /// takes the answers.
    fn serve(&mut self, jobs: Vec<(Generation, StoreJob)>) -> bool {
        let mut jobs = jobs.into_iter().peekable();
        while let Some((generation, job)) = jobs.next() {
            let mut done = 1;
            let answer = if generation < self.generation {
                self.failed(None)
            } else {
                let follows = |(at, job): &(_, _)| *at == generation && matches!(job, StoreJob::Commit(_));
                let job = match job {
                    StoreJob::Commit(mut changes) => {
                        while let Some((_, StoreJob::Commit(more))) = jobs.next_if(follows) {
                            changes.extend(more);
                            done += 1;
                        }
                        StoreJob::Commit(changes)
                    }
                    job => job,
                };
                self.perform(&job)
            };
            // Those of one commit are kept or lost together; what is kept now is told once.
            let others = match &answer {
                StoreAnswer::Committed => StoreAnswer::Committed,
                StoreAnswer::Failed { .. } => self.failed(None),
            };
            let answers = [answer].into_iter().chain(std::iter::repeat_n(others, done - 1));
            if !self.jobs.answer(answers.map(|answer| (self.generation, answer))) {
                return false;
            }
        }
        true
    }

    fn perform(&mut self, job: &StoreJob) -> StoreAnswer {
        match perform(&mut self.store, job) {
            Ok(()) => StoreAnswer::Committed,
            Err(FailedCommit { why, pairs }) => {
                self.generation += 1;
                self.why = why.to_string();
                self.failed(pairs)
            }
        }
    }

    fn failed(&self, pairs: Option<Pairs>) -> StoreAnswer {
        StoreAnswer::Failed { why: self.why.clone(), pairs }
    }
}

#[cfg(test)]
mod tests {
    use mio::{Poll, Token};
    use tempfile::TempDir;

    use super::*;
    use crate::crypto::Identity;
    use crate::delivery::{Chain, Content, OutboxRow, PairChange};
    use crate::store::{DiskState, Home, SimulatedDisk};
    use crate::time::UnixMs;

    struct Fixture {
        _folder: TempDir,
        home: Home,
        disk: SimulatedDisk,
        poll: Poll,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let home = Home::temporary(folder.path().join("home"));
            Self { _folder: folder, home, disk: SimulatedDisk::default(), poll: Poll::new().unwrap() }
        }

        fn store(&self) -> MessageStore {
            MessageStore::open_on(&self.home, &identity(), &self.disk).unwrap().store
        }

        fn waker(&self) -> Arc<Waker> {
            Arc::new(Waker::new(self.poll.registry(), Token(0)).unwrap())
        }

        fn access(&self) -> StoreAccess {
            StoreAccess::Thread(StoreThread::start(self.store(), self.waker()).unwrap())
        }

        fn pairs(&self) -> Pairs {
            MessageStore::open(&self.home, &identity()).unwrap().pairs
        }
    }

    fn identity() -> Identity {
        Identity::from_pem(include_str!("../../tests/keys/alice-2048.pem"), None).unwrap()
    }

    fn peer() -> Fingerprint {
        Fingerprint::of(b"bob")
    }

    fn queue(number: u64) -> StoreJob {
        let content = Content::Text("x".into());
        let row = OutboxRow { typed: UnixMs(0), content, chain: Chain::START, expires: None };
        StoreJob::Commit(vec![StoreChange { peer: peer(), change: PairChange::Queue(number, row) }])
    }

    fn numbers(pairs: &Pairs) -> Vec<u64> {
        pairs.get(&peer()).into_iter().flat_map(|pair| pair.outbox.keys().copied()).collect()
    }

    fn pairs_of(answer: &StoreAnswer) -> Option<&Pairs> {
        match answer {
            StoreAnswer::Committed => panic!("committed"),
            StoreAnswer::Failed { pairs, .. } => pairs.as_ref(),
        }
    }

    #[test]
    fn what_waits_is_one_commit_and_each_batch_has_its_answer() {
        let fixture = Fixture::new();
        let (store, before) = (fixture.store(), fixture.disk.syncs());
        let begin = Arc::new(std::sync::Barrier::new(2));
        let started = Arc::clone(&begin);
        let thread = JobThread::start("store", fixture.waker(), move |jobs| {
            started.wait();
            Server { jobs, store, generation: 0, why: String::new() }.run();
        });
        let mut thread = StoreThread { thread: thread.unwrap(), generation: 0, outstanding: 0 };
        for number in 0..40 {
            assert_eq!(thread.submit(queue(number)), None);
        }
        begin.wait();
        let answers = thread.finish(Instant::now() + FINISH);
        assert_eq!(answers, vec![StoreAnswer::Committed; 40]);
        assert_eq!(fixture.disk.syncs() - before, 1);
        StoreAccess::Thread(thread).close();
        assert_eq!(numbers(&fixture.pairs()).len(), 40);
    }

    #[test]
    fn an_answer_wakes_the_loop() {
        let mut fixture = Fixture::new();
        let mut access = fixture.access();
        assert_eq!(access.submit(queue(1)), None);
        let mut events = mio::Events::with_capacity(4);
        while access.finished().inspect(|answer| assert_eq!(*answer, StoreAnswer::Committed)).is_none() {
            fixture.poll.poll(&mut events, None).unwrap();
        }
        assert_eq!(access.finished(), None);
    }

    #[test]
    fn nothing_is_kept_behind_a_batch_that_was_not_until_its_failure_is_known() {
        let fixture = Fixture::new();
        let mut access = fixture.access();
        access.submit(queue(1));
        assert_eq!(access.finish(), [StoreAnswer::Committed]);
        fixture.disk.set(DiskState::Full);
        access.submit(queue(2));
        let StoreAccess::Thread(thread) = &mut access else { panic!() };
        let refused = thread.thread.answer_until(Instant::now() + FINISH).unwrap();
        // Room comes back, but the owner has not taken the failure yet.
        fixture.disk.set(DiskState::Works);
        thread.submit(queue(3));
        assert_eq!(pairs_of(&thread.take(refused)), None, "the file could not be read on a full disk");
        assert_eq!(pairs_of(&access.finish()[0]), None);
        // From here on the file is read again first.
        access.submit(queue(4));
        assert_eq!(pairs_of(&access.finish()[0]).map(numbers), Some(vec![1]));
        access.submit(queue(5));
        assert_eq!(access.finish(), [StoreAnswer::Committed]);
        access.close();
        assert_eq!(numbers(&fixture.pairs()), [1, 5]);
    }

    #[test]
    fn a_replay_has_its_answer_at_once() {
        let fixture = Fixture::new();
        let mut access = StoreAccess::Here(Box::new(fixture.store()));
        assert_eq!(access.submit(queue(1)), Some(StoreAnswer::Committed));
        let bob = Identity::from_pem(include_str!("../../tests/keys/bob-2048.pem"), None).unwrap();
        assert_eq!(access.submit(StoreJob::AddWrap(bob.public().clone())), Some(StoreAnswer::Committed));
        let bob = bob.public().fingerprint();
        assert_eq!(access.submit(StoreJob::DropWrapsBut(bob)), Some(StoreAnswer::Committed));
        assert_eq!((access.finished(), access.finish()), (None, Vec::new()));
        fixture.disk.set(DiskState::Fails);
        let answer = access.submit(queue(2)).unwrap();
        assert!(matches!(answer, StoreAnswer::Failed { .. }));
        access.close();
    }
}
