//! Circumstances of a difference: who has ended, what is held back, and which step beside this one
//! showed the row.

use super::actors::Stopped;
use super::reporter::RunEvent;
use super::runner::{AfterDifference, Run, UpdateMode};
use super::step::ScriptStep;
use crate::script::matcher::{self, Difference, ShownRow};
use crate::script::{Diagnostic, Expectation, Line};

impl<'a> Run<'a> {
    /// Remembers a step that is over, and what was shown in it.
    pub(super) fn remember(&mut self, step: &ScriptStep<'_>, shown: Vec<ShownRow>) {
        let has_ended =
            |actor: &usize| matches!(self.actors.stopped(*actor), Some(Stopped::Exited | Stopped::Killed));
        let ended = (0..self.actors.count()).filter(has_ended).collect();
        self.history.remember(step.first, &ended, shown);
    }

    /// Adds what explains why an expected row did not come.
    pub(super) fn with_circumstances(
        &mut self,
        step: &ScriptStep<'_>,
        expected: &[&Line],
        difference: &Difference,
        mut diagnostic: Diagnostic,
    ) -> Diagnostic {
        let (Difference::Missing { expected: index } | Difference::Mismatch { expected: index, .. }) =
            *difference
        else {
            return diagnostic;
        };
        if matches!(difference, Difference::Missing { .. }) {
            self.history.inject(step.first);
            diagnostic.notes.extend(self.absences(step.first.number).map(|note| ("note", note)));
            diagnostic.notes.extend(self.held_bytes().map(|note| ("note", note)));
        }
        let wanted = expected.get(index).and_then(|line| line.expectation());
        if let Some(wanted) = wanted.filter(|_| !self.script.is_live()) {
            let note = |which: &str, line: usize| format!("the step {which} showed it: line {line}");
            let before = self.history.before();
            let before = before.filter(|(_, shown)| self.is_among(wanted, shown));
            let note = match before {
                Some((line, _)) => Some(note("before", *line)),
                None => self
                    .next_output()
                    .filter(|(_, shown)| self.is_among(wanted, shown))
                    .map(|(line, _)| note("after", line)),
            };
            diagnostic.notes.extend(note.map(|note| ("note", note)));
        }
        diagnostic
    }

    fn is_among(&self, (actor, expectation): (usize, &Expectation), shown: &[ShownRow]) -> bool {
        let matches = |one: &ShownRow| matcher::match_shown(expectation, one, &self.bindings).is_some();
        shown.iter().any(|one| one.actor == actor && matches(one))
    }

    /// Who is not there, and since which line.
    fn absences(&self, now: usize) -> impl Iterator<Item = String> {
        // A program tells its own end.
        let own = (0..self.actors.count()).filter(|actor| !self.actors.is_spawned(*actor));
        own.filter_map(move |actor| {
            let how = match self.actors.stopped(actor)? {
                Stopped::NotYet => return None,
                Stopped::Exited => "has left",
                Stopped::Killed => "was killed",
            };
            let line = self.history.end_of(actor).unwrap_or(now);
            Some(format!("{} {how}: line {line}", self.name(actor)))
        })
    }

    /// What `@hold` keeps back.
    fn held_bytes(&self) -> impl Iterator<Item = String> {
        self.actors.simulation.links.held_bytes().map(|(from, to, bytes)| {
            let line = self.history.hold(from, to);
            let line = line.map(|line| format!(": line {line}")).unwrap_or_default();
            format!("{bytes} bytes from {} to {} are held{line}", self.name(from), self.name(to))
        })
    }

    fn name(&self, actor: usize) -> &'a str {
        Some(self.script.label(actor)).filter(|label| !label.is_empty()).unwrap_or("the actor")
    }

    /// Line and output of the next step, where a difference ends the run anyway: it is played, and
    /// nothing of it is reported.
    fn next_output(&mut self) -> Option<(usize, Vec<ShownRow>)> {
        if self.options.after_difference != AfterDifference::Stop || self.options.update != UpdateMode::Keep {
            return None;
        }
        let lines = self.upcoming;
        let next = lines.iter().position(Line::is_step).and_then(|next| lines.get(next..))?;
        let step = ScriptStep::new(next.first()?, next);
        let silent: &'static mut dyn FnMut(RunEvent<'_>) = Box::leak(Box::new(|_: RunEvent<'_>| {}));
        let emit = std::mem::replace(&mut self.emit, silent);
        let reported = self.outcome.diagnostics.len();
        let shown_before = self.actors.simulation.shown.len();
        let played = step.head.iter().try_for_each(|line| self.execute(line));
        let is_settled = played.is_ok() && self.actors.settle().is_ok();
        self.emit = emit;
        self.outcome.diagnostics.truncate(reported);
        let shown = self.actors.simulation.shown.split_off(shown_before);
        is_settled.then_some((step.first.number, shown))
    }
}
