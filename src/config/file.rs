//! Reader of the configuration file: TOML with top-level keys only. All errors are reported at
//! once, with line and column.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::keys;
use super::values::Layer;

/// Settings of the file, and the line of each key.
pub(crate) struct FileSettings {
    pub(crate) layer: Layer,
    pub(crate) lines: BTreeMap<&'static str, usize>,
}

/// One error and its place. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct SettingError {
    line: usize,
    column: usize,
    what: String,
}

/// Errors that are reported at once; after more, a file is rather no configuration at all.
const ERRORS: usize = 10;

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.what)
    }
}

/// Parses the text; `home` is what `~` stands for.
pub(crate) fn parse(text: &str, home: Option<&Path>) -> Result<FileSettings, Vec<SettingError>> {
    // An editor of another system may have put it there, and it is no part of TOML.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let error_at = |at: usize, what: String| {
        let (line, column) = position(text, at);
        SettingError { line, column, what }
    };
    let (table, syntax_errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<_> = syntax_errors
        .iter()
        .map(|error| {
            let at = error.span().map_or(text.len(), |span| span.start);
            error_at(at, format!("this is not TOML: {}", error.message()))
        })
        .collect();
    let mut settings = FileSettings { layer: Layer::default(), lines: BTreeMap::new() };
    // What a damaged file seems to say is not worth a second error.
    let entries = if errors.is_empty() { table.into_inner() } else { DeTable::new() };
    for (word, value) in entries {
        let at = word.span().start;
        let key = match (keys::find(word.get_ref()), value.get_ref()) {
            (Ok(key), _) => key,
            (Err(_), DeValue::Table(_)) => {
                let what = "there are no tables here; keys stand at the top by themselves";
                errors.push(error_at(at, what.to_owned()));
                continue;
            }
            (Err(what), _) => {
                errors.push(error_at(at, what));
                continue;
            }
        };
        if settings.lines.insert(key.name, position(text, at).0).is_some() {
            errors.push(error_at(at, format!("{} is set twice", key.name)));
        }
        if let Err(error) = (key.read)(value.get_ref(), &mut settings.layer, home) {
            let at = error.at.unwrap_or(value.span().start);
            errors.push(error_at(at, format!("{}: {}", key.name, error.what)));
        }
    }
    if errors.is_empty() {
        return Ok(settings);
    }
    errors.sort();
    errors.truncate(ERRORS);
    Err(errors)
}

fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
