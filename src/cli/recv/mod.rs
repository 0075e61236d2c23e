//! `rsachat recv`: messages from one or many peers to standard output or to a command. A message is
//! receipted when it has arrived there, and only then.

pub(crate) mod deliver;
mod exec;
pub(crate) mod items;
mod reply;
mod taker;

use std::fmt::Display;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::args::{self, Context, OutputArgs, PeerSelection, ProtocolArgs, listen_or_connect, warn_of_raw};
use crate::app::broker::Purpose;
use crate::app::error::{AppError, code};
use crate::app::event_loop::{App, Flow, Frontend};
use crate::app::host::{Behind, NoticeSink};
use crate::app::owner_client::{OwnerClient, Watch};
use crate::chat::{
    AcceptPolicy, DialOutcome, ExitRequest, HistoryPolicy, Input, KeyExchange, Message, NoReply, Notice,
    Protocol, ReceiptDue,
};
use crate::crypto::Fingerprint;
use crate::events::from_notice::{EventReporter, Severity};
use crate::events::{Done, OutputEvent, OutputFormat, emit};
use crate::limits;
use crate::net::Net;
use crate::net::process::{Signal, Signals};
use crate::net::worker::ThreadPriority;
use crate::store::book_file;
use crate::wire::ByeReason;
use deliver::{Deliverer, Destination};
use exec::{CommandOutput, ExecCommand};
use items::{CommandReply, Delivered};
use taker::{End, Taking, next_owner};

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("way"), after_help = "\
When the connection of --connect is lost, the same peer is called again until it answers, as the prompt does: after 1, 2, 4 … 60 s, \
varied at random by up to half. That ends with code 4 when another key answers, the peer refuses or is blocked, and with 0 when the other side leaves; \
with --no-retry the loss is the end, with code 5. A message whose acknowledgement was lost with the connection arrives again. \
On the raw wire nobody is called again.

With neither --listen nor --connect, it takes the messages of the rsachat serving the home (rsachat serve, or a prompt): one \
process at a time does so and acknowledges them; a prompt there shows them too. When that rsachat ends, it goes on with the next one \
of the home; with --no-retry that is the end, with code 3. With either option it uses no store. \
A message whose command fails is then named and tried again after 1, 2, 4 … 60 s, and at each start; meanwhile, what its sender sent \
after it waits, and the messages of others go on. To get past it, end this process and print the message: \
rsachat recv --from NAME --count 1.

Each message is one line of safe text on standard output, or with --json one object, or with --exec the standard input of \
a command. It is acknowledged once it is written and flushed, or once the command has exited with 0. The command has \
RSACHAT_FROM, RSACHAT_FINGERPRINT, RSACHAT_VERIFIED (yes or no) and RSACHAT_SENT in its environment; one runs at a time \
for each peer, 8 in all, 4 for peers that are not verified, and none outlives the program. It has RSACHAT_AGAIN=yes \
as well if the message may have been given to a command before that failed, or did not end. With --reply it has \
RSACHAT_REPLY=yes as well, and what it writes to its standard output until it exits is sent back, after the acknowledgement, as one message \
of at most 16384 bytes of UTF-8, without the newline at its end; if it writes nothing, or fails, nothing is sent back. Any other output is reported \
here and not sent, and the exit code is 1 at the end; the message is acknowledged all the same, since the command exited with 0. No reply is sent to rsachat send, \
which reads none. On the raw wire (--wire oaep) anybody can write under any name, there is no fingerprint, and nothing is acknowledged.

Examples:
  rsachat recv --listen 8002 >> messages.log
  rsachat recv --from alice --exec ./handle
  rsachat recv --from alice --exec 'mail -s \"$RSACHAT_FROM\" root'
  rsachat recv --listen 8002 --exec 'df -h' --exec-timeout 10s --reply
  rsachat recv --listen 127.0.0.1:8000 --wire oaep")]
pub(crate) struct RecvArgs {
    /// Wait for callers: a port, `host:port` (every address of that host)
    /// or `[::1]:port`
    #[arg(long, value_name = "ADDR", group = "way")]
    listen: Option<String>,
    /// Call the sender: a peer in your book, or host:port
    #[arg(long, value_name = "NAME|ADDR", group = "way")]
    connect: Option<String>,
    /// End when the connection of --connect is lost, with code 5, or the rsachat serving the home
    /// ends, with code 3, instead of waiting for the next
    #[arg(long, conflicts_with = "listen")]
    no_retry: bool,
    /// Accept messages only from the holder of this key
    #[arg(long, value_name = "SHA256:…", value_parser = args::fingerprint)]
    pin: Option<Fingerprint>,
    /// Accept messages only from this peer in your book
    #[arg(long, value_name = "NAME", conflicts_with = "pin")]
    from: Option<String>,
    /// Also accept messages from peers that are not in your book yet
    #[arg(long, requires = "way", conflicts_with_all = ["pin", "from"])]
    accept_new: bool,
    /// Exit after this many messages
    #[arg(long, value_name = "N", value_parser = args::at_least_one)]
    count: Option<u64>,
    /// Pass each message to the standard input of this shell command; acknowledge it if that
    /// exits with 0
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// Kill the command, and whatever it started, after this time [default: never]
    #[arg(long, value_name = "TIME", requires = "exec", value_parser = args::duration)]
    exec_timeout: Option<Duration>,
    /// Send the command's standard output back as one message, if it exits with 0
    #[arg(long, requires_all = ["exec", "way"])]
    reply: bool,
    /// Allow this many peers to be connected at once [default: 1024]
    #[arg(long, value_name = "N", requires = "listen", value_parser = args::peers)]
    peers: Option<usize>,
    #[command(flatten)]
    protocol: ProtocolArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) fn run(context: &Context<'_>, args: &RecvArgs) -> Result<u8, AppError> {
    let format = args.output.format();
    let name = args.output.own_name(&context.settings);
    let protocol = args.protocol()?;
    let book = book_file::read(&context.home)?;
    let policy = args.selection().accept_policy(protocol, &book)?;
    let (listen, connect) = (args.listen.as_deref(), args.connect.as_deref());
    if listen.is_none() && connect.is_none() {
        return take(context, args, policy, format);
    }
    let command = listen_or_connect(listen, connect, args.output.family(), policy, protocol)?;
    args::check_callee(&command, &book)?;
    let profile = context.unlock()?;
    args.confine(context, format)?;
    args::warm_up_rng();
    let seats = args::seats(args.peers, limits::PEERS)?;
    let mut net = Net::new()?;
    net.set_max_links(seats + limits::UNAUTHENTICATED_CONNECTIONS);
    let signals = Signals::start(net.waker())?;
    let deliverer = Deliverer::start(args.destination(format), args.count, net.waker())?;
    let severity = if args.connect.is_some() { Severity::Ends } else { Severity::Passes };
    let reporter = EventReporter { form: format, severity, home: context.global.home.clone() };
    let sink = RecvSink { reporter, deliverer };
    let settings = context.settings.resolve();
    let mut chat = profile.chat(name, book, seats).without_history();
    chat.set_history(settings.history, settings.history_days);
    let mut chat = if args.reply { chat.replying() } else { chat };
    if !args.no_retry {
        chat.call_lost_peers();
    }
    let mut app = App::new(chat, sink, net, profile, ThreadPriority::Lower)?;
    if settings.history == HistoryPolicy::Keep {
        app.keep_history();
    }
    warn_of_raw(protocol, "anybody may have written what arrives", format);
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

/// Takes the messages of the process that has the home open.
fn take(
    context: &Context<'_>,
    args: &RecvArgs,
    policy: AcceptPolicy,
    format: OutputFormat,
) -> Result<u8, AppError> {
    let usage = |what: &str| AppError::new(code::USAGE, what);
    if args.protocol()? != Protocol::Native {
        let what = "--wire needs --listen or --connect";
        return Err(usage(what).hint("give --listen ADDR or --connect NAME"));
    }
    let from = match policy {
        AcceptPolicy::Key(key) | AcceptPolicy::Pinned(key) => Some(key),
        _ => None,
    };
    let Ok(mut client) = OwnerClient::await_socket(&context.home, Net::new()?, Watch::AfterOrders)? else {
        let what = format!(
            "no rsachat is serving {}, so there are no messages to take",
            context.home.path().display()
        );
        let hint = "give --listen ADDR or --connect NAME, or start rsachat serve";
        return Err(AppError::new(code::MACHINE, what).hint(hint));
    };
    args.confine(context, format)?;
    let home = context.global.home.clone();
    let taker = if args.exec.is_some() { "command" } else { "reader" };
    let mut taking = Taking { from, taker, left: args.count, messages: 0, format, home };
    let code = loop {
        let signals = Signals::start(client.waker())?;
        let deliverer = Deliverer::start(args.destination(format), taking.left, client.waker())?;
        let fault = match taker::run(client, deliverer, &mut taking, &signals)? {
            End::Over(code) => break code,
            End::OwnerEnded(fault) => fault,
        };
        if args.no_retry {
            let message = fault.to_string();
            emit(&OutputEvent::Error { kind: "owner", message, hint: None }, format);
            break code::MACHINE;
        }
        let message = format!("{fault}; waiting for the next one");
        emit(&OutputEvent::Warning { kind: "owner", message }, format);
        client = match next_owner(&context.home, &signals)? {
            Ok(client) => client,
            Err(code) => break code,
        };
    };
    emit(&OutputEvent::Done(Done { code, messages: Some(taking.messages), ..Done::default() }), format);
    Ok(code)
}

impl RecvArgs {
    /// Confines the process; a command is run by its broker.
    fn confine(&self, context: &Context<'_>, format: OutputFormat) -> Result<(), AppError> {
        let confinement = match &self.exec {
            Some(command) => context.confine_with_broker(Purpose::Exec(command.clone()), None)?,
            None => context.confine()?,
        };
        emit(&OutputEvent::sandbox(&confinement), format);
        Ok(())
    }

    fn destination(&self, format: OutputFormat) -> Destination {
        let Some(command) = &self.exec else { return Deliverer::output(format) };
        let output = if self.reply { CommandOutput::Reply } else { CommandOutput::Inherited };
        Destination::Command(ExecCommand { command: command.clone(), timeout: self.exec_timeout, output })
    }

    fn selection(&self) -> PeerSelection<'_> {
        let named = self.from.as_deref().map(|name| ("--from", name));
        PeerSelection { pin: self.pin, named, accept_new: self.accept_new }
    }

    /// Protocol, unless nothing can be received by it.
    fn protocol(&self) -> Result<Protocol, AppError> {
        match self.protocol.protocol(self.selection().option())? {
            Protocol::Oaep(KeyExchange::ListenerOnly) => {
                let why = "--one-way sends the other side no key, so nothing that it seals could be read \
                           here";
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
                Delivered::Reply(CommandReply { conn, name, text: Ok(text) }) => {
                    app.send_receipts();
                    match conn.ok_or(NoReply::Left).and_then(|conn| app.chat().takes_reply(conn)) {
                        Ok(conn) => app.handle(Input::Reply { conn, text: &text }),
                        Err(why) => self.reply_refused(&name, why),
                    }
                }
                Delivered::Reply(CommandReply { name, text: Err(why), .. }) => self.reply_refused(&name, why),
                Delivered::Failed { due, name, why } => {
                    self.failed += 1;
                    app.send_receipts();
                    let message = format!("a message of {name} was not acknowledged: {why}");
                    emit(&OutputEvent::Warning { kind: "exec", message }, self.format);
                    if let Some(conn) = due.conn {
                        app.handle(Input::Dismiss { conn, reason: ByeReason::OutputFailed });
                        app.sink().deliverer.forget(conn);
                    }
                }
                Delivered::Broken(error) => {
                    app.send_receipts();
                    let request = deliver::refuse_output(app, &error, self.format);
                    self.exit(app, request);
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
        match (outcome, outcome.exit_code()) {
            _ if self.exiting => None,
            // By the book, which another process has changed.
            (DialOutcome::Done, _) if self.failed == 0 => Some(code::REFUSED),
            (_, 0) => {
                self.exit(app, ExitRequest::Quit);
                None
            }
            (_, code) => Some(code),
        }
    }

    fn reply_refused(&mut self, name: &str, why: impl Display) {
        self.failed += 1;
        let message = format!("the reply to {name} was not sent: {why}");
        emit(&OutputEvent::Warning { kind: "exec", message }, self.format);
    }

    fn exit(&mut self, app: &mut App<RecvSink>, request: ExitRequest) {
        self.exiting = true;
        app.handle(Input::ExitRequest(request));
    }
}
