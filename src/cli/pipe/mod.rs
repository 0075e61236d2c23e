//! `rsachat pipe`: standard input here is standard output there, and the other way round, byte for byte. It
//! ends well only when each side has confirmed what the other sent as written.

use clap::{ArgGroup, Args};

use super::args::{self, OutputArgs, PeerArgs, way};
use crate::app::error::{AppError, code};
use crate::app::event_loop::App;
use crate::app::global_args::GlobalArgs;
use crate::app::keyring;
use crate::chat::command::Command;
use crate::chat::{Chat, DialOutcome, EstablishedPipe, ExitRequest, Input, Protocol};
use crate::config::SettingSources;
use crate::events::from_notice::{EventReporter, Severity};
use crate::events::{Done, Event, emit};
use crate::limits;
use crate::net::Net;
use crate::net::signals::Signals;
use crate::net::worker::Priority;
use crate::peers::book::Book;
use crate::store::{Home, book_file};
use crate::wire::Purpose;

pub(crate) mod counters;
pub(crate) mod download;
pub(crate) mod outcome;
pub(crate) mod progress;
pub(crate) mod relay;
pub(crate) mod sender;
pub(crate) mod upload;

use counters::StreamSource;
use progress::{Progress, ProgressWhen};
use relay::Relay;

/// `rsachat pipe …`
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("way").required(true), after_help = "\
Standard input here is standard output there, and the other way round, byte for byte. Each side ends with 0 only when \
the other has confirmed every byte of its input as written, and its own output is written.

Examples:
  rsachat pipe --listen 8001 --accept-new --recv-only > copy.tar
  rsachat pipe --connect bob.example:8001 --to bob < notes.tar")]
pub(crate) struct PipeArgs {
    /// Wait for the other side: a port, `host:port` or `[::1]:port`
    #[arg(long, value_name = "ADDR", group = "way")]
    listen: Option<String>,
    /// Call the other side: host or host:port
    #[arg(long, value_name = "ADDR", group = "way")]
    connect: Option<String>,
    #[command(flatten)]
    whom: PeerArgs,
    /// Leave standard input unread and send nothing
    #[arg(long)]
    recv_only: bool,
    /// Show bytes, rate and time left on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    progress: ProgressWhen,
    #[command(flatten)]
    manner: OutputArgs,
}

/// Runs a pipe to its end and gives the exit code.
pub(crate) fn run(
    home: &Home,
    common: &GlobalArgs,
    sources: &SettingSources,
    task: &PipeArgs,
) -> Result<u8, AppError> {
    args::warm_up_rng();
    let form = task.manner.form();
    let name = task.manner.own_name(sources)?;
    let book = book_file::read(home)?;
    let command = command(task, &book)?;
    let (own, passphrase) = keyring::unlock(home, common)?;
    let net = Net::new()?;
    let signals = Signals::start(net.waker())?;
    let key = own.as_ref().map(|own| own.as_shown(home));
    let chat = Chat::new(name, key, book, limits::UNPROVEN_LINKS).for_purpose(Purpose::Pipe);
    let gravity = if task.connect.is_some() { Severity::Ends } else { Severity::Passes };
    let report = EventReporter { form, gravity };
    let mut app = App::new(chat, report, net, home.clone(), own, passphrase, Priority::Same)?;
    app.handle(Input::Command(command));

    let piped = match meet(&mut app, &signals)? {
        Met::Peer(piped) => piped,
        Met::Over(code) => {
            emit(&Event::Done(Done { code, ..Done::default() }), form);
            return Ok(code);
        }
    };
    let mut net = app.into_net();
    let (stream, unsent) = net.release(piped.conn)?;
    net.close_all();
    let source = if task.recv_only { StreamSource::Empty } else { StreamSource::Stdin };
    let progress = Progress::new(task.progress, form, source);
    let mut relay = Relay::start(piped.pipe, stream, &unsent, &net.waker(), source, progress)?;
    let outcome = relay.run(&mut net, &signals)?;
    let (code, count) = (outcome.exit_code(), relay.counts());
    if let Some(event) = outcome.event(&piped.name, count) {
        emit(&event, form);
    }
    let (sent, stored, received) = (Some(count.sent), Some(count.stored), Some(count.received));
    emit(&Event::Done(Done { code, sent, stored, received, ..Done::default() }), form);
    Ok(code)
}

/// What is asked of the chat.
fn command(task: &PipeArgs, book: &Book) -> Result<Command, AppError> {
    let (callers, family) = (task.whom.callers(Protocol::Native, book)?, task.manner.family());
    way(task.listen.as_deref(), task.connect.as_deref(), family, callers, Protocol::Native)
}

enum Met {
    Peer(Box<EstablishedPipe>),
    Over(u8),
}

/// Waits until a pipe stands, or until none can.
fn meet(app: &mut App<EventReporter>, signals: &Signals) -> Result<Met, AppError> {
    loop {
        if let Some(signal) = signals.next() {
            app.handle(Input::ExitRequest(ExitRequest::Signal(signal.number())));
        }
        if let Some(piped) = app.take_pipe() {
            return Ok(Met::Peer(Box::new(piped)));
        }
        if let Some(code) = app.quit() {
            return Ok(Met::Over(code));
        }
        if let Some(outcome) = app.outcomes().first() {
            return Ok(Met::Over(match outcome {
                DialOutcome::Unreachable | DialOutcome::ListenFailed => code::MACHINE,
                DialOutcome::Refused => code::REFUSED,
                DialOutcome::Lost
                | DialOutcome::PeerLeftEarly
                | DialOutcome::Failed
                | DialOutcome::Left
                | DialOutcome::Done => code::LOST,
            }));
        }
        app.turn()?;
    }
}
