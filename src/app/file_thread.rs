//! Thread that reads and writes the files of transfers, in the order in which that is asked for.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::hint::black_box;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mio::Waker;

use super::broker::{self, BrokerFiles};
use super::file_disk::{FileDisk, Places};
use super::job_thread::{FINISH, JobThread, Jobs};
use super::os::named_path;
use super::sandbox::Reach;
use crate::chat::{FileAnswer, FileRequest, TransferNumber};
use crate::delivery::{Pairs, PartRow, TransferState};
use crate::store::files::Destination;
use crate::store::quoted;

/// Bytes of memory, twice which may stay free.
const KEPT_BYTES: usize = 1024 * 1024;

/// What a process without a broker has given up of its files.
#[derive(Clone, Debug)]
pub(crate) struct Confined {
    /// The subcommand.
    pub(crate) command: &'static str,
    pub(crate) home: PathBuf,
    pub(crate) reach: Reach,
}

/// Files of transfers; the thread begins with the first request.
#[derive(Default)]
pub(crate) struct FileWork {
    /// Folder for what is received, if the settings name one.
    inbox: Option<PathBuf>,
    thread: Option<JobThread<FileRequest, FileAnswer>>,
    discards: Discards,
}

/// Transfers of which what has arrived is still to be removed: nothing that waits is written of
/// them any more, and the program ends behind that.
#[derive(Clone, Default)]
struct Discards(Arc<Mutex<(BTreeSet<TransferNumber>, FileWorkPhase)>>);

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum FileWorkPhase {
    #[default]
    Runs,
    /// Only what is to be removed is.
    Ends,
}

/// Performer of what is asked of the disk.
enum Performer {
    /// This process.
    Here(FileDisk),
    /// The same, in the folders that it has kept. Without a name, files go to this one.
    Confined(FileDisk, Confined, Option<PathBuf>),
    /// The broker of a confined one.
    Broker(BrokerFiles),
    /// Nobody, for this reason.
    None(String),
}

impl FileWork {
    /// Work that puts what is received into a folder.
    pub(crate) fn new(inbox: Option<PathBuf>) -> Self {
        Self { inbox, ..Self::default() }
    }

    /// Hands a request over; its answer comes later.
    pub(crate) fn submit(&mut self, request: FileRequest, confined: Option<&Confined>, waker: Arc<Waker>) {
        if self.thread.is_none() {
            // Without a thread nothing is answered; a machine that has none left says so elsewhere.
            self.thread = start(self.inbox.clone(), confined, waker, self.discards.clone()).ok();
        }
        self.discards.note(&request);
        if let Some(thread) = &self.thread {
            // One that has ended has panicked: the transfer stands still, and can be cancelled.
            let _ = thread.submit(request);
        }
    }

    /// Ends the work. What has arrived of transfers that were ended is removed before.
    pub(crate) fn finish(&mut self) {
        if self.discards.end()
            && let Some(thread) = self.thread.take()
        {
            thread.end(Instant::now() + FINISH);
        }
    }

    /// The next answer.
    pub(crate) fn finished(&self) -> Option<FileAnswer> {
        self.thread.as_ref()?.answer().ok().flatten()
    }
}

fn start(
    inbox: Option<PathBuf>,
    confined: Option<&Confined>,
    waker: Arc<Waker>,
    discards: Discards,
) -> io::Result<JobThread<FileRequest, FileAnswer>> {
    let at_broker = broker::of_process().map(|broker| broker.files(inbox.clone()));
    let mut performer = match (at_broker, confined) {
        (Some(Ok(files)), _) => Performer::Broker(files),
        (Some(Err(why)), _) => Performer::None(why),
        (None, Some(confined)) => {
            let folder = Destination::inbox(inbox.as_deref(), &|name| std::env::var_os(name));
            Performer::Confined(FileDisk::at(Places::Machine { inbox }), confined.clone(), folder)
        }
        (None, None) => Performer::Here(FileDisk::at(Places::Machine { inbox })),
    };
    keep_freed_memory();
    JobThread::start("files", waker, move |jobs| {
        run(&jobs, |request| {
            if discards.make_needless(&request) {
                return None;
            }
            let discarded =
                if let FileRequest::Discard { number, .. } = request { Some(number) } else { None };
            let answer = performer.perform(request);
            discards.done(discarded);
            answer
        });
    })
}

/// Lets the C library keep what chunks leave free. It gives free memory back to the kernel, only to
/// ask for it again with the next chunk, until a piece as large as this was freed (mallopt(3),
/// `M_MMAP_THRESHOLD`).
fn keep_freed_memory() {
    drop(black_box(Vec::<u8>::with_capacity(KEPT_BYTES)));
}

/// Performs requests until there are no more. Writes that follow each other go together: each takes
/// whole pages of the file, and each answer wakes the event loop.
fn run(jobs: &Jobs<FileRequest, FileAnswer>, mut perform: impl FnMut(FileRequest) -> Option<FileAnswer>) {
    let mut next = None;
    while let Some(mut request) = next.take().or_else(|| jobs.next()) {
        while next.is_none()
            && let Some(following) = jobs.waiting().next()
        {
            next = request.add(following);
        }
        if perform(request).is_some_and(|answer| !jobs.answer([answer])) {
            return;
        }
    }
}

impl Discards {
    fn note(&self, request: &FileRequest) {
        if let FileRequest::Discard { number, .. } = request {
            self.lock().0.insert(*number);
        }
    }

    fn make_needless(&self, request: &FileRequest) -> bool {
        let (numbers, phase) = &*self.lock();
        let is_over = request.target().is_some_and(|number| numbers.contains(&number));
        is_over || (*phase == FileWorkPhase::Ends && !matches!(request, FileRequest::Discard { .. }))
    }

    fn done(&self, number: Option<TransferNumber>) {
        if let Some(number) = number {
            self.lock().0.remove(&number);
        }
    }

    /// Lets nothing else begin. Returns whether anything is still to be removed.
    fn end(&self) -> bool {
        let (numbers, phase) = &mut *self.lock();
        *phase = FileWorkPhase::Ends;
        !numbers.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, (BTreeSet<TransferNumber>, FileWorkPhase)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Performer {
    fn perform(&mut self, request: FileRequest) -> Option<FileAnswer> {
        match self {
            Self::Here(disk) => disk.perform(request),
            Self::Confined(disk, confined, inbox) => match confined.refusal(&request, inbox.as_deref()) {
                None => disk.perform(request),
                Some(why) => request.refused(&why),
            },
            Self::Broker(files) => {
                let (answer, gone) = files.perform(request);
                if let Some(why) = gone {
                    *self = Self::None(why);
                }
                answer
            }
            Self::None(why) => request.refused(why),
        }
    }
}

impl Confined {
    /// Why a request cannot be carried out, if it reaches for what was given up.
    fn refusal(&self, request: &FileRequest, inbox: Option<&Path>) -> Option<String> {
        let (within, what) = match request {
            FileRequest::Examine { path, .. } | FileRequest::ReopenSource { path, .. } => {
                (&self.reach.sent, Some(named_path(path)))
            }
            FileRequest::OpenTarget { place, part, .. } => {
                (&self.reach.received, place_of(place.as_deref(), part.as_ref(), inbox))
            }
            _ => return None,
        };
        let what = what.and_then(|path| std::path::absolute(path).ok());
        let is_reached = what.is_some_and(|path| within.iter().any(|reached| path.starts_with(reached)));
        (!is_reached).then(|| {
            let home = quoted(&self.home);
            let command = self.command;
            format!("rsachat {command} is confined to {home}; with --no-sandbox it sends and receives files anywhere")
        })
    }
}

/// Folder, or path in it, where a transfer goes.
fn place_of(place: Option<&str>, part: Option<&PartRow>, inbox: Option<&Path>) -> Option<PathBuf> {
    match (place, part) {
        (Some(place), _) => Some(named_path(place)),
        (None, Some(part)) => Some(OsString::from_vec(part.folder.clone()).into()),
        (None, None) => inbox.map(Path::to_owned),
    }
}

/// What transfers that are kept need: what is offered, and where what was accepted goes.
pub(crate) fn reach_of(pairs: &Pairs, inbox: Option<&Path>) -> Reach {
    let inbox = Destination::inbox(inbox, &|name| std::env::var_os(name));
    let mut reach = Reach::default();
    for row in pairs.values().flat_map(|pair| pair.transfers.values()) {
        match &row.state {
            TransferState::Outgoing { path, .. } => reach.sent.push(named_path(path)),
            TransferState::Open { part: Some(part) } | TransferState::Discarding { part, .. } => {
                reach.received.extend(place_of(None, Some(part), None));
            }
            TransferState::Accepted { place, part, .. } => {
                let place = place_of(place.as_deref(), part.as_ref(), inbox.as_deref());
                // A new name is one in a folder that is there.
                reach.received.extend(place.map(|place| match place.parent() {
                    Some(folder) if !place.is_dir() => folder.to_owned(),
                    _ => place,
                }));
            }
            TransferState::Open { part: None }
            | TransferState::Declined(_)
            | TransferState::Ended(_)
            | TransferState::Filed(_) => {}
        }
    }
    reach
}
