//! Orders that only a face at the socket of a home can give (`docs/EVENTS.md`, "The socket of a
//! home"): which kind of face it is, lines as a person typed them, what it has shown.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::{Id, order_error};
use crate::chat::{AddresseeMark, Echo, Leaves, LineStart, Message};
use crate::crypto::Fingerprint;
use crate::delivery::{Direction, Exposure, HistoryEntry, HistoryRow};
use crate::time::UnixMs;

/// Kind of face.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaceRole {
    /// A program: every event.
    #[default]
    Program,
    /// A prompt of a person: also what its editor needs.
    Prompt,
    /// One that sends: no messages.
    Sender,
    /// One that asks: of messages its answers alone.
    Asker,
    /// The taker of messages, whose receipts are the only ones.
    Receiver,
}

/// Messages that a receiver takes, or that one that asks takes for its answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Taking {
    /// Their author; everybody, where it names nobody.
    pub(crate) from: Option<Fingerprint>,
    /// How many it takes at most: no others are given to it.
    pub(crate) count: Option<u64>,
    pub(crate) taker: Taker,
}

/// What a receiver gives the messages to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Taker {
    /// It writes them for whoever reads them.
    #[default]
    Reader,
    /// A command, which does its work with each.
    Command,
}

impl Taker {
    /// Who may have had what it is given.
    pub(crate) fn exposure(self) -> Exposure {
        match self {
            Self::Reader => Exposure::Shown,
            Self::Command => Exposure::Taken,
        }
    }
}

impl Taking {
    /// Whether a message is of somebody whose messages are taken.
    pub(crate) fn names(&self, message: &Message) -> bool {
        self.from.is_none() || self.from == message.fingerprint
    }
}

/// Order of a face.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum FaceOrder {
    /// It is such a face; a receiver or one that asks takes such messages, a prompt is shown at
    /// most so many earlier ones, and the paths of its user begin in a folder.
    Role { role: FaceRole, taking: Taking, leaves: Leaves, past: Option<usize>, folder: Option<String> },
    /// A line of a person, who can be asked about it where it was begun at a prompt.
    Line { text: String, begun: Option<(LineStart, Echo)> },
    /// Every message up to this number was shown; by a receiver, this one.
    Shown(u64),
    /// A receiver could not do with this message what it does: the author's next ones wait.
    Failed(u64),
    /// Such a message is to be given once more.
    Retry(u64),
    /// A message for the history, of a command without a store.
    Remember(HistoryEntry),
    /// Answer at once.
    Ping,
    /// Answer once nothing connects that the face waits for.
    WaitForConnection,
    /// Ctrl-C on an empty line.
    Interrupt,
    /// Ctrl-C on a line that was held.
    DropQuestion,
    /// Nothing follows.
    EndOfInput,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    id: Option<Id>,
    face: Option<FaceRole>,
    from: Option<String>,
    count: Option<u64>,
    taker: Option<Taker>,
    leaves: Option<LeavesWord>,
    past: Option<usize>,
    folder: Option<String>,
    line: Option<String>,
    begun: Option<Begun>,
    echo: Option<EchoWord>,
    shown: Option<u64>,
    failed: Option<u64>,
    retry: Option<u64>,
    remember: Option<Remembered>,
    ping: Option<Word>,
    wait: Option<Wait>,
    key: Option<Key>,
}

/// Prompt as a line was begun.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    mark: u64,
    name: Option<String>,
    roster: u64,
}

/// Message for the history; `bytes` are in base64.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    fingerprint: String,
    direction: Way,
    at: u64,
    name: String,
    bytes: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Sent,
    Received,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum EchoWord {
    Message,
    Line,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum LeavesWord {
    Nothing,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Owner,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wait {
    Connection,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Key {
    Interrupt,
    DropQuestion,
    EndOfInput,
}

impl Remembered {
    fn into_entry(self) -> Option<HistoryEntry> {
        let direction = match self.direction {
            Way::Sent => Direction::Sent,
            Way::Received => Direction::Received,
        };
        let text = Arc::from(BASE64_STANDARD.decode(&self.bytes).ok()?);
        let (at, name) = (UnixMs(self.at), Arc::from(self.name));
        let row = HistoryRow { at, direction, name, text };
        Some(HistoryEntry { peer: self.fingerprint.parse().ok()?, row })
    }
}

/// Fields that say which of these orders an object is.
const ORDERS: [&str; 9] = ["face", "line", "shown", "failed", "retry", "remember", "ping", "wait", "key"];
const HOW_TO_WRITE: &str = r#"write one of the orders in docs/EVENTS.md, such as {"face":"program"}"#;

/// Reads such an order with its id, or why it is none; nothing, if the line is another order, or no
/// object.
pub(crate) fn read(line: &[u8]) -> Option<(Option<Id>, Result<FaceOrder, String>)> {
    // The library would take the fields from a list as well, in the order of the type.
    let is_object = line.trim_ascii_start().first() == Some(&b'{');
    match serde_json::from_slice::<Object>(line) {
        Ok(object) if is_object => {
            let id = object.id.clone();
            order(object).transpose().map(|order| (id, order))
        }
        Ok(_) => None,
        Err(error) => {
            let object: Value = serde_json::from_slice(line).ok().filter(|_| is_object)?;
            let is_order = ORDERS.iter().any(|name| object.get(name).is_some());
            let why = || order_error::describe::<Object>(line, &error, HOW_TO_WRITE);
            let id = object.get("id").and_then(|id| serde_json::from_value(id.clone()).ok());
            is_order.then(|| (id, Err(why())))
        }
    }
}

/// Order of an object, if it is one of these.
fn order(object: Object) -> Result<Option<FaceOrder>, String> {
    let order = match object {
        Object { face: Some(role), from, count, taker, leaves, past, folder, .. } => {
            let key =
                |from: String| from.parse().map_err(|_| order_error::not_valid("from", &Value::String(from)));
            let from = from.map(key).transpose()?;
            let leaves = leaves.map_or(Leaves::Texts, |LeavesWord::Nothing| Leaves::Nothing);
            let taking = Taking { from, count, taker: taker.unwrap_or_default() };
            FaceOrder::Role { role, taking, leaves, past, folder }
        }
        Object { line: Some(text), begun, echo, .. } => {
            let echo = if let Some(EchoWord::Message) = echo { Echo::Message } else { Echo::Line };
            let begun = begun.map(|begun| {
                let mark = AddresseeMark::new(begun.mark);
                (LineStart { mark, name: begun.name, roster: begun.roster }, echo)
            });
            FaceOrder::Line { text, begun }
        }
        Object { shown: Some(number), .. } => FaceOrder::Shown(number),
        Object { failed: Some(number), .. } => FaceOrder::Failed(number),
        Object { retry: Some(number), .. } => FaceOrder::Retry(number),
        Object { remember: Some(remembered), .. } => {
            let entry = remembered.into_entry();
            FaceOrder::Remember(
                entry
                    .ok_or_else(|| "not an order: `remember` has no fingerprint, or no base64".to_owned())?,
            )
        }
        Object { ping: Some(Word::Owner), .. } => FaceOrder::Ping,
        Object { wait: Some(Wait::Connection), .. } => FaceOrder::WaitForConnection,
        Object { key: Some(Key::Interrupt), .. } => FaceOrder::Interrupt,
        Object { key: Some(Key::DropQuestion), .. } => FaceOrder::DropQuestion,
        Object { key: Some(Key::EndOfInput), .. } => FaceOrder::EndOfInput,
        _ => return Ok(None),
    };
    Ok(Some(order))
}
