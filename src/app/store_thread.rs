//! Store of messages, and the thread on which a running program commits to it: the event loop never
//! waits for a disk. All that waits is one commit, as far as there is room for it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Waker;

use super::job_thread::{Ended, FINISH, JobThread, Jobs};
use crate::chat::CommitTiming;
use crate::crypto::{Fingerprint, PublicKey};
use crate::delivery::{FoundEntries, HistoryQuery, Pairs, StoreBatch};
use crate::limits::COMMIT_DELAY_MS;
use crate::store::{FailedCommit, MessageStore};
use crate::time::UnixMs;

/// Time for which a commit waits for the next one, where it may.
const COMMIT_DELAY: Duration = Duration::from_millis(COMMIT_DELAY_MS);

/// Job about the store. Each has one answer, and the answers come in the order of the jobs.
pub(crate) enum StoreJob {
    /// Make changes that belong together: all or none.
    Commit(StoreBatch, CommitTiming),
    /// Look into the history. What was submitted before it is in it.
    Find(HistoryQuery),
    /// Delete what of the history is older than a moment.
    ForgetHistory { before: UnixMs },
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
    /// What the history has, or why it cannot be read.
    Found(Result<FoundEntries, String>),
}

/// Kind of answer that a job has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AnswerKind {
    Commit,
    Found,
}

impl StoreJob {
    fn answer_kind(&self) -> AnswerKind {
        match self {
            Self::Find(_) => AnswerKind::Found,
            Self::Commit(..) | Self::ForgetHistory { .. } | Self::AddWrap(_) | Self::DropWrapsBut(_) => {
                AnswerKind::Commit
            }
        }
    }
}

impl AnswerKind {
    /// Answer to a job that nobody does.
    fn lost(self, why: &str) -> StoreAnswer {
        match self {
            Self::Commit => StoreAnswer::Failed { why: why.to_owned(), pairs: None },
            Self::Found => StoreAnswer::Found(Err(why.to_owned())),
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
    /// Jobs that are not answered, in their order.
    outstanding: VecDeque<AnswerKind>,
}

impl StoreThread {
    pub(crate) fn start(store: MessageStore, waker: Arc<Waker>) -> io::Result<Self> {
        let run = |jobs| Server { jobs, store, delay: COMMIT_DELAY, generation: 0, why: String::new() }.run();
        let thread = JobThread::start("store", waker, run)?;
        Ok(Self { thread, generation: 0, outstanding: VecDeque::new() })
    }

    /// Hands a job over. Returns its answer only where the thread has ended.
    pub(crate) fn submit(&mut self, job: StoreJob) -> Option<StoreAnswer> {
        let kind = job.answer_kind();
        // Earlier jobs are answered first, by `finished`.
        if self.thread.submit((self.generation, job)).is_ok() || !self.outstanding.is_empty() {
            self.outstanding.push_back(kind);
            return None;
        }
        Some(kind.lost(ENDED))
    }

    /// The next answer, if there is one.
    pub(crate) fn finished(&mut self) -> Option<StoreAnswer> {
        match self.thread.answer() {
            Ok(answer) => answer.map(|answer| self.take(answer)),
            Err(Ended) => self.outstanding.pop_front().map(|kind| kind.lost(ENDED)),
        }
    }

    /// The answers to all jobs, once they are done or it takes too long.
    pub(crate) fn finish(&mut self) -> Vec<StoreAnswer> {
        let until = Instant::now() + FINISH;
        let mut answers = Vec::new();
        while !self.outstanding.is_empty() {
            let Some(answer) = self.thread.answer_until(until) else { break };
            answers.push(self.take(answer));
        }
        answers.extend(self.outstanding.drain(..).map(|kind| kind.lost("the disk is too slow")));
        answers
    }

    /// Performs what was submitted and closes the file, so that the next process opens it without
    /// a check of its whole; waits for that, but not too long.
    pub(crate) fn close(self) {
        self.thread.end(Instant::now() + FINISH);
    }

    fn take(&mut self, (generation, answer): (Generation, StoreAnswer)) -> StoreAnswer {
        self.outstanding.pop_front();
        self.generation = generation;
        answer
    }
}

/// Why nothing is answered any more.
const ENDED: &str = "the store thread has ended";

/// The thread's end.
struct Server {
    jobs: Jobs<(Generation, StoreJob), (Generation, StoreAnswer)>,
    store: MessageStore,
    /// Time for which commits wait for the next one that is made at once.
    delay: Duration,
    /// Failures so far.
    generation: Generation,
    /// What happened at the last of them.
    why: String,
}

impl Server {
    fn run(mut self) {
        while let Some(jobs) = self.next_jobs() {
            if !self.serve(jobs) {
                return;
            }
        }
        let Self { jobs, store, .. } = self;
        // In this order: the file is closed when the owner learns of the end.
        drop(store);
        drop(jobs);
    }

    /// The next jobs: those that wait, once one of them is to be done at once or has waited. `None`
    /// ends the thread.
    fn next_jobs(&self) -> Option<Vec<(Generation, StoreJob)>> {
        let is_deferred =
            |(_, job): &(_, StoreJob)| matches!(job, StoreJob::Commit(_, CommitTiming::Deferred));
        let mut jobs = vec![self.jobs.next()?];
        let due = Instant::now() + self.delay;
        while jobs.last().is_some_and(is_deferred)
            && let Ok(job) = self.jobs.next_within(due.saturating_duration_since(Instant::now()))
        {
            jobs.push(job);
        }
        jobs.extend(self.jobs.waiting());
        Some(jobs)
    }

    /// Performs jobs, commits that follow each other as one, and answers each. `false` when nobody
    /// takes the answers.
    fn serve(&mut self, jobs: Vec<(Generation, StoreJob)>) -> bool {
        let mut jobs = jobs.into_iter().peekable();
        while let Some((generation, job)) = jobs.next() {
            let is_lost = job.answer_kind() == AnswerKind::Commit && generation < self.generation;
            let answers = match job {
                _ if is_lost => vec![(self.generation, self.failed(None))],
                StoreJob::Commit(batch, _) => {
                    let follows =
                        |(at, job): &(_, _)| *at == generation && matches!(job, StoreJob::Commit(..));
                    let mut batches = vec![batch];
                    while let Some((_, StoreJob::Commit(batch, _))) = jobs.next_if(follows) {
                        batches.push(batch);
                    }
                    let (kept, result) = self.store.commit_first(&batches);
                    self.answers_of(kept, batches.len(), result)
                }
                StoreJob::ForgetHistory { before } => {
                    let result = self.store.forget_history(None, Some(before)).map(drop);
                    self.answers_of(0, 1, result)
                }
                StoreJob::AddWrap(identity) => {
                    let result = self.store.add_wrap(&identity);
                    self.answers_of(0, 1, result)
                }
                StoreJob::DropWrapsBut(identity) => {
                    let result = self.store.drop_wraps_but(&identity);
                    self.answers_of(0, 1, result)
                }
                StoreJob::Find(query) => {
                    let found = self.store.history().and_then(|history| history.find(&query));
                    let found = found.map_err(|error| error.to_string());
                    vec![(self.generation, StoreAnswer::Found(found))]
                }
            };
            if !self.jobs.answer(answers) {
                return false;
            }
        }
        true
    }

    /// Answers of changes that follow each other, of which so many are on disk where one failed.
    fn answers_of(
        &mut self,
        kept: usize,
        count: usize,
        result: Result<(), FailedCommit>,
    ) -> Vec<(Generation, StoreAnswer)> {
        let Err(FailedCommit { why, pairs }) = result else {
            return vec![(self.generation, StoreAnswer::Committed); count];
        };
        let mut answers = vec![(self.generation, StoreAnswer::Committed); kept];
        self.generation += 1;
        self.why = why.to_string();
        // What is kept now is told once.
        answers.push((self.generation, self.failed(pairs)));
        answers.resize(count, (self.generation, self.failed(None)));
        answers
    }

    fn failed(&self, pairs: Option<Pairs>) -> StoreAnswer {
        StoreAnswer::Failed { why: self.why.clone(), pairs }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use mio::{Poll, Token};
    use tempfile::TempDir;

    use super::*;
    use crate::crypto::Identity;
    use crate::delivery::{Chain, Content, OutboxRow, PairChange, StoreChange};
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

        fn access(&self) -> StoreThread {
            StoreThread::start(self.store(), self.waker()).unwrap()
        }

        fn thread(&self, delay: Duration, begin: impl FnOnce() + Send + 'static) -> StoreThread {
            let store = self.store();
            let thread = JobThread::start("store", self.waker(), move |jobs| {
                begin();
                Server { jobs, store, delay, generation: 0, why: String::new() }.run();
            });
            StoreThread { thread: thread.unwrap(), generation: 0, outstanding: VecDeque::new() }
        }

        /// A thread that begins once what is to wait was submitted.
        fn thread_behind(&self) -> (StoreThread, Arc<Barrier>) {
            let begin = Arc::new(Barrier::new(2));
            let started = Arc::clone(&begin);
            (self.thread(COMMIT_DELAY, move || _ = started.wait()), begin)
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
        commit(number, CommitTiming::AtOnce)
    }

    fn commit(number: u64, timing: CommitTiming) -> StoreJob {
        let content = Content::Text("x".into());
        let row = OutboxRow { typed: UnixMs(0), content, chain: Chain::START, expires: None };
        let changes = vec![StoreChange { peer: peer(), change: PairChange::Queue(number, row) }];
        StoreJob::Commit(StoreBatch { changes, history: Vec::new() }, timing)
    }

    fn numbers(pairs: &Pairs) -> Vec<u64> {
        pairs.get(&peer()).into_iter().flat_map(|pair| pair.outbox.keys().copied()).collect()
    }

    fn pairs_of(answer: &StoreAnswer) -> Option<&Pairs> {
        match answer {
            StoreAnswer::Committed | StoreAnswer::Found(_) => panic!("committed"),
            StoreAnswer::Failed { pairs, .. } => pairs.as_ref(),
        }
    }

    #[test]
    fn what_waits_is_one_commit_and_each_batch_has_its_answer() {
        let fixture = Fixture::new();
        let (mut thread, begin) = fixture.thread_behind();
        let before = fixture.disk.syncs();
        for number in 0..40 {
            assert_eq!(thread.submit(queue(number)), None);
        }
        begin.wait();
        let answers = thread.finish();
        assert_eq!(answers, vec![StoreAnswer::Committed; 40]);
        assert_eq!(fixture.disk.syncs() - before, 1);
        thread.close();
        assert_eq!(numbers(&fixture.pairs()).len(), 40);
    }

    #[test]
    fn of_what_waits_as_much_of_the_first_is_kept_as_a_disk_has_room_for() {
        let fixture = Fixture::new();
        let (mut thread, begin) = fixture.thread_behind();
        fixture.disk.set(DiskState::FullBehind(64 * 1024));
        for number in 0..400 {
            thread.submit(queue(number));
        }
        begin.wait();
        let answers = thread.finish();
        let kept = answers.iter().take_while(|answer| **answer == StoreAnswer::Committed).count();
        assert!((10..400).contains(&kept), "{kept}");
        let first: Vec<_> = (0..kept as u64).collect();
        assert_eq!(pairs_of(&answers[kept]).map(numbers), Some(first.clone()));
        assert!(answers[kept + 1..].iter().all(|answer| pairs_of(answer).is_none()));
        assert_eq!(answers.len(), 400);
        thread.close();
        fixture.disk.set(DiskState::Works);
        assert_eq!(numbers(&fixture.pairs()), first);
    }

    #[test]
    fn a_commit_from_which_nothing_follows_waits_for_the_next_one_or_for_the_end() {
        let fixture = Fixture::new();
        let mut thread = fixture.thread(FINISH, || {});
        let before = fixture.disk.syncs();
        thread.submit(commit(1, CommitTiming::Deferred));
        thread.submit(commit(2, CommitTiming::Deferred));
        thread.submit(queue(3));
        assert_eq!(thread.finish(), vec![StoreAnswer::Committed; 3]);
        assert_eq!(fixture.disk.syncs() - before, 1);
        thread.submit(commit(4, CommitTiming::Deferred));
        thread.close();
        assert_eq!(numbers(&fixture.pairs()), [1, 2, 3, 4]);
    }

    #[test]
    fn a_commit_waits_for_no_other_for_ever() {
        let fixture = Fixture::new();
        let mut access = fixture.access();
        access.submit(commit(1, CommitTiming::Deferred));
        assert_eq!(access.finish(), [StoreAnswer::Committed]);
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
        let thread = &mut access;
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
}
