//! End of a session with the prompt: the reason of its exit code, as its `error` event has it, and
//! the events that come last.

use super::{Done, OutputEvent};
use crate::app::error::{SIGNAL_CODE, code};
use crate::chat::DialOutcome;

/// Kind and sentence of an `error` event.
pub(crate) type ExitReason = (&'static str, String);

/// Reason why the end of a connection, or the failure of a listener, ends the program.
pub(crate) fn of_outcome(outcome: DialOutcome) -> Option<ExitReason> {
    let (kind, sentence) = match outcome {
        DialOutcome::ListenFailed => ("cannot_listen", "the address cannot be used to listen"),
        DialOutcome::Unreachable => ("unreachable", "nobody was reached"),
        DialOutcome::Refused => ("refused", "the connection was refused, here or there"),
        DialOutcome::Lost => ("lost", "the connection was lost"),
        DialOutcome::PeerLeftEarly => ("left", "the other side left before everything was acknowledged"),
        DialOutcome::Failed => ("peer_output", "the other side could not store what it received"),
        DialOutcome::Left | DialOutcome::Done | DialOutcome::NotCalled => return None,
    };
    Some((kind, sentence.to_owned()))
}

/// Last events of a session that ends with this code. `cause` is the connection or the input that
/// ended it, if one did.
pub(crate) fn last_events(code: u8, cause: Option<ExitReason>) -> impl Iterator<Item = OutputEvent> {
    let cause = cause.filter(|_| code != 0 && code < SIGNAL_CODE).or_else(|| of_code(code));
    let error = cause.map(|(kind, message)| OutputEvent::Error { kind, message, hint: None });
    error.into_iter().chain([OutputEvent::Done(Done { code, ..Done::default() })])
}

/// Reason of a code that no connection explains.
fn of_code(code: u8) -> Option<ExitReason> {
    Some(match code {
        0 | code::READER_GONE => return None,
        code::FAILED => {
            ("not_sent", "lines were refused or could not be delivered; each was reported".to_owned())
        }
        code::LOST => ("not_received", "not everything was acknowledged".to_owned()),
        code::QUEUED => {
            ("queued", "lines or files wait in the home until their receivers have them".to_owned())
        }
        129.. => ("signal", format!("terminated by signal {}", code - 128)),
        _ => ("trouble", "something could not be written; it was reported".to_owned()),
    })
}
