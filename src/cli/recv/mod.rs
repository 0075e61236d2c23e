//! `rsachat recv`: messages from one or many people to standard output or to a command. A message is receipted
//! when it has arrived there, and only then.

use std::io;

use clap::{ArgGroup, Args};

use super::args::{self, OutputArgs, ProtocolArgs, callers, others, warn_of_raw, way};
use crate::app::error::describe;
use crate::app::error::{AppError, code};
use crate::app::event_loop::App;
use crate::app::global_args::GlobalArgs;
use crate::app::keyring;
use crate::app::sink::{NoticeSink, ReceiptBatch};
use crate::chat::command::Command;
use crate::chat::{Chat, DialOutcome, Direction, ExitRequest, Input, Notice, Protocol, ReceiptDue};
use crate::config::SettingSources;
use crate::events::from_notice::{EventReporter, Severity};
use crate::events::{Done, Event, OutputFormat, emit};
use crate::limits;
use crate::net::signals::Signals;
use crate::net::worker::Priority;
use crate::net::{Net, process};
use crate::peers::book::Book;
use crate::store::{Home, book_file};
use crate::wire::ByeReason;

pub(crate) mod deliver;

use deliver::{Delivered, Deliverer, Destination};

/// `rsachat recv …`
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("way").required(true), after_help = "\
Each message is one line of safe text on standard output, or with --json one object, or with --exec the standard input of \
a command. It is receipted when it is written and flushed, or when the command has ended with 0. The command has \
RSACHAT_FROM, RSACHAT_FINGERPRINT, RSACHAT_VERIFIED (yes or no) and RSACHAT_SENT in its environment. On the raw wire \
(--wire oaep) anybody can write in any name, there is no fingerprint, and nobody gets a receipt.

Examples:
  rsachat recv --listen 8002 >> messages.log
  rsachat recv --listen 8002 --from alice --exec 'mail -s \"$RSACHAT_FROM\" root'
  rsachat recv --listen 127.0.0.1:8000 --wire oaep")]
pub(crate) struct RecvArgs {
    /// Wait for callers: a port, `host:port` or `[::1]:port`
    #[arg(long, value_name = "ADDR", group = "way")]
    listen: Option<String>,
    /// Call who will send: host or host:port
    #[arg(long, value_name = "ADDR", group = "way")]
    connect: Option<String>,
    /// Take messages of the holder of this key only
    #[arg(long, value_name = "SHA256:…")]
    pin: Option<String>,
    /// Take messages of this peer of your book only
    #[arg(long, value_name = "NAME", conflicts_with = "pin")]
    from: Option<String>,
    /// Take messages also of peers that are not in your book yet
    #[arg(long, conflicts_with_all = ["pin", "from"])]
    accept_new: bool,
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Give each message to the standard input of this shell command; receipt it when that ends with 0
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    #[command(flatten)]
    wire: ProtocolArgs,
    #[command(flatten)]
    manner: OutputArgs,
}

/// Receives to the end and gives the exit code.
pub(crate) fn run(
    home: &Home,
    common: &GlobalArgs,
    sources: &SettingSources,
    task: &RecvArgs,
) -> Result<u8, AppError> {
    args::warm_up_rng();
    let form = task.manner.form();
    let name = task.manner.own_name(sources)?;
    let wire = wire(task)?;
    let book = book_file::read(home)?;
    let command = command(task, wire, &book)?;
    let (own, passphrase) = keyring::unlock(home, common)?;
    // Without it fewer connections fit; the limit is said when it is met.
    let _ = process::raise_fd_limit();
    let mut net = Net::new()?;
    net.set_max_links(limits::PEERS);
    let signals = Signals::start(net.waker())?;
    let key = own.as_ref().map(|own| own.as_shown(home));
    let chat = Chat::new(name, key, book, limits::PEERS);
    let way = match (&task.exec, form) {
        (Some(command), _) => Destination::Command(command.clone()),
        (None, OutputFormat::Json) => Destination::Json,
        (None, OutputFormat::Words(_)) => Destination::Text,
    };
    let deliverer = Deliverer::start(way, task.count, net.waker())?;
    let gravity = if task.connect.is_some() { Severity::Ends } else { Severity::Passes };
    let desk = RecvSink { report: EventReporter { form, gravity }, deliverer };
    let app = App::new(chat, desk, net, home.clone(), own, passphrase, Priority::Lower)?;
    warn_of_raw(wire, "anybody may have written what comes", form);
    let mut recv = Recv { app, wire, form, messages: 0, failed: 0, leaving: false, over: None };
    recv.app.handle(Input::Command(command));
    let code = recv.until_over(&signals)?;
    recv.app.linger()?;
    let code = if code == 0 && recv.failed > 0 { code::FAILED } else { code };
    emit(&Event::Done(Done { code, messages: Some(recv.messages), ..Done::default() }), form);
    Ok(code)
}

/// The wire, and whether anything can come on it.
fn wire(task: &RecvArgs) -> Result<Protocol, AppError> {
    let by_key = match (&task.pin, &task.from) {
        (Some(_), _) => Some("--pin"),
        (None, Some(_)) => Some("--from"),
        (None, None) => task.accept_new.then_some("--accept-new"),
    };
    match task.wire.wire(by_key)? {
        Protocol::Oaep(Direction::OneWay) => {
            let why =
                "--one-way gives the other side no key of yours, so nothing that it seals could be read here";
            Err(AppError::new(code::USAGE, why.to_owned()).hint("leave it out"))
        }
        wire => Ok(wire),
    }
}

/// What is asked of the chat.
fn command(task: &RecvArgs, wire: Protocol, book: &Book) -> Result<Command, AppError> {
    let others = others(task.accept_new, wire);
    let callers = callers(task.pin.as_deref(), task.from.as_deref(), others, book)?;
    way(task.listen.as_deref(), task.connect.as_deref(), task.manner.family(), callers, wire)
}

/// Messages go to the deliverer, everything else to standard error.
struct RecvSink {
    report: EventReporter,
    deliverer: Deliverer,
}

impl NoticeSink for RecvSink {
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) {
        match (notice, due) {
            (Notice::Message(said), Some(due)) => self.deliverer.put(said.clone(), due),
            _ => self.report.show(notice, due),
        }
    }

    fn is_behind(&self) -> bool {
        self.deliverer.is_behind()
    }
}

struct Recv {
    app: App<RecvSink>,
    wire: Protocol,
    form: OutputFormat,
    messages: u64,
    failed: u64,
    leaving: bool,
    /// How the one connection of the raw wire ended, while what came by it is still being written.
    over: Option<DialOutcome>,
}

impl Recv {
    fn until_over(&mut self, signals: &Signals) -> Result<u8, AppError> {
        loop {
            if let Some(signal) = signals.next() {
                self.leave(ExitRequest::Signal(signal.number()));
            }
            self.report_delivered();
            if let Some(code) = self.app.quit() {
                return Ok(code);
            }
            if let Some(outcome) = self.outcome()
                && !self.leaving
            {
                match outcome {
                    DialOutcome::Unreachable | DialOutcome::ListenFailed => return Ok(code::MACHINE),
                    DialOutcome::Refused => return Ok(code::REFUSED),
                    DialOutcome::Lost | DialOutcome::PeerLeftEarly => return Ok(code::LOST),
                    DialOutcome::Failed => return Ok(code::FAILED),
                    DialOutcome::Left | DialOutcome::Done => self.leave(ExitRequest::Quit),
                }
                continue;
            }
            self.app.turn()?;
        }
    }

    /// How the connection ended. On our own wire what has not been written by then has no receipt, and its sender
    /// knows; on the raw one nobody would, so everything that came is written first.
    fn outcome(&mut self) -> Option<DialOutcome> {
        let outcome = self.app.outcomes().first().copied();
        if self.wire == Protocol::Native {
            return outcome;
        }
        let deliverer = &mut self.app.host.sink.deliverer;
        if outcome.is_some() {
            self.over = outcome;
            deliverer.close();
        }
        if deliverer.has_ended() { self.over.take() } else { None }
    }

    fn report_delivered(&mut self) {
        let mut latest = ReceiptBatch::default();
        while let Some(delivered) = self.app.host.sink.deliverer.next() {
            match delivered {
                Delivered::Upto(due, messages) => {
                    self.messages += messages;
                    latest.add(due);
                }
                Delivered::Failed { conn, why } => {
                    self.failed += 1;
                    self.pay(&mut latest);
                    emit(&Event::Warning { kind: "exec", message: why }, self.form);
                    self.app.handle(Input::Dismiss { conn, reason: ByeReason::OutputFailed });
                    self.app.host.sink.deliverer.forget(conn);
                }
                Delivered::Broken(error) => {
                    self.pay(&mut latest);
                    self.output_broke(&error);
                }
                Delivered::Enough => {
                    self.pay(&mut latest);
                    self.leave(ExitRequest::Quit);
                }
            }
        }
        self.pay(&mut latest);
    }

    /// Receipts for what has arrived.
    fn pay(&mut self, latest: &mut ReceiptBatch) {
        for due in std::mem::take(latest).all() {
            self.app.handle(Input::Shown(due));
        }
    }

    /// Nothing more can be kept: everybody is told why.
    fn output_broke(&mut self, error: &io::Error) {
        let (reason, farewell) = match error.kind() {
            // Like a program that SIGPIPE ends, but in order.
            io::ErrorKind::BrokenPipe => (ByeReason::OutputGone, ExitRequest::Signal(13)),
            io::ErrorKind::StorageFull => (ByeReason::OutputFull, ExitRequest::Failure(code::FAILED)),
            _ => (ByeReason::OutputFailed, ExitRequest::Failure(code::FAILED)),
        };
        if reason != ByeReason::OutputGone {
            let message = format!("cannot write the output: {}", describe(error));
            emit(&Event::Error { kind: "output", message, hint: None }, self.form);
        }
        for conn in self.app.chat().connections() {
            self.app.handle(Input::Dismiss { conn, reason });
        }
        self.leave(farewell);
    }

    fn leave(&mut self, farewell: ExitRequest) {
        self.leaving = true;
        self.app.handle(Input::ExitRequest(farewell));
    }
}
