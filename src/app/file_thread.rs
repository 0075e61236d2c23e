//! Thread that reads and writes the files of transfers, in the order in which that is asked for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mio::Waker;

use super::broker::{self, BrokerFiles};
use super::file_disk::{FileDisk, Places};
use super::job_thread::JobThread;
use crate::chat::{FileAnswer, FileRequest};
use crate::store::quoted;

/// Files of transfers; the thread begins with the first request.
#[derive(Default)]
pub(crate) struct FileWork {
    /// Folder for what is received, if the settings name one.
    inbox: Option<PathBuf>,
    thread: Option<JobThread<FileRequest, FileAnswer>>,
}

/// Performer of what is asked of the disk.
enum Performer {
    /// This process.
    Here(FileDisk),
    /// The broker of a confined one.
    Broker(BrokerFiles),
    /// Nobody, for this reason.
    None(String),
}

impl FileWork {
    /// Work that puts what is received into a folder.
    pub(crate) fn new(inbox: Option<PathBuf>) -> Self {
        Self { inbox, thread: None }
    }

    /// Hands a request over; its answer comes later. A process that is confined to a folder opens
    /// its files by its broker.
    pub(crate) fn submit(&mut self, request: FileRequest, confined_to: Option<&Path>, waker: Arc<Waker>) {
        if self.thread.is_none() {
            // Without a thread nothing is answered; a machine that has none left says so elsewhere.
            self.thread = start(self.inbox.clone(), confined_to, waker).ok();
        }
        if let Some(thread) = &self.thread {
            // One that has ended has panicked: the transfer stands still, and can be cancelled.
            let _ = thread.submit(request);
        }
    }

    /// The next answer.
    pub(crate) fn finished(&self) -> Option<FileAnswer> {
        self.thread.as_ref()?.answer().ok().flatten()
    }
}

fn start(
    inbox: Option<PathBuf>,
    confined_to: Option<&Path>,
    waker: Arc<Waker>,
) -> io::Result<JobThread<FileRequest, FileAnswer>> {
    let at_broker = broker::of_process().map(|broker| broker.files(inbox.clone()));
    let mut performer = match (at_broker, confined_to) {
        (Some(Ok(files)), _) => Performer::Broker(files),
        (Some(Err(why)), _) => Performer::None(why),
        (None, Some(home)) => Performer::None(format!(
            "rsachat serve is confined to {}; start it with --no-sandbox to send and receive files",
            quoted(home)
        )),
        (None, None) => Performer::Here(FileDisk::at(Places::Machine { inbox })),
    };
    JobThread::start("files", waker, move |jobs| {
        while let Some(request) = jobs.next() {
            if !performer.perform(request).is_none_or(|answer| jobs.answer([answer])) {
                return;
            }
        }
    })
}

impl Performer {
    fn perform(&mut self, request: FileRequest) -> Option<FileAnswer> {
        let refused = match self {
            Self::Here(disk) => return disk.perform(request),
            Self::Broker(files) => match files.perform(&request) {
                Ok(answer) => return answer,
                Err(why) => why,
            },
            Self::None(why) => return request.refused(why),
        };
        let answer = request.refused(&refused);
        *self = Self::None(refused);
        answer
    }
}
