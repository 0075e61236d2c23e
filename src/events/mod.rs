//! What other programs are told: one JSON object a line, whose table is `docs/EVENTS.md`; and the same in
//! words for people who read standard error. It knows nothing of what the events are about.

pub(crate) mod from_notice;
pub(crate) mod json;

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::app::clock::{moment, unix_ms};

/// What a program calls a command of its own by.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "an id is a text or a whole number")]
pub(crate) enum Id {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
}

/// Something that happened. The names of variants and fields are the schema.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// Callers are awaited.
    Listening { address: String },
    /// An attempt to reach somebody begins.
    Connecting { address: String },
    /// A connection stands.
    Connected {
        name: String,
        /// The raw wire proves none.
        fingerprint: Option<String>,
        verified: bool,
        new: bool,
        wire: &'static str,
    },
    /// A peer left in order.
    Left { name: String },
    /// A message of a peer, on standard output.
    Message(MessageEvent),
    /// A text of ours is on its way to a peer.
    Sent { to: String, number: u64, text: String },
    /// A peer has shown what we sent to it, up to this number.
    Received { to: String, upto: u64 },
    /// An answer of the prompt, in rows for people.
    Answer { rows: Vec<String> },
    /// An answer of the prompt, in columns.
    Table { columns: Vec<String>, rows: Vec<Vec<String>> },
    /// What was said before, oldest first.
    Past { earlier: usize, messages: Vec<Dated> },
    /// A safety number, in its groups.
    Safety { name: String, number: Vec<String>, fingerprint: String },
    /// What a prompt would say before its cursor, whenever it changes.
    State(State),
    /// A command with an id was taken, or not.
    Reply { ok: bool },
    /// How far a pipe has come, in bytes.
    Progress { sent: u64, stored: u64, received: u64 },
    /// Something good or neutral, in words.
    Notice { message: String },
    /// Something went wrong, and the program goes on.
    Warning { kind: &'static str, message: String },
    /// Why the program ends.
    Error { kind: &'static str, message: String, hint: Option<String> },
    /// The last event of every run.
    Done(Done),
}

/// A message of a peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct MessageEvent {
    pub(crate) from: String,
    /// The raw wire proves none.
    pub(crate) fingerprint: Option<String>,
    pub(crate) verified: bool,
    /// When the peer says that it was sent, as `time` is written.
    pub(crate) sent: String,
    pub(crate) wire: &'static str,
    /// The exact text; with U+FFFD where it is not UTF-8.
    pub(crate) text: String,
    /// The exact bytes in base64, when they are not UTF-8.
    pub(crate) bytes: Option<String>,
}

/// A message of before, with its own time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Dated {
    pub(crate) time: String,
    #[serde(flatten)]
    pub(crate) message: MessageEvent,
}

/// What a prompt would say before its cursor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct State {
    /// Our own name.
    pub(crate) name: String,
    /// Who is addressed, if somebody is.
    pub(crate) to: Option<String>,
    /// The word for how sure we are of its key.
    pub(crate) trust: Option<&'static str>,
    /// Texts to it that it has not shown for a second.
    pub(crate) waiting: usize,
    /// Messages of others since it was addressed.
    pub(crate) unread: usize,
}

/// How a run ended. Counts that do not belong to the command are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Done {
    /// The exit code.
    pub(crate) code: u8,
    /// Messages: of `send` those that were read, of `recv` those that were receipted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) messages: Option<u64>,
    /// Messages of `send` that were receipted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) receipted: Option<u64>,
    /// Messages of `send` on the raw wire that were written to the socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) written: Option<u64>,
    /// Bytes of a pipe that left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sent: Option<u64>,
    /// Bytes of a pipe that the other side confirmed as written and flushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stored: Option<u64>,
    /// Bytes of a pipe that were written here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) received: Option<u64>,
}

/// An event and its moment: the object that is written.
#[derive(Debug, Serialize)]
struct Stamped<'a> {
    /// RFC 3339 in UTC, with milliseconds.
    time: String,
    /// The id of the command that it follows from.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    #[serde(flatten)]
    event: &'a Event,
}

/// How events are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OutputFormat {
    /// One JSON object a line.
    Json,
    /// Words: what people ask to see, or what they must see.
    Words(Detail),
}

/// What of the good news is written in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Detail {
    /// Only what somebody needs to go on.
    Needed,
    /// All of it.
    Everything,
}

impl Event {
    /// The object, with its newline.
    pub(crate) fn to_json(&self, unix_ms: u64) -> String {
        self.to_json_after(unix_ms, None)
    }

    /// The object of what follows from a command, with its newline.
    pub(crate) fn to_json_after(&self, unix_ms: u64, id: Option<&Id>) -> String {
        let stamped = Stamped { time: moment(unix_ms), id, event: self };
        json::line(&stamped)
    }

    fn to_words(&self, detail: Detail) -> String {
        let mut words = String::new();
        if detail == Detail::Everything || self.is_needed() {
            for line in self.to_string().lines() {
                // Writing to a text does not fail.
                let _ = writeln!(words, "rsachat: {line}");
            }
        }
        words
    }

    fn is_needed(&self) -> bool {
        matches!(self, Self::Listening { .. } | Self::Warning { .. } | Self::Error { .. })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { address } => write!(f, "listening on {address}"),
            Self::Connecting { address } => write!(f, "connecting to {address}"),
            Self::Connected { name, fingerprint: None, .. } => {
                write!(f, "connected to {name}, raw: nothing is signed")
            }
            Self::Connected { name, fingerprint: Some(fingerprint), verified, .. } => {
                let trust = if *verified { "verified" } else { "unverified" };
                write!(f, "connected to {name}, {fingerprint}, {trust}")
            }
            Self::Left { name } => write!(f, "{name} left"),
            Self::Notice { message } => f.write_str(message),
            Self::Warning { message, .. } => write!(f, "warning: {message}"),
            Self::Error { message, hint: None, .. } => write!(f, "error: {message}"),
            Self::Error { message, hint: Some(hint), .. } => write!(f, "error: {message}\nhint: {hint}"),
            // These are told as objects only.
            Self::Message(_)
            | Self::Progress { .. }
            | Self::Sent { .. }
            | Self::Received { .. }
            | Self::Answer { .. }
            | Self::Table { .. }
            | Self::Past { .. }
            | Self::Safety { .. }
            | Self::State(_)
            | Self::Reply { .. }
            | Self::Done(_) => Ok(()),
        }
    }
}

/// Writes an event to standard error; if that is gone, nobody can be told.
pub(crate) fn tell(event: &Event, form: OutputFormat) {
    let text = match form {
        OutputFormat::Json => event.to_json(unix_ms()),
        OutputFormat::Words(detail) => event.to_words(detail),
    };
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
