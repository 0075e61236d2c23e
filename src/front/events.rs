//! What other programs are told: one JSON object a line, whose table is `docs/EVENTS.md`; and the same in
//! words for people who read standard error. It knows nothing of what the events are about.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use serde::Serialize;

/// Something that happened. The names of variants and fields are the schema.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
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
    Message(Message),
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
pub(super) struct Message {
    pub(super) from: String,
    /// The raw wire proves none.
    pub(super) fingerprint: Option<String>,
    pub(super) verified: bool,
    /// When the peer says that it was sent, as `time` is written.
    pub(super) sent: String,
    pub(super) wire: &'static str,
    /// The exact text; with U+FFFD where it is not UTF-8.
    pub(super) text: String,
    /// The exact bytes in base64, when they are not UTF-8.
    pub(super) bytes: Option<String>,
}

/// How a run ended. Counts that do not belong to the command are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(super) struct Done {
    /// The exit code.
    pub(super) code: u8,
    /// Messages: of `send` those that were read, of `recv` those that were receipted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messages: Option<u64>,
    /// Messages of `send` that were receipted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) receipted: Option<u64>,
    /// Messages of `send` on the raw wire that were written to the socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) written: Option<u64>,
    /// Bytes of a pipe that left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sent: Option<u64>,
    /// Bytes of a pipe that the other side confirmed as written and flushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stored: Option<u64>,
    /// Bytes of a pipe that were written here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) received: Option<u64>,
}

/// An event and its moment: the object that is written.
#[derive(Debug, Serialize)]
struct Stamped<'a> {
    /// RFC 3339 in UTC, with milliseconds.
    time: String,
    #[serde(flatten)]
    event: &'a Event,
}

/// How events are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// One JSON object a line.
    Json,
    /// Words: what people ask to see, or what they must see.
    Words(Detail),
}

/// What of the good news is written in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Detail {
    /// Only what somebody needs to go on.
    Needed,
    /// All of it.
    Everything,
}

impl Event {
    /// The object, with its newline.
    pub(super) fn to_json(&self, unix_ms: u64) -> String {
        let stamped = Stamped { time: moment(unix_ms), event: self };
        let mut line = serde_json::to_string(&stamped).unwrap_or_default();
        line.push('\n');
        line
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
            Self::Message(_) | Self::Progress { .. } | Self::Done(_) => Ok(()),
        }
    }
}

/// Writes an event to standard error; if that is gone, nobody can be told.
pub(super) fn tell(event: &Event, form: Form) {
    let text = match form {
        Form::Json => event.to_json(unix_ms()),
        Form::Words(detail) => event.to_words(detail),
    };
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// A moment as events have it.
pub(super) fn moment(unix_ms: u64) -> String {
    let stamp = jiff::Timestamp::from_millisecond(unix_ms.try_into().unwrap_or(0)).unwrap_or_default();
    stamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn unix_ms() -> u64 {
    jiff::Timestamp::now().as_millisecond().try_into().unwrap_or(0)
}
