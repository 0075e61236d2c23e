//! Parser of scripts (docs/SCRIPTS.md, section 2).

use super::ast::{Directive, Expectation, Fragment, Line, LineKind, Script, SourceFile, Span};
use super::diagnostic::Diagnostic;
use super::directive::{self, find_actor};
use super::lexer::{LineReader, SyntaxError, is_name};
use super::template::{self, TemplateKind};

/// Most files that include each other in a row.
const INCLUDE_DEPTH: usize = 8;

/// Bytes that the compiled form of one regular expression may take.
const REGEX_BYTES: usize = 1 << 20;
/// Characters of a line that advice repeats.
const QUOTED_CHARS: usize = 60;

/// Loader of included files: the name as written, and the name of the including file.
pub type Loader<'a> = dyn FnMut(&str, &str) -> Result<SourceFile, String> + 'a;

/// Parser of a script and the files that it includes.
#[expect(missing_debug_implementations, reason = "holds the loader")]
pub struct Parser<'a> {
    script: Script,
    diagnostics: Vec<Diagnostic>,
    loader: &'a mut Loader<'a>,
    /// The open `@together`.
    together: Option<Span>,
    phase: StepPhase,
}

/// Position relative to the steps of the script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StepPhase {
    BeforeSteps,
    /// Expectations may follow.
    InStep,
    /// After a directive that ends the expectations of a step.
    BetweenSteps,
}

impl<'a> Parser<'a> {
    /// A parser that gets included files from `loader`.
    pub fn new(loader: &'a mut Loader<'a>) -> Self {
        let script = Script::default();
        Self { script, diagnostics: Vec::new(), loader, together: None, phase: StepPhase::BeforeSteps }
    }

    /// Parses a script.
    ///
    /// # Errors
    /// Every mistake in order, and the sources to show them in.
    pub fn parse(mut self, source: &SourceFile) -> Result<Script, (Vec<SourceFile>, Vec<Diagnostic>)> {
        self.source(source, 0);
        if let Some(span) = self.together.take() {
            self.diagnostics.push(Diagnostic::new(span, "`@together` without `@end`"));
        }
        if self.diagnostics.is_empty() {
            Ok(self.script)
        } else {
            Err((self.script.sources, self.diagnostics))
        }
    }

    fn source(&mut self, source: &SourceFile, depth: usize) {
        let index = self.script.sources.len();
        self.script.sources.push(source.clone());
        let mut text = source.text.as_str();
        if let Some(rest) = text.strip_prefix('\u{feff}') {
            let span = Span { source: index, line: 1, bytes: 0..'\u{feff}'.len_utf8() };
            let error = Diagnostic::new(span, "the file begins with a byte order mark");
            self.diagnostics.push(error.help("save it as UTF-8 without one"));
            text = rest;
        }
        let mut reader = LineReader::new(text);
        while let Some((number, row)) = reader.next_row() {
            match self.line_kind(row, &mut reader) {
                Ok(kind) => {
                    let text = reader.line().to_owned();
                    self.line(Line { source: index, number, text, kind }, source, depth);
                }
                Err(error) => {
                    let span = Span { source: index, line: number, bytes: error.at };
                    let mut diagnostic = Diagnostic::new(span, error.message);
                    diagnostic.help.extend(error.help);
                    self.diagnostics.push(diagnostic);
                }
            }
        }
    }

    /// Adds a line, if it may stand here.
    fn line(&mut self, line: Line, source: &SourceFile, depth: usize) {
        if let Some(message) = self.misplaced(&line) {
            return self.error(&line, message);
        }
        match &line.kind {
            LineKind::Directive(Directive::Actors(names)) => self.script.actors.clone_from(names),
            LineKind::Directive(Directive::Together) => self.together = Some(line.full_span()),
            LineKind::Directive(Directive::End) => self.together = None,
            LineKind::Directive(Directive::Include(file)) => return self.include(&line, file, source, depth),
            _ => {}
        }
        match &line.kind {
            _ if line.is_step() => self.phase = StepPhase::InStep,
            LineKind::Directive(Directive::End) => {}
            LineKind::Directive(_) if self.phase == StepPhase::InStep => self.phase = StepPhase::BetweenSteps,
            _ => {}
        }
        self.script.lines.push(line);
    }

    fn error(&mut self, line: &Line, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(line.full_span(), message));
    }

    fn misplaced(&self, line: &Line) -> Option<&'static str> {
        let in_block = self.together.is_some();
        match &line.kind {
            LineKind::Expect { .. } if in_block => Some("expectations follow `@end`"),
            LineKind::Expect { .. } => match self.phase {
                StepPhase::BeforeSteps => Some("an expectation before any step"),
                StepPhase::InStep => None,
                StepPhase::BetweenSteps => Some("an expectation follows its step, before any directive"),
            },
            LineKind::Directive(Directive::End) => (!in_block).then_some("`@end` without `@together`"),
            LineKind::Directive(_) if in_block => {
                Some("between `@together` and `@end` stands only what is typed")
            }
            LineKind::Directive(Directive::Actors(_) | Directive::Seed(_) | Directive::Live(_)) => {
                (self.phase != StepPhase::BeforeSteps).then_some("this belongs before the first step")
            }
            _ => None,
        }
    }

    fn include(&mut self, line: &Line, file: &str, source: &SourceFile, depth: usize) {
        if depth >= INCLUDE_DEPTH {
            return self.error(line, format!("files include each other more than {INCLUDE_DEPTH} deep"));
        }
        match (self.loader)(file, &source.name) {
            Ok(included) => {
                self.script.lines.push(line.clone());
                self.source(&included, depth + 1);
            }
            Err(why) => self.error(line, format!("cannot include {file}: {why}")),
        }
    }

    fn line_kind(&self, row: &str, reader: &mut LineReader<'_>) -> Result<LineKind, SyntaxError> {
        let actors = &self.script.actors;
        match row.chars().next() {
            _ if row.trim().is_empty() => return Ok(LineKind::Blank),
            Some('#') => return Ok(LineKind::Comment),
            Some('@') => return directive::parse(row, reader, actors).map(LineKind::Directive),
            _ => {}
        }
        let is_label = |text: &str| text.is_empty() || is_name(text);
        let mark = row.find(['>', '|']).and_then(|at| row.split_at_checked(at));
        let Some((label, marked)) = mark.filter(|(label, _)| is_label(label)) else {
            if actors.len() > 1 {
                return Err(label_missing(0..row.len(), actors, &format!("> {row}")));
            }
            return Ok(LineKind::Input { actor: 0, template: template::parse(row, 0, TemplateKind::Input)? });
        };
        let actor = labelled_actor(label, marked, actors)?;
        let offset = label.len() + 1;
        if let Some(rest) = marked.strip_prefix('>') {
            let template = spaced_template(rest, offset, TemplateKind::Input)?;
            return Ok(LineKind::Input { actor, template });
        }
        let expectation = expectation(marked.get(1..).unwrap_or_default(), offset)?;
        Ok(LineKind::Expect { actor, expectation })
    }
}

/// Actor of a label; `marked` is its mark and what follows.
fn labelled_actor(label: &str, marked: &str, actors: &[String]) -> Result<usize, SyntaxError> {
    match (label.is_empty(), actors.len()) {
        (true, 0 | 1) => Ok(0),
        (true, _) => Err(label_missing(0..1, actors, marked)),
        (false, 0) => Err(SyntaxError::new(0..label.len(), format!("no actor `{label}`"))
            .help(format!("`@actors {label}` declares it; `> {label}…` types it"))),
        (false, _) => find_actor(label, 0, actors),
    }
}

fn label_missing(at: std::ops::Range<usize>, actors: &[String], marked: &str) -> SyntaxError {
    let first = actors.first().map_or("", String::as_str);
    let cut = marked.char_indices().nth(QUOTED_CHARS).and_then(|(cut, _)| marked.get(..cut));
    let marked = cut.map_or_else(|| marked.to_owned(), |part| format!("{part}…"));
    SyntaxError::new(at, "a script with several actors needs a name here")
        .help(format!("write `{first}{marked}`"))
}

/// Template after `>` or `|`: nothing, or a blank and the text.
fn spaced_template(text: &str, at: usize, kind: TemplateKind) -> Result<Vec<Fragment>, SyntaxError> {
    match text.chars().next() {
        None => Ok(Vec::new()),
        Some(' ') => template::parse(text.get(1..).unwrap_or_default(), at + 1, kind),
        Some(other) => Err(SyntaxError::new(at..at + other.len_utf8(), "a blank belongs here")),
    }
}

fn expectation(text: &str, at: usize) -> Result<Expectation, SyntaxError> {
    if let Some(regex) = text.strip_prefix("~ ") {
        let built = regex::RegexBuilder::new(&format!("^(?:{regex})$")).size_limit(REGEX_BYTES).build();
        return built.map(Expectation::Regex).map_err(|error| bad_regex(regex, at + 2, &error));
    }
    if let Some(pattern) = text.strip_prefix("! ") {
        return template::parse(pattern, at + 2, TemplateKind::Expect).map(Expectation::Absent);
    }
    if let Some(event) = text.strip_prefix("* ") {
        return template::parse(event, at + 2, TemplateKind::Expect).map(Expectation::Event);
    }
    if text == " $**" {
        return Ok(Expectation::AnyRows);
    }
    spaced_template(text, at, TemplateKind::Expect).map(Expectation::Row)
}

/// The reason is the last line of what the library prints; the rest is drawn by our own
/// diagnostics.
fn bad_regex(regex: &str, at: usize, error: &regex::Error) -> SyntaxError {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    SyntaxError::new(at..at + regex.len(), format!("bad regular expression: {reason}"))
}
