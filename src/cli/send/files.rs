//! `rsachat send --file`: files and folders to one peer, until it has them on its disk. The home is
//! open here and served to others meanwhile: what is left is known again by the next process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::file_progress::{FileDisplay, Wish};
use super::kept::{call, known};
use super::options::SendArgs;
use super::waiting::TOLD_AFTER;
use crate::app::client::UserStore;
use crate::app::error::{AppError, SIGNAL_CODE, code, describe, hint_at_home};
use crate::app::event_loop::{App, Flow, Frontend};
use crate::app::owner_client::{Claim, OwnerClient, Watch, claim};
use crate::app::sandbox::Reach;
use crate::chat::command::{Command, KnownFiles};
use crate::chat::{
    Backoff, DialOutcome, ExitRequest, FileInfo, FileWarning, Input, Protocol, TransferNumber,
};
use crate::cli::args::{self, Context, listen_or_connect};
use crate::cli::transfers::{FileCommand, FileNews, Served};
use crate::crypto::Fingerprint;
use crate::events::face_server::FaceServer;
use crate::events::from_notice::Severity;
use crate::events::{Done, OutputEvent, OutputFormat, emit};
use crate::limits;
use crate::net::Net;
use crate::net::process::Signal;
use crate::store::{OpenedStore, StoreError, book_file, quoted};
use crate::time::MonoMs;

/// What is sent to whom.
struct Sending {
    connect: Command,
    /// The peer, where it is known before it is called.
    peer: Option<Fingerprint>,
    paths: Vec<PathBuf>,
    name: Option<String>,
}

pub(super) fn run(context: &Context<'_>, args: &SendArgs) -> Result<u8, AppError> {
    let (target, files) = args.files()?;
    let paths = files.iter().map(|file| readable(file)).collect::<Result<_, _>>()?;
    let book = book_file::read(&context.home)?;
    let (peer, address) = known(target, args, &book)?;
    let connect = if let Some(peer) = peer {
        call(peer, address, args.output.via.clone())
    } else {
        let callers = args.peer.selection().accept_policy(Protocol::Native, &book)?;
        listen_or_connect(None, Some(target), &args.output, callers, Protocol::Native)?
    };
    context.check_callee(&connect, &book)?;
    let (peer, name) = (peer.map(|peer| peer.fingerprint), args.offered_as.clone());
    let sending = Sending { connect, peer, paths, name };
    loop {
        let net = match OwnerClient::find(&context.home, Net::new()?, Watch::Always)? {
            Ok(client) => {
                wait_for(context, client, args.output.format())?;
                continue;
            }
            Err(net) => net,
        };
        let profile = context.unlock()?;
        let claimed = match profile.identity() {
            Some(identity) => claim(&context.home, &identity, net, Watch::Always)?,
            None => {
                return send(context, args, sending, (net, None), profile);
            }
        };
        match claimed {
            Claim::Served(client) => wait_for(context, client, args.output.format())?,
            Claim::Free(net, opened) => return send(context, args, sending, (net, Some(opened)), profile),
        }
    }
}

/// Waits for the end of a command that has the home open: it reads its own files alone.
fn wait_for(context: &Context<'_>, client: OwnerClient, format: OutputFormat) -> Result<(), AppError> {
    if !client.is_passing() {
        let what = format!("{} serves this home, and sends its files", client.title());
        let hint = "rsachat attach opens a prompt on it, where :send PATH --to NAME offers them; a rsachat serve \
                    takes new paths only with --no-sandbox: end it first, or start it so";
        let hint = hint_at_home(hint, context.global.home.as_deref());
        return Err(AppError::new(code::MACHINE, what).hint(hint));
    }
    let message =
        format!("{} sends what this home keeps; this one begins once that has ended", client.title());
    emit(&OutputEvent::Warning { kind: "waiting", message }, format);
    client.wait_for_end()
}

/// The path, if what is there can be read: that is better known before anybody is called.
fn readable(file: &str) -> Result<PathBuf, AppError> {
    let path = Path::new(file);
    let cannot = |error: std::io::Error| {
        AppError::new(code::MACHINE, format!("cannot send {}: {}", quoted(path), describe(&error)))
    };
    let kind = fs::metadata(path).map_err(cannot)?.file_type();
    if !kind.is_dir() && !kind.is_file() {
        let what = format!("{} is neither a file nor a folder", quoted(path));
        return Err(AppError::new(code::MACHINE, what).hint("for a stream there is rsachat pipe"));
    }
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path).map_err(cannot)?;
    std::path::absolute(path).map_err(cannot)
}

/// Sends with the home open here.
fn send(
    context: &Context<'_>,
    args: &SendArgs,
    sending: Sending,
    (net, opened): (Net, Option<Result<OpenedStore, StoreError>>),
    profile: UserStore,
) -> Result<u8, AppError> {
    let format = args.output.format();
    let command = FileCommand {
        name: "send",
        output: &args.output,
        reach: Reach { sent: sending.paths.clone(), ..Reach::default() },
        seats: args::seats(None, limits::PEERS)?,
        severity: if args.retry == 0 { Severity::Ends } else { Severity::Passes },
    };
    let book = book_file::read(&context.home)?;
    let (mut app, signals) = command.begin(context, book, (net, opened.transpose()?), profile, |_| {})?;
    let wish = if args.quiet { Wish::Quiet } else { Wish::Progress };
    let now = Instant::now();
    let mut frontend = FilesFrontend {
        format,
        sending,
        stage: Stage::Begins,
        unanswered: 0,
        is_handed_over: false,
        files: BTreeMap::new(),
        refused: 0,
        retries_left: args.retry,
        backoff: Backoff::default(),
        timeout: args.timeout,
        began: now,
        last_progress: now,
        progress: BTreeMap::new(),
        told_after: Some(TOLD_AFTER),
        display: FileDisplay::new(format, wish),
        faces: FaceServer::of_command("send"),
    };
    let code = app.run(&mut frontend, &signals)?;
    frontend.display.clear();
    frontend.faces.finish(&mut app);
    app.linger()?;
    Ok(frontend.finish(code))
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// What is known before is offered, and then the peer is called.
    Begins,
    /// It is called at this moment.
    CallsAt(Instant),
    Called,
    /// The chat has been asked to end, for this code.
    Ends(u8),
}

/// What became of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// Nothing of it has ever moved.
    New,
    /// It was on offer before.
    Known,
    Accepted,
    Delivered,
    Failed,
}

struct FilesFrontend {
    format: OutputFormat,
    sending: Sending,
    stage: Stage,
    /// Paths that were handed over, and of which it is not known what is there.
    unanswered: usize,
    is_handed_over: bool,
    files: BTreeMap<TransferNumber, Fate>,
    /// Paths that are not offered.
    refused: usize,
    retries_left: u32,
    backoff: Backoff,
    /// Time from one sign of progress to the next.
    timeout: Option<Duration>,
    began: Instant,
    last_progress: Instant,
    /// What was written of each then.
    progress: BTreeMap<TransferNumber, u64>,
    /// Time after which it is said what is waited for, until it was.
    told_after: Option<Duration>,
    display: FileDisplay,
    /// Other processes that use the home.
    faces: FaceServer,
}

impl Frontend<Served> for FilesFrontend {
    fn on_signal(&mut self, app: &mut App<Served>, signal: Signal) {
        let number = signal.number();
        // What was just accepted is not taken back.
        self.take_news(app);
        self.end_by(app, number.saturating_add(SIGNAL_CODE), ExitRequest::Signal(number));
    }

    fn poll_output(&mut self, app: &mut App<Served>) -> Option<u8> {
        app.send_receipts();
        self.take_news(app);
        None
    }

    fn on_outcome(&mut self, app: &mut App<Served>, outcome: DialOutcome) -> Option<u8> {
        if matches!(self.stage, Stage::Ends(_)) {
            return None;
        }
        if self.is_done() {
            self.end(app, 0);
            return None;
        }
        let code = match outcome {
            DialOutcome::Left | DialOutcome::Done => code::LOST,
            outcome => outcome.exit_code(),
        };
        let is_final = matches!(outcome, DialOutcome::NotCalled | DialOutcome::Refused | DialOutcome::Done);
        if is_final || self.retries_left == 0 {
            if outcome == DialOutcome::Left {
                self.error("left", "the other side left before everything had arrived".to_owned());
            }
            self.end(app, code);
            return None;
        }
        self.retries_left -= 1;
        self.backoff.lose(self.elapsed());
        let delay = self.backoff.next_delay(app.chat().fingerprint());
        self.stage = Stage::CallsAt(Instant::now() + Duration::from_millis(delay));
        let message = format!("trying again in {} s", delay.div_ceil(1_000));
        emit(&OutputEvent::Notice { message }, self.format);
        None
    }

    fn poll_input(&mut self, app: &mut App<Served>) -> Flow {
        self.faces.poll(app);
        self.note_progress(app);
        match self.stage {
            Stage::Begins => {
                if let Some(peer) = self.sending.peer {
                    self.hand_over(app, Some(peer.to_string()));
                }
                self.stage = Stage::CallsAt(Instant::now());
                return Flow::Again;
            }
            // What is there is known before the peer is: it may have all of it already.
            Stage::CallsAt(at) if at <= Instant::now() && self.unanswered == 0 => {
                if self.is_done() {
                    self.end(app, 0);
                    return Flow::Again;
                }
                self.stage = Stage::Called;
                app.handle(Input::Command(self.sending.connect.clone()));
                return Flow::Again;
            }
            Stage::Called if app.chat().has_recipient() => {
                self.backoff.answer(self.elapsed());
                if !self.is_handed_over {
                    self.hand_over(app, None);
                    return Flow::Again;
                }
            }
            Stage::CallsAt(_) | Stage::Called | Stage::Ends(_) => {}
        }
        if matches!(self.stage, Stage::Ends(_)) {
            return Flow::Wait(None);
        }
        if self.is_done() {
            self.end(app, 0);
            return Flow::Again;
        }
        if self.gives_up_at().is_some_and(|at| at <= Instant::now()) {
            let what = if app.chat().has_recipient() {
                "nothing has moved for the time of --timeout"
            } else {
                "nobody was connected in time"
            };
            self.error("timeout", what.to_owned());
            self.end(app, code::LOST);
            return Flow::Again;
        }
        let at = if let Stage::CallsAt(at) = self.stage { Some(at) } else { None };
        let told_at = self.tell_waiting(app);
        let wakes = [at.filter(|_| self.unanswered == 0), told_at, self.gives_up_at(), self.display.due()];
        Flow::Wait(wakes.into_iter().flatten().min())
    }

    fn finish_output(&mut self, app: &mut App<Served>) {
        let never_given = app.sink().never_given();
        app.handle(Input::NeverGiven(never_given));
    }
}

impl FilesFrontend {
    /// Has the paths looked at and offered.
    fn hand_over(&mut self, app: &mut App<Served>, to: Option<String>) {
        let paths = self.sending.paths.iter().map(|path| path.display().to_string()).collect();
        self.unanswered = self.sending.paths.len();
        self.is_handed_over = true;
        let name = self.sending.name.clone();
        app.handle(Input::Command(Command::SendFiles { paths, to, name, known: KnownFiles::GoneOnWith }));
    }

    fn take_news(&mut self, app: &mut App<Served>) {
        while let Some(news) = app.sink().own.next() {
            self.take(app, &news);
        }
    }

    /// Takes note of what is told of a transfer.
    fn take(&mut self, app: &mut App<Served>, news: &FileNews) {
        match news {
            FileNews::Info(FileInfo::Offered { number, .. }) => self.note_offered(*number, Fate::New),
            FileNews::Info(FileInfo::OfferedAlready { number, .. }) => {
                self.note_offered(*number, Fate::Known);
            }
            FileNews::Warning(FileWarning::NotOffered { .. }) => {
                self.unanswered = self.unanswered.saturating_sub(1);
                self.refused += 1;
            }
            FileNews::Info(FileInfo::Taken { number, .. }) => self.note(*number, Fate::Accepted),
            FileNews::Info(FileInfo::Delivered { number, .. }) => self.note(*number, Fate::Delivered),
            FileNews::Info(FileInfo::Cancelled { number, .. } | FileInfo::Expired { number, .. })
            | FileNews::Warning(
                FileWarning::Declined { number, .. }
                | FileWarning::Cancelled { number, .. }
                | FileWarning::Stopped { number, .. }
                | FileWarning::SourceFailed { number, .. },
            ) => self.note(*number, Fate::Failed),
            FileNews::Warning(FileWarning::TakesNoFiles { .. } | FileWarning::RawWire) => {
                self.end(app, code::FAILED);
            }
            FileNews::Info(_) | FileNews::Warning(_) => {}
        }
    }

    fn note_offered(&mut self, number: TransferNumber, fate: Fate) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.files.entry(number).or_insert(fate);
    }

    /// Takes note of what became of a transfer, if it is one of these.
    fn note(&mut self, number: TransferNumber, fate: Fate) {
        if let Some(known) = self.files.get_mut(&number) {
            *known = fate;
            self.last_progress = Instant::now();
        }
    }

    /// Whether nothing is left to wait for.
    fn is_done(&self) -> bool {
        let is_over = |fate: &Fate| matches!(fate, Fate::Delivered | Fate::Failed);
        self.is_handed_over && self.unanswered == 0 && self.files.values().all(is_over)
    }

    /// Takes note of how far the transfers are, and shows the first that is on its way.
    fn note_progress(&mut self, app: &App<Served>) {
        let on_their_way: Vec<_> =
            self.files.keys().filter_map(|number| app.chat().progress_of(*number)).collect();
        let now = on_their_way.iter().map(|one| (one.number, one.written)).collect();
        if now != self.progress {
            (self.progress, self.last_progress) = (now, Instant::now());
        }
        self.display.update(on_their_way.first());
    }

    /// Says once that the peer has accepted nothing, and returns the moment for that.
    fn tell_waiting(&mut self, app: &App<Served>) -> Option<Instant> {
        let is_open = self.files.values().any(|fate| matches!(fate, Fate::New | Fate::Known));
        let is_waiting = self.stage == Stage::Called && is_open && app.chat().has_recipient();
        let at = self.last_progress + self.told_after.filter(|_| is_waiting)?;
        if at > Instant::now() {
            return Some(at);
        }
        self.told_after = None;
        let message = "the other side is connected, and has not accepted everything yet".to_owned();
        emit(&OutputEvent::Warning { kind: "waiting", message }, self.format);
        None
    }

    /// Moment at which the time of `--timeout` has passed.
    fn gives_up_at(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| self.last_progress.checked_add(timeout))
    }

    /// Time since it began.
    fn elapsed(&self) -> MonoMs {
        MonoMs(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn error(&mut self, kind: &'static str, message: String) {
        self.display.clear();
        emit(&OutputEvent::Error { kind, message, hint: None }, self.format);
    }

    fn end(&mut self, app: &mut App<Served>, code: u8) {
        if !matches!(self.stage, Stage::Ends(_)) {
            self.end_by(app, code, ExitRequest::Quit);
        }
    }

    /// Ends. What nobody has accepted is taken back: no later process sends it, whose exit code
    /// nobody sees.
    fn end_by(&mut self, app: &mut App<Served>, code: u8, request: ExitRequest) {
        self.stage = Stage::Ends(code);
        for (number, _) in self.files.extract_if(.., |_, fate| *fate == Fate::New) {
            app.handle(Input::Command(Command::CancelFiles { number }));
        }
        app.handle(Input::ExitRequest(request));
    }

    /// Reports what became of the files, and returns the exit code. `code` is that of the chat.
    fn finish(&self, code: u8) -> u8 {
        let delivered = self.files.values().filter(|fate| **fate == Fate::Delivered).count();
        let (all, failed) = (self.sending.paths.len(), self.files.values().any(|fate| *fate == Fate::Failed));
        let code = match (self.stage, code) {
            // Everything has arrived, whatever else this process served.
            _ if delivered == all => 0,
            (Stage::Ends(code), _) if code != 0 => code,
            _ if failed || self.refused > 0 => code::FAILED,
            (_, 0 | code::QUEUED) => code::LOST,
            (_, code) => code,
        };
        if code != 0 {
            let message = match all {
                1 => "the file has not arrived".to_owned(),
                _ => format!("{delivered} of {all} files and folders have arrived"),
            };
            let is_left = self.files.values().any(|fate| matches!(fate, Fate::Known | Fate::Accepted));
            let hint = "the same command goes on where it was; what has arrived is not sent again";
            let hint = is_left.then(|| hint.to_owned());
            emit(&OutputEvent::Error { kind: "file", message, hint }, self.format);
        }
        let files = Some(delivered.try_into().unwrap_or(u64::MAX));
        emit(&OutputEvent::Done(Done { code, files, ..Done::default() }), self.format);
        code
    }
}
