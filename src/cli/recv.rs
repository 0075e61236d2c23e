//! `rsachat recv`: messages from one or many peers to standard output or to a command. A message is
//! receipted when it has arrived there, and only then.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use clap::{ArgGroup, Args};
use mio::Waker;

use super::args::{self, Context, OutputArgs, PeerSelection, ProtocolArgs, listen_or_connect, warn_of_raw};
use crate::app::error::{AppError, SIGPIPE, code, describe};
use crate::app::event_loop::{App, Flow, Frontend};
use crate::app::host::NoticeSink;
use crate::app::os::print;
use crate::chat::{DialOutcome, ExitRequest, Input, KeyExchange, Message, Notice, Protocol, ReceiptDue};
use crate::events::from_notice::{EventReporter, Severity, message};
use crate::events::{Done, OutputEvent, OutputFormat, emit};
use crate::ids::ConnId;
use crate::limits;
use crate::net::Net;
use crate::net::process::{Signal, Signals};
use crate::net::worker::ThreadPriority;
use crate::store::book_file;
use crate::text::safe::SafeText;
use crate::wire::ByeReason;

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
    /// Give each message to the standard input of this shell command; receipt it when that ends
    /// with 0
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
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
    let profile = context.unlock()?;
    let seats = args::seats(args.peers, limits::PEERS)?;
    let mut net = Net::new()?;
    net.set_max_links(seats);
    let signals = Signals::start(net.waker())?;
    let destination = match (&args.exec, format) {
        (Some(command), _) => Destination::Command(command.clone()),
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
    let mut frontend =
        RecvFrontend { protocol, format, messages: 0, failed: 0, exiting: false, outcome: None };
    let code = app.run(&mut frontend, &signals)?;
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
            (Notice::Message(message), Some(due)) => self.deliverer.put(message.clone(), due),
            _ => self.reporter.show(notice, due),
        }
    }

    fn is_behind(&self) -> bool {
        self.deliverer.backlog.load(Ordering::Relaxed) > limits::OUTPUT_BACKLOG_BYTES
    }
}

struct RecvFrontend {
    protocol: Protocol,
    format: OutputFormat,
    messages: u64,
    failed: u64,
    exiting: bool,
    /// Outcome of the one connection of the raw wire, while what came by it is still being written.
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

    /// Ends with the connection. On our own wire what has not been written by then has no receipt,
    /// and its sender knows; on the raw one nobody would, so everything that came is written first.
    fn on_outcome(&mut self, app: &mut App<RecvSink>, outcome: DialOutcome) -> Option<u8> {
        if self.protocol == Protocol::Native {
            return self.conclude(app, outcome);
        }
        self.outcome = Some(outcome);
        app.sink().deliverer.queue = None;
        None
    }

    fn poll_input(&mut self, app: &mut App<RecvSink>) -> Flow {
        if app.sink().deliverer.ended
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

/// Destination of messages.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Destination {
    /// One line of safe text each.
    Text,
    /// One JSON object each.
    Json,
    /// Standard input of a shell command for each, which gets the exact bytes.
    Command(String),
}

/// Report of the thread.
#[derive(Debug)]
enum Delivered {
    /// A message has arrived, and so has everything before it on its connection.
    Upto(ReceiptDue),
    /// A message could not be handed over, so nothing that follows on its connection will be.
    Failed { conn: ConnId, why: String },
    /// Standard output cannot be written. Nothing follows.
    Broken(io::Error),
    /// As many as were asked for have arrived. Nothing follows.
    Enough,
}

/// Approximate cost of a waiting message besides its text, in bytes.
const MESSAGE_OVERHEAD: usize = 512;

/// Item for the thread.
enum Item {
    Message(Message, ReceiptDue),
    /// Nothing follows on this connection.
    Closed(ConnId),
}

/// Handle of the thread.
struct Deliverer {
    /// `None` once nothing follows: the thread then ends when it has delivered what it has.
    queue: Option<Sender<Item>>,
    reports: Receiver<Delivered>,
    /// The thread has ended, and all its reports have been taken.
    ended: bool,
    backlog: Arc<AtomicUsize>,
}

impl Deliverer {
    /// Starts the thread. It stops by itself after `count` messages.
    fn start(destination: Destination, count: Option<u64>, waker: Arc<Waker>) -> io::Result<Self> {
        let (queue, items) = channel();
        let (sender, reports) = channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let thread =
            Thread { destination, remaining: count, failed: BTreeSet::new(), backlog: Arc::clone(&backlog) };
        thread::Builder::new().name("deliver".into()).spawn(move || {
            thread.run(&items, |report| {
                // The receiver may have gone.
                let _ = sender.send(report);
                let _ = waker.wake();
            });
            drop(sender);
            let _ = waker.wake();
        })?;
        Ok(Self { queue: Some(queue), reports, ended: false, backlog })
    }

    fn put(&self, message: Message, due: ReceiptDue) {
        self.backlog.fetch_add(weight(&message), Ordering::Relaxed);
        self.send(Item::Message(message, due));
    }

    /// Forgets a connection of which a message could not be handed over: nothing follows on it.
    fn forget(&self, conn: ConnId) {
        self.send(Item::Closed(conn));
    }

    fn next(&mut self) -> Option<Delivered> {
        let next = self.reports.try_recv();
        self.ended |= next.as_ref().err() == Some(&TryRecvError::Disconnected);
        next.ok()
    }

    fn send(&self, item: Item) {
        if let Some(queue) = &self.queue {
            // A thread that has ended has reported why.
            let _ = queue.send(item);
        }
    }
}

fn weight(message: &Message) -> usize {
    let rows: usize = message.rows.iter().map(|row| row.as_str().len() + size_of::<SafeText>()).sum();
    message.text.len() + rows + MESSAGE_OVERHEAD
}

/// State of the thread.
struct Thread {
    destination: Destination,
    /// Messages still wanted, if they are counted.
    remaining: Option<u64>,
    /// Connections with a message that could not be handed over, while more of theirs may come.
    failed: BTreeSet<ConnId>,
    backlog: Arc<AtomicUsize>,
}

impl Thread {
    fn run(mut self, items: &Receiver<Item>, report: impl Fn(Delivered)) {
        while let Ok(first) = items.recv() {
            let mut batch: Vec<_> = self.take(first).into_iter().collect();
            // Standard output takes everything that waits in one piece.
            while !matches!(self.destination, Destination::Command(_))
                && self.remaining.is_none_or(|remaining| (batch.len() as u64) < remaining)
                && let Ok(more) = items.try_recv()
            {
                batch.extend(self.take(more));
            }
            if batch.is_empty() {
                continue;
            }
            self.backlog.fetch_sub(batch.iter().map(|(message, _)| weight(message)).sum(), Ordering::Relaxed);
            let Some(delivered) = self.deliver(&batch, &report) else { return };
            if let Some(remaining) = &mut self.remaining {
                *remaining = remaining.saturating_sub(delivered);
                if *remaining == 0 {
                    return report(Delivered::Enough);
                }
            }
        }
    }

    fn take(&mut self, item: Item) -> Option<(Message, ReceiptDue)> {
        match item {
            Item::Message(message, due) => Some((message, due)),
            Item::Closed(conn) => {
                self.failed.remove(&conn);
                None
            }
        }
    }

    /// Delivers a batch. Returns how many have arrived, or `None` when nothing more can be written.
    fn deliver(&mut self, batch: &[(Message, ReceiptDue)], report: &impl Fn(Delivered)) -> Option<u64> {
        let mut text = String::new();
        let mut delivered = 0;
        for (received, due) in batch {
            match &self.destination {
                Destination::Json => {
                    text.push_str(&OutputEvent::Message(message(received)).to_json(received.arrived.0, None));
                }
                Destination::Text => {
                    text.push_str(SafeText::exact_line(&received.text).as_str());
                    text.push('\n');
                }
                Destination::Command(_) if self.failed.contains(&due.conn) => {}
                Destination::Command(command) => match run_command(command, received) {
                    Ok(()) => {
                        delivered += 1;
                        report(Delivered::Upto(*due));
                    }
                    Err(why) => {
                        self.failed.insert(due.conn);
                        report(Delivered::Failed { conn: due.conn, why });
                    }
                },
            }
        }
        if matches!(self.destination, Destination::Command(_)) {
            return Some(delivered);
        }
        if let Err(error) = print(&text) {
            report(Delivered::Broken(error));
            return None;
        }
        for (_, due) in batch {
            report(Delivered::Upto(*due));
        }
        Some(batch.len() as u64)
    }
}

/// Runs the command for one message; only its exit code 0 counts.
fn run_command(command: &str, received: &Message) -> Result<(), String> {
    let event = message(received);
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("RSACHAT_FROM", event.from)
        .env("RSACHAT_FINGERPRINT", event.fingerprint.unwrap_or_default())
        .env("RSACHAT_VERIFIED", if event.verified { "yes" } else { "no" })
        .env("RSACHAT_SENT", event.sent)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run the command: {}", describe(&error)))?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not want all of it may close its input; its exit code decides.
        let _ = input.write_all(&received.text);
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(match status.code() {
            Some(code) => format!("the command ended with code {code}"),
            None => "the command was ended by a signal".to_owned(),
        }),
        Err(error) => Err(format!("cannot wait for the command: {}", describe(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::TrustLevel;
    use crate::time::UnixMs;
    use crate::wire::Lifetime;

    /// Thread whose command fails for every message.
    fn failing() -> Thread {
        let destination = Destination::Command("exit 1".to_owned());
        Thread { destination, remaining: None, failed: BTreeSet::new(), backlog: Arc::default() }
    }

    fn received(text: &str) -> Message {
        Message {
            name: "bob".to_owned(),
            fingerprint: None,
            trust_level: TrustLevel::Unauthenticated,
            lifetime: Lifetime::Lasting,
            arrived: UnixMs(0),
            sent: UnixMs(0),
            rows: SafeText::rows(text),
            text: text.into(),
            number: 1,
        }
    }

    #[test]
    fn a_connection_that_was_closed_for_a_failed_message_is_remembered_no_longer_than_that() {
        let mut thread = failing();
        for number in 0..100 {
            let due = ReceiptDue { conn: ConnId(number), upto: 1 };
            let batch = [thread.take(Item::Message(received("x"), due)).unwrap()];
            assert_eq!(thread.deliver(&batch, &|_| ()), Some(0));
            assert_eq!(thread.failed.len(), 1, "what follows on it is not handed over");
            thread.take(Item::Closed(ConnId(number)));
            assert!(thread.failed.is_empty());
        }
    }
}
