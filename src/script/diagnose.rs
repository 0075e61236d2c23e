//! A difference in words: what was wanted, what came, and the line to paste.

use super::ast::{Line, LineKind, Script};
use super::diagnostic::Diagnostic;
use super::matcher::{Difference, ShownRow};
use super::pattern::Bindings;
use super::render::{self, CaptureNames};

/// A step that has been played.
#[derive(Clone, Copy, Debug)]
pub struct Played<'a> {
    /// The script it is of.
    pub script: &'a Script,
    /// Its first line.
    pub head: &'a Line,
    /// The expectations of one actor.
    pub expected: &'a [&'a Line],
    /// What this actor showed.
    pub shown: &'a [&'a ShownRow],
    /// Values by name.
    pub bindings: &'a Bindings,
    /// Values that stand by their names.
    pub names: &'a CaptureNames,
    /// How long was waited, where time passes, in milliseconds.
    pub waited_ms: Option<u64>,
}

/// Rows that a fault lists at most.
const LISTED: usize = 8;

/// What differs, as a fault at its line.
#[must_use]
pub fn explain(played: &Played<'_>, difference: &Difference) -> Diagnostic {
    match *difference {
        Difference::Other { expected, shown } => match (line(played, expected), shown_row(played, shown)) {
            (Some(line), Some(got)) => other(played, line, &got),
            _ => Diagnostic::new(played.head.whole(), "line differs"),
        },
        Difference::Missing { expected } => {
            let place = line(played, expected).map_or_else(|| played.head.whole(), Line::whole);
            let mut error = Diagnostic::new(place, "no line came");
            if let Some(waited_ms) = played.waited_ms {
                error = error.here(format!("waited {}", seconds(waited_ms)));
            }
            if played.shown.is_empty() {
                error = error.fact("note", "nothing was shown in this step");
            }
            for shown in played.shown.iter().take(LISTED) {
                error = error.fact("shown", rendered(played, shown));
            }
            captures(played, line(played, expected), error)
        }
        Difference::Unexpected { shown } => {
            let got = shown_row(played, shown).unwrap_or_default();
            let error =
                Diagnostic::new(played.head.whole(), "a line nobody expected").fact("got", got.clone());
            error.help(format!("add this line: {got}"))
        }
        Difference::Forbidden { expected, shown } => {
            let place = line(played, expected).map_or_else(|| played.head.whole(), Line::whole);
            let got = shown_row(played, shown).unwrap_or_default();
            Diagnostic::new(place, "this must not appear").fact("got", got)
        }
    }
}

fn line<'a>(played: &Played<'a>, number: usize) -> Option<&'a Line> {
    played.expected.get(number).copied()
}

fn rendered(played: &Played<'_>, shown: &ShownRow) -> String {
    render::shown(played.script.label(shown.who), shown, played.names)
}

fn shown_row(played: &Played<'_>, number: usize) -> Option<String> {
    played.shown.get(number).map(|shown| rendered(played, shown))
}

/// The caret stands where the two begin to differ.
fn other(played: &Played<'_>, line: &Line, got: &str) -> Diagnostic {
    let begins = line.text.char_indices().zip(got.chars()).find(|((_, want), got)| want != got);
    let common = line.text.len().min(got.len());
    let at = begins.map_or(common, |((at, _), _)| at);
    let end = line.text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |c| at + c.len_utf8());
    let here = match got.get(at..).and_then(|rest| rest.chars().next()) {
        Some(c) => format!("got `{c}` here"),
        None => "the line ends here".to_owned(),
    };
    let error = Diagnostic::new(line.stretch(at..end), "line differs").here(here);
    let error = error.fact("want", line.text.clone()).fact("got", got);
    let error = captures(played, Some(line), error);
    match played.script.sources.get(line.source) {
        // What an included file says is not the matter of the file that is played.
        Some(source) if source.name != "-" && line.source == 0 => {
            error.help(format!("`rsachat replay {} --update` accepts what was shown", source.name))
        }
        _ => error,
    }
}

/// The values that a line names, as notes.
fn captures(played: &Played<'_>, line: Option<&Line>, mut error: Diagnostic) -> Diagnostic {
    let Some(line) = line else { return error };
    if !matches!(line.kind, LineKind::Expected { .. }) {
        return error;
    }
    for (name, value) in played.bindings.iter() {
        if line.text.contains(&format!("${{{name}}}")) || line.text.contains(&format!("${{{name}:")) {
            error = error.fact("note", format!("{name} = {value}"));
        }
    }
    error
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}
