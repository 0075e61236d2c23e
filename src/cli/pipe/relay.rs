//! Established pipe until its end: threads for upload, download and control records, the loop that
//! takes their events, keeps the deadlines and closes in order, and the outcome.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use mio::Waker;

use super::download::{Download, DownloadEvent};
use super::progress::{ByteCounts, Counters, Progress, StreamSource};
use super::upload::{self, Control, FrameSender, UploadEnd};
use crate::app::error::{code, describe};
use crate::chat::display::{loss_cause, output_failure};
use crate::cli::args::output_bye;
use crate::events::OutputEvent;
use crate::limits::{CONFIRM_EVERY_MS, SHUTDOWN_GRACE_MS};
use crate::net::Net;
use crate::net::lines::BlockingReader;
use crate::net::process::Signals;
use crate::session::CloseReason;
use crate::session::pipe::{Keepalive, KeepaliveAction, Pipe, RecvEvent, RekeyAction, RekeyWatch};
use crate::time::MonoMs;
use crate::wire::ByeReason;

enum RelayEvent {
    Upload(UploadEnd),
    Download(DownloadEvent),
    /// No more control records: `Bye` is with the kernel, or the key is used up; or the connection
    /// failed, and the download reports why.
    ControlsEnded(io::Result<()>),
}

pub(crate) struct Relay {
    sender: Arc<FrameSender>,
    counters: Arc<Counters>,
    events: Receiver<RelayEvent>,
    stream: TcpStream,
    keepalive: Keepalive,
    rekeying: RekeyWatch,
    progress: Progress,
    /// Bytes of our stream that the peer has confirmed, once it has confirmed any.
    stored: Option<u64>,
    peer_stream_ended: bool,
    confirm_at: Option<MonoMs>,
    controls_ended: bool,
    socket_ended: bool,
}

impl Relay {
    /// Starts the threads. `unsent` is what the handshake has left for the socket.
    pub(crate) fn start(
        pipe: Pipe,
        mut stream: TcpStream,
        unsent: &[u8],
        waker: &Arc<Waker>,
        source: StreamSource,
        mut progress: Progress,
    ) -> io::Result<Self> {
        // Should that fail, the connection has ended: the download reports why, after what came.
        let _ = stream.write_all(unsent);
        let (reporter, events) = channel();
        let waker = Arc::clone(waker);
        let report = move |event| {
            if reporter.send(event).is_ok() {
                // A reactor that cannot be woken is gone.
                let _ = waker.wake();
            }
        };
        let counters = Arc::new(Counters::new());
        let sender = Arc::new(FrameSender::new(pipe.send, stream.try_clone()?, Arc::clone(&counters)));

        let (up_sender, up_counters, up_report) =
            (Arc::clone(&sender), Arc::clone(&counters), report.clone());
        thread::Builder::new().name("up".into()).spawn(move || {
            let input = match source {
                StreamSource::Stdin => duplicate(io::stdin()),
                StreamSource::Empty => File::open("/dev/null"),
            };
            let end = match input {
                Ok(input) => upload::run(BlockingReader(input), &up_sender, &up_counters),
                Err(error) => UploadEnd::InputFailed(error),
            };
            up_report(RelayEvent::Upload(end));
        })?;

        let (incoming, output) = (pipe.recv, Some(duplicate(io::stdout())?));
        let progress_row = progress.clear_on_output();
        let download = Download { stream: stream.try_clone()?, incoming, output, progress_row };
        let (down_counters, down_report) = (Arc::clone(&counters), report.clone());
        thread::Builder::new().name("down".into()).spawn(move || {
            download.run(&pipe.buffered, &down_counters, |event| down_report(RelayEvent::Download(event)));
        })?;

        let control_sender = Arc::clone(&sender);
        thread::Builder::new().name("words".into()).spawn(move || {
            report(RelayEvent::ControlsEnded(control_sender.run_controls()));
        })?;
        Ok(Self {
            sender,
            keepalive: Keepalive::new(counters.now()),
            rekeying: pipe.rekeying,
            counters,
            events,
            stream,
            progress,
            stored: None,
            peer_stream_ended: false,
            confirm_at: None,
            controls_ended: false,
            socket_ended: false,
        })
    }

    /// Runs the pipe to its end and closes the connection in order.
    pub(crate) fn run(&mut self, net: &mut Net, signals: &Signals) -> io::Result<PipeOutcome> {
        let outcome = loop {
            if let Some(signal) = signals.next() {
                break PipeOutcome::Signal(signal.number());
            }
            if let Some(outcome) = self.handle_events() {
                break outcome;
            }
            if self.is_complete() {
                break PipeOutcome::Complete;
            }
            let deadline = match self.handle_timeouts() {
                Ok(deadline) => deadline,
                Err(outcome) => break outcome,
            };
            let until = self.counters.instant(deadline);
            net.wait(Some(self.progress.deadline(until)), &mut Vec::new())?;
            self.progress.update(self.counts());
        };
        self.progress.clear();
        self.close(&outcome, net)?;
        Ok(outcome)
    }

    pub(crate) fn counts(&self) -> ByteCounts {
        let (sent, received) = (self.counters.sent(), self.counters.written());
        ByteCounts { sent, stored: self.stored.unwrap_or(0), received }
    }

    fn handle_events(&mut self) -> Option<PipeOutcome> {
        while let Ok(event) = self.events.try_recv() {
            match event {
                RelayEvent::Upload(UploadEnd::InputFailed(error)) => {
                    return Some(PipeOutcome::InputFailed(error));
                }
                // The download reports why: `Bye`, or a broken connection.
                RelayEvent::Upload(_) => {}
                RelayEvent::ControlsEnded(Ok(())) => {
                    return Some(PipeOutcome::Closed(CloseReason::NonceExhausted));
                }
                RelayEvent::ControlsEnded(Err(_)) => self.controls_ended = true,
                RelayEvent::Download(DownloadEvent::Written) => {
                    self.confirm_at.get_or_insert(self.counters.now() + CONFIRM_EVERY_MS);
                }
                RelayEvent::Download(DownloadEvent::OutputFailed(error)) => {
                    return Some(PipeOutcome::OutputFailed(error));
                }
                RelayEvent::Download(DownloadEvent::SocketEnded(error)) => {
                    self.socket_ended = true;
                    let lost = PipeOutcome::ConnectionLost(error);
                    return Some(if self.is_complete() { PipeOutcome::Complete } else { lost });
                }
                RelayEvent::Download(DownloadEvent::RecvEvent(event)) => {
                    if let Some(outcome) = self.handle_recv_event(event) {
                        return Some(outcome);
                    }
                }
            }
        }
        None
    }

    fn handle_recv_event(&mut self, event: RecvEvent) -> Option<PipeOutcome> {
        match event {
            RecvEvent::Ended { total } => {
                self.peer_stream_ended = true;
                self.confirm_at = None;
                self.sender.queue(Control::Stored(total));
                if self.counters.total.get().is_none() {
                    self.progress.peer_ended();
                }
            }
            // Nobody can have stored what was not sent.
            RecvEvent::Stored { total } if total > self.sender.sealed() => {
                return Some(PipeOutcome::Closed(CloseReason::ProtocolViolation));
            }
            RecvEvent::Stored { total } => self.stored = Some(total),
            RecvEvent::Ping(number) => self.sender.queue(Control::Pong(number)),
            RecvEvent::RekeyDue => self.sender.queue(Control::Rekey),
            // The error of the socket comes next, with its reason.
            RecvEvent::Closed(CloseReason::ConnectionLost { .. }) => {}
            // Its end and its last confirmation came before, so it left when all was done.
            RecvEvent::Closed(CloseReason::Bye(ByeReason::Leaving)) if self.is_complete() => {
                return Some(PipeOutcome::Complete);
            }
            RecvEvent::Closed(reason) => return Some(PipeOutcome::Closed(reason)),
        }
        None
    }

    /// Everything of ours is confirmed, and everything of the peer's is written and was confirmed.
    fn is_complete(&self) -> bool {
        self.peer_stream_ended && self.stored.is_some() && self.counters.total.get() == self.stored.as_ref()
    }

    /// Does what is due and returns the next deadline; the error is the end of the pipe.
    fn handle_timeouts(&mut self) -> Result<MonoMs, PipeOutcome> {
        let now = self.counters.now();
        if self.confirm_at.is_some_and(|due| now >= due) {
            self.confirm_at = None;
            self.sender.queue(Control::Stored(self.counters.written_to_confirm()));
        }
        self.keepalive.observe(now, self.counters.read_state());
        let due = match self.keepalive.handle_timeout(now) {
            KeepaliveAction::Wait(due) => due,
            KeepaliveAction::Ping => {
                self.sender.queue(Control::Ping(now.0));
                now
            }
            KeepaliveAction::GiveUp => return Err(PipeOutcome::Closed(CloseReason::IdleTimeout)),
        };
        let rekey = match self.rekeying.handle_timeout(now) {
            RekeyAction::Wait(due) => due,
            // Once it is sent there is another deadline; until then the peer does not read.
            RekeyAction::Rekey => {
                self.sender.queue(Control::Rekey);
                None
            }
            RekeyAction::GiveUp => return Err(PipeOutcome::Closed(CloseReason::RekeyTimeout)),
        };
        Ok([self.confirm_at, rekey].into_iter().flatten().fold(due, MonoMs::min))
    }

    /// Sends `Bye`, and waits a moment for the peer's end: closing a socket with unread bytes would
    /// destroy what was sent.
    fn close(&mut self, outcome: &PipeOutcome, net: &mut Net) -> io::Result<()> {
        if let Some(reason) = outcome.bye() {
            let until = Instant::now() + Duration::from_millis(SHUTDOWN_GRACE_MS);
            if self.confirm_at.take().is_some() {
                self.sender.queue(Control::Stored(self.counters.written_to_confirm()));
            }
            self.sender.queue(Control::Bye(reason));
            // A peer whose stream has ended may still read.
            self.wait_for(net, until, |relay| relay.controls_ended)?;
            // The peer may have closed already.
            let _ = self.stream.shutdown(Shutdown::Write);
            self.wait_for(net, until, |relay| relay.socket_ended)?;
        }
        let _ = self.stream.shutdown(Shutdown::Both);
        Ok(())
    }

    fn wait_for(&mut self, net: &mut Net, until: Instant, done: impl Fn(&Self) -> bool) -> io::Result<()> {
        loop {
            while let Ok(event) = self.events.try_recv() {
                match event {
                    RelayEvent::ControlsEnded(_) | RelayEvent::Upload(UploadEnd::Closed) => {
                        self.controls_ended = true;
                    }
                    RelayEvent::Download(DownloadEvent::SocketEnded(_)) => self.socket_ended = true,
                    _ => {}
                }
            }
            if done(self) || Instant::now() >= until {
                return Ok(());
            }
            net.wait(Some(until), &mut Vec::new())?;
        }
    }
}

/// The same file under a descriptor of our own, without a buffer in between.
fn duplicate(standard: impl AsFd) -> io::Result<File> {
    standard.as_fd().try_clone_to_owned().map(File::from)
}

#[derive(Debug)]
pub(crate) enum PipeOutcome {
    /// Everything of both sides is written and confirmed.
    Complete,
    InputFailed(io::Error),
    OutputFailed(io::Error),
    ConnectionLost(Option<io::Error>),
    /// The session was closed before everything was confirmed.
    Closed(CloseReason),
    /// A signal, by its number.
    Signal(u8),
}

impl PipeOutcome {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::InputFailed(_) => code::MACHINE,
            Self::OutputFailed(error) if is_broken_pipe(error) => code::READER_GONE,
            Self::OutputFailed(_)
            | Self::Closed(CloseReason::Bye(
                ByeReason::OutputGone
                | ByeReason::OutputFull
                | ByeReason::OutputFailed
                | ByeReason::InputFailed,
            )) => code::FAILED,
            Self::ConnectionLost(_) | Self::Closed(_) => code::LOST,
            Self::Signal(number) => number.saturating_add(128),
        }
    }

    /// Reason for the peer; `None` when the connection cannot carry it any more.
    pub(crate) fn bye(&self) -> Option<ByeReason> {
        match self {
            // After the peer's own `Bye`, ours lets it see the end of the stream at once.
            // So does its own end of the stream without one: it may still read.
            Self::Complete
            | Self::Signal(_)
            | Self::ConnectionLost(None)
            | Self::Closed(CloseReason::Bye(_)) => Some(ByeReason::Leaving),
            Self::InputFailed(_) => Some(ByeReason::InputFailed),
            Self::OutputFailed(error) => Some(output_bye(error)),
            Self::ConnectionLost(Some(_)) | Self::Closed(_) => None,
        }
    }

    /// Error event; `None` when all went well, or when the reader of our output wanted no more.
    pub(crate) fn event(&self, name: &str, counts: ByteCounts) -> Option<OutputEvent> {
        let (kind, what) = match self {
            Self::Complete => return None,
            Self::OutputFailed(error) if is_broken_pipe(error) => return None,
            Self::InputFailed(error) => ("input", format!("cannot read the input: {}", describe(error))),
            Self::OutputFailed(error) => ("output", format!("cannot write the output: {}", describe(error))),
            Self::ConnectionLost(error) => {
                let why = error.as_ref().map_or_else(String::new, |error| format!(" ({})", describe(error)));
                ("lost", format!("the connection to {name} was cut{why}"))
            }
            Self::Closed(reason) => closed(name, reason),
            Self::Signal(number) => ("signal", format!("terminated by signal {number}")),
        };
        let ByteCounts { sent, stored, received } = counts;
        let message =
            format!("{what}; {sent} bytes sent, {stored} of them confirmed by {name}, {received} received");
        Some(OutputEvent::Error { kind, message, hint: None })
    }
}

/// Kind and sentence of the event of a closed session.
fn closed(name: &str, reason: &CloseReason) -> (&'static str, String) {
    if let Some(failure) = output_failure(reason) {
        return ("peer_output", format!("{name} could not write: {failure}"));
    }
    match reason {
        CloseReason::Bye(ByeReason::InputFailed) => {
            ("peer_input", format!("{name} could not read its input to the end"))
        }
        CloseReason::Bye(_) => ("left", format!("{name} left before everything was confirmed")),
        CloseReason::NonceExhausted => ("lost", "more was sent than one key may seal".to_owned()),
        lost => ("lost", format!("lost {name}: {}", loss_cause(lost))),
    }
}

fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}
