//! A pipe that stands, until it is over: two threads move the bytes, one speaks, and this loop hears what they
//! report, keeps the time, and says how it ended.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use mio::Waker;

use super::counters::Counters;
use super::download::{self, Down};
use super::outcome::PipeOutcome;
use super::progress::{ClearOnOutput, Progress};
use super::sender::{Control, FrameSender};
use super::upload::{self, UpEnd};
use crate::limits::{CONFIRM_EVERY_MS, FAREWELL_MS};
use crate::net::Net;
use crate::net::lines::BlockingReader;
use crate::net::signals::Signals;
use crate::session::CloseReason;
use crate::session::pipe::{Keepalive, KeepaliveAction, Pipe, RecvEvent};
use crate::time::MonoMs;
use crate::wire::ByeReason;

/// What comes from the threads.
enum RelayEvent {
    Up(UpEnd),
    Down(Down),
    /// The goodbye is with the kernel, or the key is used up.
    Spoken,
    /// The connection takes no word any more. Who receives knows why.
    Unheard,
}

/// Whether our standard input is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Input {
    Sent,
    /// It is not read; our stream is empty.
    Unread,
}

/// What a pipe has on this side: its input, and the row that shows how far it has come.
pub(crate) struct Endpoints {
    pub(crate) input: Input,
    pub(crate) progress: Progress,
    pub(crate) yields: ClearOnOutput,
}

/// A pipe at work.
pub(crate) struct Relay {
    line: Arc<FrameSender>,
    tally: Arc<Counters>,
    unconfirmed: Arc<AtomicBool>,
    reports: Receiver<RelayEvent>,
    stream: TcpStream,
    pulse: Keepalive,
    progress: Progress,
    /// Bytes of our stream that the peer has confirmed, once it has said anything of them.
    stored: Option<u64>,
    their_end: bool,
    confirm_at_ms: Option<u64>,
    spoken: bool,
    hung_up: bool,
}

/// How far it came, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Count {
    pub(crate) sent: u64,
    pub(crate) stored: u64,
    pub(crate) received: u64,
}

impl Relay {
    /// Begins to move bytes. `unsent` is what the handshake has left for the socket.
    pub(crate) fn start(
        pipe: Pipe,
        mut stream: TcpStream,
        unsent: &[u8],
        waker: &Arc<Waker>,
        ends: Endpoints,
    ) -> io::Result<Self> {
        let Endpoints { input, progress, yields } = ends;
        stream.write_all(unsent)?;
        let (reporter, reports) = channel();
        let line = Arc::new(FrameSender::new(pipe.send, stream.try_clone()?));
        let tally = Arc::new(Counters::new());
        let unconfirmed = Arc::new(AtomicBool::new(false));
        let tell = teller(reporter, waker);

        let (up_line, up_tally, up_tell) = (Arc::clone(&line), Arc::clone(&tally), tell.clone());
        thread::Builder::new().name("up".into()).spawn(move || {
            let end = match input_file(input) {
                Ok(input) => upload::run(BlockingReader(input), &up_line, &up_tally),
                Err(error) => UpEnd::Input(error),
            };
            up_tell(RelayEvent::Up(end));
        })?;

        let receiver = download::Receiver {
            stream: stream.try_clone()?,
            incoming: pipe.recv,
            output: Some(own(io::stdout())?),
            yields,
        };
        let (down_tally, down_unconfirmed, down_tell) =
            (Arc::clone(&tally), Arc::clone(&unconfirmed), tell.clone());
        thread::Builder::new().name("down".into()).spawn(move || {
            receiver.run(&pipe.buffered, &down_tally, &down_unconfirmed, |down| {
                down_tell(RelayEvent::Down(down));
            });
        })?;

        let speaking = Arc::clone(&line);
        thread::Builder::new().name("words".into()).spawn(move || {
            tell(speaking.speak().map_or(RelayEvent::Unheard, |()| RelayEvent::Spoken));
        })?;
        Ok(Self {
            line,
            pulse: Keepalive::new(MonoMs(tally.now_ms())),
            tally,
            unconfirmed,
            reports,
            stream,
            progress,
            stored: None,
            their_end: false,
            confirm_at_ms: None,
            spoken: false,
            hung_up: false,
        })
    }

    /// Waits until the pipe is over, says goodbye, and tells how it ended.
    pub(crate) fn until_over(&mut self, net: &mut Net, signals: &Signals) -> io::Result<PipeOutcome> {
        let outcome = loop {
            if let Some(signal) = signals.next() {
                break PipeOutcome::Signal(signal.number());
            }
            if let Some(outcome) = self.hear() {
                break outcome;
            }
            if self.is_complete() {
                break PipeOutcome::Complete;
            }
            let due = match self.keep_time() {
                Ok(due) => due,
                Err(outcome) => break outcome,
            };
            wait(net, Some(self.progress.next(due, &self.tally)))?;
            self.progress.show(self.count());
        };
        self.progress.clear();
        self.part(&outcome, net)?;
        Ok(outcome)
    }

    pub(crate) fn count(&self) -> Count {
        Count { sent: self.tally.sent(), stored: self.stored.unwrap_or(0), received: self.tally.written() }
    }

    fn hear(&mut self) -> Option<PipeOutcome> {
        while let Ok(report) = self.reports.try_recv() {
            match report {
                RelayEvent::Up(UpEnd::Input(error)) => return Some(PipeOutcome::Input(error)),
                // The one who receives knows why: a goodbye, or a broken connection.
                RelayEvent::Up(UpEnd::Ended | UpEnd::Socket | UpEnd::Closed) => {}
                RelayEvent::Spoken => return Some(PipeOutcome::Broken(CloseReason::NonceExhausted)),
                RelayEvent::Unheard => self.spoken = true,
                RelayEvent::Down(Down::Written) => {
                    self.confirm_at_ms.get_or_insert(self.tally.now_ms() + CONFIRM_EVERY_MS);
                }
                RelayEvent::Down(Down::Output(error)) => return Some(PipeOutcome::Output(error)),
                RelayEvent::Down(Down::Ended(error)) => {
                    self.hung_up = true;
                    let complete = self.is_complete();
                    return Some(if complete { PipeOutcome::Complete } else { PipeOutcome::Cut(error) });
                }
                RelayEvent::Down(Down::RecvEvent(arrival)) => {
                    if let Some(outcome) = self.arrival(arrival) {
                        return Some(outcome);
                    }
                }
            }
        }
        None
    }

    fn arrival(&mut self, arrival: RecvEvent) -> Option<PipeOutcome> {
        match arrival {
            RecvEvent::Ended { total } => {
                self.their_end = true;
                self.confirm_at_ms = None;
                self.line.post(Control::Stored(total));
                if self.tally.total().is_none() {
                    self.progress.peer_ended();
                }
            }
            RecvEvent::Stored { total } => self.stored = Some(total),
            RecvEvent::Ping(number) => self.line.post(Control::Pong(number)),
            // The error of the socket comes next, with its reason.
            RecvEvent::Closed(CloseReason::ConnectionLost { .. }) => {}
            // Its end and its last confirmation came before, so it left when all was done.
            RecvEvent::Closed(CloseReason::Bye(ByeReason::Leaving)) if self.is_complete() => {
                return Some(PipeOutcome::Complete);
            }
            RecvEvent::Closed(ending) => return Some(PipeOutcome::Broken(ending)),
        }
        None
    }

    /// Everything of ours is confirmed, and everything of the peer's is written and was confirmed.
    fn is_complete(&self) -> bool {
        self.their_end && self.stored.is_some() && self.tally.total() == self.stored
    }

    /// Does what is due, and says when the next thing is; an error is the end.
    fn keep_time(&mut self) -> Result<u64, PipeOutcome> {
        let now_ms = self.tally.now_ms();
        if self.confirm_at_ms.is_some_and(|due| now_ms >= due) {
            self.confirm_at_ms = None;
            // Cleared before the count is read: what is written after that is told anew.
            self.unconfirmed.store(false, Ordering::SeqCst);
            self.line.post(Control::Stored(self.tally.written()));
        }
        self.pulse.observe(MonoMs(now_ms), self.tally.attention());
        let due = match self.pulse.handle_timeout(MonoMs(now_ms)) {
            KeepaliveAction::Wait(due) => due.0,
            KeepaliveAction::Ping => {
                self.line.post(Control::Ping(now_ms));
                now_ms
            }
            KeepaliveAction::GiveUp => return Err(PipeOutcome::Broken(CloseReason::IdleTimeout)),
        };
        Ok(self.confirm_at_ms.map_or(due, |confirm| confirm.min(due)))
    }

    /// Says goodbye, and stays a moment so that it arrives: a socket that is closed with something unread
    /// takes back what was sent.
    fn part(&mut self, outcome: &PipeOutcome, net: &mut Net) -> io::Result<()> {
        let until = Instant::now() + Duration::from_millis(FAREWELL_MS);
        if let Some(reason) = outcome.bye() {
            self.line.post(Control::Bye(reason));
            while !self.spoken && !self.hung_up && Instant::now() < until {
                self.settle();
                if !self.spoken && !self.hung_up {
                    wait(net, Some(until))?;
                }
            }
            // The peer may have closed already.
            let _ = self.stream.shutdown(Shutdown::Write);
            while !self.hung_up && Instant::now() < until {
                self.settle();
                if !self.hung_up {
                    wait(net, Some(until))?;
                }
            }
        }
        let _ = self.stream.shutdown(Shutdown::Both);
        Ok(())
    }

    fn settle(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            match report {
                RelayEvent::Spoken | RelayEvent::Unheard | RelayEvent::Up(UpEnd::Closed) => {
                    self.spoken = true;
                }
                RelayEvent::Down(Down::Ended(_)) => self.hung_up = true,
                _ => {}
            }
        }
    }
}

fn wait(net: &mut Net, until: Option<Instant>) -> io::Result<()> {
    net.wait(until, &mut Vec::new())
}

/// Reports, and wakes the loop.
fn teller(reporter: Sender<RelayEvent>, waker: &Arc<Waker>) -> impl Fn(RelayEvent) + Clone + Send + 'static {
    let waker = Arc::clone(waker);
    move |report| {
        if reporter.send(report).is_ok() {
            // A loop that cannot be woken is over.
            let _ = waker.wake();
        }
    }
}

fn input_file(input: Input) -> io::Result<File> {
    match input {
        Input::Sent => own(io::stdin()),
        Input::Unread => File::open("/dev/null"),
    }
}

/// The same file under a descriptor of our own, without a buffer in between.
fn own(standard: impl std::os::fd::AsFd) -> io::Result<File> {
    standard.as_fd().try_clone_to_owned().map(File::from)
}
