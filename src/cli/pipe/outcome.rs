//! Outcome of a pipe: its exit code, its event, and the `Bye` that the peer gets.

use std::io;

use super::counters::ByteCounts;
use crate::app::error::{code, describe};
use crate::chat::display::{loss_cause, output_failure};
use crate::events::Event;
use crate::session::CloseReason;
use crate::wire::ByeReason;

#[derive(Debug)]
pub(crate) enum PipeOutcome {
    /// Everything of both sides is written and confirmed.
    Complete,
    /// Our input cannot be read.
    InputFailed(io::Error),
    /// Our output cannot be written.
    OutputFailed(io::Error),
    /// The connection was cut.
    ConnectionLost(Option<io::Error>),
    /// The session was closed before everything was confirmed.
    Closed(CloseReason),
    /// A signal, by its number.
    Signal(u8),
}

/// Number of SIGPIPE.
const SIGPIPE: u8 = 13;

impl PipeOutcome {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::InputFailed(_) => code::MACHINE,
            Self::OutputFailed(error) if is_broken_pipe(error) => 128 + SIGPIPE,
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
            Self::Complete | Self::Signal(_) | Self::Closed(CloseReason::Bye(_)) => Some(ByeReason::Leaving),
            Self::InputFailed(_) => Some(ByeReason::InputFailed),
            Self::OutputFailed(error) if is_broken_pipe(error) => Some(ByeReason::OutputGone),
            Self::OutputFailed(error) if error.kind() == io::ErrorKind::StorageFull => {
                Some(ByeReason::OutputFull)
            }
            Self::OutputFailed(_) => Some(ByeReason::OutputFailed),
            Self::ConnectionLost(_) | Self::Closed(_) => None,
        }
    }

    /// Error event; `None` when all went well, or when the reader of our output wanted no more.
    pub(crate) fn event(&self, name: &str, counts: ByteCounts) -> Option<Event> {
        let (kind, what) = match self {
            Self::Complete => return None,
            Self::OutputFailed(error) if is_broken_pipe(error) => return None,
            Self::InputFailed(error) => ("input", format!("cannot read the input: {}", describe(error))),
            Self::OutputFailed(error) => ("output", format!("cannot write the output: {}", describe(error))),
            Self::ConnectionLost(error) => {
                let why = error.as_ref().map_or_else(String::new, |error| format!(" ({})", describe(error)));
                ("lost", format!("the connection with {name} was cut{why}"))
            }
            Self::Closed(reason) => closed(name, reason),
            Self::Signal(number) => ("signal", format!("ended by signal {number}")),
        };
        let ByteCounts { sent, stored, received } = counts;
        let message =
            format!("{what}; {sent} bytes sent, {stored} of them confirmed by {name}, {received} received");
        Some(Event::Error { kind, message, hint: None })
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
