//! `rsachat recv`: messages from one or many peers to standard output or to a command. A message is
//! receipted when it has arrived there, and only then.

mod deliver;
mod exec;
mod items;

use std::io;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::args::{self, Context, OutputArgs, PeerSelection, ProtocolArgs, listen_or_connect, warn_of_raw};
use crate::app::error::{AppError, SIGPIPE, code, describe};
use crate::app::event_loop::{App, Flow, Frontend};
use crate::app::host::{Behind, NoticeSink};
use crate::chat::{DialOutcome, ExitRequest, Input, KeyExchange, Message, Notice, Protocol, ReceiptDue};
use crate::events::from_notice::{EventReporter, Severity};
use crate::events::{Done, OutputEvent, OutputFormat, emit};
use crate::limits;
use crate::net::Net;
use crate::net::process::{Signal, Signals};
use crate::net::worker::ThreadPriority;
use crate::store::book_file;
use crate::wire::ByeReason;
use deliver::{Deliverer, Destination};
use exec::ExecCommand;
use items::Delivered;

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("way").required(true), after_help = "\
Each message is one line of safe text on standard output, or with --json one object, or with --exec the standard input of \
a command. It is receipted when it is written and flushed, or when the command has ended with 0. The command has \
RSACHAT_FROM, RSACHAT_FINGERPRINT, RSACHAT_VERIFIED (yes or no) and RSACHAT_SENT in its environment; one runs at a time \
for each peer, 8 in all, 4 for peers that are not verified, and none outlives the program. On the raw wire \
(--wire oaep) anybody can write in any name, there is no fingerprint, and nobody gets a receipt.

Examples:
  rsachat recv --listen 8002 >> messages.log
  rsachat recv --listen 8002 --from alice --exec 'mail -s \"$RSACHAT_FROM\" root'
  rsachat recv --listen 127.0.0.1:8000 --wire oaep")]
pub(crate) struct RecvArgs {
    /// Wait for callers: a port, `host:port` (every address of that host)
    /// or `[::1]:port`
    #[arg(long, value_name = "ADDR", group = "way")]
    listen: Option<String>,
    /// Call who will send: a peer of your book, or host:port
    #[arg(long, value_name = "NAME|ADDR", group = "way")]
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
    /// Give each message to the standard input of this shell command; receipt it when that ends
    /// with 0
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// Kill the command, and what it has started, after this time [default: never]
    #[arg(long, value_name = "TIME", requires = "exec", value_parser = args::duration)]
    exec_timeout: Option<Duration>,
    /// Peers that may be connected at once [default: 1024]
    #[arg(long, value_name = "N", requires = "listen", value_parser = args::peers)]
    peers: Option<usize>,
    #[command(flatten)]
    protocol: ProtocolArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) fn run(context: &Context<'_>, args: &RecvArgs) -> Result<u8, AppError> {
    args::warm_up_rng();
    let format = args.output.format();
    let name = args.output.own_name(&context.settings)?;
    let protocol = args.protocol()?;
    let book = book_file::read(&context.home)?;
    let policy = args.selection().accept_policy(protocol, &book)?;
    let (listen, connect) = (args.listen.as_deref(), args.connect.as_deref());
    let command = listen_or_connect(listen, connect, args.output.family(), policy, protocol)?;
    args::check_callee(&command, &book)?;
    let profile = context.unlock()?;
    let seats = args::seats(args.peers, limits::PEERS)?;
    let mut net = Net::new()?;
    net.set_max_links(seats + limits::UNAUTHENTICATED_CONNECTIONS);
    let signals = Signals::start(net.waker())?;
    let destination = match (&args.exec, format) {
        (Some(command), _) => {
            Destination::Command(ExecCommand { command: command.clone(), timeout: args.exec_timeout })
        }
        (None, OutputFormat::Json) => Destination::Json,
        (None, OutputFormat::Words | OutputFormat::VerboseWords) => Destination::Text,
    };
    let deliverer = Deliverer::start(destination, args.count, net.waker())?;
    let severity = if args.connect.is_some() { Severity::Ends } else { Severity::Passes };
    let sink = RecvSink { reporter: EventReporter { form: format, severity }, deliverer };
    let chat = profile.chat(name, book, seats).without_history();
    let mut app = App::new(chat, sink, net, profile, ThreadPriority::Lower)?;
    warn_of_raw(protocol, "anybody may have written what comes", format);
    app.handle(Input::Command(command));
    let mut frontend = RecvFrontend { format, messages: 0, failed: 0, exiting: false, outcome: None };
    let code = app.run(&mut frontend, &signals);
    app.sink().deliverer.kill_commands();
    let code = code?;
    app.linger()?;
    let code = if code == 0 && frontend.failed > 0 { code::FAILED } else { code };
    emit(&OutputEvent::Done(Done { code, messages: Some(frontend.messages), ..Done::default() }), format);
    Ok(code)
}

impl RecvArgs {
    fn selection(&self) -> PeerSelection<'_> {
        let named = self.from.as_deref().map(|name| ("--from", name));
        PeerSelection { pin: self.pin.as_deref(), named, accept_new: self.accept_new }
    }

    /// Protocol, unless nothing can be received by it.
    fn protocol(&self) -> Result<Protocol, AppError> {
        match self.protocol.protocol(self.selection().option())? {
            Protocol::Oaep(KeyExchange::ListenerOnly) => {
                let why = "--one-way gives the other side no key of yours, so nothing that it seals could be \
                           read here";
                Err(AppError::new(code::USAGE, why).hint("leave it out"))
            }
            protocol => Ok(protocol),
        }
    }
}

/// Sink that hands messages to the deliverer, and everything else to standard error.
struct RecvSink {
    reporter: EventReporter,
    deliverer: Deliverer,
}

impl NoticeSink for RecvSink {
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) {
        match (notice, due) {
            // Its rows are for a screen.
            (Notice::Message(message), Some(due)) => {
                let (name, text) = (message.name.clone(), message.text.clone());
                self.deliverer.put(Message { name, to: Vec::new(), text, rows: Vec::new(), ..*message }, due);
            }
            _ => self.reporter.show(notice, due),
        }
    }

    fn behind(&self) -> Behind {
        self.deliverer.behind()
    }
}

struct RecvFrontend {
    format: OutputFormat,
    messages: u64,
    failed: u64,
    exiting: bool,
    /// Outcome of the one connection that was dialled, while what came by it is still being
    /// delivered.
    outcome: Option<DialOutcome>,
}

impl Frontend<RecvSink> for RecvFrontend {
    fn on_signal(&mut self, app: &mut App<RecvSink>, signal: Signal) {
        self.exit(app, ExitRequest::Signal(signal.number()));
    }

    fn poll_output(&mut self, app: &mut App<RecvSink>) -> Option<u8> {
        while let Some(delivered) = app.sink().deliverer.next() {
            match delivered {
                Delivered::Upto(due) => {
                    self.messages += 1;
                    app.shown(due);
                }
                Delivered::Failed { conn, why } => {
                    self.failed += 1;
                    app.send_receipts();
                    emit(&OutputEvent::Warning { kind: "exec", message: why }, self.format);
                    app.handle(Input::Dismiss { conn, reason: ByeReason::OutputFailed });
                    app.sink().deliverer.forget(conn);
                }
                Delivered::Broken(error) => {
                    app.send_receipts();
                    self.output_failed(app, &error);
                }
                Delivered::Enough => {
                    app.send_receipts();
                    self.exit(app, ExitRequest::Quit);
                }
            }
        }
        app.send_receipts();
        None
    }

    /// Ends with the connection, once everything that came by it is written, or its command has
    /// ended.
    fn on_outcome(&mut self, app: &mut App<RecvSink>, outcome: DialOutcome) -> Option<u8> {
        self.outcome = Some(outcome);
        app.sink().deliverer.close();
        None
    }

    fn poll_input(&mut self, app: &mut App<RecvSink>) -> Flow {
        if app.sink().deliverer.has_ended()
            && let Some(outcome) = self.outcome.take()
        {
            return self.conclude(app, outcome).map_or(Flow::Again, Flow::Exit);
        }
        Flow::Wait(None)
    }
}

impl RecvFrontend {
    fn conclude(&mut self, app: &mut App<RecvSink>, outcome: DialOutcome) -> Option<u8> {
        match outcome.exit_code() {
            _ if self.exiting => None,
            0 => {
                self.exit(app, ExitRequest::Quit);
                None
            }
            code => Some(code),
        }
    }

    /// Tells every peer why nothing more can be written, and exits.
    fn output_failed(&mut self, app: &mut App<RecvSink>, error: &io::Error) {
        let reason = args::output_bye(error);
        let request = if reason == ByeReason::OutputGone {
            // Like a program that SIGPIPE ends, but in order.
            ExitRequest::Signal(SIGPIPE)
        } else {
            let message = format!("cannot write the output: {}", describe(error));
            emit(&OutputEvent::Error { kind: "output", message, hint: None }, self.format);
            ExitRequest::Failure(code::FAILED)
        };
        for conn in app.chat().connections() {
            app.handle(Input::Dismiss { conn, reason });
        }
        self.exit(app, request);
    }

    fn exit(&mut self, app: &mut App<RecvSink>, request: ExitRequest) {
        self.exiting = true;
        app.handle(Input::ExitRequest(request));
    }
}
