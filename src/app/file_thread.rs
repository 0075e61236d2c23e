//! Thread that reads and writes the files of transfers, in the order in which that is asked for.

use std::io;
use std::path::Path;
use std::sync::Arc;

use mio::Waker;

use super::broker::{self, Broker, BrokerFiles};
use super::file_disk::FileDisk;
use super::job_thread::JobThread;
use crate::chat::{FileAnswer, FileRequest};
use crate::store::quoted;

/// Files of transfers; the thread begins with the first request.
#[derive(Default)]
pub(crate) struct FileWork(Option<JobThread<FileRequest, FileAnswer>>);

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
    /// Hands a request over; its answer comes later. A process that is confined to a folder opens
    /// its files by its broker.
    pub(crate) fn submit(&mut self, request: FileRequest, confined_to: Option<&Path>, waker: Arc<Waker>) {
        if self.0.is_none() {
            // Without a thread nothing is answered; a machine that has none left says so elsewhere.
            self.0 = start(confined_to, waker).ok();
        }
        if let Some(thread) = &self.0 {
            // One that has ended has panicked: the transfer stands still, and can be cancelled.
            let _ = thread.submit(request);
        }
    }

    /// The next answer.
    pub(crate) fn finished(&self) -> Option<FileAnswer> {
        self.0.as_ref()?.answer().ok().flatten()
    }
}

fn start(confined_to: Option<&Path>, waker: Arc<Waker>) -> io::Result<JobThread<FileRequest, FileAnswer>> {
    let mut performer = match (broker::of_process().map(Broker::files), confined_to) {
        (Some(Ok(files)), _) => Performer::Broker(files),
        (Some(Err(why)), _) => Performer::None(why),
        (None, Some(home)) => Performer::None(format!(
            "rsachat serve is confined to {}; start it with --no-sandbox to send and receive files",
            quoted(home)
        )),
        (None, None) => Performer::Here(FileDisk::default()),
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
