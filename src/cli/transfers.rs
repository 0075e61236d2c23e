//! Process of a command that sends or receives files, and its reporter, which takes note of what it
//! tells; folders where files go without anybody.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::args::{self, Context, OutputArgs};
use crate::app::client::UserStore;
use crate::app::error::{AppError, code};
use crate::app::event_loop::App;
use crate::app::file_thread::reach_of;
use crate::app::host::{Behind, MessageUse, NoticeSink};
use crate::app::sandbox::Reach;
use crate::chat::{Audience, Chat, FileInfo, FileWarning, Info, Notice, ReceiptDue, TakeRule, Warning};
use crate::config::Settings;
use crate::events::from_notice::{EventReporter, Severity};
use crate::events::served_sink::{OwnFace, ServedSink};
use crate::events::{OutputEvent, emit};
use crate::limits;
use crate::net::Net;
use crate::net::process::Signals;
use crate::net::worker::ThreadPriority;
use crate::peers::book::Book;
use crate::store::OpenedStore;
use crate::store::files::Destination;

/// Command that transfers files, as its process is prepared.
pub(super) struct FileCommand<'a> {
    pub(super) name: &'static str,
    pub(super) output: &'a OutputArgs,
    /// What it sends, or where it receives, besides what is kept.
    pub(super) reach: Reach,
    pub(super) seats: usize,
    /// What the end of a connection is to it.
    pub(super) severity: Severity,
}

impl FileCommand<'_> {
    /// Confines the process, opens the home in it and serves that to others.
    pub(super) fn begin(
        self,
        context: &Context<'_>,
        book: Book,
        (mut net, opened): (Net, Option<OpenedStore>),
        profile: UserStore,
        configure: impl FnOnce(&mut Chat),
    ) -> Result<(App<Served>, Signals), AppError> {
        let form = self.output.format();
        let settings = context.settings.resolve();
        let kept = opened.as_ref().map(|opened| reach_of(&opened.pairs, settings.inbox.as_deref()));
        let mut reach = kept.unwrap_or_default();
        reach.sent.extend(self.reach.sent);
        reach.received.extend(self.reach.received);
        let confinement = context.confine_reaching(&reach)?;
        emit(&OutputEvent::sandbox(&confinement), form);
        args::warm_up_rng();
        net.set_max_links(self.seats + limits::UNAUTHENTICATED_CONNECTIONS);
        let signals = Signals::start(net.waker())?;
        let name = self.output.own_name(&context.settings);
        let mut chat = profile.chat(name, book, self.seats).transferring_files();
        chat.set_history(settings.history, settings.history_days);
        chat.set_audience(Audience::Absent);
        configure(&mut chat);
        let home = context.global.home.clone();
        let reporter = FileReporter::new(EventReporter { form, severity: self.severity, home });
        let sink = ServedSink::new(reporter, OwnFace::OnlyTells);
        let mut app = App::new(chat, sink, net, profile, ThreadPriority::Same)?;
        app.keep_messages(opened.map(Ok));
        app.serve_home();
        app.note_confinement(&confinement, self.name, reach);
        app.receive_files_in(settings.inbox);
        app.begin();
        Ok((app, signals))
    }
}

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
