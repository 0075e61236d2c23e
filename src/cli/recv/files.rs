//! `rsachat recv --files`: files and folders of peers, into a folder. The home is open here and
//! served to others meanwhile: what was received in part is known again by the next process.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::options::RecvArgs;
use crate::app::error::{AppError, code, describe, hint_at_home};
use crate::app::event_loop::{App, Flow, Frontend};
use crate::app::os::{output_failed, print_line};
use crate::app::owner_client::{Claim, Watch, claim, numbered};
use crate::app::sandbox::Reach;
use crate::chat::display::left_unfinished;
use crate::chat::{
    AcceptPolicy, DialOutcome, ExitRequest, FileInfo, FileWarning, FirstCaller, Input, OtherOffers, TakeRule,
    TakeRules, TakenFrom, TransferNumber,
};
use crate::cli::args::{self, Context, listen_or_connect};
use crate::cli::transfers::{FileCommand, FileNews, Served};
use crate::config::as_folder;
use crate::events::face_server::FaceServer;
use crate::events::from_notice::Severity;
use crate::events::{Done, OutputEvent, OutputFormat, emit};
use crate::limits;
use crate::net::Net;
use crate::net::process::Signal;
use crate::store::{book_file, quoted};
use crate::text::safe::SafeText;

pub(super) fn run(
    context: &Context<'_>,
    args: &RecvArgs,
    folder: &Path,
    policy: AcceptPolicy,
) -> Result<u8, AppError> {
    let format = args.output.format();
    let folder = writable(folder)?;
    let book = book_file::read(&context.home)?;
    let (listen, connect) = (args.listen.as_deref(), args.connect.as_deref());
    let command = listen_or_connect(listen, connect, &args.output, policy, args.protocol()?)?;
    context.check_callee(&command, &book)?;
    let profile = context.unlock()?;
    let net = Net::new()?;
    let claimed = match profile.identity() {
        Some(identity) => match claim(&context.home, &identity, net, Watch::AfterOrders)? {
            Claim::Served(client) => return Err(served(context, client.process)),
            Claim::Free(net, opened) => (net, Some(opened?)),
        },
        None => (net, None),
    };
    let process = FileCommand {
        name: "recv",
        output: &args.output,
        reach: Reach { received: vec![folder.clone()], ..Reach::default() },
        seats: args::seats(args.peers, limits::PEERS)?,
        severity: if args.connect.is_some() { Severity::Ends } else { Severity::Passes },
    };
    let (mut app, signals) = process.begin(context, book, claimed, profile, |chat| {
        chat.set_first_caller(FirstCaller::Nobody);
        let rule = TakeRule { from: TakenFrom::Everybody, most: args.max, folder: Some(as_folder(&folder)) };
        chat.set_take_rules(TakeRules { rules: vec![rule], others: OtherOffers::Refuse });
        if !args.no_retry {
            chat.call_lost_peers();
        }
    })?;
    app.handle(Input::Command(command));
    let mut frontend = FilesFrontend {
        format,
        count: args.count,
        filed: 0,
        failed: BTreeSet::new(),
        exiting: false,
        faces: FaceServer::default(),
    };
    let code = app.run(&mut frontend, &signals)?;
    frontend.faces.finish(&mut app);
    app.linger()?;
    Ok(frontend.finish(code, &app.chat().left_transfers()))
}

/// The folder, if files can be made in it: that is better known now than when one arrives.
fn writable(folder: &Path) -> Result<PathBuf, AppError> {
    let cannot = |why: String, hint: &str| {
        let what = format!("cannot receive files in {}: {why}", quoted(folder));
        AppError::new(code::MACHINE, what).hint(hint)
    };
    let absolute =
        std::path::absolute(folder).map_err(|error| cannot(describe(&error), "name another folder"))?;
    if !absolute.is_dir() {
        return Err(cannot("there is no such folder".to_owned(), "make it, or name another folder"));
    }
    access(&absolute, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| cannot(describe(&error.into()), "name another folder"))?;
    // Requests name places as text.
    match absolute.to_str() {
        Some(_) => Ok(absolute),
        None => Err(cannot("its path is not UTF-8".to_owned(), "name another folder")),
    }
}

/// Why nothing is received where another process has the home open.
fn served(context: &Context<'_>, process: Option<u32>) -> AppError {
    let what = format!("another rsachat{} serves this home, and gets its files", numbered(process));
    let hint = "rsachat attach opens a prompt on it, where :accept takes them; with the setting take it takes them by \
                itself, once it is started again; or end it first";
    AppError::new(code::MACHINE, what).hint(hint_at_home(hint, context.global.home.as_deref()))
}

struct FilesFrontend {
    format: OutputFormat,
    /// How many are wanted, if they are counted.
    count: Option<u64>,
    filed: u64,
    /// Those that could not be received, and did not come later.
    failed: BTreeSet<TransferNumber>,
    exiting: bool,
    /// Other processes that use the home.
    faces: FaceServer,
}

impl Frontend<Served> for FilesFrontend {
    fn on_signal(&mut self, app: &mut App<Served>, signal: Signal) {
        self.exit(app, ExitRequest::Signal(signal.number()));
    }

    fn poll_output(&mut self, app: &mut App<Served>) -> Option<u8> {
        app.send_receipts();
        while let Some(news) = app.sink().own.next() {
            match news {
                FileNews::Info(FileInfo::Received { number, path, .. }) => {
                    self.failed.remove(&number);
                    self.filed += 1;
                    if let Err(error) = self.print(&path) {
                        return Some(output_failed(&error));
                    }
                }
                FileNews::Warning(
                    FileWarning::NotReceived { number, .. }
                    | FileWarning::NotFinished { number, .. }
                    | FileWarning::NotAccepted { number, .. },
                ) => _ = self.failed.insert(number),
                FileNews::Info(_) | FileNews::Warning(_) => {}
            }
        }
        if self.count.is_some_and(|count| self.filed >= count) && !self.exiting {
            self.exit(app, ExitRequest::Quit);
        }
        None
    }

    fn on_outcome(&mut self, app: &mut App<Served>, outcome: DialOutcome) -> Option<u8> {
        match (outcome, outcome.exit_code()) {
            _ if self.exiting => None,
            // By the book, which another process has changed.
            (DialOutcome::Done, _) => Some(code::REFUSED),
            (_, 0) => {
                self.exit(app, ExitRequest::Quit);
                None
            }
            (_, code) => Some(code),
        }
    }

    fn poll_input(&mut self, app: &mut App<Served>) -> Flow {
        self.faces.poll(app);
        if app.exit_code().is_some() { Flow::Again } else { Flow::Wait(None) }
    }

    fn finish_output(&mut self, app: &mut App<Served>) {
        let never_given = app.sink().never_given();
        app.handle(Input::NeverGiven(never_given));
    }
}

impl FilesFrontend {
    /// Writes where a file or folder is.
    fn print(&self, path: &str) -> std::io::Result<()> {
        match self.format {
            OutputFormat::Json => Ok(()),
            OutputFormat::Words | OutputFormat::VerboseWords => {
                print_line(SafeText::exact_line(path.as_bytes()).as_str())
            }
        }
    }

    fn exit(&mut self, app: &mut App<Served>, request: ExitRequest) {
        self.exiting = true;
        app.handle(Input::ExitRequest(request));
    }

    /// Reports the end, and what of it goes on later, and returns the exit code. `code` is that of
    /// the chat.
    fn finish(&self, code: u8, left: &[String]) -> u8 {
        if !left.is_empty() {
            let message = left_unfinished(left, "the same command");
            emit(&OutputEvent::Warning { kind: "file", message }, self.format);
        }
        let missing = self.count.map_or(0, |count| count.saturating_sub(self.filed));
        let code = match code {
            // Lines for others wait in the home; that was not asked for here.
            0 | code::QUEUED if missing > 0 => code::LOST,
            0 | code::QUEUED if !self.failed.is_empty() => code::FAILED,
            code::QUEUED => 0,
            code => code,
        };
        if missing > 0 && code == code::LOST {
            let count = self.filed + missing;
            let message = format!("{} of {count} files came", self.filed);
            emit(&OutputEvent::Error { kind: "file", message, hint: None }, self.format);
        }
        emit(&OutputEvent::Done(Done { code, files: Some(self.filed), ..Done::default() }), self.format);
        code
    }
}
