//! What is wrong with a script, and where: one line, columns in bytes of it. How that is drawn is not known
//! here.

use std::ops::Range;

/// A stretch of one line of one source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// Which file: an index into [`super::Script::sources`].
    pub source: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Bytes of the line that are meant; may be empty at its end.
    pub span: Range<usize>,
}

/// Something that a person has to mend: wrong in the script, or other than it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Where.
    pub place: Span,
    /// What it is, as a title: lower case, no full stop.
    pub what: String,
    /// What stands beside the caret; may be empty.
    pub here: String,
    /// Facts, each with a heading: `want`, `got`, `note`.
    pub facts: Vec<(&'static str, String)>,
    /// What to do, ready to paste where it can be.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// A fault without facts or help.
    #[must_use]
    pub fn new(place: Span, what: impl Into<String>) -> Self {
        Self { place, what: what.into(), here: String::new(), facts: Vec::new(), help: Vec::new() }
    }

    /// The same with words beside the caret.
    #[must_use]
    pub fn here(mut self, here: impl Into<String>) -> Self {
        self.here = here.into();
        self
    }

    /// The same with one more fact.
    #[must_use]
    pub fn fact(mut self, heading: &'static str, fact: impl Into<String>) -> Self {
        self.facts.push((heading, fact.into()));
        self
    }

    /// The same with one more advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}
