//! `rsachat recv`: messages from one or many people to standard output or to a command. A message is receipted
//! when it has arrived there, and only then.

use std::io;

use clap::{ArgGroup, Args};

use super::args::{self, Manner, WireChoice, callers, others, warn_of_raw, way};
use crate::app::error::words;
use crate::app::error::{Fault, code};
use crate::app::event_loop::Driver;
use crate::app::global_args::Common;
use crate::app::keyring;
use crate::app::sink::{Latest, Show};
use crate::chat::command::Command;
use crate::chat::{Chat, Direction, Farewell, Input, Notice, Owed, Verdict, Wire};
use crate::config::Sources;
use crate::events::from_notice::{Gravity, Report};
use crate::events::{Done, Event, Form, tell};
use crate::limits;
use crate::net::signals::Signals;
use crate::net::worker::Priority;
use crate::net::{Net, process};
use crate::peers::book::Book;
use crate::store::{Home, book_file};
use crate::wire::ByeReason;

pub(crate) mod deliver;

use deliver::{Delivered, Deliverer, Way};

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
pub(crate) struct RecvTask {
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
    wire: WireChoice,
    #[command(flatten)]
    manner: Manner,
}

/// Receives to the end and gives the exit code.
pub(crate) fn run(home: &Home, common: &Common, sources: &Sources, task: &RecvTask) -> Result<u8, Fault> {
    args::get_ready();
    let form = task.manner.form();
    let name = task.manner.own_name(sources)?;
    let wire = wire(task)?;
    let book = book_file::read(home)?;
    let command = command(task, wire, &book)?;
    let (own, passphrase) = keyring::unlock(home, common)?;
    // Without it fewer connections fit; the limit is said when it is met.
    let _ = process::raise_limit();
    let mut net = Net::new()?;
    net.set_ceiling(limits::PEERS);
    let signals = Signals::start(net.waker())?;
    let key = own.as_ref().map(|own| own.as_shown(home));
    let chat = Chat::new(name, key, book, limits::PEERS);
    let way = match (&task.exec, form) {
        (Some(command), _) => Way::Command(command.clone()),
        (None, Form::Json) => Way::Json,
        (None, Form::Words(_)) => Way::Text,
    };
    let deliverer = Deliverer::start(way, task.count, net.waker())?;
    let gravity = if task.connect.is_some() { Gravity::Ends } else { Gravity::Passes };
    let desk = Desk { report: Report { form, gravity }, deliverer };
    let driver = Driver::new(chat, desk, net, home.clone(), own, passphrase, Priority::Lower)?;
    warn_of_raw(wire, "anybody may have written what comes", form);
    let mut recv = Recv { driver, wire, form, messages: 0, failed: 0, leaving: false, over: None };
    recv.driver.handle(Input::Command(command));
    let code = recv.until_over(&signals)?;
    recv.driver.linger()?;
    let code = if code == 0 && recv.failed > 0 { code::FAILED } else { code };
    tell(&Event::Done(Done { code, messages: Some(recv.messages), ..Done::default() }), form);
    Ok(code)
}

/// The wire, and whether anything can come on it.
fn wire(task: &RecvTask) -> Result<Wire, Fault> {
    let by_key = match (&task.pin, &task.from) {
        (Some(_), _) => Some("--pin"),
        (None, Some(_)) => Some("--from"),
        (None, None) => task.accept_new.then_some("--accept-new"),
    };
    match task.wire.wire(by_key)? {
        Wire::Oaep(Direction::OneWay) => {
            let why =
                "--one-way gives the other side no key of yours, so nothing that it seals could be read here";
            Err(Fault::new(code::USAGE, why.to_owned()).hint("leave it out"))
        }
        wire => Ok(wire),
    }
}

/// What is asked of the chat.
fn command(task: &RecvTask, wire: Wire, book: &Book) -> Result<Command, Fault> {
    let others = others(task.accept_new, wire);
    let callers = callers(task.pin.as_deref(), task.from.as_deref(), others, book)?;
    way(task.listen.as_deref(), task.connect.as_deref(), task.manner.family(), callers, wire)
}

/// Messages go to the deliverer, everything else to standard error.
struct Desk {
    report: Report,
    deliverer: Deliverer,
}

impl Show for Desk {
    fn show(&mut self, notice: &Notice, owed: Option<Owed>) {
        match (notice, owed) {
            (Notice::Said(said), Some(owed)) => self.deliverer.put(said.clone(), owed),
            _ => self.report.show(notice, owed),
        }
    }

    fn is_behind(&self) -> bool {
        self.deliverer.is_behind()
    }
}

struct Recv {
    driver: Driver<Desk>,
    wire: Wire,
    form: Form,
    messages: u64,
    failed: u64,
    leaving: bool,
    /// How the one connection of the raw wire ended, while what came by it is still being written.
    over: Option<Verdict>,
}

impl Recv {
    fn until_over(&mut self, signals: &Signals) -> Result<u8, Fault> {
        loop {
            if let Some(signal) = signals.next() {
                self.leave(Farewell::Signal(signal.number()));
            }
            self.report_delivered();
            if let Some(code) = self.driver.quit() {
                return Ok(code);
            }
            if let Some(verdict) = self.verdict()
                && !self.leaving
            {
                match verdict {
                    Verdict::Unreachable | Verdict::Deaf => return Ok(code::MACHINE),
                    Verdict::Refused => return Ok(code::REFUSED),
                    Verdict::Lost | Verdict::LeftEarly => return Ok(code::LOST),
                    Verdict::Failed => return Ok(code::FAILED),
                    Verdict::Left | Verdict::Done => self.leave(Farewell::Quit),
                }
                continue;
            }
            self.driver.turn()?;
        }
    }

    /// How the connection ended. On our own wire what has not been written by then has no receipt, and its sender
    /// knows; on the raw one nobody would, so everything that came is written first.
    fn verdict(&mut self) -> Option<Verdict> {
        let verdict = self.driver.verdicts().first().copied();
        if self.wire == Wire::Native {
            return verdict;
        }
        let deliverer = &mut self.driver.machine.screen.deliverer;
        if verdict.is_some() {
            self.over = verdict;
            deliverer.close();
        }
        if deliverer.has_ended() { self.over.take() } else { None }
    }

    fn report_delivered(&mut self) {
        let mut latest = Latest::default();
        while let Some(delivered) = self.driver.machine.screen.deliverer.next() {
            match delivered {
                Delivered::Upto(owed, messages) => {
                    self.messages += messages;
                    latest.add(owed);
                }
                Delivered::Failed { link, why } => {
                    self.failed += 1;
                    self.pay(&mut latest);
                    tell(&Event::Warning { kind: "exec", message: why }, self.form);
                    self.driver.handle(Input::Dismiss { link, reason: ByeReason::OutputFailed });
                    self.driver.machine.screen.deliverer.forget(link);
                }
                Delivered::Broken(error) => {
                    self.pay(&mut latest);
                    self.output_broke(&error);
                }
                Delivered::Enough => {
                    self.pay(&mut latest);
                    self.leave(Farewell::Quit);
                }
            }
        }
        self.pay(&mut latest);
    }

    /// Receipts for what has arrived.
    fn pay(&mut self, latest: &mut Latest) {
        for owed in std::mem::take(latest).all() {
            self.driver.handle(Input::Shown(owed));
        }
    }

    /// Nothing more can be kept: everybody is told why.
    fn output_broke(&mut self, error: &io::Error) {
        let (reason, farewell) = match error.kind() {
            // Like a program that SIGPIPE ends, but in order.
            io::ErrorKind::BrokenPipe => (ByeReason::OutputGone, Farewell::Signal(13)),
            io::ErrorKind::StorageFull => (ByeReason::OutputFull, Farewell::Failure(code::FAILED)),
            _ => (ByeReason::OutputFailed, Farewell::Failure(code::FAILED)),
        };
        if reason != ByeReason::OutputGone {
            let message = format!("cannot write the output: {}", words(error));
            tell(&Event::Error { kind: "output", message, hint: None }, self.form);
        }
        for link in self.driver.chat().links() {
            self.driver.handle(Input::Dismiss { link, reason });
        }
        self.leave(farewell);
    }

    fn leave(&mut self, farewell: Farewell) {
        self.leaving = true;
        self.driver.handle(Input::Farewell(farewell));
    }
}
