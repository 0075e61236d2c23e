//! How a pipe ended: in describe, as an exit code, and as the goodbye that the peer gets.

use std::io;

use crate::app::error::code;
use crate::app::error::describe;
use crate::chat::display::{loss_cause, output_failure};
use crate::events::Event;
use crate::session::CloseReason;
use crate::wire::ByeReason;

use super::relay::Count;

/// The end of a pipe.
#[derive(Debug)]
pub(crate) enum PipeOutcome {
    /// Everything of both sides is written and confirmed.
    Complete,
    /// Our input cannot be read.
    Input(io::Error),
    /// Our output cannot be written.
    Output(io::Error),
    /// The connection was cut.
    Cut(Option<io::Error>),
    /// The session is over before everything was confirmed.
    Broken(CloseReason),
    /// A signal, by its number.
    Signal(u8),
}

/// Number of SIGPIPE.
const SIGPIPE: u8 = 13;

impl PipeOutcome {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Input(_) => code::MACHINE,
            Self::Output(error) if is_gone(error) => 128 + SIGPIPE,
            Self::Output(_)
            | Self::Broken(CloseReason::Bye(
                ByeReason::OutputGone
                | ByeReason::OutputFull
                | ByeReason::OutputFailed
                | ByeReason::InputFailed,
            )) => code::FAILED,
            Self::Cut(_) | Self::Broken(_) => code::LOST,
            Self::Signal(number) => number.saturating_add(128),
        }
    }

    /// What the peer is told; nothing when nobody listens any more.
    pub(crate) fn bye(&self) -> Option<ByeReason> {
        match self {
            // After the peer's own goodbye, ours lets it see the end of the stream at once.
            Self::Complete | Self::Signal(_) | Self::Broken(CloseReason::Bye(_)) => Some(ByeReason::Leaving),
            Self::Input(_) => Some(ByeReason::InputFailed),
            Self::Output(error) if is_gone(error) => Some(ByeReason::OutputGone),
            Self::Output(error) if error.kind() == io::ErrorKind::StorageFull => Some(ByeReason::OutputFull),
            Self::Output(_) => Some(ByeReason::OutputFailed),
            Self::Cut(_) | Self::Broken(_) => None,
        }
    }

    /// What somebody should know; nothing when all went well, or when who reads our output wanted no more.
    pub(crate) fn event(&self, name: &str, count: Count) -> Option<Event> {
        let (kind, what) = match self {
            Self::Complete => return None,
            Self::Output(error) if is_gone(error) => return None,
            Self::Input(error) => ("input", format!("cannot read the input: {}", describe(error))),
            Self::Output(error) => ("output", format!("cannot write the output: {}", describe(error))),
            Self::Cut(why) => {
                let why = why.as_ref().map_or_else(String::new, |why| format!(" ({})", describe(why)));
                ("lost", format!("the connection with {name} was cut{why}"))
            }
            Self::Broken(ending) => broken(name, ending),
            Self::Signal(number) => ("signal", format!("ended by signal {number}")),
        };
        let Count { sent, stored, received } = count;
        let message =
            format!("{what}; {sent} bytes sent, {stored} of them confirmed by {name}, {received} received");
        Some(Event::Error { kind, message, hint: None })
    }
}

fn broken(name: &str, ending: &CloseReason) -> (&'static str, String) {
    if let Some(failure) = output_failure(ending) {
        return ("peer_output", format!("{name} could not write: {failure}"));
    }
    match ending {
        CloseReason::Bye(ByeReason::InputFailed) => {
            ("peer_input", format!("{name} could not read its input to the end"))
        }
        CloseReason::Bye(_) => ("left", format!("{name} left before everything was confirmed")),
        CloseReason::NonceExhausted => ("lost", "more was sent than one key may seal".to_owned()),
        ending => ("lost", format!("lost {name}: {}", loss_cause(ending))),
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}
