//! Static checks of a parsed script, for `rsachat replay --check` and before every run.

use std::collections::BTreeSet;

use super::ast::{Directive, Expectation, Fragment, Line, LineKind, Script};
use super::diagnostic::Diagnostic;

/// Every mistake in a parsed script. `given` are variables that the command line binds.
pub(crate) fn check(script: &Script, given: &[&str]) -> Vec<Diagnostic> {
    let bound = given.iter().map(|name| (*name).to_owned()).collect();
    let mut checker = Checker { script, bound, live: BTreeSet::new(), diagnostics: Vec::new() };
    for line in &script.lines {
        checker.line(line);
    }
    checker.diagnostics
}

struct Checker<'a> {
    script: &'a Script,
    /// Variables that have a value by now.
    bound: BTreeSet<String>,
    /// Foreign programs.
    live: BTreeSet<usize>,
    diagnostics: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn line(&mut self, line: &Line) {
        match &line.kind {
            LineKind::Blank | LineKind::Comment => {}
            LineKind::Input { actor, template } => {
                self.uses(line, template);
                if is_listen(template) {
                    self.bound.insert(port_variable(self.script.label(*actor), 1));
                }
            }
            LineKind::Expect { actor, expectation } => self.expectation(line, *actor, expectation),
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
                self.bound.extend(regex.capture_names().flatten().map(str::to_owned));
            }
            Expectation::AnyRows => {}
        }
    }

    fn directive(&mut self, line: &Line, directive: &Directive) {
        match directive {
            Directive::Set { name, value } => {
                self.uses(line, value);
                self.bound.insert(name.clone());
            }
            Directive::File { path, .. } => {
                self.bound.insert(file_variable(path));
            }
            Directive::Live(actor) => {
                self.live.insert(*actor);
            }
            Directive::Timeout(_) | Directive::Quiet(_) | Directive::Wait(_) if !self.script.is_live() => {
                let help = "`@tick` moves its clock; `@live NAME` opens the world";
                self.error(line, "a closed world has nothing to wait for", Some(help));
            }
            Directive::Tick(_) | Directive::InjectFault { .. } if self.script.is_live() => {
                self.error(line, "this is for a closed world, without `@live`", None);
            }
            Directive::Kill(actor, _) | Directive::Start(actor, _) if self.live.contains(actor) => {
                let message = format!("{} is live: it is not ours", self.script.label(*actor));
                self.error(line, message, None);
            }
            _ => {}
        }
    }

    /// Checks that every variable has a value.
    fn uses(&mut self, line: &Line, template: &[Fragment]) {
        for fragment in template {
            if let Fragment::Variable { name, at, .. } = fragment
                && !self.bound.contains(name)
                && !self.is_later_port(name)
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
        (0..self.script.actors.len().max(1)).find(|actor| self.script.label(*actor) == label)
    }

    /// Second and later ports are known only when the script runs.
    fn is_later_port(&self, name: &str) -> bool {
        self.port_owner(name).is_some_and(|actor| {
            let first = port_variable(self.script.label(actor), 1);
            name != first && self.bound.contains(&first)
        })
    }

    fn advice(&self, name: &str) -> String {
        match self.port_owner(name) {
            Some(actor) => {
                let label = self.script.label(actor);
                format!("{label} listens on no port so far; `{label}> :listen 0` binds it")
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

fn is_listen(template: &[Fragment]) -> bool {
    matches!(template.first(), Some(Fragment::Literal(text)) if text.starts_with(":listen"))
}
