//! `rsachat pipe`: standard input here is standard output there, and the other way round, byte for byte. It
//! ends well only when each side has confirmed what the other sent as written.

use clap::{ArgGroup, Args};

use super::args::{self, Manner, Whom, way};
use crate::app::error::{Fault, code};
use crate::app::event_loop::Driver;
use crate::app::global_args::Common;
use crate::app::keyring;
use crate::chat::command::Command;
use crate::chat::{Chat, Farewell, Input, Piped, Verdict, Wire};
use crate::config::Sources;
use crate::events::from_notice::{Gravity, Report};
use crate::events::{Done, Event, tell};
use crate::limits;
use crate::net::signals::Signals;
use crate::net::worker::Priority;
use crate::net::{LinkId, Net};
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

use progress::{Progress, When};
use relay::{Ends, Flow};

/// `rsachat pipe …`
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("way").required(true), after_help = "\
Standard input here is standard output there, and the other way round, byte for byte. Each side ends with 0 only when \
the other has confirmed every byte of its input as written, and its own output is written.

Examples:
  rsachat pipe --listen 8001 --accept-new --recv-only > copy.tar
  rsachat pipe --connect bob.example:8001 --to bob < notes.tar")]
pub(crate) struct PipeTask {
    /// Wait for the other side: a port, `host:port` or `[::1]:port`
    #[arg(long, value_name = "ADDR", group = "way")]
    listen: Option<String>,
    /// Call the other side: host or host:port
    #[arg(long, value_name = "ADDR", group = "way")]
    connect: Option<String>,
    #[command(flatten)]
    whom: Whom,
    /// Leave standard input unread and send nothing
    #[arg(long)]
    recv_only: bool,
    /// Show bytes, rate and time left on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    progress: When,
    #[command(flatten)]
    manner: Manner,
}

/// Runs a pipe to its end and gives the exit code.
pub(crate) fn run(home: &Home, common: &Common, sources: &Sources, task: &PipeTask) -> Result<u8, Fault> {
    args::get_ready();
    let form = task.manner.form();
    let name = task.manner.own_name(sources)?;
    let book = book_file::read(home)?;
    let command = command(task, &book)?;
    let (own, passphrase) = keyring::unlock(home, common)?;
    let net = Net::new()?;
    let signals = Signals::start(net.waker())?;
    let key = own.as_ref().map(|own| own.as_shown(home));
    let chat = Chat::new(name, key, book, limits::UNPROVEN_LINKS).for_purpose(Purpose::Pipe);
    let gravity = if task.connect.is_some() { Gravity::Ends } else { Gravity::Passes };
    let report = Report { form, gravity };
    let mut driver = Driver::new(chat, report, net, home.clone(), own, passphrase, Priority::Same)?;
    driver.handle(Input::Command(command));

    let piped = match meet(&mut driver, &signals)? {
        Met::Peer(piped) => piped,
        Met::Over(code) => {
            tell(&Event::Done(Done { code, ..Done::default() }), form);
            return Ok(code);
        }
    };
    let mut net = driver.into_net();
    let (stream, unsent) = net.release(LinkId(piped.link.0))?;
    net.close_all();
    let input = if task.recv_only { relay::Input::Unread } else { relay::Input::Sent };
    let progress = Progress::new(task.progress, form, input);
    let yields = progress.yields(task.progress);
    let ends = Ends { input, progress, yields };
    let mut flow = Flow::start(piped.pipe, stream, &unsent, &net.waker(), ends)?;
    let outcome = flow.until_over(&mut net, &signals)?;
    let (code, count) = (outcome.code(), flow.count());
    if let Some(event) = outcome.event(&piped.name, count) {
        tell(&event, form);
    }
    let (sent, stored, received) = (Some(count.sent), Some(count.stored), Some(count.received));
    tell(&Event::Done(Done { code, sent, stored, received, ..Done::default() }), form);
    Ok(code)
}

/// What is asked of the chat.
fn command(task: &PipeTask, book: &Book) -> Result<Command, Fault> {
    let (callers, family) = (task.whom.callers(Wire::Native, book)?, task.manner.family());
    way(task.listen.as_deref(), task.connect.as_deref(), family, callers, Wire::Native)
}

enum Met {
    Peer(Box<Piped>),
    Over(u8),
}

/// Waits until a pipe stands, or until none can.
fn meet(driver: &mut Driver<Report>, signals: &Signals) -> Result<Met, Fault> {
    loop {
        if let Some(signal) = signals.next() {
            driver.handle(Input::Farewell(Farewell::Signal(signal.number())));
        }
        if let Some(piped) = driver.take_pipe() {
            return Ok(Met::Peer(Box::new(piped)));
        }
        if let Some(code) = driver.quit() {
            return Ok(Met::Over(code));
        }
        if let Some(verdict) = driver.verdicts().first() {
            return Ok(Met::Over(match verdict {
                Verdict::Unreachable | Verdict::Deaf => code::MACHINE,
                Verdict::Refused => code::REFUSED,
                Verdict::Lost | Verdict::LeftEarly | Verdict::Failed | Verdict::Left | Verdict::Done => {
                    code::LOST
                }
            }));
        }
        driver.turn()?;
    }
}
