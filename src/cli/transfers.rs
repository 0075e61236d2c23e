//! Reporter of the commands that send and receive files, which take note of what it tells; folders
//! where files go without anybody.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::app::error::{AppError, code};
use crate::app::host::{Behind, MessageUse, NoticeSink};
use crate::chat::{FileInfo, FileWarning, Info, Notice, ReceiptDue, TakeRule, Warning};
use crate::config::Settings;
use crate::events::from_notice::EventReporter;
use crate::events::served_sink::ServedSink;
use crate::store::files::Destination;

/// Sink of a command that transfers files and serves its home meanwhile.
pub(super) type Served = ServedSink<FileReporter>;

/// Reporter that keeps what is told of files for the command as well.
pub(super) struct FileReporter {
    reporter: EventReporter,
    news: VecDeque<FileNews>,
}

/// What is told of a transfer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum FileNews {
    Info(FileInfo),
    Warning(FileWarning),
}

impl FileReporter {
    pub(super) fn new(reporter: EventReporter) -> Self {
        Self { reporter, news: VecDeque::new() }
    }

    /// The next of what was told.
    pub(super) fn next(&mut self) -> Option<FileNews> {
        self.news.pop_front()
    }
}

impl NoticeSink for FileReporter {
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) {
        match notice {
            Notice::Info(Info::File(info)) => self.news.push_back(FileNews::Info(info.clone())),
            Notice::Warning(Warning::File(warning)) => {
                self.news.push_back(FileNews::Warning(warning.clone()));
            }
            _ => {}
        }
        self.reporter.show(notice, due);
    }

    fn messages(&self) -> MessageUse {
        self.reporter.messages()
    }

    fn behind(&self) -> Behind {
        self.reporter.behind()
    }
}

/// Folders of what is accepted without anybody, which are made if they are missing.
pub(crate) fn taken_to(config: &Settings) -> Result<Vec<PathBuf>, AppError> {
    let made = |rule: &TakeRule| {
        let made = match &rule.folder {
            Some(folder) => Destination::of_settings(Some(Path::new(folder)), &|_| None),
            None => Destination::of_settings(config.inbox.as_deref(), &|name| std::env::var_os(name)),
        };
        made.map(|place| place.folder().to_owned())
    };
    let folders: Result<Vec<_>, _> = config.take.iter().map(made).collect();
    folders.map_err(|error| {
        AppError::new(code::MACHINE, format!("the setting take: {error}"))
            .hint("name another folder with dir")
    })
}
