//! Whether a row is like a pattern, and what it binds.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

use super::ast::Expectation;
use super::template::Fragment;

/// Values by their names. A copy costs nothing until one of the two changes: each row is tried against a copy.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bindings(Arc<BTreeMap<String, String>>);

/// Why a typed text has no value yet: the name that has none, and where it stands in its line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnboundName {
    /// The name.
    pub name: String,
    /// Bytes of the line.
    pub at: std::ops::Range<usize>,
}

impl Bindings {
    /// Binds a name, also anew.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        Arc::make_mut(&mut self.0).insert(name.into(), value.into());
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Every name with its value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A typed text with its values.
    ///
    /// # Errors
    /// [`UnboundName`], the first name without a value.
    pub fn typed(&self, pieces: &[Fragment]) -> Result<String, UnboundName> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Fragment::Literal(literal) => text.push_str(literal),
                Fragment::Named { name, at, .. } => match self.get(name) {
                    Some(value) => text.push_str(value),
                    None => return Err(UnboundName { name: name.clone(), at: at.clone() }),
                },
                Fragment::Any => {}
            }
        }
        Ok(text)
    }

    /// The bindings with what this row adds, if it is like the expectation. [`Expectation::Rows`] is like
    /// no single row.
    #[must_use]
    pub fn after(&self, expectation: &Expectation, row: &str) -> Option<Self> {
        match expectation {
            Expectation::Row(pieces) | Expectation::Never(pieces) | Expectation::Event(pieces) => {
                self.after_pattern(pieces, row)
            }
            Expectation::Regex(regex) => {
                let names = regex.capture_names().flatten().map(str::to_owned);
                let found = regex.captures(row)?;
                let values =
                    names.filter_map(|name| Some((name.clone(), found.name(&name)?.as_str().to_owned())));
                self.with(values)
            }
            Expectation::Rows => None,
        }
    }

    fn after_pattern(&self, pieces: &[Fragment], row: &str) -> Option<Self> {
        if let Ok(text) = self.typed(pieces)
            && !pieces.contains(&Fragment::Any)
        {
            return (text == row).then(|| self.clone());
        }
        let mut expression = String::from("(?s)^");
        let mut captured = Vec::new();
        for piece in pieces {
            match piece {
                Fragment::Literal(text) => expression.push_str(&regex::escape(text)),
                Fragment::Any => expression.push_str(".*"),
                Fragment::Named { name, capture, .. } => {
                    if let Some(value) = self.get(name) {
                        expression.push_str(&regex::escape(value));
                        continue;
                    }
                    for part in ["(", capture.regex(), ")"] {
                        expression.push_str(part);
                    }
                    captured.push(name.clone());
                }
            }
        }
        expression.push('$');
        // Too large to compile only when a line of the script is.
        let found = Regex::new(&expression).ok()?.captures(row)?;
        let values = captured.into_iter().enumerate().filter_map(|(number, name)| {
            let value = found.get(number + 1)?;
            Some((name, value.as_str().to_owned()))
        });
        self.with(values)
    }

    /// These and more; none if a name would have two values.
    fn with(&self, values: impl Iterator<Item = (String, String)>) -> Option<Self> {
        let mut both = self.clone();
        for (name, value) in values {
            match both.0.get(&name) {
                Some(there) if *there != value => return None,
                Some(_) => {}
                None => {
                    both.set(name, value);
                }
            }
        }
        Some(both)
    }
}
