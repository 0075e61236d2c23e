//! Errors of lines that are no order, in the words of `docs/EVENTS.md`: those of the library name
//! types of this program.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::text::safe::SafeText;

/// Fields of orders, and what to write there.
const FIELDS: [(&str, &str); 25] = [
    ("id", "a text or a whole number"),
    ("say", TEXT),
    ("ask", TEXT),
    ("to", TEXT),
    ("timeout", "a whole number of milliseconds"),
    ("expire", "a whole number of milliseconds"),
    ("command", TEXT),
    ("arguments", "a list of texts in quotes"),
    ("face", r#""program", "prompt", "sender", "asker" or "receiver""#),
    ("from", "a whole fingerprint in quotes, SHA256: and 43 characters"),
    ("count", NUMBER),
    ("taker", r#""reader" or "command""#),
    ("leaves", r#""nothing""#),
    ("past", NUMBER),
    ("folder", TEXT),
    ("line", TEXT),
    ("begun", r#"{"mark":N,"name":NAME,"roster":N}"#),
    ("echo", r#""message" or "line""#),
    ("shown", NUMBER),
    ("failed", NUMBER),
    ("retry", NUMBER),
    ("remember", r#"{"fingerprint":KEY,"direction":"sent","at":MS,"name":NAME,"bytes":BASE64}"#),
    ("ping", r#""owner""#),
    ("wait", r#""connection""#),
    ("key", r#""interrupt", "drop_question" or "end_of_input""#),
];
const TEXT: &str = "a text in quotes";
const NUMBER: &str = "a whole number";
/// Most characters that are shown of a value.
const SHOWN_CHARS: usize = 40;

/// Why a line cannot be read as an object with the fields of `T`; `how_to_write` is said where it
/// is no object.
pub(super) fn describe<T: DeserializeOwned>(
    line: &[u8],
    error: &serde_json::Error,
    how_to_write: &str,
) -> String {
    let object = match serde_json::from_slice(line) {
        Ok(Value::Object(object)) => object,
        Ok(other) => return format!("not an order: {}, not an object; {how_to_write}", kind(&other)),
        Err(error) if error.is_eof() => {
            return format!("not an order: the object has no end; {how_to_write}");
        }
        Err(error) => {
            return format!("not an order: not JSON at column {}; {how_to_write}", error.column());
        }
    };
    let twice = error.to_string().strip_prefix("duplicate field `").and_then(|rest| {
        let (field, _) = rest.split_once('`')?;
        Some(format!("not an order: `{}` stands there twice", SafeText::line(field)))
    });
    let wrong = |(field, value): (&String, &Value)| {
        let alone = Map::from_iter([(field.clone(), value.clone())]);
        let error = serde_json::from_value::<T>(Value::Object(alone)).err()?;
        let is_unknown = error.to_string().starts_with(&format!("unknown field `{field}`"));
        let is_elsewhere = FIELDS.iter().any(|(name, _)| name == field);
        Some(match (is_unknown, is_elsewhere) {
            (true, true) => format!("not an order: `{field}` belongs to another order"),
            (true, false) => format!("not an order: unknown field `{}`", SafeText::line(field)),
            (false, _) => not_valid(field, value),
        })
    };
    twice.or_else(|| object.iter().find_map(wrong)).unwrap_or_else(|| how_to_write.to_owned())
}

/// Says that a field cannot have a value, and what to write there.
pub(super) fn not_valid(field: &str, value: &Value) -> String {
    let value = value.to_string();
    let shown: String = value.chars().take(SHOWN_CHARS).collect();
    let rest = if shown.len() < value.len() { "…" } else { "" };
    let what = FIELDS.iter().find(|(name, _)| *name == field);
    let advice = what.map(|(_, what)| format!(": write {what}")).unwrap_or_default();
    format!("not an order: `{field}` cannot be {}{rest}{advice}", SafeText::line(&shown))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "a list",
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Bool(_) | Value::Null | Value::Object(_) => "a word",
    }
}
