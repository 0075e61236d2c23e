//! From text to lines. The language is regular by line; only a file given in place spans several.

use unicode_ident::{is_xid_continue, is_xid_start};

use super::ast::{Expectation, Line, LineKind, Script, Source};
use super::diagnostic::{Diagnostic, Span};
use super::directive::{Directive, directive, who};
use super::template::{TemplateError, TemplateKind, pieces};

/// How deep files may include each other.
pub const INCLUDE_DEPTH: usize = 8;

/// Bytes that the compiled form of one regular expression may take.
const REGEX_BYTES: usize = 1 << 20;

/// Fetches an included file: its name as written, and the name of the file that names it.
pub type Loader<'a> = dyn FnMut(&str, &str) -> Result<Source, String> + 'a;

/// Reads a script and the files that it includes.
#[expect(missing_debug_implementations, reason = "holds the loader")]
pub struct Parser<'a> {
    script: Script,
    diagnostics: Vec<Diagnostic>,
    loader: &'a mut Loader<'a>,
    together: Option<Span>,
    /// Whether there was a step.
    stepped: bool,
    /// Whether expectations may follow: after a step, until a directive that is none.
    answers: bool,
}

/// The rows of a source, taken one by one.
pub(super) struct Cursor<'a> {
    rows: std::iter::Enumerate<std::str::Lines<'a>>,
    /// Rows taken by the line that is being read.
    taken: String,
}

impl Cursor<'_> {
    /// The rows before one that is `end` alone; `None` if there is no such row.
    pub(super) fn until(&mut self, end: &str) -> Option<String> {
        let mut given = String::new();
        for (_, row) in self.rows.by_ref() {
            self.taken.push('\n');
            self.taken.push_str(row);
            if row == end {
                return Some(given);
            }
            given.push_str(row);
            given.push('\n');
        }
        None
    }
}

impl<'a> Parser<'a> {
    /// A parser that fetches included files with `loader`.
    pub fn new(loader: &'a mut Loader<'a>) -> Self {
        let script = Script::default();
        Self { script, diagnostics: Vec::new(), loader, together: None, stepped: false, answers: false }
    }

    /// Reads a script.
    ///
    /// # Errors
    /// Everything that is wrong with it, in order, and the sources to show it in.
    pub fn parse(mut self, source: &Source) -> Result<Script, (Vec<Source>, Vec<Diagnostic>)> {
        self.source(source, 0);
        if let Some(place) = self.together.take() {
            self.diagnostics.push(Diagnostic::new(place, "`@together` without `@end`"));
        }
        if self.diagnostics.is_empty() {
            Ok(self.script)
        } else {
            Err((self.script.sources, self.diagnostics))
        }
    }

    fn source(&mut self, source: &Source, depth: usize) {
        let index = self.script.sources.len();
        self.script.sources.push(source.clone());
        let mut text = source.text.as_str();
        if let Some(rest) = text.strip_prefix('\u{feff}') {
            let place = Span { source: index, line: 1, span: 0..'\u{feff}'.len_utf8() };
            let error = Diagnostic::new(place, "the file begins with a byte order mark");
            self.diagnostics.push(error.help("save it as UTF-8 without one"));
            text = rest;
        }
        let mut cursor = Cursor { rows: text.lines().enumerate(), taken: String::new() };
        while let Some((row, text)) = cursor.rows.next() {
            cursor.taken = text.to_owned();
            let line = Line { source: index, number: row + 1, text: text.to_owned(), kind: LineKind::Blank };
            match self.kind(text, &mut cursor) {
                Ok(kind) => self.take(Line { kind, text: cursor.taken.clone(), ..line }, source, depth),
                Err(wrong) => self.wrong(&line, wrong),
            }
        }
    }

    fn wrong(&mut self, line: &Line, wrong: TemplateError) {
        let mut error = Diagnostic::new(line.stretch(wrong.at), wrong.what);
        error.help.extend(wrong.help);
        self.diagnostics.push(error);
    }

    /// Adds a line, after a look at where it stands.
    fn take(&mut self, line: Line, source: &Source, depth: usize) {
        if let Some(what) = self.misplaced(&line) {
            self.diagnostics.push(Diagnostic::new(line.whole(), what));
            return;
        }
        match &line.kind {
            LineKind::Directive(Directive::Actors(names)) => self.script.actors.clone_from(names),
            LineKind::Directive(Directive::Together) => self.together = Some(line.whole()),
            LineKind::Directive(Directive::End) => self.together = None,
            LineKind::Directive(Directive::Include(file)) => return self.include(&line, file, source, depth),
            _ => {}
        }
        match &line.kind {
            _ if line.is_step() => (self.stepped, self.answers) = (true, true),
            LineKind::Directive(Directive::End) => {}
            LineKind::Directive(_) => self.answers = false,
            _ => {}
        }
        self.script.lines.push(line);
    }

    fn misplaced(&self, line: &Line) -> Option<&'static str> {
        let inside = self.together.is_some();
        match &line.kind {
            LineKind::Expected { .. } if inside => Some("expectations follow `@end`"),
            LineKind::Expected { .. } if !self.stepped => Some("an expectation before any step"),
            LineKind::Expected { .. } if !self.answers => {
                Some("an expectation follows its step, before any directive")
            }
            LineKind::Directive(Directive::End) if !inside => Some("`@end` without `@together`"),
            LineKind::Directive(Directive::End) => None,
            LineKind::Directive(_) if inside => {
                Some("between `@together` and `@end` stands only what is typed")
            }
            LineKind::Directive(Directive::Actors(_) | Directive::Seed(_) | Directive::Live(_))
                if self.stepped =>
            {
                Some("this belongs before the first step")
            }
            _ => None,
        }
    }

    fn include(&mut self, line: &Line, file: &str, source: &Source, depth: usize) {
        if depth >= INCLUDE_DEPTH {
            let what = format!("files include each other more than {INCLUDE_DEPTH} deep");
            self.diagnostics.push(Diagnostic::new(line.whole(), what));
            return;
        }
        match (self.loader)(file, &source.name) {
            Ok(included) => {
                self.script.lines.push(line.clone());
                self.source(&included, depth + 1);
            }
            Err(why) => {
                self.diagnostics.push(Diagnostic::new(line.whole(), format!("cannot include {file}: {why}")));
            }
        }
    }

    fn kind(&self, text: &str, cursor: &mut Cursor<'_>) -> Result<LineKind, TemplateError> {
        if text.trim().is_empty() {
            return Ok(LineKind::Blank);
        }
        match text.chars().next() {
            Some('#') => return Ok(LineKind::Comment),
            Some('@') => return directive(text, cursor, &self.script.actors).map(LineKind::Directive),
            _ => {}
        }
        let mark = text.find(['>', '|']).filter(|at| text.get(..*at).is_some_and(is_label));
        let Some(at) = mark else { return self.bare(text) };
        let (label, rest) = text.split_at(at);
        let who = self.labelled(label, rest)?;
        if let Some(typed) = rest.strip_prefix('>') {
            let (typed, offset) = body(typed, at + 1)?;
            return Ok(LineKind::Input {
                who,
                text: pieces(typed, offset, TemplateKind::Typed)?,
                at: offset,
            });
        }
        let (what, at) = expectation(rest.get(1..).unwrap_or_default(), at + 1)?;
        Ok(LineKind::Expected { who, what, at })
    }

    /// Whose line it is, by the name before its mark; `rest` is the mark and what follows.
    fn labelled(&self, label: &str, rest: &str) -> Result<usize, TemplateError> {
        let at = 0..label.len();
        let actors = &self.script.actors;
        match (label.is_empty(), actors.len()) {
            (true, 0 | 1) => Ok(0),
            (true, _) => Err(nameless(0..1, actors, rest)),
            (false, 0) => Err(TemplateError {
                at,
                what: format!("no actor `{label}`"),
                help: Some(format!("`@actors {label}` declares it; `> {label}…` types it")),
            }),
            (false, _) => who(label, actors).map_err(|help| TemplateError {
                at,
                what: format!("no actor `{label}`"),
                help: Some(help),
            }),
        }
    }

    fn bare(&self, text: &str) -> Result<LineKind, TemplateError> {
        if self.script.actors.len() > 1 {
            return Err(nameless(0..text.len(), &self.script.actors, &format!("> {text}")));
        }
        Ok(LineKind::Input { who: 0, text: pieces(text, 0, TemplateKind::Typed)?, at: 0 })
    }
}

/// Characters of a line that an advice repeats.
const REPEATED: usize = 60;

fn nameless(at: std::ops::Range<usize>, actors: &[String], rest: &str) -> TemplateError {
    let first = actors.first().map_or("", String::as_str);
    let cut = rest.char_indices().nth(REPEATED).map(|(at, _)| at);
    let rest = cut.and_then(|at| rest.get(..at)).map_or_else(|| rest.to_owned(), |part| format!("{part}…"));
    TemplateError {
        at,
        what: "a script with several actors needs a name here".into(),
        help: Some(format!("write `{first}{rest}`")),
    }
}

/// What follows `>` or `|`: nothing, or a blank and the text.
fn body(text: &str, at: usize) -> Result<(&str, usize), TemplateError> {
    if text.is_empty() {
        return Ok(("", at));
    }
    if let Some(body) = text.strip_prefix(' ') {
        return Ok((body, at + 1));
    }
    let first = text.chars().next().map_or(0, char::len_utf8);
    Err(TemplateError { at: at..at + first, what: "a blank belongs here".into(), help: None })
}

fn expectation(text: &str, at: usize) -> Result<(Expectation, usize), TemplateError> {
    if let Some(regex) = text.strip_prefix("~ ") {
        let built = regex::RegexBuilder::new(&format!("^(?:{regex})$")).size_limit(REGEX_BYTES).build();
        return match built {
            Ok(built) => Ok((Expectation::Regex(built), at + 2)),
            Err(error) => Err(bad_regex(regex, at + 2, &error)),
        };
    }
    if let Some(pattern) = text.strip_prefix("! ") {
        return Ok((Expectation::Never(pieces(pattern, at + 2, TemplateKind::Expected)?), at + 2));
    }
    if let Some(event) = text.strip_prefix("* ") {
        return Ok((Expectation::Event(pieces(event, at + 2, TemplateKind::Expected)?), at + 2));
    }
    let (pattern, at) = body(text, at)?;
    if pattern == "$**" {
        return Ok((Expectation::Rows, at));
    }
    Ok((Expectation::Row(pieces(pattern, at, TemplateKind::Expected)?), at))
}

/// The reason is the last line of what the library prints; the rest draws what we draw ourselves.
fn bad_regex(regex: &str, at: usize, error: &regex::Error) -> TemplateError {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    TemplateError { at: at..at + regex.len(), what: format!("bad regular expression: {reason}"), help: None }
}

/// An actor's name as it stands before `>` and `|`; none is also one.
fn is_label(text: &str) -> bool {
    text.is_empty() || is_name(text)
}

/// `XID_Start`, then `XID_Continue` or `-` (UAX #31).
#[must_use]
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_xid_start) && chars.all(|c| c == '-' || is_xid_continue(c))
}
