//! `rsachat pipe`: standard input here is standard output there, and the other way round, byte for
//! byte. It ends well only when each side has confirmed what the other sent as written.

mod download;
pub(crate) mod progress;
mod relay;
mod upload;

use clap::{ArgGroup, Args};

use super::args::{self, Context, OutputArgs, PeerArgs, listen_or_connect};
use crate::app::error::{AppError, code};
use crate::app::event_loop::{App, Flow, Frontend};
use crate::chat::{DialOutcome, EstablishedPipe, Input, Protocol};
use crate::events::from_notice::{EventReporter, Severity};
use crate::events::{Done, OutputEvent, emit};
use crate::limits;
use crate::net::process::Signals;
use crate::net::worker::ThreadPriority;
use crate::net::{Net, Released};
use crate::store::book_file;
use crate::wire::Purpose;
use progress::{Progress, ProgressWhen, StreamSource};
use relay::Relay;

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("way").required(true), after_help = "\
Standard input here is standard output there, and the other way round, byte for byte. Each side exits with 0 only when \
the other has confirmed every byte of its input as written, and its own output is written.

Examples:
  rsachat pipe --listen 8001 --accept-new --recv-only > copy.tar
  rsachat pipe --connect bob.example:8001 --to bob < notes.tar")]
pub(crate) struct PipeArgs {
    /// Wait for the other side: a port, `host:port` (every address of that host)
    /// or `[::1]:port`
    #[arg(long, value_name = "ADDR", group = "way")]
    listen: Option<String>,
    /// Call the other side: a peer in your book, or host:port
    #[arg(long, value_name = "NAME|ADDR", group = "way")]
    connect: Option<String>,
    #[command(flatten)]
    peer: PeerArgs,
    /// Leave standard input unread and send nothing
    #[arg(long)]
    recv_only: bool,
    /// Show bytes, rate and time left on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    progress: ProgressWhen,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

pub(crate) fn run(context: &Context<'_>, args: &PipeArgs) -> Result<u8, AppError> {
    let format = args.output.format();
    let name = args.output.own_name(&context.settings);
    let book = book_file::read(&context.home)?;
    let policy = args.peer.selection().accept_policy(Protocol::Native, &book)?;
    let (listen, connect) = (args.listen.as_deref(), args.connect.as_deref());
    let command = listen_or_connect(listen, connect, &args.output, policy, Protocol::Native)?;
    context.check_callee(&command, &book)?;
    let profile = context.unlock()?;
    context.confine_and_say(format)?;
    args::warm_up_rng();
    let net = Net::new()?;
    let signals = Signals::start(net.waker())?;
    let severity = if args.connect.is_some() { Severity::Ends } else { Severity::Passes };
    let reporter = EventReporter { form: format, severity, home: context.global.home.clone() };
    let chat = profile
        .chat(name, book, limits::UNAUTHENTICATED_CONNECTIONS)
        .for_purpose(Purpose::Pipe)
        .without_history();
    let mut app = App::new(chat, reporter, net, profile, ThreadPriority::Same)?;
    app.handle(Input::Command(command));

    let mut frontend = PipeFrontend { pipe: None };
    let code = app.run(&mut frontend, &signals)?;
    let Some(piped) = frontend.pipe else {
        emit(&OutputEvent::Done(Done { code, ..Done::default() }), format);
        return Ok(code);
    };
    let mut net = app.into_net();
    let Released { stream, unsent, command } = net.release(piped.conn)?;
    net.close_all();
    let source = if args.recv_only { StreamSource::Empty } else { StreamSource::Stdin };
    let progress = Progress::new(args.progress, format, source);
    let mut relay = Relay::start(piped.pipe, stream, &unsent, &net.waker(), source, progress)?;
    let outcome = relay.run(&mut net, &signals)?;
    drop(command);
    let (code, count) = (outcome.exit_code(), relay.counts());
    if let Some(event) = outcome.event(&piped.name, count) {
        emit(&event, format);
    }
    let (sent, stored, received) = (Some(count.sent), Some(count.stored), Some(count.received));
    emit(&OutputEvent::Done(Done { code, sent, stored, received, ..Done::default() }), format);
    Ok(code)
}

/// Front end until the pipe is established.
struct PipeFrontend {
    pipe: Option<EstablishedPipe>,
}

impl Frontend<EventReporter> for PipeFrontend {
    fn poll_output(&mut self, app: &mut App<EventReporter>) -> Option<u8> {
        self.pipe = app.take_pipe();
        self.pipe.as_ref().map(|_| 0)
    }

    fn on_outcome(&mut self, _: &mut App<EventReporter>, outcome: DialOutcome) -> Option<u8> {
        Some(match outcome.exit_code() {
            code @ (code::USAGE | code::MACHINE | code::REFUSED) => code,
            // However it ended, no pipe was established.
            _ => code::LOST,
        })
    }

    fn poll_input(&mut self, _: &mut App<EventReporter>) -> Flow {
        Flow::Wait(None)
    }
}
