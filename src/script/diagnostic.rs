//! Diagnostics of scripts: mistakes found by static checks, for `rsachat replay --check` and before
//! every run, and differences of a run.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{Directive, Expectation, FileCheck, Line, LineKind, Script, Span};
use super::fragment::Fragment;
use super::matcher::{Bindings, Difference, ShownKind, ShownRow};
use super::render::{self, Substitutions};
use super::{face, spawned};

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
    /// Output of all actors.
    pub(crate) all: &'a [ShownRow],
    pub(crate) bindings: &'a Bindings,
    pub(crate) substitutions: &'a Substitutions,
    /// Time that the expectations waited, in a live run.
    pub(crate) waited_ms: Option<u64>,
}

/// Variable of the folder of a script, where it starts programs: they run in folders of their own.
pub(crate) const FOLDER_VARIABLE: &str = "here";
/// Most rows that a diagnostic lists.
const LISTED_ROWS_MAX: usize = 8;

impl<'a> StepComparison<'a> {
    /// Explains a difference: what was expected, what was shown, and the line to paste.
    pub(crate) fn explain(&self, difference: &Difference) -> Diagnostic {
        let head = self.head.full_span();
        match *difference {
            Difference::Mismatch { expected, shown } => match (self.line(expected), self.shown.get(shown)) {
                (Some(line), Some(got)) => self.mismatch(line, got),
                _ => Diagnostic::new(head, "line differs"),
            },
            Difference::Missing { expected } => {
                let line = self.line(expected);
                let mut error = Diagnostic::new(line.map_or(head, Line::full_span), "no line came");
                if let Some(ms) = self.waited_ms {
                    error = error.label(match ms % 1_000 {
                        0 => format!("waited {} s", ms / 1_000),
                        _ => format!("waited {ms} ms"),
                    });
                }
                if self.shown.is_empty() {
                    let actor = line.and_then(Line::expectation).map(|(actor, _)| self.script.label(actor));
                    error = error.note(
                        "note",
                        match actor.unwrap_or_default() {
                            "" => "nothing was shown in this step".to_owned(),
                            name => format!("{name} showed nothing in this step"),
                        },
                    );
                }
                let error = self.with_rows(error);
                let error = self.with_values(line, error);
                self.with_guess(line, error)
            }
            Difference::Unexpected { shown } => {
                let got = self.shown(shown).unwrap_or_default();
                let help = format!("add this line: {got}");
                let error = Diagnostic::new(head, "an unexpected line").note("got", got).help(help);
                if self.all.len() > 1 { self.with_rows(error) } else { error }
            }
            Difference::Untaken { shown } => {
                let got = self.shown(shown).unwrap_or_default();
                let label = self.shown.first().map_or("", |row| self.script.label(row.actor));
                let any = format!("{label}| $**");
                let mut lines = vec![got.as_str()];
                if shown > 0 {
                    lines.insert(0, &any);
                }
                if shown + 1 < self.shown.len() {
                    lines.push(&any);
                }
                let help = match lines.as_slice() {
                    [line] => format!("add this line: {line}"),
                    lines => format!("add these lines, one below the other: {}", lines.join("  ")),
                };
                Diagnostic::new(head, "an unexpected warning").note("got", got.clone()).help(help)
            }
            Difference::Forbidden { expected, shown } => {
                let span = self.line(expected).map_or(head, Line::full_span);
                let got = self.shown(shown).unwrap_or_default();
                let error = Diagnostic::new(span, "this must not appear").note("got", got);
                if self.all.len() > 1 { self.with_rows(error) } else { error }
            }
        }
    }

    /// Lists the rows of the step, those of the others too.
    fn with_rows(&self, mut error: Diagnostic) -> Diagnostic {
        for shown in self.all.iter().take(LISTED_ROWS_MAX) {
            error = error.note("shown", around(&self.rendered(shown), 0));
        }
        match self.all.len().saturating_sub(LISTED_ROWS_MAX) {
            0 => error,
            more => error.note("note", format!("{more} more rows were shown")),
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

    /// The caret stands where the two begin to differ; under an expression, which has no such
    /// place, at the whole of it.
    fn mismatch(&self, line: &Line, shown: &ShownRow) -> Diagnostic {
        let got = self.rendered(shown);
        let mut pairs = line.text.char_indices().zip(got.chars()).enumerate();
        let differing = pairs.find(|(_, ((_, want), got))| want != got);
        let shorter = line.text.chars().count().min(got.chars().count());
        let place = differing.map_or(shorter, |(place, _)| place);
        let at = line.text.char_indices().nth(place).map_or(line.text.len(), |(at, _)| at);
        let end = at + line.text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let (span, label) = if let Some((_, Expectation::Regex(regex))) = line.expectation() {
            let matched = regex.matched_bytes(&shown.text, |name| self.bindings.get(name));
            let matched = around(shown.text.get(..matched).unwrap_or_default(), usize::MAX);
            let label = match matched.as_str() {
                "" => "this does not match".to_owned(),
                matched => format!("stops matching after `{matched}`"),
            };
            let pattern = line.text.find("|~ ").map_or(0, |mark| mark + 3);
            (line.span(pattern..line.text.len()), label)
        } else {
            let here = got.chars().nth(place);
            let label = here.map_or("the line ends here".to_owned(), |c| format!("got `{c}` here"));
            (line.span(at..end), label)
        };
        let error = Diagnostic::new(span, "line differs").label(label);
        let error = error.note("want", around(&line.text, place)).note("got", around(&got, place));
        let error = if self.all.len() > 1 { self.with_rows(error) } else { error };
        self.with_guess(Some(line), self.with_values(Some(line), error))
    }

    /// Guesses that a row was meant where an event is written, or the other way round, or that a
    /// row was to be absent.
    fn with_guess(&self, line: Option<&Line>, error: Diagnostic) -> Diagnostic {
        let Some(line) = line else { return error };
        let Some((label, text)) = line.text.split_once('|') else { return error };
        let text = text.trim_start_matches('*').trim_start();
        let is_shown = |kind| self.shown.iter().any(|one| one.kind == kind && one.text == text);
        let mark = match line.expectation() {
            Some((_, Expectation::Row(_))) if is_shown(ShownKind::Event) || is_event(text) => "|*",
            Some((_, Expectation::Event(_))) if is_shown(ShownKind::Row) => "|",
            Some((_, Expectation::Row(_))) if text.starts_with("! ") && self.shown.is_empty() => {
                return error.help(format!("did you mean `{label}|{text}`, which must not appear?"));
            }
            _ => return error,
        };
        error.help(format!("did you mean `{label}{mark} {text}`?"))
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

/// Whether a text is one of the events of an actor.
fn is_event(text: &str) -> bool {
    let code = text.strip_prefix("exited ").map(|code| code.parse::<u8>().is_ok());
    code.unwrap_or(text == "killed")
}

/// A text, or the part of a long one around this character.
fn around(text: &str, place: usize) -> String {
    /// Characters of a text that is given whole, and before the place in a part.
    const WHOLE: usize = 160;
    const BEFORE: usize = 60;
    let count = text.chars().count();
    if count <= WHOLE {
        return text.to_owned();
    }
    let start = place.saturating_sub(BEFORE).min(count - WHOLE);
    let part: String = text.chars().skip(start).take(WHOLE).collect();
    let cut = |is_cut: bool| if is_cut { "…" } else { "" };
    [cut(start > 0), &part, cut(start + WHOLE < count)].concat()
}

/// Every mistake in a parsed script. `given` are variables that the command line binds.
pub(crate) fn check(script: &Script, given: &[&str]) -> Vec<Diagnostic> {
    let mut bound: BTreeSet<String> = given.iter().map(|name| (*name).to_owned()).collect();
    let (ports, live, spawned) = (BTreeMap::new(), BTreeSet::new(), script.spawned());
    if !spawned.is_empty() {
        bound.insert(FOLDER_VARIABLE.to_owned());
    }
    let (backups, diagnostics) = (BTreeSet::new(), Vec::new());
    let mut checker = Checker { script, bound, ports, live, spawned, backups, diagnostics };
    for line in &script.lines {
        checker.line(line);
    }
    for mistake in spawned::check(script) {
        checker.error(mistake.line, mistake.message, Some(&mistake.help));
    }
    for mistake in face::check(script) {
        checker.error(mistake.line, mistake.message, Some(&mistake.help));
    }
    checker.diagnostics
}

struct Checker<'a> {
    script: &'a Script,
    /// Variables that have a value by now.
    bound: BTreeSet<String>,
    /// Number of the ports that each actor was given by now.
    ports: BTreeMap<usize, usize>,
    /// Foreign programs.
    live: BTreeSet<usize>,
    /// Programs that the script starts.
    spawned: BTreeSet<usize>,
    /// Actors whose homes were copied by now.
    backups: BTreeSet<usize>,
    diagnostics: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn line(&mut self, line: &Line) {
        match &line.kind {
            LineKind::Blank | LineKind::Comment => {}
            LineKind::Input { actor, template } => {
                self.uses(line, template);
                let front_end = self.script.face(*actor).front_end;
                if face::assigns_port(front_end, template) && !self.spawned.contains(actor) {
                    let number = self.ports.entry(*actor).or_default();
                    *number += 1;
                    self.bound.insert(port_variable(self.script.label(*actor), *number));
                }
            }
            LineKind::Expect { actor, expectation, .. } => self.expectation(line, *actor, expectation),
            LineKind::Directive(directive) => self.directive(line, directive),
        }
    }

    fn error(&mut self, line: &Line, message: impl Into<String>, help: Option<&str>) {
        let mut error = Diagnostic::new(line.full_span(), message);
        error.help.extend(help.map(str::to_owned));
        self.diagnostics.push(error);
    }

    fn expectation(&mut self, line: &Line, actor: usize, expectation: &Expectation) {
        if self.live.contains(&actor) {
            let message = format!("{} is live: its screen cannot be seen", self.script.label(actor));
            self.error(line, message, Some("expect what one of our own actors sees"));
        }
        match expectation {
            Expectation::Row(pattern) | Expectation::Event(pattern) => self.captures(line, pattern),
            Expectation::Absent(pattern) => self.uses(line, pattern),
            Expectation::Regex(regex) => {
                self.uses(line, regex.fragments());
                self.bound.extend(regex.capture_names().map(str::to_owned));
            }
            Expectation::AnyRows => {}
        }
    }

    fn directive(&mut self, line: &Line, directive: &Directive) {
        match directive {
            Directive::Type { template, .. } => self.uses(line, template),
            Directive::Set { name, value } => {
                self.uses(line, value);
                self.bound.insert(name.clone());
            }
            Directive::File { path, .. } => {
                self.bound.insert(file_variable(path));
            }
            Directive::CheckFile(FileCheck::Rows { rows, .. }) => {
                let names = rows.iter().flat_map(|(_, pattern)| pattern).filter_map(Fragment::name);
                self.bound.extend(names.map(str::to_owned));
            }
            Directive::Live(actor) => {
                self.live.insert(*actor);
            }
            Directive::Spawn { program, .. } => {
                program.command.iter().for_each(|word| self.uses(line, word));
            }
            Directive::Env { value, .. } => self.uses(line, value),
            Directive::Mask { .. } if !self.script.is_live() => {
                let help = "nothing differs in a closed world; `@live NAME` and `@spawn` open it";
                self.error(line, "a mask is for a live world", Some(help));
            }
            Directive::Mask { regex, .. } => self.uses(line, regex.fragments()),
            Directive::Ready { actor, row } => self.expectation(line, *actor, row),
            Directive::Timeout(_) | Directive::Quiet(_) | Directive::Wait(_) if !self.script.is_live() => {
                let help = "`@tick` moves its clock; `@live NAME` and `@spawn` open the world";
                self.error(line, "a closed world has nothing to wait for", Some(help));
            }
            Directive::Tick(_) | Directive::InjectFault { .. } | Directive::At(_)
                if self.script.is_live() =>
            {
                self.error(line, "this is for a closed world, without `@live` and `@spawn`", None);
            }
            Directive::Kill(actor, _)
            | Directive::Start(actor, _)
            | Directive::Disk(actor, _)
            | Directive::Backup(actor)
            | Directive::Restore { actor, .. }
                if self.live.contains(actor) =>
            {
                let message = format!("{} is live: it is not ours", self.script.label(*actor));
                self.error(line, message, None);
            }
            Directive::Backup(actor) => {
                self.backups.insert(*actor);
            }
            Directive::Restore { of, .. } if !self.backups.contains(of) => {
                let label = self.script.label(*of);
                let help = format!("`@backup {label}` makes one, above");
                self.error(line, format!("there is no copy of the home of {label}"), Some(&help));
            }
            _ => {}
        }
    }

    /// Checks that every variable has a value.
    fn uses(&mut self, line: &Line, template: &[Fragment]) {
        for fragment in template {
            if let Fragment::Variable { name, at, .. } = fragment
                && !self.bound.contains(name)
            {
                let error = Diagnostic::new(line.span(at.clone()), format!("no value for ${{{name}}} yet"));
                self.diagnostics.push(error.help(self.advice(name)));
            }
        }
    }

    /// Binds every variable of a pattern. Ports are bound by `:listen` alone.
    fn captures(&mut self, line: &Line, pattern: &[Fragment]) {
        for fragment in pattern {
            match fragment {
                Fragment::Variable { name, .. } if self.port_owner(name).is_none() => {
                    self.bound.insert(name.clone());
                }
                _ => self.uses(line, std::slice::from_ref(fragment)),
            }
        }
    }

    /// The actor whose port a variable stands for, if it is one of a port.
    fn port_owner(&self, name: &str) -> Option<usize> {
        let (label, port) = name.rsplit_once('.').unwrap_or(("", name));
        if !port.strip_prefix("port").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit())) {
            return None;
        }
        let mut own = (0..self.script.actors.len().max(1)).filter(|actor| !self.spawned.contains(actor));
        own.find(|actor| self.script.label(*actor) == label)
    }

    fn advice(&self, name: &str) -> String {
        match self.port_owner(name) {
            Some(actor) => {
                let label = self.script.label(actor);
                let listen = face::listen_on_any_port(self.script.face(actor).front_end);
                match self.ports.get(&actor) {
                    None => format!("{label} listens on no port so far; `{label}> {listen}` binds it"),
                    Some(number) => {
                        format!("{label} has {number} from `{listen}` so far; each binds the next")
                    }
                }
            }
            None => {
                format!("an expectation with ${{{name}}}, `@set {name} …` or --var {name}=… gives it one")
            }
        }
    }
}

/// The variable of an actor's `number`th port.
pub(crate) fn port_variable(label: &str, number: usize) -> String {
    let dot = if label.is_empty() { "" } else { "." };
    let number = if number < 2 { String::new() } else { number.to_string() };
    format!("{label}{dot}port{number}")
}

/// The variable of a file's content: the name of the file, without folders and ending.
pub(crate) fn file_variable(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).to_owned()
}
