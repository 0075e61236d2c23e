//! Faults as people see them: the file with line and column, the line itself, a caret, what was wanted, what
//! came, and what to do. Columns are counted in characters, as editors do.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::script::{Diagnostic, Source};

/// Columns of a report where nobody says how wide the screen is.
const COLUMNS: usize = 120;

/// A fault with its place drawn.
pub(crate) fn drawn(error: &Diagnostic, sources: &[Source]) -> String {
    let empty = Source { name: "-".to_owned(), text: String::new() };
    let source = sources.get(error.place.source).unwrap_or(&empty);
    let begin = line_start(&source.text, error.place.line);
    let span = begin + error.place.span.start..begin + error.place.span.end;
    let snippet = Snippet::source(source.text.as_str())
        .path(source.name.as_str())
        .annotation(AnnotationKind::Primary.span(span).label(label(&error.here)));
    let mut group = Level::ERROR.primary_title(error.what.as_str()).element(snippet);
    for (heading, fact) in &error.facts {
        group = group.element(Level::NOTE.with_name(*heading).message(fact.as_str()));
    }
    for help in &error.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    Renderer::plain().term_width(COLUMNS).render(&[group])
}

/// File, line and column of a fault, the column in characters from 1.
pub(crate) fn place(error: &Diagnostic, sources: &[Source]) -> (String, usize, usize) {
    let source = sources.get(error.place.source);
    let name = source.map_or_else(|| "-".to_owned(), |source| source.name.clone());
    let line = source.and_then(|source| source.text.lines().nth(error.place.line.saturating_sub(1)));
    let before = line.and_then(|line| line.get(..error.place.span.start)).unwrap_or_default();
    (name, error.place.line, before.chars().count() + 1)
}

fn label(here: &str) -> Option<&str> {
    Some(here).filter(|here| !here.is_empty())
}

fn line_start(text: &str, number: usize) -> usize {
    text.split_inclusive('\n').take(number.saturating_sub(1)).map(str::len).sum()
}
