//! `rsachat send`: messages from standard input or the command line to one peer. The exit code says
//! whether each was receipted, or written on the raw wire, which has no receipts. Nothing is
//! written to standard output, except answers where `rsachat ask` awaits them.

mod answers;
pub(crate) mod ask;
mod ask_owner;
mod file_progress;
mod files;
mod flush;
mod keep;
mod kept;
mod options;
mod queue;
mod refused;
mod through_owner;
mod waiting;

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::args::{self, Context, OutputArgs, PeerArgs, warn_of_raw};
use super::recv::deliver;
use crate::app::error::{AppError, code};
use crate::app::event_loop::{App, Flow, Frontend};
use crate::chat::command::Command;
use crate::chat::display::not_in_time;
use crate::chat::{Backoff, CallOptions, Callee, DialOutcome, ExitRequest, HistoryPolicy, Input, Protocol};
use crate::events::from_notice::{EventReporter, Severity};
use crate::events::{OutputEvent, OutputFormat, emit};
use crate::limits;
use crate::net::Net;
use crate::net::process::Signals;
use crate::net::worker::ThreadPriority;
use crate::store::book_file;
use crate::time::MonoMs;
use crate::wire::ByeReason;
use answers::{Answers, SendSink};
pub(crate) use options::SendArgs;
use options::{check_length, delimiter};
use queue::{Delimiter, InputItem, SendQueue, Totals};
use refused::tell_refused;
use waiting::{OTHER_SIDE, TOLD_AFTER, tell_waiting};

/// Time without anything to send after which the connection is closed until something comes: well
/// before the other side closes it.
const IDLE: Duration = Duration::from_millis(limits::SHORT_IDLE_MS / 4 * 3);
/// Time for the end of the input to show itself when the peer has left with everything.
const INPUT_END: Duration = Duration::from_secs(1);

pub(crate) fn run(context: &Context<'_>, args: &SendArgs) -> Result<u8, AppError> {
    if !args.file.is_empty() {
        return files::run(context, args);
    }
    if let Some(code) = kept::run(context, args)? {
        return Ok(code);
    }
    let input = args.message.is_empty().then(|| delimiter(args));
    let task = Task {
        target: args.target.as_deref().unwrap_or_default(),
        peer: &args.peer,
        protocol: args.protocol.protocol(args.peer.selection().option())?,
        output: &args.output,
        messages: args.message.clone(),
        input,
        retry: args.retry,
        time_limit: TimeLimit::Progress(args.timeout),
        answers: None,
    };
    task.run(context)
}

/// What a run sends to whom, and what it waits for.
struct Task<'a> {
    target: &'a str,
    peer: &'a PeerArgs,
    protocol: Protocol,
    output: &'a OutputArgs,
    messages: Vec<String>,
    /// Input that is read for more messages, if one is.
    input: Option<Delimiter>,
    retry: u32,
    time_limit: TimeLimit,
    /// Number of answers that are awaited, if any are.
    answers: Option<u64>,
}

/// Time that a run may take.
#[derive(Clone, Copy, Debug)]
enum TimeLimit {
    /// From one sign of progress to the next, if it is limited.
    Progress(Option<Duration>),
    /// From its beginning to its end.
    Whole(Duration),
}

impl Task<'_> {
    fn run(self, context: &Context<'_>) -> Result<u8, AppError> {
        let format = self.output.format();
        let name = self.output.own_name(&context.settings);
        let callee: Callee =
            self.target.parse().map_err(|error| AppError::new(code::USAGE, format!("{error}")))?;
        check_length(&self.messages)?;
        let wire = self.protocol;
        let book = book_file::read(&context.home)?;
        let callers = self.peer.selection().accept_policy(wire, &book)?;
        let connect = Command::Connect(CallOptions {
            callee,
            via: self.output.via.clone().map(Box::new),
            family: self.output.family(),
            pin: None,
            accept: callers,
            protocol: wire,
            knock: None,
        });
        context.check_callee(&connect, &book)?;
        let profile = context.unlock()?;
        context.confine_and_say(format)?;
        args::warm_up_rng();
        let net = Net::new()?;
        let signals = Signals::start(net.waker())?;
        let items = self.input.map(|delimiter| queue::start_reader(delimiter, net.waker())).transpose()?;
        let severity = if self.retry == 0 { Severity::Ends } else { Severity::Passes };
        let settings = context.settings.resolve();
        let mut chat = profile.chat(name, book, 1).without_history();
        chat.set_history(settings.history, settings.history_days);
        // On a short-lived connection nothing may be sent to who began it.
        let chat = if self.answers.is_some() { chat.asking() } else { chat.short_lived() };
        let answers =
            self.answers.map(|count| Answers::start(count, wire, format, net.waker())).transpose()?;
        let home = context.global.home.clone();
        let sink = SendSink { reporter: EventReporter { form: format, severity, home }, answers };
        let mut app = App::new(chat, sink, net, profile, ThreadPriority::Same)?;
        if settings.history == HistoryPolicy::Keep {
            app.keep_history();
        }
        let consequence = if self.answers.is_some() {
            "nothing is acknowledged, and anybody may have written the answer"
        } else {
            "nothing is acknowledged: exit code 0 means that everything was written, not that it arrived"
        };
        warn_of_raw(wire, consequence, format);
        let now = Instant::now();
        let mut frontend = SendFrontend {
            connect,
            queue: SendQueue::new(wire),
            items,
            state: DialState::RetryAt(now),
            retries_left: self.retry,
            backoff: Backoff::default(),
            time_limit: self.time_limit,
            began: now,
            last_progress: now,
            idle_since: None,
            told_after: Some(TOLD_AFTER),
            outcome: None,
            format,
        };
        frontend.push(self.messages.into_iter().map(InputItem::Message).collect());
        let code = app.run(&mut frontend, &signals)?;
        app.linger()?;
        Ok(frontend.finish(&mut app, code))
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
    backoff: Backoff,
    time_limit: TimeLimit,
    began: Instant,
    last_progress: Instant,
    /// Moment since which nothing is sent on the connection.
    idle_since: Option<Instant>,
    /// Time after which it is said what is waited for, until it was.
    told_after: Option<Duration>,
    /// Outcome of the connection, while answers that came by it are still being written.
    outcome: Option<DialOutcome>,
    format: OutputFormat,
}

impl Frontend<SendSink> for SendFrontend {
    fn poll_output(&mut self, app: &mut App<SendSink>) -> Option<u8> {
        self.count_proofs(app);
        if let Some(failure) = Answers::take_written(app) {
            self.state = DialState::Exiting;
            let request = deliver::refuse_output(app, &failure, self.format);
            app.handle(Input::ExitRequest(request));
        }
        None
    }

    /// Goes on once every answer that came by the connection is written.
    fn on_outcome(&mut self, app: &mut App<SendSink>, outcome: DialOutcome) -> Option<u8> {
        match &mut app.sink().answers {
            Some(answers) if !answers.has_ended() => {
                answers.close();
                self.outcome = Some(outcome);
                None
            }
            _ => self.conclude(app, outcome),
        }
    }

    fn poll_input(&mut self, app: &mut App<SendSink>) -> Flow {
        if app.sink().answers.as_ref().is_some_and(Answers::has_ended)
            && let Some(outcome) = self.outcome.take()
        {
            return self.conclude(app, outcome).map_or(Flow::Again, Flow::Exit);
        }
        if self.timeout_at(app).is_some_and(|at| at <= Instant::now()) {
            return self.time_out(app);
        }
        self.dial(app);
        if app.chat().has_recipient() {
            self.backoff.answer(self.elapsed());
        }
        let is_answered = app.sink().answers.as_ref().is_none_or(|answers| answers.missing() == 0);
        if self.items.is_none() && is_answered {
            self.queue.end();
        }
        self.send(app);
        let is_done = self.items.is_none() && self.queue.is_empty() && is_answered;
        if self.state != DialState::Exiting && is_done {
            self.state = DialState::Exiting;
            app.handle(Input::ExitRequest(ExitRequest::EndOfInput));
            return Flow::Again;
        }
        let dial = if let DialState::RetryAt(at) = self.state { Some(at) } else { None };
        let (idle, told) = (self.close_idle(app), self.tell_waiting(app));
        Flow::Wait([dial, idle, told, self.timeout_at(app)].into_iter().flatten().min())
    }
}

impl SendFrontend {
    /// Retries after a failure, as often as `--retry` says.
    fn conclude(&mut self, app: &mut App<SendSink>, outcome: DialOutcome) -> Option<u8> {
        if self.state == DialState::Exiting {
            // The chat ends with its own code.
            return None;
        }
        if self.state == DialState::Idle && outcome == DialOutcome::Done {
            return None;
        }
        match outcome {
            DialOutcome::NotCalled | DialOutcome::Refused => return Some(outcome.exit_code()),
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
                return Some(if self.is_left_unanswered(app) { code::LOST } else { 0 });
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
        app.resend(self.queue.resend());
        self.backoff.lose(self.elapsed());
        let delay = self.backoff.next_delay(app.chat().fingerprint());
        self.state = DialState::RetryAt(Instant::now() + Duration::from_millis(delay));
        let message = format!("trying again in {} s", delay.div_ceil(1_000));
        emit(&OutputEvent::Notice { message }, self.format);
        None
    }

    /// Time since it began.
    fn elapsed(&self) -> MonoMs {
        MonoMs(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Gives up. A connection that waits for answers is closed in order.
    fn time_out(&mut self, app: &mut App<SendSink>) -> Flow {
        let is_unanswered = app.sink().answers.is_some() && self.queue.only_exit_is_left();
        let what = if is_unanswered {
            "not everything was answered in time".to_owned()
        } else if !self.queue.is_oaep() && app.chat().has_recipient() {
            not_in_time(OTHER_SIDE)
        } else {
            format!("nothing was connected or {} in time", self.queue.word())
        };
        self.error("timeout", what);
        if app.sink().answers.is_none() {
            return Flow::Exit(code::LOST);
        }
        self.state = DialState::Exiting;
        app.handle(Input::ExitRequest(ExitRequest::Failure(code::LOST)));
        Flow::Again
    }

    /// Says once what is waited for, and returns the moment for that.
    fn tell_waiting(&mut self, app: &App<SendSink>) -> Option<Instant> {
        let is_waiting = !self.queue.is_oaep() && self.queue.has_in_flight() && app.chat().has_recipient();
        let at = self.last_progress + self.told_after.filter(|_| is_waiting)?;
        if at > Instant::now() {
            return Some(at);
        }
        self.told_after = None;
        tell_waiting(OTHER_SIDE, self.format);
        None
    }

    fn dial(&mut self, app: &mut App<SendSink>) {
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
    fn close_idle(&mut self, app: &mut App<SendSink>) -> Option<Instant> {
        let is_busy = self.state != DialState::Dialled
            || app.sink().answers.is_some()
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
    fn send(&mut self, app: &mut App<SendSink>) {
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
                InputItem::Refused { number, begins, why } => {
                    self.queue.refuse();
                    tell_refused(number, &begins, &why.to_string(), self.format);
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

    fn count_proofs(&mut self, app: &mut App<SendSink>) {
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

    /// Tells that the peer has left before it answered, if it has.
    fn is_left_unanswered(&self, app: &mut App<SendSink>) -> bool {
        let is_unanswered = app.sink().answers.as_ref().is_some_and(|answers| answers.missing() > 0);
        if is_unanswered {
            self.error("left", "the other side left before it answered".to_owned());
        }
        is_unanswered
    }

    /// Moment of the timeout: between two signs of progress it runs only while something is awaited
    /// from the peer.
    fn timeout_at(&self, app: &App<SendSink>) -> Option<Instant> {
        match self.time_limit {
            // Its end has begun.
            TimeLimit::Whole(_) if self.state == DialState::Exiting => None,
            TimeLimit::Whole(limit) => self.began.checked_add(limit),
            TimeLimit::Progress(limit) => {
                let is_idle = self.state == DialState::Idle;
                let is_awaiting = self.queue.has_in_flight() || !is_idle && !app.chat().has_recipient();
                limit.filter(|_| is_awaiting).map(|limit| self.last_progress + limit)
            }
        }
    }

    /// Reports what became of the messages, and returns the exit code.
    fn finish(mut self, app: &mut App<SendSink>, code: u8) -> u8 {
        self.count_proofs(app);
        if !self.queue.has_begun()
            && let Some(items) = &self.items
        {
            // What was read counts, and a producer that goes on is not read to its end.
            let read = items.try_iter().take(queue::READS_AHEAD).flatten().collect();
            self.push(read);
        }
        let unread = if self.items.is_some() { "; the rest of the input was not read" } else { "" };
        let (error, mut done) = self.queue.outcome(code, unread);
        let unanswered =
            app.sink().answers.as_ref().and_then(|answers| answers.outcome(&self.queue, &mut done));
        if let Some(error) = unanswered.or(error) {
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

fn totals(app: &mut App<SendSink>) -> Totals {
    let unsent_bytes = app.unsent_bytes();
    Totals { receipted: app.chat().receipted(), sent: app.chat().sent(), unsent_bytes }
}
