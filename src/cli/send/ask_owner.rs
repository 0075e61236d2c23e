//! `rsachat ask` on a home that another process has open: a face of that process, whose connection
//! the question goes by, so that none is made beside it.

use std::io;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::answers::unanswered;
use super::queue::nothing_sent;
use super::through_owner::code_of_warning;
use super::waiting::{Departure, are_there};
use crate::app::error::{AppError, code, describe};
use crate::app::os::print;
use crate::app::output::deliver_stderr;
use crate::app::owner_client::{OwnerClient, OwnerFault, silent};
use crate::chat::display::not_in_time;
use crate::cli::args::{self, via_arguments};
use crate::crypto::Fingerprint;
use crate::events::{Done, OutputEvent, OutputFormat, emit, text_of};
use crate::net::process::Signals;
use crate::peers::via::Via;
use crate::text::safe::SafeText;
use crate::wire::ByeReason;

/// Question to a peer of the book.
pub(super) struct OwnedQuestion {
    pub(super) peer: Fingerprint,
    pub(super) name: String,
    pub(super) text: String,
    pub(super) via: Option<Via>,
    pub(super) answers: u64,
    pub(super) timeout: Duration,
    pub(super) format: OutputFormat,
}

/// How far the question is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// It is looked whether the peer is connected.
    Looking,
    Calling,
    Asked,
    /// On its way, under this number.
    Sent(u64),
    Receipted,
}

struct Run {
    question: OwnedQuestion,
    stage: Stage,
    /// The highest number that the peer has on its disk.
    delivered: u64,
    /// Answers that were written.
    written: u64,
    /// Code and sentence of the last warning.
    trouble: Option<(u8, String)>,
    deadline: Option<Instant>,
}

/// Asks through the owner. None, if that ends before it got the question.
pub(super) fn run(
    mut client: OwnerClient,
    question: OwnedQuestion,
    signals: &Signals,
) -> Result<Option<u8>, AppError> {
    let deadline = Instant::now().checked_add(question.timeout);
    let mut run = Run { question, stage: Stage::Looking, delivered: 0, written: 0, trouble: None, deadline };
    let (from, count) = (run.question.peer.to_string(), run.question.answers);
    client.order(&json!({ "face": "asker", "from": from, "count": count, "leaves": "nothing" }));
    client.order(&json!({ "command": "to", "arguments": [run.question.name] }));
    client.order(&json!({ "id": "here", "wait": "connection" }));
    let code = loop {
        if let Some(signal) = signals.next() {
            break run.end(signal.number().saturating_add(128), None);
        }
        if run.stage == Stage::Receipted && run.written == run.question.answers {
            break run.end(0, None);
        }
        if run.deadline.is_some_and(|at| at <= Instant::now()) {
            let why = match run.stage {
                Stage::Receipted => "not everything was answered in time".to_owned(),
                Stage::Sent(_) => not_in_time(&run.question.name),
                _ => "nothing was connected or acknowledged in time".to_owned(),
            };
            break run.end(code::LOST, Some(("timeout", why)));
        }
        let events = match client.wait(run.deadline) {
            Ok(events) => events,
            Err(OwnerFault::Silent(process)) => return Err(silent(process)),
            Err(OwnerFault::Ended(_)) if matches!(run.stage, Stage::Looking | Stage::Calling) => {
                return Ok(None);
            }
            Err(fault @ OwnerFault::Ended(_)) => {
                break run.end(code::LOST, Some(("owner", fault.to_string())));
            }
        };
        if let Some(code) = events.iter().find_map(|event| run.take(&mut client, event)) {
            break code;
        }
    };
    client.close();
    Ok(Some(code))
}

impl Run {
    /// Takes an event. Returns the exit code, if it ends the run.
    fn take(&mut self, client: &mut OwnerClient, event: &Value) -> Option<u8> {
        let text = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default();
        let number = |field: &str| event.get(field).and_then(Value::as_u64);
        let is_ok = event.get("ok") == Some(&Value::Bool(true));
        let is_about_peer = text("fingerprint") == self.question.peer.to_string();
        match (text("event"), text("id")) {
            ("reply", "here") if is_ok => {
                let timeout = u64::try_from(self.question.timeout.as_millis()).unwrap_or(u64::MAX).max(1);
                let (text, to) = (&self.question.text, self.question.peer.to_string());
                client.order(&json!({ "id": "ask", "ask": text, "to": to, "timeout": timeout }));
                self.stage = Stage::Asked;
            }
            ("reply", "here") if self.stage == Stage::Looking => {
                (self.stage, self.trouble) = (Stage::Calling, None);
                let via = via_arguments(self.question.via.as_ref());
                let arguments: Vec<_> = [self.question.name.clone()].into_iter().chain(via).collect();
                client.order(&json!({ "command": "connect", "arguments": arguments }));
                client.order(&json!({ "id": "here", "wait": "connection" }));
            }
            ("reply", "here" | "ask") if !is_ok => {
                let nobody = || (code::LOST, format!("{} is not connected", self.question.name));
                let (code, why) = self.trouble.take().unwrap_or_else(nobody);
                return Some(self.end(code, Some(("not_sent", why))));
            }
            ("sent" | "queued", "ask") => self.stage = Stage::Sent(number("number")?),
            ("delivered", _) if is_about_peer => {
                self.delivered = self.delivered.max(number("upto").unwrap_or(0));
            }
            ("received", _) if is_about_peer => {
                if matches!(self.stage, Stage::Sent(sent) if number("upto") >= Some(sent)) {
                    self.stage = Stage::Receipted;
                }
            }
            ("withdrawn", _) if is_about_peer => {
                let is_asked = |sent| number("first") <= Some(sent) && Some(sent) <= number("last");
                if matches!(self.stage, Stage::Sent(sent) if is_asked(sent)) {
                    let why = "the question was dropped elsewhere before it was acknowledged";
                    return Some(self.end(code::LOST, Some(("dropped", why.to_owned()))));
                }
            }
            // Only what was asked for comes, and what the peer sent before that.
            ("message", id) => {
                let is_short = event.get("short") == Some(&Value::Bool(true));
                if !is_short && (id == "ask" || self.written > 0) {
                    let written = self.write(event);
                    self.written += u64::from(written.is_ok());
                    return self.shown(client, event, written);
                }
                return self.shown(client, event, self.tell(event));
            }
            ("away" | "left", _) if is_about_peer => {
                let departure = Departure::of(event);
                let why = match self.stage {
                    Stage::Receipted => format!("{departure} before it answered"),
                    _ => format!("{departure} before everything was acknowledged"),
                };
                return Some(self.end(code::LOST, Some(("left", why))));
            }
            ("warning", _) => {
                self.trouble = Some((code_of_warning(text("kind")), text("message").to_owned()));
            }
            _ => {}
        }
        None
    }

    /// Writes an answer as `recv` does.
    fn write(&self, event: &Value) -> io::Result<()> {
        let text = event.get("text").and_then(Value::as_str).unwrap_or_default();
        let bytes = event.get("bytes").and_then(Value::as_str);
        let bytes = bytes.and_then(|bytes| BASE64_STANDARD.decode(bytes).ok());
        let line = match self.question.format {
            OutputFormat::Json => event.to_string(),
            _ => SafeText::exact_line(bytes.as_deref().unwrap_or(text.as_bytes())).to_string(),
        };
        print(&format!("{line}\n"))
    }

    /// Tells what the peer has sent that is no answer.
    fn tell(&self, event: &Value) -> io::Result<()> {
        let text = event.get("text").and_then(Value::as_str).unwrap_or_default();
        let (name, text) = (&self.question.name, SafeText::line(text));
        let message = match self.written {
            0 => format!("{name} had written before the question: {text}"),
            _ => format!("{name} has sent this, which is no answer: {text}"),
        };
        let earlier = OutputEvent::Warning { kind: "earlier", message };
        deliver_stderr(&text_of(&earlier, self.question.format))
    }

    /// Says that a message was written. Returns the exit code where it cannot be.
    fn shown(&self, client: &mut OwnerClient, event: &Value, written: io::Result<()>) -> Option<u8> {
        let Err(error) = written else {
            client.order(&json!({ "shown": event.get("number") }));
            return None;
        };
        if args::output_bye(&error) == ByeReason::OutputGone {
            return Some(self.end(code::READER_GONE, None));
        }
        let why = format!("cannot write the output: {}", describe(&error));
        Some(self.end(code::FAILED, Some(("output", why))))
    }

    /// Tells how it ends. A question that no peer has is taken back with the connection: nobody
    /// waits for its answer any more.
    fn end(&self, code: u8, why: Option<(&'static str, String)>) -> u8 {
        let format = self.question.format;
        if let Some((kind, message)) = why {
            emit(&OutputEvent::Error { kind, message, hint: None }, format);
        }
        let is_receipted = self.stage == Stage::Receipted;
        if code != 0 && !is_receipted {
            let message = match self.stage {
                Stage::Looking | Stage::Calling => nothing_sent(1),
                Stage::Sent(sent) if sent <= self.delivered => {
                    let there = are_there(1, &self.question.name);
                    format!("0 messages were acknowledged, 1 was not; {there}")
                }
                _ => "0 messages were acknowledged, 1 was not".to_owned(),
            };
            emit(&OutputEvent::Error { kind: "not_receipted", message, hint: None }, format);
        } else if code == code::LOST {
            emit(&unanswered(self.written, self.question.answers, "acknowledged"), format);
        }
        let (messages, receipted) = (Some(1), Some(u64::from(is_receipted)));
        let done = Done { code, messages, receipted, answers: Some(self.written), ..Done::default() };
        emit(&OutputEvent::Done(done), format);
        code
    }
}
