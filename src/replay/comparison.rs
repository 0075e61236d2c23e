//! Comparison of a step's output with its expectations, and their update (`--update`).

use std::path::Path;

use super::files;
use super::runner::{Run, Strictness, UpdateMode};
use super::step::ScriptStep;
use crate::script::diagnostic::StepComparison;
use crate::script::matcher::{self, Difference, Expected, ShownRow};
use crate::script::render;
use crate::script::update::{self, LiteralStyle, StepUpdate, UpdatedStep};
use crate::script::{Diagnostic, Expectation, Line};
use crate::text::shell;

/// Expectations and output of one actor in a step.
pub(super) struct ActorStep<'a> {
    pub(super) actor: usize,
    pub(super) lines: Vec<&'a Line>,
    pub(super) expected: Vec<Expected<'a>>,
    pub(super) shown: Vec<&'a ShownRow>,
    /// Position of each row in the output of all actors.
    positions: Vec<usize>,
}

impl<'a> ActorStep<'a> {
    pub(super) fn new(step: &ScriptStep<'a>, actor: usize, shown: &'a [ShownRow]) -> Self {
        let (lines, expected) = step.expectations(actor);
        let own = shown.iter().enumerate().filter(|(_, row)| row.actor == actor);
        let (positions, shown) = own.unzip();
        Self { actor, lines, expected, shown, positions }
    }
}

impl Run<'_> {
    /// Compares the output of a step of a closed run.
    pub(super) fn compare_closed(&mut self, step: &ScriptStep<'_>, shown: &[ShownRow]) -> Vec<Diagnostic> {
        let (mut differences, mut appended) = (Vec::new(), Vec::new());
        for actor in 0..self.actors.count() {
            let one = ActorStep::new(step, actor, shown);
            let is_checked = !one.lines.is_empty() || self.checking == Strictness::Exact;
            let compared = if is_checked {
                matcher::compare(&one.expected, &one.shown, &mut self.bindings)
            } else {
                Ok(())
            };
            let Err(difference) = compared.and_then(|()| self.check_warnings(&one)) else { continue };
            let Some(updated) = self.updated(step, &one, &difference) else {
                differences.push(self.explained(step, &one, &difference, None));
                continue;
            };
            let rest = matcher::compare(&updated.expected(), &one.shown, &mut self.bindings);
            let new = updated.edit(&mut self.outcome.edits).into_iter();
            let position = |row: usize| one.positions.get(row).copied().unwrap_or(row);
            appended.extend(new.map(|(row, text)| (position(row), text)));
            // A row that must not appear stays one.
            if rest.is_err()
                && let Err(forbidden) = matcher::check_absent(&one.expected, &one.shown, &self.bindings)
            {
                differences.push(self.explained(step, &one, &forbidden, None));
            }
        }
        let last = step.tail.last().or(step.head.last()).unwrap_or(step.first);
        if !appended.is_empty() {
            update::append(&mut self.outcome.edits, last.number, appended);
        }
        differences
    }

    /// Checks that an actor of whom no row is expected was shown no warning.
    fn check_warnings(&self, one: &ActorStep<'_>) -> Result<(), Difference> {
        let is_row = |one: &Expected<'_>| !matches!(one.expectation, Expectation::Absent(_));
        if self.checking == Strictness::Lenient || one.expected.iter().any(is_row) {
            return Ok(());
        }
        match one.shown.iter().position(|row| row.is_warning) {
            Some(shown) => Err(Difference::Untaken { shown }),
            None => Ok(()),
        }
    }

    /// Reports what came and was never expected, and, where the whole script was played, what was
    /// prepared and never came about.
    pub(super) fn report_untaken(&mut self, is_whole: bool) {
        for (row, span) in std::mem::take(&mut self.warnings) {
            let got = render::shown(self.script.label(row.actor), &row, &self.substitutions);
            let error = Diagnostic::new(span, "an unexpected warning").note("got", got.clone());
            self.report(error.help(format!("add this line: {got}")));
        }
        for number in std::mem::take(&mut self.actors.simulation.links.idle_releases) {
            let Some(span) = self.faults.get(number).cloned() else { continue };
            let error = Diagnostic::new(span, "this never took effect").note("note", "nothing was held here");
            self.report(error.help("`@release` takes the names of its `@hold`"));
        }
        let faults = if is_whole { self.actors.simulation.links.waiting_faults() } else { Vec::new() };
        for (number, wanted, passed) in faults {
            let Some(span) = self.faults.get(number).cloned() else { continue };
            let error = Diagnostic::new(span, "this never took effect");
            self.report(error.note("note", format!("{passed} bytes passed, and it is about byte {wanted}")));
        }
    }

    /// Expectations that what was shown fulfils, where the run updates the script.
    pub(super) fn updated(
        &self,
        step: &ScriptStep<'_>,
        one: &ActorStep<'_>,
        difference: &Difference,
    ) -> Option<UpdatedStep> {
        if !self.may_update(step) || matches!(difference, Difference::Forbidden { .. }) {
            return None;
        }
        let style = if self.script.is_live() { LiteralStyle::Masked } else { LiteralStyle::Exact };
        let step = StepUpdate {
            label: self.script.label(one.actor),
            lines: &one.lines,
            shown: &one.shown,
            bindings: &self.bindings,
            substitutions: &self.substitutions,
            style,
        };
        if self.script.is_live() { step.live() } else { step.closed() }
    }

    /// Whether the tail of a step may change: it stands in the main source, and everything before
    /// it was played.
    fn may_update(&self, step: &ScriptStep<'_>) -> bool {
        // A step of an included file has its expectations there, unless they follow the `@include`.
        let is_main = match step.tail {
            [] => step.first.source == 0,
            tail => tail.iter().all(|line| line.source == 0),
        };
        is_main && self.options.update != UpdateMode::Keep && self.outcome.unplayed.is_none()
    }

    /// The diagnostic of a difference; a live run waited for what is missing.
    pub(super) fn explained(
        &mut self,
        step: &ScriptStep<'_>,
        one: &ActorStep<'_>,
        difference: &Difference,
        waited_ms: Option<u64>,
    ) -> Diagnostic {
        let comparison = StepComparison {
            script: self.script,
            head: step.first,
            expected: &one.lines,
            shown: &one.shown,
            all: self.output(),
            bindings: &self.bindings,
            substitutions: &self.substitutions,
            waited_ms,
        };
        let diagnostic = comparison.explain(difference);
        let diagnostic = self.with_circumstances(step, &one.lines, difference, diagnostic);
        let mut diagnostic = self.with_program_facts(&one.lines, diagnostic);
        let source = self.script.sources.get(diagnostic.span.source).map_or("-", |source| &source.name);
        // `--update` leaves included files and pages alone.
        let is_page = files::is_markdown(Path::new(source));
        let is_file = source != "-" && !is_page && diagnostic.span.source == 0;
        if is_file
            && matches!(difference, Difference::Mismatch { .. })
            && self.options.update == UpdateMode::Keep
        {
            diagnostic = diagnostic
                .help(format!("`rsachat replay {} --update` accepts what was shown", shell::quoted(source)));
        }
        diagnostic
    }
}
