//! Requests of a program to the prompt: one JSON object a line, as in `docs/EVENTS.md`. An object
//! that is not understood whole does nothing.

use serde::Deserialize;

use super::{Id, order_error};
use crate::chat::Input;
use crate::chat::command::{self, Command};
use crate::limits;

/// Text to send, or command to carry out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Request {
    /// Text for a peer by its name, or for the addressed one.
    Say {
        to: Option<String>,
        text: String,
        /// Time after which it is taken back where it waits.
        expire_ms: Option<u64>,
    },
    /// Text whose answer is awaited, so many milliseconds.
    Ask {
        to: Option<String>,
        text: String,
        timeout_ms: u64,
    },
    Do(Command),
}

const HOW_TO_WRITE: &str =
    r#"write {"say":TEXT}, {"say":TEXT,"to":NAME}, {"id":1,"ask":TEXT} or {"command":NAME,"arguments":[…]}"#;

/// Object as it is written. An unknown field is refused: a text meant for one peer must not go to
/// another because `to` was misspelt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    /// Read by itself too, also where the rest is wrong.
    id: Option<Id>,
    say: Option<String>,
    ask: Option<String>,
    timeout: Option<u64>,
    expire: Option<u64>,
    to: Option<String>,
    command: Option<String>,
    arguments: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Identified {
    id: Option<Id>,
}

impl Request {
    /// Text that it says, if it says one.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Say { text, .. } | Self::Ask { text, .. } => Some(text),
            Self::Do(_) => None,
        }
    }

    pub(crate) fn input(&self) -> Input<'_> {
        match self {
            Self::Say { to: None, text, .. } => Input::Text(text),
            Self::Say { to: Some(name), text, expire_ms: None } => Input::TextTo { name, text },
            Self::Say { to: Some(name), text, expire_ms: Some(expire_ms) } => {
                Input::TextUntil { name, text, expire_ms: *expire_ms }
            }
            Self::Ask { to, text, timeout_ms } => {
                Input::Ask { to: to.as_deref(), text, timeout_ms: *timeout_ms }
            }
            Self::Do(command) => Input::Command(command.clone()),
        }
    }
}

/// Reads the id of a line, and its request, or why it is none and what to write instead.
pub(crate) fn read(line: &[u8]) -> (Option<Id>, Result<Request, String>) {
    // The library would take the fields from a list as well, in the order of the type.
    if line.trim_ascii_start().first() == Some(&b'[') {
        return (None, Err(format!("not an order: a list, not an object; {HOW_TO_WRITE}")));
    }
    let id = serde_json::from_slice(line).ok().and_then(|object: Identified| object.id);
    (id, request(line))
}

fn request(line: &[u8]) -> Result<Request, String> {
    let object: Object = serde_json::from_slice(line)
        .map_err(|error| order_error::describe::<Object>(line, &error, HOW_TO_WRITE))?;
    match object {
        Object { say: Some(_), to: None, expire: Some(_), .. } => {
            Err("a text that expires needs a peer to go to".to_owned())
        }
        Object {
            say: Some(text),
            to,
            expire,
            ask: None,
            timeout: None,
            command: None,
            arguments: None,
            ..
        } => Ok(Request::Say { to, text, expire_ms: expire }),
        Object {
            ask: Some(text),
            id,
            to,
            timeout,
            say: None,
            command: None,
            arguments: None,
            expire: None,
        } => {
            let timeout_ms = timeout.unwrap_or(limits::QUESTION_MS);
            match (id, timeout_ms) {
                (None, _) => Err("an ask needs an id, which identifies its answer".to_owned()),
                (_, 0) => Err("a timeout is a whole number of milliseconds, from 1".to_owned()),
                _ => Ok(Request::Ask { to, text, timeout_ms }),
            }
        }
        Object {
            command: Some(name),
            arguments,
            say: None,
            ask: None,
            to: None,
            timeout: None,
            expire: None,
            ..
        } => {
            let command = command::command_of(&name, &arguments.unwrap_or_default());
            command.map(Request::Do).map_err(|mistake| mistake.to_string())
        }
        _ => Err(HOW_TO_WRITE.to_owned()),
    }
}
