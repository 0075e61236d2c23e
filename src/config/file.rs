//! Reads the configuration file: TOML with keys at its top only. Everything that is wrong is said with line and
//! column, all of it at once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::keys::{self, Taken};
use super::values::Layer;

/// What the file says, and on which line it says it.
pub(crate) struct Settings {
    pub(crate) layer: Layer,
    pub(crate) lines: BTreeMap<&'static str, usize>,
}

/// One thing that is wrong, and where. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct SettingError {
    line: usize,
    column: usize,
    what: String,
}

/// Mistakes that are said at once; after more, a file is rather no configuration at all.
const MISTAKES: usize = 10;

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.what)
    }
}

/// Reads the text; `home` is what `~` stands for.
pub(crate) fn parse(text: &str, home: Option<&Path>) -> Result<Settings, Vec<SettingError>> {
    // An editor of another system may have put it there, and it is no part of TOML.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mistake = |at: usize, what: String| {
        let (line, column) = place(text, at);
        SettingError { line, column, what }
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut mistakes: Vec<_> = errors
        .iter()
        .map(|error| {
            let at = error.span().map_or(text.len(), |span| span.start);
            mistake(at, format!("this is not TOML: {}", error.message()))
        })
        .collect();
    let mut taken = Taken { layer: Layer::default(), home };
    let mut lines = BTreeMap::new();
    // What a damaged file seems to say is not worth a second complaint.
    let found = if mistakes.is_empty() { table.into_inner() } else { DeTable::new() };
    for (word, value) in found {
        let at = word.span().start;
        let key = match (keys::find(word.get_ref()), value.get_ref()) {
            (Ok(key), _) => key,
            (Err(_), DeValue::Table(_)) => {
                let what = "there are no tables here; keys stand at the top by themselves";
                mistakes.push(mistake(at, what.to_owned()));
                continue;
            }
            (Err(what), _) => {
                mistakes.push(mistake(at, what));
                continue;
            }
        };
        if lines.insert(key.name, place(text, at).0).is_some() {
            mistakes.push(mistake(at, format!("{} is set twice", key.name)));
        }
        if let Err(wrong) = (key.take)(value.get_ref(), &mut taken) {
            let at = wrong.at.unwrap_or(value.span().start);
            mistakes.push(mistake(at, format!("{}: {}", key.name, wrong.what)));
        }
    }
    if mistakes.is_empty() {
        return Ok(Settings { layer: taken.layer, lines });
    }
    mistakes.sort();
    mistakes.truncate(MISTAKES);
    Err(mistakes)
}

fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
