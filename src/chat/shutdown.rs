//! Orderly end of the program: its exit code, and how long it waits for receipts.

use super::types::ExitRequest;
use crate::delivery::Calls;
use crate::limits;
use crate::time::MonoMs;
use crate::wire::ByeReason;

/// Exit code of a program whose input did not all arrive.
const REFUSED_CODE: u8 = 1;
/// Exit code of a program that waited for receipts and did not get them all.
const LOST_CODE: u8 = 5;
/// Exit code of a program whose messages or files are kept until their receivers have them.
const QUEUED_CODE: u8 = 6;
/// Exit code of a program that could not write what holds until its end.
const NOT_SAVED_CODE: u8 = 3;
/// Exit codes from here on name a signal.
const SIGNAL_CODE: u8 = 128;
/// Numbers of signals (POSIX, `kill`).
const SIGHUP: u8 = 1;
const SIGTERM: u8 = 15;

/// End of the program that has begun.
#[derive(Clone, Copy)]
pub(crate) struct Shutdown {
    pub(crate) code: u8,
    request: ExitRequest,
    /// Moment at which it ends whatever is not acknowledged; none: it waits.
    pub(crate) at_latest: Option<MonoMs>,
    /// What peers are told.
    pub(crate) bye: ByeReason,
    /// Whether those whom we had called are called again by the next start of the program.
    pub(crate) calls: Calls,
}

impl Shutdown {
    /// Begins the end: at once after a signal or a failure, otherwise once all is acknowledged.
    pub(crate) fn new(request: ExitRequest, now: MonoMs, refused_lines: u64) -> Self {
        // Each refused line was reported, but the input as a whole did not arrive.
        let code_of_input = if refused_lines > 0 { REFUSED_CODE } else { 0 };
        let (code, at_latest) = match request {
            ExitRequest::Quit | ExitRequest::Stop => (code_of_input, Some(now + limits::SHUTDOWN_GRACE_MS)),
            ExitRequest::EndOfInput => (code_of_input, None),
            ExitRequest::Signal(number) => (number.saturating_add(128), Some(now)),
            ExitRequest::Failure(code) => (code, Some(now)),
        };
        let bye = match request {
            // The system stops programs so, and starts services again.
            ExitRequest::Stop | ExitRequest::Signal(SIGTERM) => ByeReason::Stopping,
            _ => ByeReason::Leaving,
        };
        let calls = match request {
            // Nobody has ended the conversations, as a person does with `:quit` or Ctrl-C.
            ExitRequest::Stop | ExitRequest::Signal(SIGTERM | SIGHUP) => Calls::Stand,
            _ => Calls::Ended,
        };
        Self { code, request, at_latest, bye, calls }
    }

    /// Records that a message will not be acknowledged: if that was waited for, the end is a loss.
    pub(crate) fn set_lost(&mut self) {
        if self.at_latest.is_none() {
            self.code = LOST_CODE;
        }
    }

    /// Whether it ends as its input does, which is carried out to the end.
    pub(crate) fn ends_with_input(self) -> bool {
        matches!(self.request, ExitRequest::Quit | ExitRequest::EndOfInput)
    }

    /// Records that a line of the input was refused.
    pub(crate) fn set_refused(&mut self) {
        if self.code == 0 || self.code == QUEUED_CODE {
            self.code = REFUSED_CODE;
        }
    }

    /// Records that messages wait for their receivers: nothing is lost, and nothing is done.
    pub(crate) fn set_queued(&mut self) {
        if self.code == 0 || self.code == LOST_CODE {
            self.code = QUEUED_CODE;
        }
    }

    /// Records that a file that was accepted goes on later: at the end of an input that waits.
    pub(crate) fn set_unfinished(&mut self) {
        if self.at_latest.is_none() {
            self.set_queued();
        }
    }

    /// Records that a message of the input was taken back: at its end that is a loss, whatever
    /// waits besides.
    pub(crate) fn set_taken_back(&mut self) {
        if self.at_latest.is_none() && (self.code == 0 || self.code == QUEUED_CODE) {
            self.code = LOST_CODE;
        }
    }

    /// Records that a block is not on disk.
    pub(crate) fn set_not_saved(&mut self) {
        if self.code < SIGNAL_CODE {
            self.code = NOT_SAVED_CODE;
        }
    }
}
