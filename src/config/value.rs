//! Values of the configuration file, as TOML has them.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::values::YesNo;
use crate::crypto::Fingerprint;
use crate::peers::name::Name;
use crate::text::safe::SafeText;
use crate::text::shell::below_home;
use crate::text::suggest::nearest;

/// Why a value is not one.
pub(crate) struct ValueError {
    pub(crate) what: String,
    /// Byte offset in the file, when the error is inside the value.
    pub(crate) at: Option<usize>,
}

impl From<String> for ValueError {
    fn from(what: String) -> Self {
        Self { what, at: None }
    }
}

/// A string as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

pub(super) fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| expected("text in quotes", value))
}

pub(super) fn yes_no(value: &DeValue<'_>) -> Result<YesNo, String> {
    let truth = value.as_bool().map(|truth| if truth { YesNo::Yes } else { YesNo::No });
    truth.ok_or_else(|| expected("true or false", value))
}

pub(super) fn expected(what: &str, value: &DeValue<'_>) -> String {
    let found = match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("{what} is expected here, not {found}")
}

/// Relative paths would mean another file in each folder that the program is started in.
pub(super) fn path(text: &str, home: Option<&Path>) -> Result<PathBuf, String> {
    let path = match (below_home(text), home) {
        (Some(rest), Some(home)) if home.is_absolute() => home.join(rest),
        (Some(_), _) => {
            return Err("~ cannot be used here: HOME is not set, or not an absolute path".to_owned());
        }
        (None, _) => PathBuf::from(text),
    };
    if path.is_absolute() { Ok(path) } else { Err("a path begins with / or with ~/".to_owned()) }
}

/// Error at a place in the file.
pub(super) fn wrong(at: usize, what: String) -> ValueError {
    ValueError { what, at: Some(at) }
}

/// Refuses a field of a rule that is none of these.
pub(super) fn unknown_field(table: &DeTable<'_>, fields: &[&str], has: &str) -> Result<(), ValueError> {
    let Some(word) = table.keys().find(|word| !fields.contains(&word.get_ref().as_ref())) else {
        return Ok(());
    };
    let near = nearest(word.get_ref(), fields.iter().copied());
    let near = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
    Err(wrong(word.span().start, format!("{has}, no {}{near}", SafeText::line(word.get_ref()))))
}

/// One field of a rule, if it is there.
pub(super) fn field<T>(
    table: &DeTable<'_>,
    name: &str,
    read: impl Fn(&DeValue<'_>) -> Result<T, String>,
) -> Result<Option<T>, ValueError> {
    let Some(value) = table.iter().find(|(word, _)| word.get_ref() == name).map(|(_, value)| value) else {
        return Ok(None);
    };
    let at = Some(value.span().start);
    read(value.get_ref()).map(Some).map_err(|what| ValueError { what: format!("{name}: {what}"), at })
}

/// Peer of a rule, by its name or its whole fingerprint.
pub(super) fn peer(text: &str) -> Result<String, String> {
    if text.parse::<Fingerprint>().is_ok() {
        return Ok(text.to_owned());
    }
    Name::parse_local(text).map(|name| name.to_string()).map_err(|error| error.to_string())
}
