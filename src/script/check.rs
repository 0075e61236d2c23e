//! What can be seen to be wrong without running anything.

use std::collections::BTreeSet;

use super::ast::{Expectation, Line, LineKind, Script};
use super::diagnostic::Diagnostic;
use super::directive::Directive;
use super::template::Fragment;

/// Everything that is wrong with a script that can be parsed. `given` are names that the command line binds.
#[must_use]
pub fn check(script: &Script, given: &[&str]) -> Vec<Diagnostic> {
    let mut look = Checker {
        script,
        bound: given.iter().map(|name| (*name).to_owned()).collect(),
        live: BTreeSet::new(),
        diagnostics: Vec::new(),
    };
    for line in &script.lines {
        look.at(line);
    }
    look.diagnostics
}

struct Checker<'a> {
    script: &'a Script,
    /// Names that have a value from here on.
    bound: BTreeSet<String>,
    live: BTreeSet<usize>,
    diagnostics: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn at(&mut self, line: &Line) {
        match &line.kind {
            LineKind::Blank | LineKind::Comment => {}
            LineKind::Input { who, text, .. } => {
                self.uses(line, text);
                if listens(text) {
                    self.bound.insert(port_name(self.script.label(*who), 1));
                }
            }
            LineKind::Expected { who, what, .. } => self.expected(line, *who, what),
            LineKind::Directive(directive) => self.directive(line, directive),
        }
    }

    fn expected(&mut self, line: &Line, who: usize, what: &Expectation) {
        if self.live.contains(&who) {
            let label = self.script.label(who);
            let error = Diagnostic::new(line.whole(), format!("{label} is live: its screen cannot be seen"));
            self.diagnostics.push(error.help("expect what one of our own actors sees"));
        }
        match what {
            Expectation::Row(pieces) | Expectation::Event(pieces) => self.binds(line, pieces),
            Expectation::Never(pieces) => self.uses(line, pieces),
            Expectation::Regex(regex) => {
                self.bound.extend(regex.capture_names().flatten().map(str::to_owned));
            }
            Expectation::Rows => {}
        }
    }

    fn directive(&mut self, line: &Line, directive: &Directive) {
        match directive {
            Directive::Set { name, value } => {
                self.uses(line, value);
                self.bound.insert(name.clone());
            }
            Directive::File { name, .. } => {
                self.bound.insert(file_value(name));
            }
            Directive::Live(who) => {
                self.live.insert(*who);
            }
            Directive::Timeout(_) | Directive::Quiet(_) | Directive::Wait(_) if !self.script.is_live() => {
                let error = Diagnostic::new(line.whole(), "a closed world has nothing to wait for");
                self.diagnostics.push(error.help("`@tick` moves its clock; `@live NAME` opens the world"));
            }
            Directive::Tick(_) | Directive::Meddle { .. } if self.script.is_live() => {
                self.diagnostics
                    .push(Diagnostic::new(line.whole(), "this is for a closed world, without `@live`"));
            }
            Directive::Kill { who, .. } | Directive::Start { who, .. } if self.live.contains(who) => {
                let label = self.script.label(*who);
                self.diagnostics
                    .push(Diagnostic::new(line.whole(), format!("{label} is live: it is not ours")));
            }
            _ => {}
        }
    }

    fn uses(&mut self, line: &Line, pieces: &[Fragment]) {
        for piece in pieces {
            if let Fragment::Named { name, at, .. } = piece
                && !self.bound.contains(name)
                && !self.is_later_port(name)
            {
                let error =
                    Diagnostic::new(line.stretch(at.clone()), format!("no value for ${{{name}}} yet"));
                self.diagnostics.push(error.help(self.advice(name)));
            }
        }
    }

    fn binds(&mut self, line: &Line, pieces: &[Fragment]) {
        for piece in pieces {
            match piece {
                Fragment::Named { name, .. } if self.of_port(name).is_none() => {
                    self.bound.insert(name.clone());
                }
                _ => self.uses(line, std::slice::from_ref(piece)),
            }
        }
    }

    /// The actor whose port a name is, where it is one.
    fn of_port(&self, name: &str) -> Option<usize> {
        let (label, port) = name.rsplit_once('.').unwrap_or(("", name));
        if !port.strip_prefix("port").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit())) {
            return None;
        }
        (0..self.script.actors.len().max(1)).find(|who| self.script.label(*who) == label)
    }

    /// Second and later ports are known only when the script runs.
    fn is_later_port(&self, name: &str) -> bool {
        self.of_port(name).is_some_and(|who| {
            let first = port_name(self.script.label(who), 1);
            name != first && self.bound.contains(&first)
        })
    }

    fn advice(&self, name: &str) -> String {
        match self.of_port(name) {
            Some(who) => {
                let label = self.script.label(who);
                format!("{label} listens on no port so far; `{label}> :listen 0` binds it")
            }
            None => {
                format!("an expectation with ${{{name}}}, `@set {name} …` or --var {name}=… gives it one")
            }
        }
    }
}

/// The name of the `number`th port that an actor was given.
#[must_use]
pub fn port_name(label: &str, number: usize) -> String {
    let dot = if label.is_empty() { "" } else { "." };
    let number = if number < 2 { String::new() } else { number.to_string() };
    format!("{label}{dot}port{number}")
}

/// The name under which the content of a file can be typed: that of the file, without folders and ending.
#[must_use]
pub fn file_value(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).to_owned()
}

fn listens(text: &[Fragment]) -> bool {
    matches!(text.first(), Some(Fragment::Literal(text)) if text.starts_with(":listen"))
}
