//! Parser of scripts (docs/SCRIPTS.md, section 2) and of their directives (section 4).

use std::iter::Enumerate;
use std::ops::Range;
use std::str::Lines;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use super::ast::{
    Directive, Expectation, FaultInjection, FileContent, HomeState, KillMode, Line, LineKind, Script,
    SourceFile, Span, TypeMode,
};
use super::diagnostic::Diagnostic;
use super::lexer::{Result, SyntaxError, TemplateKind, is_name, is_variable_name, parse_template};
use super::lookalike;
use super::regex_pattern::{Extent, RegexPattern};
use crate::peers::name::Name;
use crate::text::duration::{HOW_TO_WRITE, milliseconds};
use crate::text::suggest::nearest;

/// Most files that include each other in a row.
const INCLUDE_DEPTH: usize = 8;
/// Characters of a line that advice repeats.
const QUOTED_CHARS: usize = 60;
/// Most bytes that `@file NAME fill` writes.
const FILL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Every directive, for suggestions.
const DIRECTIVES: [&str; 30] = [
    "draft", "say", "actors", "seed", "exact", "open", "set", "include", "file", "together", "end", "tick",
    "kill", "start", "cut", "corrupt", "hold", "release", "live", "timeout", "quiet", "wait", "skip", "halt",
    "spawn", "ready", "env", "lenient", "mask", "tag",
];

/// Loader of included files: the name as written, and the name of the including file.
pub type Loader<'a> = dyn FnMut(&str, &str) -> Result<SourceFile, String> + 'a;

/// Parser of a script and the files that it includes.
#[expect(missing_debug_implementations, reason = "holds the loader")]
pub struct Parser<'a> {
    script: Script,
    diagnostics: Vec<Diagnostic>,
    loader: &'a mut Loader<'a>,
    /// Names of the files that are being read, each included by the one before it.
    open: Vec<String>,
    /// The open `@together`.
    together: Option<OpenBlock>,
    /// Whether an included file is missing, so that nothing after it is read.
    is_stopped: bool,
    phase: StepPhase,
}

/// `@together` whose `@end` has not come yet.
struct OpenBlock {
    span: Span,
    /// Number of the mistakes before it.
    mistakes_before: usize,
    /// What does not belong into it: consequences, should the `@end` never come.
    misplaced: Vec<Diagnostic>,
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
        Self {
            script,
            diagnostics: Vec::new(),
            loader,
            open: Vec::new(),
            together: None,
            is_stopped: false,
            phase: StepPhase::BeforeSteps,
        }
    }

    /// Parses a script.
    ///
    /// # Errors
    /// Every mistake in order, and the sources to show them in.
    pub fn parse(mut self, source: &SourceFile) -> Result<Script, (Vec<SourceFile>, Vec<Diagnostic>)> {
        self.source(source, 0);
        if let Some(block) = self.together.take() {
            let mut error = Diagnostic::new(block.span, "`@together` without `@end`");
            if let Some(first) = block.misplaced.first() {
                error = error.note("note", format!("line {}: {}", first.span.line, first.message));
            }
            self.diagnostics.insert(block.mistakes_before, error);
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
        self.open.push(source.name.clone());
        let mut reader = SourceReader { rows: source.text.lines().enumerate(), line: String::new() };
        while !self.is_stopped
            && let Some((above, row)) = reader.rows.next()
        {
            row.clone_into(&mut reader.line);
            let number = above + 1;
            let kind = match row.find('\r') {
                Some(at) => Err(carriage_return(at)),
                None => self.line_kind(row, &mut reader),
            };
            match kind {
                Ok(kind) => {
                    let text = reader.line.clone();
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
        self.open.pop();
    }

    /// Adds a line, if it may stand here.
    fn line(&mut self, line: Line, source: &SourceFile, depth: usize) {
        if let Some(message) = self.misplaced(&line) {
            let error = Diagnostic::new(line.full_span(), message);
            return match &mut self.together {
                Some(block) => block.misplaced.push(error),
                None => self.diagnostics.push(error),
            };
        }
        if line.is_step() {
            self.phase = StepPhase::InStep;
        }
        match &line.kind {
            LineKind::Directive(Directive::Actors(names)) => self.script.actors.clone_from(names),
            LineKind::Directive(Directive::Spawn { name, .. }) if !self.script.actors.contains(name) => {
                self.script.actors.push(name.clone());
            }
            LineKind::Directive(Directive::Together) => {
                let mistakes_before = self.diagnostics.len();
                self.together =
                    Some(OpenBlock { span: line.full_span(), mistakes_before, misplaced: Vec::new() });
            }
            LineKind::Directive(Directive::End) => {
                let misplaced = self.together.take().map(|block| block.misplaced);
                self.diagnostics.extend(misplaced.into_iter().flatten());
            }
            LineKind::Directive(Directive::Include(file)) => return self.include(&line, file, source, depth),
            LineKind::Directive(_) if self.phase == StepPhase::InStep && !line.is_step() => {
                self.phase = StepPhase::BetweenSteps;
            }
            _ => {}
        }
        self.script.lines.push(line);
    }

    /// Reports a mistake that leaves lines out: what follows cannot be judged.
    fn stop(&mut self, line: &Line, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(line.full_span(), message));
        self.is_stopped = true;
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
            // The one actor without a name cannot get one.
            LineKind::Directive(Directive::Spawn { .. })
                if self.script.actors.is_empty() && self.phase != StepPhase::BeforeSteps =>
            {
                Some("`@actors` names who else takes part, before the first step")
            }
            _ => None,
        }
    }

    fn include(&mut self, line: &Line, file: &str, source: &SourceFile, depth: usize) {
        if depth >= INCLUDE_DEPTH {
            return self.stop(line, format!("files include each other more than {INCLUDE_DEPTH} deep"));
        }
        match (self.loader)(file, &source.name) {
            Ok(included) if self.open.contains(&included.name) => {
                let chain = self.open.iter().skip_while(|name| **name != included.name);
                let chain: Vec<_> = chain.chain([&included.name]).map(String::as_str).collect();
                let chain = chain.join(" includes ");
                self.stop(line, format!("a file includes itself: {chain}"));
            }
            Ok(included) => {
                self.script.lines.push(line.clone());
                self.source(&included, depth + 1);
            }
            Err(why) => self.stop(line, format!("cannot include {file}: {why}")),
        }
    }

    fn line_kind(&self, row: &str, reader: &mut SourceReader<'_>) -> Result<LineKind> {
        let actors = &self.script.actors;
        match row.chars().next() {
            _ if row.trim().is_empty() => return Ok(LineKind::Blank),
            Some('#') => return Ok(LineKind::Comment),
            Some('@') => return parse_directive(row, reader, actors).map(LineKind::Directive),
            _ => {}
        }
        let is_label = |text: &str| text.is_empty() || is_name(text);
        let mark = row.find(['>', '|']).and_then(|at| row.split_at_checked(at));
        let Some((label, marked)) = mark.filter(|(label, _)| is_label(label)) else {
            if let Some(mistake) = lookalike::mistake(row, actors) {
                return Err(mistake);
            }
            if actors.len() > 1 {
                return Err(label_missing(0..row.len(), actors, &format!("> {row}")));
            }
            return Ok(LineKind::Input { actor: 0, template: parse_template(row, 0, TemplateKind::Input)? });
        };
        let actor = labelled_actor(label, marked, actors)?;
        let offset = label.len() + 1;
        if let Some(rest) = marked.strip_prefix('>') {
            let text =
                behind_blank(rest).ok_or_else(|| lookalike::blank_missing(label, '>', "", rest, offset))?;
            let template = parse_template(text, offset + 1, TemplateKind::Input)?;
            return Ok(LineKind::Input { actor, template });
        }
        let expectation = expectation(label, marked.get(1..).unwrap_or_default(), offset)?;
        Ok(LineKind::Expect { actor, expectation })
    }
}

fn carriage_return(at: usize) -> SyntaxError {
    SyntaxError::new(at..at + 1, "a carriage return without a newline ends no line")
        .help("tr '\\r' '\\n' < FILE > NEW mends a file of an old Mac; in a text it is $u{d}")
}

/// Actor of a label; `marked` is its mark and what follows.
fn labelled_actor(label: &str, marked: &str, actors: &[String]) -> Result<usize> {
    match (label.is_empty(), actors.len()) {
        (true, 0 | 1) => Ok(0),
        (true, _) => Err(label_missing(0..1, actors, marked)),
        (false, 0) => Err(SyntaxError::new(0..label.len(), format!("no actor `{label}`"))
            .help(format!("`@actors {label}` declares it; `> {label}…` types it"))),
        (false, _) => find_actor(label, 0, actors),
    }
}

fn label_missing(at: Range<usize>, actors: &[String], marked: &str) -> SyntaxError {
    let first = actors.first().map_or("", String::as_str);
    let cut = marked.char_indices().nth(QUOTED_CHARS).and_then(|(cut, _)| marked.get(..cut));
    let marked = cut.map_or_else(|| marked.to_owned(), |part| format!("{part}…"));
    SyntaxError::new(at, lookalike::NAME_MISSING).help(format!("write `{first}{marked}`"))
}

/// Text after `>` or `|`: nothing, or what follows one blank.
fn behind_blank(text: &str) -> Option<&str> {
    if text.is_empty() { Some(text) } else { text.strip_prefix(' ') }
}

/// Expectation after the mark, which ends at byte `at` of the row.
pub(super) fn expectation(label: &str, text: &str, at: usize) -> Result<Expectation> {
    let (mode, rest) = text.split_at(usize::from(text.starts_with(['~', '!', '*'])));
    let at = at + mode.len();
    if !mode.is_empty() && rest.trim().is_empty() {
        return Err(SyntaxError::new(at - 1..at, format!("nothing stands behind `|{mode}`")));
    }
    let missing = || lookalike::blank_missing(label, '|', mode, rest, at);
    let body = behind_blank(rest).ok_or_else(missing)?;
    let pattern = || parse_template(body, at + 1, TemplateKind::Expect);
    match mode {
        "~" => RegexPattern::parse(body, at + 1, Extent::Whole).map(Expectation::Regex),
        "!" => pattern().map(Expectation::Absent),
        "*" => pattern().map(Expectation::Event),
        _ if body == "$**" => Ok(Expectation::AnyRows),
        _ => pattern().map(Expectation::Row),
    }
}

/// Reader of the rows of a source. A line with a here-document spans several.
struct SourceReader<'a> {
    rows: Enumerate<Lines<'a>>,
    /// Rows of the current line so far.
    line: String,
}

impl SourceReader<'_> {
    /// Rows of a here-document, up to the row that is `tag` alone; `None` without such a row.
    fn here_document(&mut self, tag: &str) -> Option<String> {
        let mut body = String::new();
        for (_, row) in self.rows.by_ref() {
            self.line.extend(["\n", row]);
            if row == tag {
                return Some(body);
            }
            body.extend([row, "\n"]);
        }
        None
    }
}

/// Parses a directive from its first row, with its `@`; the rows of a here-document come from
/// `reader`.
fn parse_directive(row: &str, reader: &mut SourceReader<'_>, actors: &[String]) -> Result<Directive> {
    let (word, rest) = row.split_once(char::is_whitespace).unwrap_or((row, ""));
    let name = word.get(1..).unwrap_or_default();
    let at = |text: &str| text.as_ptr() as usize - row.as_ptr() as usize;
    let tokens = rest.split_whitespace().map(|text| Token { at: at(text), text }).collect();
    let arguments = DirectiveArgs { row, rest, tokens, actors };
    match name {
        "actors" => arguments.new_actors().map(Directive::Actors),
        "seed" => arguments.number().map(Directive::Seed),
        "exact" => arguments.none(Directive::Exact),
        "open" => arguments.none(Directive::Open),
        "lenient" => arguments.none(Directive::Lenient),
        "set" => arguments.set(),
        "include" => arguments.text("the name of a file").map(Directive::Include),
        "file" => arguments.file(reader),
        "together" => arguments.none(Directive::Together),
        "end" => arguments.none(Directive::End),
        "draft" => arguments.typed(TypeMode::Draft, "@draft NAME TEXT"),
        "say" => arguments.typed(TypeMode::Text, "@say NAME TEXT"),
        "tick" => arguments.duration().map(Directive::Tick),
        "timeout" => arguments.duration().map(Directive::Timeout),
        "quiet" => arguments.duration().map(Directive::Quiet),
        "wait" => arguments.duration().map(Directive::Wait),
        "kill" => match arguments.tokens.as_slice() {
            [name] => Ok(Directive::Kill(arguments.actor(name)?, KillMode::Fin)),
            [name, mode] => Ok(Directive::Kill(arguments.actor(name)?, mode.kill_mode()?)),
            _ => Err(arguments.usage("@kill NAME [rst], or @kill NAME [SIGNAL] of a spawned program")),
        },
        "start" => match arguments.tokens.as_slice() {
            [name] => Ok(Directive::Start(arguments.actor(name)?, HomeState::Kept)),
            [name, Token { text: "fresh", .. }] => {
                Ok(Directive::Start(arguments.actor(name)?, HomeState::Fresh))
            }
            _ => Err(arguments.usage("@start NAME [fresh]")),
        },
        "cut" => arguments.fault_at("after", "@cut NAME [NAME] after BYTES", FaultInjection::Cut),
        "corrupt" => arguments.fault_at("byte", "@corrupt NAME [NAME] byte NUMBER", FaultInjection::Corrupt),
        "hold" => arguments.hold(),
        "release" => arguments.fault(&arguments.tokens, "@release NAME [NAME]", FaultInjection::Release),
        "live" => match arguments.tokens.as_slice() {
            [name] => arguments.actor(name).map(Directive::Live),
            _ => Err(arguments.usage("@live NAME")),
        },
        "spawn" => arguments.spawn(),
        "ready" => arguments.ready(),
        "env" => arguments.env(),
        "mask" => arguments.mask(),
        "tag" => arguments
            .text("a tag")
            .map(|tags| Directive::Tag(tags.split_whitespace().map(str::to_owned).collect())),
        "skip" => arguments.text("a reason").map(Directive::Skip),
        "halt" => arguments.none(Directive::Halt),
        _ => {
            let error = SyntaxError::new(0..word.len(), format!("unknown directive @{name}"));
            Err(match nearest(name, DIRECTIVES.into_iter()) {
                Some(near) => error.help(format!("did you mean @{near}?")),
                None => error.help("docs/SCRIPTS.md lists them; in a script with one actor, `> @…` types it"),
            })
        }
    }
}

/// Arguments of a directive.
pub(super) struct DirectiveArgs<'a> {
    pub(super) row: &'a str,
    /// Text after the directive's name.
    rest: &'a str,
    /// Its words.
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) actors: &'a [String],
}

/// Word of a row, and the byte at which it begins.
pub(super) struct Token<'a> {
    pub(super) at: usize,
    pub(super) text: &'a str,
}

impl Token<'_> {
    pub(super) fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.at..self.at + self.text.len(), message)
    }

    fn number(&self) -> Result<u64> {
        self.text.parse().map_err(|_| self.error(format!("`{}` is no number", self.text)))
    }

    /// Checks that this may be the name of an actor.
    pub(super) fn new_actor(&self) -> Result<()> {
        let name = Name::parse(self.text);
        if is_name(self.text) && name.is_ok() {
            return Ok(());
        }
        let help = name.err().map(|error| error.to_string());
        let error = self.error(format!("`{}` is no name for an actor", self.text));
        Err(SyntaxError { help, ..error })
    }

    /// `100`, `100KiB`, `2MiB`.
    fn fill_bytes(&self) -> Result<usize> {
        let (digits, unit) = match self.text {
            text if text.ends_with("KiB") => (text.trim_end_matches("KiB"), 1024),
            text if text.ends_with("MiB") => (text.trim_end_matches("MiB"), 1024 * 1024),
            text => (text, 1),
        };
        let bytes = digits.parse::<usize>().ok().and_then(|count| count.checked_mul(unit));
        bytes.filter(|bytes| *bytes <= FILL_BYTES_MAX).ok_or_else(|| {
            let error = self.error(format!("`{}` is no such size", self.text));
            error.help("write 100, 100KiB or 2MiB, at most 16MiB")
        })
    }
}

impl DirectiveArgs<'_> {
    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(0..self.row.len(), message)
    }

    pub(super) fn usage(&self, usage: &str) -> SyntaxError {
        self.error(format!("write {usage}"))
    }

    fn none(&self, directive: Directive) -> Result<Directive> {
        match self.tokens.first() {
            None => Ok(directive),
            Some(word) => Err(word.error("nothing follows this directive")),
        }
    }

    fn text(&self, wanted: &str) -> Result<String> {
        match self.rest.trim() {
            "" => Err(self.error(format!("{wanted} is missing"))),
            text => Ok(text.to_owned()),
        }
    }

    fn new_actors(&self) -> Result<Vec<String>> {
        if self.tokens.is_empty() {
            return Err(self.usage("@actors NAME…"));
        }
        if !self.actors.is_empty() {
            return Err(self.error("the actors are named already"));
        }
        let mut names: Vec<String> = Vec::new();
        for word in &self.tokens {
            word.new_actor()?;
            if names.iter().any(|name| name == word.text) {
                return Err(word.error(format!("`{}` is named twice", word.text)));
            }
            names.push(word.text.to_owned());
        }
        Ok(names)
    }

    fn number(&self) -> Result<u64> {
        match self.tokens.as_slice() {
            [word] => word.number(),
            _ => Err(self.usage("a number here")),
        }
    }

    fn duration(&self) -> Result<u64> {
        let first = self.tokens.first().ok_or_else(|| self.usage("a duration here, such as 30s"))?;
        let text = self.tokens.iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
        let error = || first.error(format!("`{text}` is no duration")).help(HOW_TO_WRITE);
        milliseconds(&text).ok_or_else(error)
    }

    fn set(&self) -> Result<Directive> {
        let [name, _, ..] = self.tokens.as_slice() else { return Err(self.usage("@set NAME VALUE")) };
        if !is_variable_name(name.text) {
            return Err(name.error(format!("`{}` is no name", name.text)));
        }
        let at = name.at + name.text.len() + 1;
        let value = parse_template(self.row.get(at..).unwrap_or_default(), at, TemplateKind::Input)?;
        Ok(Directive::Set { name: name.text.to_owned(), value })
    }

    /// Text behind the name of an actor and one blank.
    fn typed(&self, mode: TypeMode, usage: &str) -> Result<Directive> {
        let [name, _, ..] = self.tokens.as_slice() else { return Err(self.usage(usage)) };
        let at = name.at + name.text.len() + 1;
        let template = parse_template(self.row.get(at..).unwrap_or_default(), at, TemplateKind::Input)?;
        Ok(Directive::Type { actor: self.actor(name)?, template, mode })
    }

    fn file(&self, reader: &mut SourceReader<'_>) -> Result<Directive> {
        let usage = || self.usage("@file NAME <<TAG, or @file NAME fill 100KiB");
        let (path, content) = self.tokens.split_first().ok_or_else(usage)?;
        if path.text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            let error = path.error(format!("`{}` is no such path", path.text));
            return Err(error.help("write a path below the folder of the run, as in alice/peers"));
        }
        let content = match content {
            [Token { text: "fill", .. }, size] => FileContent::Fill(size.fill_bytes()?),
            [word] => {
                let tag = word.text.strip_prefix("<<").filter(|tag| !tag.is_empty()).ok_or_else(usage)?;
                let body = reader.here_document(tag);
                let error = || word.error(format!("no line `{tag}` ends this file"));
                FileContent::HereDocument(body.ok_or_else(error)?)
            }
            _ => return Err(usage()),
        };
        Ok(Directive::File { path: path.text.to_owned(), content })
    }

    pub(super) fn actor(&self, word: &Token<'_>) -> Result<usize> {
        find_actor(word.text, word.at, self.actors)
    }

    /// A fault in the bytes from one actor to another, or to any.
    fn fault(&self, actors: &[Token<'_>], usage: &str, fault: FaultInjection) -> Result<Directive> {
        let (from, to) = match actors {
            [from] => (from, None),
            [from, to] => (from, Some(to)),
            _ => return Err(self.usage(usage)),
        };
        let from = self.actor(from)?;
        Ok(Directive::InjectFault { from, to: to.map(|to| self.actor(to)).transpose()?, fault })
    }

    /// `@hold`, from now on or from a position on.
    fn hold(&self) -> Result<Directive> {
        let usage = "@hold NAME [NAME] [after BYTES]";
        match self.tokens.as_slice() {
            [_] | [_, _] => self.fault(&self.tokens, usage, FaultInjection::Hold(0)),
            _ => self.fault_at("after", usage, FaultInjection::Hold),
        }
    }

    /// The same with a position in the stream, which stands behind a preposition.
    fn fault_at(
        &self,
        preposition: &str,
        usage: &str,
        fault: fn(u64) -> FaultInjection,
    ) -> Result<Directive> {
        match self.tokens.as_slice() {
            [actors @ .., word, position] if word.text == preposition => {
                self.fault(actors, usage, fault(position.number()?))
            }
            _ => Err(self.usage(usage)),
        }
    }
}

/// The declared actor of a name, which stands at byte `at` of its line.
fn find_actor(name: &str, at: usize, actors: &[String]) -> Result<usize> {
    actors.iter().position(|actor| actor == name).ok_or_else(|| {
        let error = SyntaxError::new(at..at + name.len(), format!("no actor `{name}`"));
        if let Some(same) = actors.iter().find(|actor| actor.nfc().eq(name.nfc())) {
            let which = if is_nfc(name) { "`@actors` spells it" } else { "it is spelt" };
            let message = format!("no actor `{name}`: {which} in decomposed letters (NFD)");
            return SyntaxError { message, ..error }
                .help(format!("declared here: {same}; uconv -x nfc FILE > NEW composes a whole file"));
        }
        if actors.is_empty() {
            return error.help(format!("no actors are declared; @actors {name} does it"));
        }
        let declared = format!("declared here: {}", actors.join(", "));
        error.help(match nearest(name, actors.iter().map(String::as_str)) {
            Some(near) => format!("{declared}; did you mean {near}?"),
            None => declared,
        })
    })
}
