//! Names of a script that nothing uses, and scripts that do nothing: mistakes that would pass.

use std::collections::BTreeSet;

use super::ast::{Directive, Expectation, Line, LineKind, Script, Span};
use super::diagnostic::Diagnostic;
use super::fragment::Fragment;
use crate::text::suggest::nearest;

/// Name of `@set` with a meaning of its own.
const LIMITS: &str = "limits";

impl Script {
    /// Names whose values the script uses, or sets.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        let set = self.directives().filter_map(|directive| match directive {
            Directive::Set { name, .. } => Some(name.as_str()),
            _ => None,
        });
        self.used_names().into_iter().chain(set).collect()
    }

    fn used_names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for line in &self.lines {
            for fragments in fragments(&line.kind) {
                names.extend(fragments.iter().filter_map(|fragment| match fragment {
                    Fragment::Variable { name, .. } => Some(name.as_str()),
                    _ => None,
                }));
            }
        }
        names
    }
}

/// Templates and patterns of a line.
fn fragments(kind: &LineKind) -> Vec<&[Fragment]> {
    match kind {
        LineKind::Input { template, .. } => vec![template],
        LineKind::Expect { expectation, .. } => of_expectation(expectation),
        LineKind::Directive(directive) => match directive {
            Directive::Type { template, .. } => vec![template],
            Directive::Set { value, .. } | Directive::Env { value, .. } => vec![value],
            Directive::Spawn { program, .. } => program.command.iter().map(Vec::as_slice).collect(),
            Directive::Ready { row, .. } => of_expectation(row),
            Directive::Mask { regex, .. } => vec![regex.fragments()],
            _ => Vec::new(),
        },
        LineKind::Blank | LineKind::Comment => Vec::new(),
    }
}

fn of_expectation(expectation: &Expectation) -> Vec<&[Fragment]> {
    match expectation {
        Expectation::Row(pattern) | Expectation::Absent(pattern) | Expectation::Event(pattern) => {
            vec![pattern]
        }
        Expectation::Regex(regex) => vec![regex.fragments()],
        Expectation::AnyRows => Vec::new(),
    }
}

/// What is strange about a script that can be played.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// What is a mistake for certain.
    pub(crate) mistakes: Vec<Diagnostic>,
    /// What may stand for nothing, as a value in a transcript, where it is written out.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// What a script prepares and never uses. A file that several include may set more than each needs.
pub(crate) fn check(script: &Script) -> Usage {
    let used = script.used_names();
    let mut usage = Usage::default();
    for line in script.lines.iter().filter(|line| line.source == 0) {
        let LineKind::Directive(Directive::Set { name, value }) = &line.kind else { continue };
        let is_on = matches!(value.as_slice(), [Fragment::Literal(text)] if text == "on");
        if used.contains(name.as_str()) || (name == LIMITS && is_on) {
            continue;
        }
        let known = used.iter().copied().chain([LIMITS]);
        let error = Diagnostic::new(line.full_span(), format!("nothing uses ${{{name}}}"));
        match nearest(name, known) {
            Some(LIMITS) => {
                usage.mistakes.push(error.help("`@set limits on` puts the limits by address on"));
            }
            Some(near) => usage.mistakes.push(error.help(format!("did you mean {near}?"))),
            None => usage.warnings.push(error),
        }
    }
    let is_skipped = script.directives().any(|directive| matches!(directive, Directive::Skip(_)));
    if !is_skipped && !script.lines.iter().any(Line::is_step) {
        let error = Diagnostic::new(Span { source: 0, line: 1, bytes: 0..0 }, "nothing to play: no step");
        let help = "a step is a line that somebody types, as in `> :status`; `@skip REASON` passes";
        usage.mistakes.push(error.help(help));
    }
    usage
}
