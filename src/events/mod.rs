//! Events for other programs: one JSON object a line, as `docs/EVENTS.md` lists them; and the same
//! in words for people who read standard error.

mod asker;
pub(crate) mod exit_reason;
pub(crate) mod face_order;
pub(crate) mod face_server;
pub(crate) mod from_notice;
pub(crate) mod json_client;
pub(crate) mod json_request;
pub(crate) mod kinds;
pub(crate) mod of_files;
mod order_error;
mod receiver;
mod remote_face;
pub(crate) mod served_sink;
pub(crate) mod to_notice;
pub(crate) mod unedited_input;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::app::json::json_line;
use crate::app::os::{eprint, moment, unix_ms};
use crate::app::sandbox::Confinement;
use crate::chat::display::listening;
use crate::chat::{TransferChoice, TransferProgress};
use crate::text::safe::safe_rows;

/// Identifier that a program gives a command of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "an id is a text or a whole number")]
pub(crate) enum Id {
    Text(String),
    Number(i64),
}

/// Event. The names of variants and fields are the schema.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum OutputEvent {
    Listening {
        address: String,
        /// Every address, where a name has several.
        #[serde(skip_serializing_if = "Option::is_none")]
        addresses: Option<Vec<String>>,
        /// Where others can call, if it waits at every address of the machine.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        dial: Vec<String>,
    },
    Connecting {
        address: String,
        /// Proxy or command by which it is called.
        #[serde(skip_serializing_if = "Option::is_none")]
        via: Option<String>,
    },
    Connected {
        name: String,
        /// `None` on the raw wire, which proves no key.
        fingerprint: Option<String>,
        verified: bool,
        standing: &'static str,
        new: bool,
        /// Whether its key is seen for the first time.
        first: bool,
        /// Whose invitation has brought us together: `ours` or `theirs`.
        #[serde(skip_serializing_if = "Option::is_none")]
        invitation: Option<&'static str>,
        wire: &'static str,
    },
    /// A relay is connected, or none is any more.
    Relay {
        relay: String,
        state: &'static str,
        message: String,
    },
    /// An invitation was made.
    Invitation(InvitationEvent),
    /// A stranger in the lobby waits to be admitted, or does not any more.
    Knock {
        number: u32,
        fingerprint: String,
        state: &'static str,
        /// Its line, while it waits.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A peer closed in order.
    Left {
        name: String,
        fingerprint: Option<String>,
    },
    /// A peer says which key it will have next.
    Rollover {
        name: String,
        fingerprint: Option<String>,
        next: String,
    },
    Message(MessageEvent),
    /// A message of ours is on its way to a peer.
    Sent(OwnText),
    /// A message of ours is kept until a peer is there.
    Queued(OwnText),
    /// A peer is no longer connected.
    Away {
        to: String,
        fingerprint: Option<String>,
        waiting: usize,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        closed_here: bool,
    },
    /// What waited for a peer goes out.
    Back {
        to: String,
        fingerprint: Option<String>,
        waiting: usize,
    },
    /// Messages of ours to a peer up to this number are at the relay.
    Relayed {
        to: String,
        fingerprint: Option<String>,
        upto: u64,
    },
    /// A peer has our messages up to this number on disk.
    Delivered {
        to: String,
        fingerprint: Option<String>,
        upto: u64,
    },
    /// A peer has acknowledged our messages up to this number.
    Received {
        to: String,
        fingerprint: Option<String>,
        upto: u64,
    },
    /// Messages of ours to a peer with these numbers were taken back.
    Withdrawn {
        to: String,
        fingerprint: Option<String>,
        first: u64,
        last: u64,
    },
    /// An answer of the prompt, in rows.
    Answer {
        rows: Vec<String>,
    },
    /// An answer of the prompt, in columns.
    Table {
        columns: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    /// Earlier messages, oldest first.
    Past {
        earlier: usize,
        messages: Vec<PastMessage>,
    },
    /// A safety number, in its groups.
    Safety {
        name: String,
        number: Vec<String>,
        fingerprint: String,
        standing: &'static str,
    },
    /// State of the prompt, whenever it changes.
    State(PromptEvent),
    /// A command with an id was accepted, or not.
    Reply {
        ok: bool,
    },
    /// Greeting of the owner of a home to a process at its socket.
    Hello {
        version: u32,
        program: &'static str,
        process: u32,
        name: String,
        fingerprint: Option<String>,
        /// Subcommand that serves it until its own work is done; none for a prompt and `serve`.
        #[serde(skip_serializing_if = "Option::is_none")]
        command: Option<&'static str>,
    },
    /// Names for the completion of a prompt at the socket, whenever they change.
    Names {
        known: Vec<String>,
        callable: Vec<String>,
        present: Vec<String>,
    },
    /// Transfers for the completion of a prompt at the socket, whenever they change.
    Transfers {
        open: Vec<TransferChoice>,
    },
    /// How far the transfer with the addressee is, for a prompt at the socket.
    Transfer {
        on_its_way: Option<TransferProgress>,
    },
    /// A text of a prompt at the socket that was not sent.
    Returned {
        text: String,
        /// Whether it waits for another Enter.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        asked: bool,
    },
    /// Text of a notification of the message that follows, for a prompt at the socket.
    Alert {
        text: String,
    },
    /// A message that a prompt at the socket is to copy, or to save as a new file.
    Export {
        /// The file; none for the clipboard.
        file: Option<String>,
        label: String,
        /// As in a message.
        text: String,
        bytes: Option<String>,
    },
    /// A text of ours that was not shown as its line was typed, for a prompt at the socket.
    Own(PastMessage),
    /// A peer offers a file or a folder.
    Offer(OfferEvent),
    /// A transfer has a new state.
    File(FileEvent),
    /// Progress of a pipe, in bytes.
    Progress {
        sent: u64,
        stored: u64,
        received: u64,
    },
    Notice {
        message: String,
    },
    /// An error after which the program goes on.
    Warning {
        kind: &'static str,
        message: String,
    },
    /// The error that ends the program.
    Error {
        kind: &'static str,
        message: String,
        hint: Option<String>,
    },
    /// What this process has given up, before it hears a peer.
    Sandbox {
        /// Word for how much of it.
        confined: &'static str,
        message: String,
    },
    /// The last event of every run.
    Done(Done),
}

/// Invitation of ours.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct InvitationEvent {
    /// The number by which it is taken back.
    pub(crate) number: u32,
    /// The invitation itself, a secret.
    pub(crate) url: String,
    /// The name that its bearer gets.
    #[serde(rename = "for")]
    pub(crate) name: Option<String>,
    /// Whether one key only can use it.
    pub(crate) once: bool,
    pub(crate) expires: String,
}

/// Offer of a peer, which waits for an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct OfferEvent {
    /// The number by which it is accepted and declined.
    pub(crate) number: u32,
    pub(crate) from: String,
    pub(crate) name: String,
    pub(crate) folder: bool,
    /// Files and empty folders in it.
    pub(crate) entries: u32,
    pub(crate) bytes: u64,
    pub(crate) message: String,
}

/// New state of a transfer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct FileEvent {
    pub(crate) number: u32,
    pub(crate) state: &'static str,
    /// The peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) with: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    /// What of it is written: bytes of a file, files of a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) written: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    pub(crate) message: String,
}

/// States in which a transfer does not go on by itself.
const TROUBLES: [&str; 4] = ["declined", "cancelled", "stopped", "failed"];

/// Whether a person is to be warned of a state.
pub(crate) fn is_trouble(state: &str) -> bool {
    TROUBLES.contains(&state)
}

/// A text of ours to a peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct OwnText {
    pub(crate) to: String,
    pub(crate) fingerprint: Option<String>,
    /// It counts from 1: for the peer where messages are kept, else on each connection.
    pub(crate) number: u64,
    pub(crate) text: String,
}

/// A message of a peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the event")]
pub(crate) struct MessageEvent {
    pub(crate) from: String,
    /// `None` on the raw wire, which proves no key.
    pub(crate) fingerprint: Option<String>,
    pub(crate) verified: bool,
    /// How the key came to be known.
    pub(crate) standing: &'static str,
    /// Time of sending according to the peer, in the format of `time`.
    pub(crate) sent: String,
    pub(crate) wire: &'static str,
    /// Whether its sender is not there to be answered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) short: bool,
    /// Whether it may have been written out before, by a program that was killed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) again: bool,
    /// Whether it waited for a connection for long.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) late: bool,
    /// The exact text; `\x80` where a byte is not UTF-8.
    pub(crate) text: String,
    /// The exact bytes in base64, if they are not UTF-8.
    pub(crate) bytes: Option<String>,
    /// Number by which a process at the socket of a home says that it has shown it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<u64>,
    /// Number that it has at its sender's, where it is kept there until we have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sent_number: Option<u64>,
}

/// Earlier message, with its own time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct PastMessage {
    pub(crate) time: String,
    /// Receiver of a message of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
    #[serde(flatten)]
    pub(crate) message: MessageEvent,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct PromptEvent {
    /// The user's own name.
    pub(crate) name: String,
    pub(crate) to: Option<String>,
    /// Word for the trust in its key.
    pub(crate) trust: Option<&'static str>,
    /// Messages to it that have waited for an acknowledgement for a second.
    pub(crate) waiting: usize,
    /// Messages of other peers since that peer was addressed.
    pub(crate) unread: usize,
    /// Word for the presence of the addressed peer.
    pub(crate) presence: Option<&'static str>,
    #[serde(flatten)]
    pub(crate) editor: Option<EditorEvent>,
}

/// What the editor of a prompt at the socket of a home needs besides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct EditorEvent {
    /// Mark of the addressee, for a line that is begun now.
    pub(crate) mark: u64,
    /// Name of the addressee, for the same.
    pub(crate) begun: Option<String>,
    /// Version of the names, for the same.
    pub(crate) roster: u64,
    /// Whether anybody else is connected.
    pub(crate) others: bool,
    /// Messages of each other peer since the addressed one was addressed.
    pub(crate) unread_of: Vec<UnreadEvent>,
}

/// Unread messages of one peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct UnreadEvent {
    pub(crate) name: String,
    pub(crate) messages: usize,
}

/// End of a run. Counts that do not belong to the command are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Done {
    pub(crate) code: u8,
    /// Messages: of `send` those read, of `recv` those acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) messages: Option<u64>,
    /// Messages of `send` that were acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) receipted: Option<u64>,
    /// Messages of `send --relay` that are at the relay and not acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at_relay: Option<u64>,
    /// Messages of `send` on the raw wire that were written to the socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) written: Option<u64>,
    /// Answers that `ask` has written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) answers: Option<u64>,
    /// Files and folders that have arrived, of `send --file` and `recv --files`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<u64>,
    /// Bytes of a pipe that were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sent: Option<u64>,
    /// Bytes of a pipe that the other side confirmed as written and flushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stored: Option<u64>,
    /// Bytes of a pipe that were written here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) received: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Envelope<'a> {
    /// RFC 3339 in UTC, with milliseconds.
    time: String,
    /// Id of the command that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    #[serde(flatten)]
    event: &'a OutputEvent,
}

/// Form of the events on standard error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OutputFormat {
    /// One JSON object a line.
    Json,
    /// Words for people: errors, warnings and addresses.
    Words,
    /// Words for people: everything.
    VerboseWords,
}

impl OutputEvent {
    /// The JSON object, with its newline. `id` is that of the command that caused the event.
    pub(crate) fn to_json(&self, unix_ms: u64, id: Option<&Id>) -> String {
        debug_assert!(self.kind().is_none_or(kinds::is_kind), "{self:?} has a kind of its own");
        json_line(&Envelope { time: moment(unix_ms), id, event: self })
    }

    pub(crate) fn sandbox(confinement: &Confinement) -> Self {
        Self::Sandbox { confined: confinement.word(), message: confinement.to_string() }
    }

    /// Its kind, where programs tell events of its name apart by that.
    fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Warning { kind, .. } | Self::Error { kind, .. } => Some(kind),
            _ => None,
        }
    }

    fn is_needed(&self) -> bool {
        match self {
            Self::Listening { .. } | Self::Warning { .. } | Self::Error { .. } => true,
            Self::File(file) => is_trouble(file.state),
            _ => false,
        }
    }
}

impl fmt::Display for OutputEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { address, addresses, dial } => {
                let all = addresses.as_ref().map(|all| all.join(" and "));
                f.write_str(&listening(all.as_ref().unwrap_or(address), dial))
            }
            Self::Connecting { address, via: None } => write!(f, "connecting to {address}"),
            Self::Connecting { address, via: Some(via) } => write!(f, "connecting to {address} via {via}"),
            Self::Connected { name, fingerprint: None, .. } => {
                write!(f, "connected to {name}, raw: nothing is signed")
            }
            Self::Connected { name, fingerprint: Some(fingerprint), verified, .. } => {
                let trust = if *verified { "verified" } else { "unverified" };
                write!(f, "connected to {name}, {fingerprint}, {trust}")
            }
            Self::Left { name, .. } => write!(f, "{name} left"),
            Self::Rollover { name, next, .. } => write!(f, "{name} says that the next key is {next}"),
            Self::File(FileEvent { state, message, .. }) if is_trouble(state) => {
                write!(f, "warning: {message}")
            }
            Self::Notice { message }
            | Self::Sandbox { message, .. }
            | Self::Offer(OfferEvent { message, .. })
            | Self::File(FileEvent { message, .. }) => f.write_str(message),
            Self::Warning { message, .. } => write!(f, "warning: {message}"),
            Self::Error { message, hint: None, .. } => write!(f, "error: {message}"),
            Self::Error { message, hint: Some(hint), .. } => write!(f, "error: {message}\nhint: {hint}"),
            // The others have no words.
            _ => Ok(()),
        }
    }
}

/// Writes an event to standard error. If that is closed, there is nowhere to report it.
pub(crate) fn emit(event: &OutputEvent, format: OutputFormat) {
    if format != OutputFormat::Words || event.is_needed() {
        eprint(&text_of(event, format));
    }
}

/// Event as it is written to standard error.
pub(crate) fn text_of(event: &OutputEvent, format: OutputFormat) -> String {
    match format {
        OutputFormat::Json => event.to_json(unix_ms(), None),
        _ => safe_rows(&event.to_string()).lines().flat_map(|line| ["rsachat: ", line, "\n"]).collect(),
    }
}
