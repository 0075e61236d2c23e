//! Values of the configuration file, as TOML has them.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::values::YesNo;
use crate::text::shell::below_home;

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
