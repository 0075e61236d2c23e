//! `rsachat send`: messages from standard input or the command line to one peer. The exit code says
//! whether each was receipted, or written on the raw wire, which has no receipts. Nothing is
//! written to standard output.

mod queue;

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use clap::Args;

use super::args::{self, Context, OutputArgs, PeerArgs, ProtocolArgs, duration, warn_of_raw};
use crate::app::error::{AppError, code};
use crate::app::event_loop::{App, Flow, Frontend};
use crate::chat::command::Command;
use crate::chat::{CallOptions, Callee, DialOutcome, ExitRequest, Input};
use crate::events::from_notice::{EventReporter, Severity};
use crate::events::{OutputEvent, OutputFormat, emit};
use crate::limits;
use crate::net::Net;
use crate::net::process::Signals;
use crate::net::worker::ThreadPriority;
use crate::store::book_file;
use crate::wire::ByeReason;
use queue::{Delimiter, InputItem, SendQueue, Totals};

#[derive(Args, Debug)]
#[command(after_help = "\
Each line is a message, whatever it looks like. The exit code is 0 only when each was receipted: shown to the person, or \
written and flushed by rsachat recv. With --retry a message can arrive twice, when its receipt was lost.

On the raw wire (--wire oaep) no receipt exists: 0 says that everything was written to the connection and that `exit` ended \
it. A message `exit` is that end. With --retry what was written is not sent again, also when it never arrived.

Examples:
  rsachat send bob -m 'backup done'
  tail -f log | rsachat send bob.example --pin SHA256:…
  find . -print0 | rsachat send -0 bob.example
  rsachat send localhost:8000 --wire oaep --one-way -m 'to the server of the tutorial'")]
pub(crate) struct SendArgs {
    /// Whom to call: a peer of your book, or host:port where the other side listens
    #[arg(value_name = "NAME|ADDR")]
    target: String,
    #[command(flatten)]
    peer: PeerArgs,
    /// Send this instead of standard input; may be repeated
    #[arg(short, long, value_name = "TEXT")]
    message: Vec<String>,
    /// Messages of the input end with NUL instead of a newline
    #[arg(short = '0', long, conflicts_with_all = ["whole", "message"])]
    null: bool,
    /// The whole input is one message
    #[arg(long, conflicts_with = "message")]
    whole: bool,
    /// Give up when nothing is connected, receipted or written for so long, as 30s or 1h 30m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// Connect again so many times after a failure; what was not receipted is sent again, on the
    /// raw wire what was not written
    #[arg(long, value_name = "N", default_value_t = 0)]
    retry: u32,
    #[command(flatten)]
    protocol: ProtocolArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Time before the first new attempt; it doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(30);
/// Time without anything to send after which the connection is closed until something comes: well
/// before the other side closes it.
const IDLE: Duration = Duration::from_millis(limits::SHORT_IDLE_MS / 4 * 3);
/// Time for the end of the input to show itself when the peer has left with everything.
const INPUT_END: Duration = Duration::from_secs(1);

pub(crate) fn run(context: &Context<'_>, args: &SendArgs) -> Result<u8, AppError> {
    args::warm_up_rng();
    let format = args.output.format();
    let name = args.output.own_name(&context.settings)?;
    let callee: Callee =
        args.target.parse().map_err(|error| AppError::new(code::USAGE, format!("{error}")))?;
    if let Some(long) = args.message.iter().find(|text| text.len() > limits::MESSAGE_BYTES) {
        let (bytes, most) = (long.len(), limits::MESSAGE_BYTES);
        let what = format!("-m has {bytes} bytes, a message has at most {most}");
        return Err(AppError::new(code::USAGE, what));
    }
    let wire = args.protocol.protocol(args.peer.selection().option())?;
    let book = book_file::read(&context.home)?;
    let callers = args.peer.selection().accept_policy(wire, &book)?;
    let connect = Command::Connect(CallOptions {
        callee,
        family: args.output.family(),
        pin: None,
        accept: callers,
        protocol: wire,
    });
    args::check_callee(&connect, &book)?;
    let profile = context.unlock()?;
    let net = Net::new()?;
    let signals = Signals::start(net.waker())?;
    let items =
        if args.message.is_empty() { Some(queue::start_reader(delimiter(args), net.waker())?) } else { None };
    let severity = if args.retry == 0 { Severity::Ends } else { Severity::Passes };
    let chat = profile.chat(name, book, 1).without_history().short_lived();
    let mut app =
        App::new(chat, EventReporter { form: format, severity }, net, profile, ThreadPriority::Same)?;
    let consequence = "no receipt exists: exit code 0 says that everything was written, not that it arrived";
    warn_of_raw(wire, consequence, format);
    let mut frontend = SendFrontend {
        connect,
        queue: SendQueue::new(wire),
        items,
        state: DialState::RetryAt(Instant::now()),
        retries_left: args.retry,
        retry_delay: RETRY_FIRST,
        timeout: args.timeout,
        last_progress: Instant::now(),
        idle_since: None,
        format,
    };
    frontend.push(args.message.iter().cloned().map(InputItem::Message).collect());
    let code = app.run(&mut frontend, &signals)?;
    app.linger()?;
    Ok(frontend.finish(&mut app, code))
}

fn delimiter(args: &SendArgs) -> Delimiter {
    match (args.null, args.whole) {
        (true, _) => Delimiter::Nul,
        (_, true) => Delimiter::Whole,
        _ => Delimiter::Line,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DialState {
    /// The next attempt is made at this moment.
    RetryAt(Instant),
    /// Dialled; whether it is established, the chat knows.
    Dialled,
    /// Closed until there is something to send.
    Idle,
    /// The chat has been asked to exit.
    Exiting,
}

/// What a connection that has ended leaves to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Remainder {
    Nothing,
    /// Nothing yet: the input goes on.
    OpenInput,
    Messages,
}

struct SendFrontend {
    connect: Command,
    queue: SendQueue,
    /// `None` once the input has ended.
    items: Option<Receiver<Vec<InputItem>>>,
    state: DialState,
    retries_left: u32,
    retry_delay: Duration,
    timeout: Option<Duration>,
    last_progress: Instant,
    /// Moment since which nothing is sent on the connection.
    idle_since: Option<Instant>,
    format: OutputFormat,
}

impl Frontend<EventReporter> for SendFrontend {
    fn poll_output(&mut self, app: &mut App<EventReporter>) -> Option<u8> {
        self.count_proofs(app);
        None
    }

    /// Retries after a failure, as often as `--retry` says.
    fn on_outcome(&mut self, app: &mut App<EventReporter>, outcome: DialOutcome) -> Option<u8> {
        if self.state == DialState::Exiting {
            // The chat ends with its own code.
            return None;
        }
        if self.state == DialState::Idle && outcome == DialOutcome::Done {
            return None;
        }
        match outcome {
            DialOutcome::NotCalled | DialOutcome::Refused | DialOutcome::Failed => {
                return Some(outcome.exit_code());
            }
            DialOutcome::Done if self.queue.is_oaep() => {
                // `exit` has been sent. Whether all of it was written is seen at the end; what
                // follows an `exit` of the input is refused.
                self.remainder();
                return Some(0);
            }
            _ => {}
        }
        self.count_proofs(app);
        let ended = matches!(outcome, DialOutcome::Left | DialOutcome::Lost | DialOutcome::PeerLeftEarly);
        let remainder = if ended { self.remainder() } else { Remainder::Messages };
        match (outcome, remainder) {
            // What the peer has acknowledged stays so, however its connection ends.
            (DialOutcome::Lost, Remainder::Nothing) if !self.queue.is_oaep() => return Some(0),
            (DialOutcome::Left, Remainder::Nothing) => {
                self.queue.drop_exit();
                return Some(0);
            }
            // A connection is made again when something comes.
            (DialOutcome::Left, Remainder::OpenInput) if self.retries_left > 0 => {
                self.state = DialState::Idle;
                return None;
            }
            (DialOutcome::Left, Remainder::OpenInput) => return Some(0),
            _ => {}
        }
        // For `exit` alone no connection is made again.
        if self.retries_left == 0 || remainder == Remainder::Nothing {
            // The peer ended it in order, so the chat has not reported it.
            let missing = match outcome {
                DialOutcome::Left => Some("sent"),
                DialOutcome::PeerLeftEarly => Some(self.queue.word()),
                _ => None,
            };
            if let Some(missing) = missing {
                let what = format!("the other side left before everything was {missing}");
                self.error("left", [vec![what], self.queue.unsent_rows()].concat().join("\n  "));
            }
            // After an end in order these had no way to go.
            return Some(if outcome.exit_code() == 0 { code::FAILED } else { outcome.exit_code() });
        }
        self.retries_left -= 1;
        self.queue.resend();
        self.state = DialState::RetryAt(Instant::now() + self.retry_delay);
        let message = format!("trying again in {} s", self.retry_delay.as_secs());
        emit(&OutputEvent::Notice { message }, self.format);
        self.retry_delay = (self.retry_delay * 2).min(RETRY_LONGEST);
        None
    }

    fn poll_input(&mut self, app: &mut App<EventReporter>) -> Flow {
        if self.timeout_at(app).is_some_and(|at| at <= Instant::now()) {
            self.error("timeout", format!("nothing was connected or {} in time", self.queue.word()));
            return Flow::Exit(code::LOST);
        }
        self.dial(app);
        if self.items.is_none() {
            self.queue.end();
        }
        self.send(app);
        if self.state != DialState::Exiting && self.items.is_none() && self.queue.is_empty() {
            self.state = DialState::Exiting;
            app.handle(Input::ExitRequest(ExitRequest::EndOfInput));
            return Flow::Again;
        }
        let dial = if let DialState::RetryAt(at) = self.state { Some(at) } else { None };
        let idle = self.close_idle(app);
        Flow::Wait([dial, idle, self.timeout_at(app)].into_iter().flatten().min())
    }
}

impl SendFrontend {
    fn dial(&mut self, app: &mut App<EventReporter>) {
        if let DialState::RetryAt(at) = self.state
            && at <= Instant::now()
        {
            self.state = DialState::Dialled;
            if self.queue.is_oaep() {
                // What the last connection has not written is given up before it is sent anew.
                app.close_connections();
                self.queue.begin(totals(app));
            }
            app.handle(Input::Command(self.connect.clone()));
        }
    }

    /// Closes a connection on which nothing is sent, and returns the moment for that.
    fn close_idle(&mut self, app: &mut App<EventReporter>) -> Option<Instant> {
        let is_busy = self.state != DialState::Dialled
            || self.queue.is_oaep()
            || self.queue.has_in_flight()
            || !app.chat().has_recipient();
        if is_busy {
            self.idle_since = None;
            return None;
        }
        let at = *self.idle_since.get_or_insert_with(Instant::now) + IDLE;
        if at > Instant::now() {
            return Some(at);
        }
        self.state = DialState::Idle;
        for conn in app.chat().connections() {
            app.handle(Input::Dismiss { conn, reason: ByeReason::Leaving });
        }
        None
    }

    /// Hands messages to the chat while it has room, and reads more when all are in flight.
    fn send(&mut self, app: &mut App<EventReporter>) {
        if self.state == DialState::Idle
            && let Some(Ok(items)) = self.items.as_ref().map(Receiver::try_recv)
        {
            self.push(items);
            if !self.queue.is_empty() {
                self.last_progress = Instant::now();
                self.state = DialState::RetryAt(Instant::now());
            }
        }
        while self.state == DialState::Dialled && app.chat().takes_text() {
            let first = !self.queue.has_in_flight();
            if let Some(text) = self.queue.next() {
                if first {
                    self.last_progress = Instant::now();
                }
                app.handle(Input::Text(text));
            } else {
                let Some(Ok(items)) = self.items.as_ref().map(Receiver::try_recv) else { return };
                self.push(items);
            }
        }
    }

    fn push(&mut self, items: Vec<InputItem>) {
        for item in items {
            match item {
                InputItem::Message(text) => {
                    if let Err(after_exit) = self.queue.push(text) {
                        // The rest would only be refused as well.
                        self.items = None;
                        return self.warn(after_exit.to_string());
                    }
                }
                InputItem::Refused { number, why } => {
                    self.queue.refuse();
                    self.warn(format!("message {number} was not sent: {why}"));
                }
                InputItem::End => self.items = None,
                InputItem::Broken(why) => {
                    self.items = None;
                    self.queue.break_off();
                    self.error("input", format!("cannot read the input: {why}"));
                }
            }
        }
    }

    fn count_proofs(&mut self, app: &mut App<EventReporter>) {
        if self.queue.prove(totals(app)) {
            self.last_progress = Instant::now();
        }
    }

    /// What is left to be sent. The peer may have left with the last receipt, a moment before the
    /// end of the input is read.
    fn remainder(&mut self) -> Remainder {
        if self.queue.only_exit_is_left()
            && let Some(items) = &self.items
            && let Ok(items) = items.recv_timeout(INPUT_END)
        {
            self.push(items);
        }
        match &self.items {
            _ if !self.queue.only_exit_is_left() => Remainder::Messages,
            Some(_) => Remainder::OpenInput,
            None => Remainder::Nothing,
        }
    }

    /// Moment of the timeout: it runs only while something is awaited from the peer.
    fn timeout_at(&self, app: &App<EventReporter>) -> Option<Instant> {
        let is_idle = self.state == DialState::Idle;
        let awaited = self.queue.has_in_flight() || !is_idle && !app.chat().has_recipient();
        self.timeout.filter(|_| awaited).map(|timeout| self.last_progress + timeout)
    }

    /// Reports what became of the messages, and returns the exit code.
    fn finish(mut self, app: &mut App<EventReporter>, code: u8) -> u8 {
        self.count_proofs(app);
        let unread = if self.items.is_some() { "; the rest of the input was not read" } else { "" };
        let (error, done) = self.queue.outcome(code, unread);
        if let Some(error) = error {
            emit(&error, self.format);
        }
        let code = done.code;
        emit(&OutputEvent::Done(done), self.format);
        code
    }

    fn warn(&self, message: String) {
        emit(&OutputEvent::Warning { kind: "input", message }, self.format);
    }

    fn error(&self, kind: &'static str, message: String) {
        emit(&OutputEvent::Error { kind, message, hint: None }, self.format);
    }
}

fn totals(app: &mut App<EventReporter>) -> Totals {
    let unsent_bytes = app.unsent_bytes();
    Totals { receipted: app.chat().receipted(), sent: app.chat().sent(), unsent_bytes }
}
