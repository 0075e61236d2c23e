//! Messages of the input that are not sent: each is named by its number and its beginning, so that
//! it is found in the input.

use std::collections::VecDeque;

use super::waiting::code_of_waiting;
use crate::app::error::code;
use crate::app::host::{Behind, MessageUse, NoticeSink};
use crate::chat::{Notice, ReceiptDue, ReturnedLine, Warning};
use crate::events::from_notice::EventReporter;
use crate::events::{OutputEvent, OutputFormat, emit};
use crate::ids::FaceId;
use crate::text::safe::SafeText;

/// Characters of a message that are shown at most.
const SHOWN: usize = 40;
/// Bytes in which these are looked for.
const SHOWN_BYTES: usize = 4 * SHOWN + 4;
/// Kind of a warning that a text was not accepted (`docs/EVENTS.md`).
const NOT_SENT: &str = "not_sent";

/// Beginning of a message, as it may be shown.
pub(super) fn beginning(message: &[u8]) -> String {
    let safe = SafeText::line_from_bytes(message.get(..SHOWN_BYTES).unwrap_or(message)).to_string();
    match safe.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", safe.get(..end).unwrap_or_default()),
        None => safe,
    }
}

/// Says which message is not sent, and why.
pub(super) fn tell_refused(number: u64, begins: &str, why: &str, format: OutputFormat) {
    let message = format!("message {number} (\"{begins}\") was not sent: {why}");
    emit(&OutputEvent::Warning { kind: NOT_SENT, message }, format);
}

/// Reporter of a command that keeps what it reads: why a message was not accepted is said with its
/// number.
pub(super) struct KeepReporter {
    pub(super) reporter: EventReporter,
    /// Why the last ones were not, in their order.
    refusals: VecDeque<String>,
    /// Those of them that were refused after they had been handed over.
    returned: VecDeque<String>,
    /// Exit code where messages wait, by the last warning.
    pub(super) code_of_waiting: u8,
}

impl KeepReporter {
    pub(super) fn new(reporter: EventReporter) -> Self {
        let (refusals, returned) = (VecDeque::new(), VecDeque::new());
        Self { reporter, refusals, returned, code_of_waiting: code::QUEUED }
    }

    /// Why the message that was handed over is refused, if it is.
    pub(super) fn take_refusal(&mut self) -> Option<String> {
        let why = self.refusals.drain(..).next_back()?;
        self.returned.clear();
        Some(why)
    }

    /// The next message that was refused later, and why.
    pub(super) fn take_returned(&mut self) -> Option<(String, String)> {
        Some((self.returned.pop_front()?, self.refusals.pop_front().unwrap_or_default()))
    }
}

impl NoticeSink for KeepReporter {
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) {
        match notice {
            Notice::Warning(why) if why.kind() == NOT_SENT => self.refusals.push_back(self.why(why)),
            Notice::Warning(why) => {
                self.code_of_waiting = code_of_waiting(why.kind());
                self.reporter.show(notice, due);
            }
            _ => self.reporter.show(notice, due),
        }
    }

    fn line_returned(&mut self, _: FaceId, line: ReturnedLine) {
        self.returned.push_back(line.text);
    }

    fn messages(&self) -> MessageUse {
        self.reporter.messages()
    }

    fn behind(&self) -> Behind {
        self.reporter.behind()
    }
}

impl KeepReporter {
    fn why(&self, warning: &Warning) -> String {
        self.reporter.named(&warning.sentence_of_command())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_whole_or_cut_at_a_character_and_safe() {
        let long = "가".repeat(SHOWN + 1);
        for (message, expected) in [
            (&b"lunch"[..], "lunch".to_owned()),
            (b"a\x1b[2Jb", SafeText::line("a\u{1b}[2Jb").to_string()),
            (long.as_bytes(), format!("{}…", "가".repeat(SHOWN))),
            (b"caf\xe9", "caf\\xe9".to_owned()),
        ] {
            assert_eq!(beginning(message), expected);
        }
    }
}
