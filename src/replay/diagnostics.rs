//! Drawing of diagnostics with their source line. Columns are counted in characters, as in editors.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::app::error::AppError;
use crate::script::{Diagnostic, Line, SourceFile};

/// Width of a drawing, whatever the screen.
const COLUMNS: usize = 120;

/// Draws a diagnostic.
pub(crate) fn draw(diagnostic: &Diagnostic, sources: &[SourceFile]) -> String {
    let empty = SourceFile { name: "-".to_owned(), text: String::new() };
    let source = sources.get(diagnostic.span.source).unwrap_or(&empty);
    let rows_before = source.text.split_inclusive('\n').take(diagnostic.span.line.saturating_sub(1));
    let line_start: usize = rows_before.map(str::len).sum();
    let span = line_start + diagnostic.span.bytes.start..line_start + diagnostic.span.bytes.end;
    let label = Some(diagnostic.label.as_str()).filter(|label| !label.is_empty());
    let snippet = Snippet::source(source.text.as_str())
        .path(source.name.as_str())
        .annotation(AnnotationKind::Primary.span(span).label(label));
    let mut group = Level::ERROR.primary_title(diagnostic.message.as_str()).element(snippet);
    for (heading, note) in &diagnostic.notes {
        group = group.element(Level::NOTE.with_name(*heading).message(note.as_str()));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    Renderer::plain().term_width(COLUMNS).render(&[group])
}

/// File, line and column of a diagnostic; the column from 1, in characters.
pub(crate) fn location(diagnostic: &Diagnostic, sources: &[SourceFile]) -> (String, usize, usize) {
    let span = &diagnostic.span;
    let source = sources.get(span.source);
    let name = source.map_or_else(|| "-".to_owned(), |source| source.name.clone());
    let line = source.and_then(|source| source.text.lines().nth(span.line.saturating_sub(1)));
    let before = line.and_then(|line| line.get(..span.bytes.start)).unwrap_or_default();
    (name, span.line, before.chars().count() + 1)
}

/// The diagnostic for an error of the machine at a line.
pub(crate) fn at_line(line: &Line, error: &AppError) -> Diagnostic {
    let mut diagnostic = Diagnostic::new(line.full_span(), error.message.clone());
    diagnostic.help.extend(error.hint.clone());
    diagnostic
}
