//! Diagnostics of scripts, and the explanation of a difference as a diagnostic.

use super::ast::{Line, Script, Span};
use super::matcher::{Bindings, Difference, ShownRow};
use super::render::{self, Substitutions};

/// Mistake in a script, or difference between what it expects and what was shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Place.
    pub span: Span,
    /// Title: lower case, no full stop.
    pub message: String,
    /// Text beside the caret; may be empty.
    pub label: String,
    /// Facts, each with a heading: `want`, `got`, `note`.
    pub notes: Vec<(&'static str, String)>,
    /// Advice, ready to paste where it can be.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// A diagnostic without label, notes or help.
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), label: String::new(), notes: Vec::new(), help: Vec::new() }
    }

    /// Sets the text beside the caret.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds a note.
    pub(crate) fn note(mut self, heading: &'static str, note: impl Into<String>) -> Self {
        self.notes.push((heading, note.into()));
        self
    }

    /// Adds advice.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// Expectations and output of one actor in a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepComparison<'a> {
    pub(crate) script: &'a Script,
    /// First line of the step.
    pub(crate) head: &'a Line,
    pub(crate) expected: &'a [&'a Line],
    pub(crate) shown: &'a [&'a ShownRow],
    pub(crate) bindings: &'a Bindings,
    pub(crate) substitutions: &'a Substitutions,
    /// Time that the expectations waited, in a live run.
    pub(crate) waited_ms: Option<u64>,
}

/// Most rows that a diagnostic lists.
const LISTED_ROWS_MAX: usize = 8;

impl<'a> StepComparison<'a> {
    /// Explains a difference: what was expected, what was shown, and the line to paste.
    pub(crate) fn explain(&self, difference: &Difference) -> Diagnostic {
        let head = self.head.full_span();
        match *difference {
            Difference::Mismatch { expected, shown } => match (self.line(expected), self.shown(shown)) {
                (Some(line), Some(got)) => self.mismatch(line, &got),
                _ => Diagnostic::new(head, "line differs"),
            },
            Difference::Missing { expected } => {
                let line = self.line(expected);
                let mut error = Diagnostic::new(line.map_or(head, Line::full_span), "no line came");
                if let Some(waited_ms) = self.waited_ms {
                    error = error.label(format!("waited {}", seconds(waited_ms)));
                }
                if self.shown.is_empty() {
                    error = error.note("note", "nothing was shown in this step");
                }
                for shown in self.shown.iter().take(LISTED_ROWS_MAX) {
                    error = error.note("shown", self.rendered(shown));
                }
                self.with_values(line, error)
            }
            Difference::Unexpected { shown } => {
                let got = self.shown(shown).unwrap_or_default();
                let help = format!("add this line: {got}");
                Diagnostic::new(head, "a line nobody expected").note("got", got).help(help)
            }
            Difference::Forbidden { expected, shown } => {
                let span = self.line(expected).map_or(head, Line::full_span);
                Diagnostic::new(span, "this must not appear")
                    .note("got", self.shown(shown).unwrap_or_default())
            }
        }
    }

    fn line(&self, index: usize) -> Option<&'a Line> {
        self.expected.get(index).copied()
    }

    fn shown(&self, index: usize) -> Option<String> {
        self.shown.get(index).map(|shown| self.rendered(shown))
    }

    fn rendered(&self, shown: &ShownRow) -> String {
        render::shown(self.script.label(shown.actor), shown, self.substitutions)
    }

    /// The caret stands where the two begin to differ.
    fn mismatch(&self, line: &Line, got: &str) -> Diagnostic {
        let mut pairs = line.text.char_indices().zip(got.chars());
        let differing = pairs.find(|((_, want), got)| want != got);
        let at = differing.map_or(line.text.len().min(got.len()), |((at, _), _)| at);
        let char_at = |text: &str| text.get(at..).and_then(|rest| rest.chars().next());
        let end = at + char_at(&line.text).map_or(0, char::len_utf8);
        let label = char_at(got).map_or("the line ends here".to_owned(), |c| format!("got `{c}` here"));
        let error = Diagnostic::new(line.span(at..end), "line differs").label(label);
        let error = error.note("want", line.text.clone()).note("got", got);
        let error = self.with_values(Some(line), error);
        match self.script.sources.get(line.source) {
            // `--update` leaves included files alone.
            Some(source) if source.name != "-" && line.source == 0 => {
                error.help(format!("`rsachat replay {} --update` accepts what was shown", source.name))
            }
            _ => error,
        }
    }

    /// Notes the values of the variables in an expectation.
    fn with_values(&self, line: Option<&Line>, mut error: Diagnostic) -> Diagnostic {
        let Some(line) = line.filter(|line| line.expectation().is_some()) else { return error };
        for (name, value) in self.bindings.iter() {
            if line.text.contains(&format!("${{{name}}}")) || line.text.contains(&format!("${{{name}:")) {
                error = error.note("note", format!("{name} = {value}"));
            }
        }
        error
    }
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}
