//! `rsachat send`: messages from standard input or the command line to one person, and an exit code that says
//! whether each of them was receipted, or on the raw wire, which has no receipts, written. Nobody is asked anything,
//! and nothing is written to standard output.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use clap::Args;

use super::args::{self, OutputArgs, PeerArgs, ProtocolArgs, duration, warn_of_raw};
use crate::app::error::{AppError, code};
use crate::app::event_loop::App;
use crate::app::global_args::GlobalArgs;
use crate::app::keyring;
use crate::chat::command::Command;
use crate::chat::{Chat, DialOptions, DialOutcome, ExitRequest, Input};
use crate::config::SettingSources;
use crate::events::from_notice::{EventReporter, Severity};
use crate::events::{Event, OutputFormat, emit};
use crate::limits;
use crate::net::Net;
use crate::net::signals::Signals;
use crate::net::worker::Priority;
use crate::peers::address::Target;
use crate::store::{Home, book_file};

pub(crate) mod input;
pub(crate) mod queue;
pub(crate) mod write_ledger;

use input::{Delimiter, InputItem};
use queue::{Known, SendQueue};

/// `rsachat send …`
#[derive(Args, Debug)]
#[command(after_help = "\
Each line is a message, whatever it looks like. The exit code is 0 only when each was receipted: shown to the person, or \
written and flushed by rsachat recv. With --retry a message can arrive twice, when its receipt was lost.

On the raw wire (--wire oaep) no receipt exists: 0 says that everything was written to the connection and that `exit` ended \
it. A message `exit` is that end. With --retry what was written is not sent again, also when it never arrived.

Examples:
  rsachat send bob.example --to bob -m 'backup done'
  tail -f log | rsachat send bob.example --pin SHA256:…
  find . -print0 | rsachat send -0 bob.example
  rsachat send localhost:8000 --wire oaep --one-way -m 'to the server of the tutorial'")]
pub(crate) struct SendArgs {
    /// Where the other side listens: host or host:port
    #[arg(value_name = "ADDR")]
    target: String,
    #[command(flatten)]
    whom: PeerArgs,
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
    /// Connect again so many times after a failure; what was not receipted is sent again, on the raw wire what was not
    /// written
    #[arg(long, value_name = "N", default_value_t = 0)]
    retry: u32,
    #[command(flatten)]
    wire: ProtocolArgs,
    #[command(flatten)]
    manner: OutputArgs,
}

/// Time before the first new attempt; it doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(30);
/// Time for the end of the input to show itself when the peer has left with everything.
const LAST_PIECE: Duration = Duration::from_secs(1);

/// Sends everything and gives the exit code.
pub(crate) fn run(
    home: &Home,
    common: &GlobalArgs,
    sources: &SettingSources,
    task: &SendArgs,
) -> Result<u8, AppError> {
    args::warm_up_rng();
    let form = task.manner.form();
    let name = task.manner.own_name(sources)?;
    let target: Target =
        task.target.parse().map_err(|error| AppError::new(code::USAGE, format!("{error}")))?;
    if let Some(long) = task.message.iter().find(|text| text.len() > limits::MESSAGE_BYTES) {
        let (bytes, most) = (long.len(), limits::MESSAGE_BYTES);
        return Err(AppError::new(
            code::USAGE,
            format!("-m has {bytes} bytes, a message has at most {most}"),
        ));
    }
    let wire = task.wire.wire(task.whom.option())?;
    let book = book_file::read(home)?;
    let callers = task.whom.callers(wire, &book)?;
    let (own, passphrase) = keyring::unlock(home, common)?;
    let net = Net::new()?;
    let signals = Signals::start(net.waker())?;
    let key = own.as_ref().map(|own| own.as_shown(home));
    let chat = Chat::new(name, key, book, 1);
    let pieces = if task.message.is_empty() { Some(input::start(cut(task), net.waker())?) } else { None };
    let gravity = if task.retry == 0 { Severity::Ends } else { Severity::Passes };
    let app =
        App::new(chat, EventReporter { form, gravity }, net, home.clone(), own, passphrase, Priority::Same)?;
    let connect = Command::Connect(DialOptions {
        target,
        family: task.manner.family(),
        pin: None,
        accept: callers,
        protocol: wire,
    });
    let so = "no receipt exists: exit code 0 says that everything was written, not that it arrived";
    warn_of_raw(wire, so, form);
    let mut sender = Sender {
        app,
        connect,
        outgoing: SendQueue::on(wire),
        pieces,
        state: State::Waits(Instant::now()),
        tries_left: task.retry,
        pause: RETRY_FIRST,
        timeout: task.timeout,
        moved: Instant::now(),
        form,
    };
    sender.take(task.message.iter().cloned().map(InputItem::Message).collect());
    let code = sender.until_over(&signals)?;
    sender.finish(code)
}

fn cut(task: &SendArgs) -> Delimiter {
    match (task.null, task.whole) {
        (true, _) => Delimiter::Nul,
        (_, true) => Delimiter::Whole,
        _ => Delimiter::Line,
    }
}

/// Where the connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// An attempt is made at this moment.
    Waits(Instant),
    /// It was asked for; whether it stands, the chat knows.
    Asked,
    /// Goodbye is being said.
    Shutdown,
}

struct Sender {
    app: App<EventReporter>,
    connect: Command,
    outgoing: SendQueue,
    /// `None` once the input has ended.
    pieces: Option<Receiver<Vec<InputItem>>>,
    state: State,
    tries_left: u32,
    pause: Duration,
    timeout: Option<Duration>,
    /// When something last went forward.
    moved: Instant,
    form: OutputFormat,
}

impl Sender {
    fn until_over(&mut self, signals: &Signals) -> Result<u8, AppError> {
        loop {
            if let Some(signal) = signals.next() {
                self.app.handle(Input::ExitRequest(ExitRequest::Signal(signal.number())));
            }
            self.count_proofs();
            if let Some(code) = self.app.quit() {
                return Ok(code);
            }
            if let Some(outcome) = self.app.outcomes().first()
                && let Some(code) = self.weigh(*outcome)
            {
                return Ok(code);
            }
            if self.is_too_late() {
                return Ok(self.give_up());
            }
            self.dial();
            if self.pieces.is_none() {
                self.outgoing.end();
            }
            self.send();
            if self.state != State::Shutdown && self.pieces.is_none() && self.outgoing.is_empty() {
                self.state = State::Shutdown;
                self.app.handle(Input::ExitRequest(ExitRequest::EndOfInput));
                continue;
            }
            let until = self.wakes_at();
            self.app.turn_until(until)?;
        }
    }

    fn dial(&mut self) {
        if let State::Waits(at) = self.state
            && at <= Instant::now()
        {
            self.state = State::Asked;
            self.forget_lost();
            self.app.handle(Input::Command(self.connect.clone()));
        }
    }

    /// Whatever the last connection may still have had to write is given up before it is sent anew.
    fn forget_lost(&mut self) {
        if !self.outgoing.is_raw() {
            return;
        }
        self.app.host.net.close_all();
        let known = self.known();
        self.outgoing.begin(known);
    }

    fn known(&mut self) -> Known {
        let unsent_bytes = self.app.unsent_bytes();
        let chat = self.app.chat();
        Known { receipted: chat.receipted(), sent: chat.sent(), unsent_bytes }
    }

    /// Hands messages to the chat while it has room, and reads more when all are on the way.
    fn send(&mut self) {
        while self.state == State::Asked && self.app.chat().takes_text() {
            let first = !self.outgoing.are_on_the_way();
            if let Some(text) = self.outgoing.next() {
                if first {
                    self.moved = Instant::now();
                }
                self.app.handle(Input::Text(text));
            } else if !self.read_more() {
                return;
            }
        }
    }

    fn read_more(&mut self) -> bool {
        let Some(Ok(pieces)) = self.pieces.as_ref().map(Receiver::try_recv) else { return false };
        self.take(pieces);
        true
    }

    fn take(&mut self, pieces: Vec<InputItem>) {
        for piece in pieces {
            match piece {
                InputItem::Message(text) => {
                    if let Err(past) = self.outgoing.take(text) {
                        // The rest would only be refused as well.
                        self.pieces = None;
                        let message = past.to_string();
                        emit(&Event::Warning { kind: "input", message }, self.form);
                        return;
                    }
                }
                InputItem::Refused { number, why } => {
                    self.outgoing.refuse();
                    let message = format!("message {number} was not sent: {why}");
                    emit(&Event::Warning { kind: "input", message }, self.form);
                }
                InputItem::End => self.pieces = None,
                InputItem::Broken(why) => {
                    self.pieces = None;
                    self.outgoing.breaks_off();
                    let message = format!("cannot read the input: {why}");
                    emit(&Event::Error { kind: "input", message, hint: None }, self.form);
                }
            }
        }
    }

    fn count_proofs(&mut self) {
        let known = self.known();
        if self.outgoing.prove(known) {
            self.moved = Instant::now();
        }
    }

    /// A connection is over: the code to end with, or none when there is another try or all is done.
    fn weigh(&mut self, outcome: DialOutcome) -> Option<u8> {
        if self.state == State::Shutdown {
            // The chat ends with its own code.
            return None;
        }
        let code = match outcome {
            DialOutcome::Refused => return Some(code::REFUSED),
            DialOutcome::Failed => return Some(code::FAILED),
            DialOutcome::Done if self.outgoing.is_raw() => {
                // `exit` has been sent. Whether all of it was written is seen at the end; what follows an `exit` of the
                // input is refused.
                self.has_said_all();
                return Some(0);
            }
            DialOutcome::Unreachable | DialOutcome::ListenFailed => code::MACHINE,
            DialOutcome::Left | DialOutcome::PeerLeftEarly | DialOutcome::Lost | DialOutcome::Done => {
                code::LOST
            }
        };
        let broke_off = matches!(outcome, DialOutcome::Lost | DialOutcome::PeerLeftEarly);
        let ended = outcome == DialOutcome::Left || (broke_off && self.outgoing.is_raw());
        let said_all = ended && self.outgoing.only_goodbye_is_left() && self.has_said_all();
        if outcome == DialOutcome::Left && said_all {
            self.outgoing.needs_no_goodbye();
            return Some(0);
        }
        // For the goodbye alone nobody is called again.
        if self.tries_left == 0 || said_all {
            // In order, so that nobody has said it yet.
            let missing = match outcome {
                DialOutcome::Left => Some("sent"),
                DialOutcome::PeerLeftEarly => Some(self.outgoing.word()),
                _ => None,
            };
            if let Some(missing) = missing {
                let message = format!("the other side left before everything was {missing}");
                emit(&Event::Error { kind: "left", message, hint: None }, self.form);
            }
            return Some(code);
        }
        self.tries_left -= 1;
        self.outgoing.again();
        self.state = State::Waits(Instant::now() + self.pause);
        let message = format!("trying again in {} s", self.pause.as_secs());
        emit(&Event::Notice { message }, self.form);
        self.pause = (self.pause * 2).min(RETRY_LONGEST);
        None
    }

    /// Whether the input has ended. The peer may have left with the last receipt, a moment before the input
    /// says so.
    fn has_said_all(&mut self) -> bool {
        let Some(pieces) = &self.pieces else { return true };
        if let Ok(pieces) = pieces.recv_timeout(LAST_PIECE) {
            self.take(pieces);
        }
        self.pieces.is_none() && self.outgoing.only_goodbye_is_left()
    }

    fn is_too_late(&self) -> bool {
        self.timeout_at().is_some_and(|at| at <= Instant::now())
    }

    /// When patience ends: only while something is awaited from the other side.
    fn timeout_at(&self) -> Option<Instant> {
        let awaited = self.outgoing.are_on_the_way() || !self.app.chat().has_recipient();
        self.timeout.filter(|_| awaited).map(|timeout| self.moved + timeout)
    }

    fn give_up(&mut self) -> u8 {
        let message = format!("nothing was connected or {} in time", self.outgoing.word());
        emit(&Event::Error { kind: "timeout", message, hint: None }, self.form);
        code::LOST
    }

    fn wakes_at(&self) -> Option<Instant> {
        let dial = if let State::Waits(at) = self.state { Some(at) } else { None };
        [dial, self.timeout_at()].into_iter().flatten().min()
    }

    /// Lets the goodbye leave, says what became of the messages, and gives the exit code.
    fn finish(mut self, code: u8) -> Result<u8, AppError> {
        self.app.linger()?;
        self.count_proofs();
        let unread = if self.pieces.is_some() { "; the rest of the input was not read" } else { "" };
        let (error, done) = self.outgoing.outcome(code, unread);
        if let Some(error) = error {
            emit(&error, self.form);
        }
        let code = done.code;
        emit(&Event::Done(done), self.form);
        Ok(code)
    }
}
