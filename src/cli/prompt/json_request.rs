//! What programs may ask of a prompt: one JSON object a line, whose table is `docs/EVENTS.md`. An object that is
//! not understood whole does nothing. It knows nothing of what comes of an order.

use serde::Deserialize;

use crate::chat::Input;
use crate::chat::command::{self, Command};
use crate::events::Id;
use crate::text::safe::SafeText;

/// Something to say or to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Request {
    /// A text for who is addressed.
    Say { text: String },
    /// A text for somebody by name.
    SayTo { to: String, text: String },
    /// A command of the prompt.
    Do(Command),
}

/// A line that is no order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    /// Why, and what to write instead.
    pub(crate) why: String,
}

/// The object as it is written. A field that there is not is refused: a text meant for one person must not go to
/// another because `to` was misspelt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    #[expect(dead_code, reason = "read by itself, also where the rest is wrong")]
    id: Option<Id>,
    say: Option<String>,
    to: Option<String>,
    command: Option<String>,
    arguments: Option<Vec<String>>,
}

/// The id alone.
#[derive(Deserialize)]
struct Called {
    id: Option<Id>,
}

impl Request {
    /// As the chat takes it.
    pub(crate) fn input(&self) -> Input<'_> {
        match self {
            Self::Say { text } => Input::Text(text),
            Self::SayTo { to, text } => Input::TextTo { name: to, text },
            Self::Do(command) => Input::Command(command.clone()),
        }
    }
}

/// The id of a line, and what it asks for.
pub(crate) fn read(line: &[u8]) -> (Option<Id>, Result<Request, Refused>) {
    let id = serde_json::from_slice(line).ok().and_then(|called: Called| called.id);
    (id, order(line).map_err(|why| Refused { why }))
}

fn order(line: &[u8]) -> Result<Request, String> {
    let object: Object = serde_json::from_slice(line).map_err(|error| not_understood(&error))?;
    match object {
        Object { say: Some(text), to: None, command: None, arguments: None, .. } => Ok(Request::Say { text }),
        Object { say: Some(text), to: Some(to), command: None, arguments: None, .. } => {
            Ok(Request::SayTo { to, text })
        }
        Object { say: None, to: None, command: Some(name), arguments, .. } => {
            let command = command::command_of(&name, &arguments.unwrap_or_default());
            command.map(Request::Do).map_err(|mistake| mistake.to_string())
        }
        _ => {
            Err(r#"write {"say":TEXT}, {"say":TEXT,"to":NAME} or {"command":NAME,"arguments":[…]}"#
                .to_owned())
        }
    }
}

/// The library's words with the place in the line; it gives the line's number as well, which here is always 1.
fn not_understood(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = SafeText::line(words.strip_suffix(&place).unwrap_or(&words)).to_string();
    format!("not an order: {what}, at column {}", error.column())
}
