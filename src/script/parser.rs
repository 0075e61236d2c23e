//! Parser of scripts (docs/SCRIPTS.md, section 2) and of their directives (section 4).

use std::ops::Range;

use super::ast::{Directive, Expectation, Line, LineKind, Script, SourceFile, Span};
use super::diagnostic::Diagnostic;
use super::directive::{SourceReader, find_actor, parse_directive};
use super::files::with_values;
use super::lexer::{Result, SyntaxError, TemplateKind, is_label, parse_template};
use super::lookalike;
use super::regex_pattern::{Extent, RegexPattern};
use super::unordered::LINES_MAX;

/// Most files that include each other in a row.
const INCLUDE_DEPTH: usize = 8;
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
    /// Names of the files that are being read, each included by the one before it.
    open: Vec<String>,
    /// The open `@together` or `@unordered`.
    block: Option<OpenBlock>,
    /// Number of the `@unordered` blocks so far.
    unordered: usize,
    /// Whether an included file is missing, so that nothing after it is read.
    is_stopped: bool,
    phase: StepPhase,
}

/// `@together` or `@unordered` whose `@end` has not come yet.
struct OpenBlock {
    kind: BlockKind,
    span: Span,
    /// Number of the mistakes before it.
    mistakes_before: usize,
    /// What does not belong into it: consequences, should the `@end` never come.
    misplaced: Vec<Diagnostic>,
}

/// Kind of a block of lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockKind {
    Together,
    /// With the number of its lines so far.
    Unordered(usize),
}

impl BlockKind {
    /// Its first line.
    fn word(self) -> &'static str {
        match self {
            Self::Together => "@together",
            Self::Unordered(_) => "@unordered",
        }
    }
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
            block: None,
            unordered: 0,
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
        if let Some(block) = self.block.take() {
            let message = format!("`{}` without `@end`", block.kind.word());
            let mut error = Diagnostic::new(block.span, message);
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
    fn line(&mut self, mut line: Line, source: &SourceFile, depth: usize) {
        if let Some((message, help)) = self.misplaced(&line) {
            let mut error = Diagnostic::new(line.full_span(), message);
            error.help.extend(help.map(str::to_owned));
            return match &mut self.block {
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
            LineKind::Directive(Directive::Together) => self.open_block(&line, BlockKind::Together),
            LineKind::Directive(Directive::Unordered) => {
                self.unordered += 1;
                self.open_block(&line, BlockKind::Unordered(0));
            }
            LineKind::Directive(Directive::End) => {
                let misplaced = self.block.take().map(|block| block.misplaced);
                self.diagnostics.extend(misplaced.into_iter().flatten());
            }
            LineKind::Directive(Directive::Include { file, values }) => {
                return self.include(&line, (file, values), source, depth);
            }
            LineKind::Directive(_) if self.phase == StepPhase::InStep && !line.is_step() => {
                self.phase = StepPhase::BetweenSteps;
            }
            _ => {}
        }
        if let (LineKind::Expect { block, .. }, Some(OpenBlock { kind: BlockKind::Unordered(lines), .. })) =
            (&mut line.kind, &mut self.block)
        {
            *lines += 1;
            *block = Some(self.unordered);
        }
        self.script.lines.push(line);
    }

    fn open_block(&mut self, line: &Line, kind: BlockKind) {
        let mistakes_before = self.diagnostics.len();
        self.block = Some(OpenBlock { kind, span: line.full_span(), mistakes_before, misplaced: Vec::new() });
    }

    /// Reports a mistake that leaves lines out: what follows cannot be judged.
    fn stop(&mut self, line: &Line, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(line.full_span(), message));
        self.is_stopped = true;
    }

    /// Why a line may not stand here, and what to do.
    fn misplaced(&self, line: &Line) -> Option<(&'static str, Option<&'static str>)> {
        match self.block.as_ref().map(|block| block.kind) {
            Some(BlockKind::Together) => misplaced_together(line).map(|message| (message, None)),
            Some(BlockKind::Unordered(lines)) => {
                misplaced_unordered(line, lines).map(|(message, help)| (message, Some(help)))
            }
            None => self.misplaced_alone(line),
        }
    }

    /// The same outside of blocks.
    fn misplaced_alone(&self, line: &Line) -> Option<(&'static str, Option<&'static str>)> {
        let message = match &line.kind {
            LineKind::Expect { .. } => match self.phase {
                StepPhase::BeforeSteps => Some("an expectation before any step"),
                StepPhase::InStep => None,
                StepPhase::BetweenSteps => Some("an expectation follows its step, before any directive"),
            },
            LineKind::Directive(Directive::End) => Some("`@end` without `@together` or `@unordered`"),
            LineKind::Directive(Directive::Unordered) if self.phase != StepPhase::InStep => {
                let help = "it belongs among the expectations of a step, after what is typed";
                return Some(("`@unordered` without a step before it", Some(help)));
            }
            LineKind::Directive(
                Directive::Actors(_)
                | Directive::Seed(_)
                | Directive::Live(_)
                | Directive::At(_)
                | Directive::Width { .. }
                | Directive::FrontEnd { .. },
            ) => (self.phase != StepPhase::BeforeSteps).then_some("this belongs before the first step"),
            // The one actor without a name cannot get one.
            LineKind::Directive(Directive::Spawn { .. })
                if self.script.actors.is_empty() && self.phase != StepPhase::BeforeSteps =>
            {
                Some("`@actors` names the other participants, before the first step")
            }
            _ => None,
        };
        message.map(|message| (message, None))
    }

    fn include(
        &mut self,
        line: &Line,
        (file, values): (&str, &[(String, String)]),
        source: &SourceFile,
        depth: usize,
    ) {
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
            Ok(included) => match with_values(&included.text, values) {
                Ok(text) => {
                    self.script.lines.push(line.clone());
                    self.source(&SourceFile { text, ..included }, depth + 1);
                }
                Err(name) => self.stop(line, format!("{file} does not use ${{{name}}}")),
            },
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
        Ok(LineKind::Expect { actor, expectation, block: None })
    }
}

fn misplaced_together(line: &Line) -> Option<&'static str> {
    match &line.kind {
        LineKind::Expect { .. } => Some("expectations follow `@end`"),
        LineKind::Directive(directive) if *directive != Directive::End => {
            Some("only typed lines may stand between `@together` and `@end`")
        }
        LineKind::Directive(_) | LineKind::Blank | LineKind::Comment | LineKind::Input { .. } => None,
    }
}

/// Why a line may not stand in an `@unordered` block of so many lines, and what to do.
fn misplaced_unordered(line: &Line, lines: usize) -> Option<(&'static str, &'static str)> {
    match &line.kind {
        LineKind::Expect { expectation: Expectation::AnyRows, .. } => Some((
            "`$**` is not allowed among rows in any order",
            "write it above `@unordered` or below `@end`, or name the rows",
        )),
        LineKind::Expect { expectation: Expectation::Absent(_), .. } => Some((
            "`|!` is not allowed among rows in any order",
            "write it below `@end`: it applies to the whole step, wherever it stands",
        )),
        LineKind::Expect { .. } if lines >= LINES_MAX => {
            Some(("an `@unordered` block has at most 64 lines", "`@end` and another `@unordered` split it"))
        }
        LineKind::Directive(Directive::End)
        | LineKind::Blank
        | LineKind::Comment
        | LineKind::Expect { .. } => None,
        LineKind::Directive(Directive::Unordered) => {
            Some(("`@unordered` within `@unordered`", "`@end` closes the one before"))
        }
        LineKind::Input { .. } | LineKind::Directive(_) => Some((
            "only expectations may stand between `@unordered` and `@end`",
            "`@end` above this line closes the block",
        )),
    }
}

fn carriage_return(at: usize) -> SyntaxError {
    SyntaxError::new(at..at + 1, "a carriage return without a newline does not end a line")
        .help("tr '\\r' '\\n' < FILE > NEW fixes a file from an old Mac; in a text it is $u{d}")
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
        return Err(SyntaxError::new(at - 1..at, format!("nothing follows `|{mode}`")));
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
