//! `rsachat recv`: messages from one or many peers to standard output or to a command. A message is
//! receipted when it has arrived there, and only then.

pub(crate) mod deliver;
mod exec;
mod files;
pub(crate) mod items;
mod options;
mod relay;
mod reply;
mod taker;

use std::fmt::Display;

use super::args::{self, Context, listen_or_connect, warn_of_raw};
use crate::app::broker::Purpose;
use crate::app::error::{AppError, code};
use crate::app::event_loop::{App, Flow, Frontend};
use crate::app::host::{Behind, NoticeSink};
use crate::app::owner_client::{OwnerClient, Watch};
use crate::app::sandbox::Reach;
use crate::chat::{
    AcceptPolicy, DialOutcome, ExitRequest, HistoryPolicy, Input, Message, NoReply, Notice, Protocol,
    ReceiptDue,
};
use crate::events::from_notice::{EventReporter, Severity};
use crate::events::{Done, OutputEvent, OutputFormat, emit};
use crate::limits;
use crate::net::Net;
use crate::net::process::{Signal, Signals};
use crate::net::worker::ThreadPriority;
use crate::store::{book_file, shown};
use crate::wire::ByeReason;
use deliver::{Deliverer, Destination};
use exec::{CommandOutput, ExecCommand};
use items::{CommandReply, Delivered};
pub(crate) use options::RecvArgs;
use relay::Owner;
use taker::{End, Taking, next_owner};

pub(crate) fn run(context: &Context<'_>, args: &RecvArgs) -> Result<u8, AppError> {
    let format = args.output.format();
    let name = args.output.own_name(&context.settings);
    let protocol = args.protocol()?;
    let book = book_file::read(&context.home)?;
    let policy = args.selection().accept_policy(protocol, &book)?;
    if let Some(folder) = &args.files {
        return files::run(context, args, folder, policy);
    }
    let (listen, connect) = (args.listen.as_deref(), args.connect.as_deref());
    if listen.is_none() && connect.is_none() {
        return take(context, args, policy, format);
    }
    let command = listen_or_connect(listen, connect, &args.output, policy, protocol)?;
    context.check_callee(&command, &book)?;
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
    let home = context.global.home.clone();
    let taker = if args.exec.is_some() { "command" } else { "reader" };
    let mut taking = Taking { from, taker, left: args.count, messages: 0, format, home };
    let mut client = if args.relay {
        match relay::run(context, args, taking.clone())? {
            Owner::Here(code) => return Ok(code),
            Owner::Other(client) => *client,
        }
    } else {
        owner(context)?
    };
    args.confine(context, format)?;
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

/// The process that has the home open.
fn owner(context: &Context<'_>) -> Result<OwnerClient, AppError> {
    OwnerClient::await_socket(&context.home, Net::new()?, Watch::AfterOrders)?.map_err(|_| {
        let what =
            format!("no rsachat is serving {}, so there are no messages to take", shown(context.home.path()));
        let hint = "give --listen ADDR or --connect NAME, or start rsachat serve";
        AppError::new(code::MACHINE, what).hint(hint)
    })
}

impl RecvArgs {
    /// Confines the process; a command is run by its broker.
    fn confine(&self, context: &Context<'_>, format: OutputFormat) -> Result<(), AppError> {
        let confinement = match &self.exec {
            Some(command) => {
                let purpose = Purpose::Exec(command.clone(), context.via_commands());
                context.confine_with_broker(purpose, &Reach::default())?
            }
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
