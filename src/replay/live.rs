//! Comparison of the output of a live run, which comes when it comes: expectations wait for it.

use std::time::{Duration, Instant};

use super::comparison::ActorStep;
use super::environment::is_interrupted;
use super::runner::{Run, RunStop, Strictness};
use super::step::ScriptStep;
use crate::script::matcher::{self, ShownRow};
use crate::script::{Diagnostic, Expectation, Line};

/// Most rows that are kept until an expectation takes them; those before are gone.
const UNTAKEN_ROWS_MAX: usize = 16_384;

impl Run<'_> {
    /// Waits for what is expected, until the timeout.
    pub(super) fn wait_for(&mut self, step: &ScriptStep<'_>) -> Result<(), RunStop> {
        let until = Instant::now() + Duration::from_millis(self.timeout_ms);
        let mut seen = 0;
        self.actors.take_program_rows();
        loop {
            self.collect_output(step, &mut seen);
            if (0..self.actors.count()).all(|actor| self.is_complete(step, actor) || self.is_hopeless(actor))
            {
                break;
            }
            if is_interrupted() {
                return Err(RunStop::Interrupted);
            }
            if Instant::now() >= until {
                break;
            }
            self.actors.poll(until)?;
        }
        let quiet = Instant::now() + Duration::from_millis(self.quiet_ms);
        let is_absent = |line: &Line| matches!(line.expectation(), Some((_, Expectation::Absent(_))));
        let has_absent = step.tail.iter().any(is_absent);
        while has_absent && Instant::now() < quiet && !is_interrupted() {
            self.actors.poll(quiet)?;
        }
        self.collect_output(step, &mut seen);
        Ok(())
    }

    /// Compares the output of a step.
    pub(super) fn compare_live(&mut self, step: &ScriptStep<'_>) -> Vec<Diagnostic> {
        (0..self.actors.count()).filter_map(|actor| self.take_output(step, actor)).collect()
    }

    /// Collects the output since the last call; ports are bound before.
    fn collect_output(&mut self, step: &ScriptStep<'_>, seen: &mut usize) {
        self.name_ports();
        let shown = &self.actors.simulation.shown;
        let new = shown.get(*seen..).unwrap_or_default();
        if self.checking != Strictness::Lenient {
            let is_ours = |row: &&ShownRow| row.is_warning && !self.actors.is_spawned(row.actor);
            let head = step.first.full_span();
            self.warnings.extend(new.iter().filter(is_ours).map(|row| (row.clone(), head.clone())));
        }
        self.untaken.extend_from_slice(new);
        *seen = shown.len();
        let surplus = self.untaken.len().saturating_sub(UNTAKEN_ROWS_MAX);
        self.untaken.drain(..surplus);
    }

    /// Whether an actor is a program that has ended, so that nothing more comes from it.
    fn is_hopeless(&self, actor: usize) -> bool {
        self.actors.is_spawned(actor) && self.actors.stopped(actor).is_some()
    }

    fn is_complete(&self, step: &ScriptStep<'_>, actor: usize) -> bool {
        let pending = self.actors.pending_rows(actor);
        let rows: Vec<&ShownRow> =
            self.untaken.iter().chain(&pending).filter(|one| one.actor == actor).collect();
        matcher::consume(&step.expectations(actor).1, &rows, &mut self.bindings.clone()).is_ok()
    }

    /// Takes the output that an actor's expectations match.
    fn take_output(&mut self, step: &ScriptStep<'_>, actor: usize) -> Option<Diagnostic> {
        let mut untaken = self.untaken.clone();
        untaken.extend(self.actors.pending_rows(actor));
        let one = ActorStep::new(step, actor, &untaken);
        let mut taken = matcher::consume(&one.expected, &one.shown, &mut self.bindings);
        if let Err(difference) = &taken
            && let Some(updated) = self.updated(step, &one, difference)
        {
            taken = matcher::consume(&updated.expected(), &one.shown, &mut self.bindings);
            updated.edit(&mut self.outcome.edits);
        }
        let taken = taken.and_then(|taken| {
            matcher::check_absent(&one.expected, &one.shown, &self.bindings)?;
            Ok(taken)
        });
        match taken {
            Ok(taken) => {
                let takes_any =
                    one.expected.iter().any(|one| matches!(one.expectation, Expectation::AnyRows));
                self.warnings.retain(|(row, _)| {
                    let is_it = |at: &usize| one.shown.get(*at) == Some(&row);
                    row.actor != actor || !(takes_any || taken.iter().any(is_it))
                });
                let mut taken = taken.last().map_or(0, |last| last + 1);
                self.untaken.retain(|one| {
                    let is_taken = one.actor == actor && taken > 0;
                    taken -= usize::from(is_taken);
                    !is_taken
                });
                self.actors.take_pending_rows(actor, taken);
                None
            }
            Err(difference) => {
                let waited_ms = (!self.is_hopeless(actor)).then_some(self.timeout_ms);
                Some(self.explained(step, &one, &difference, waited_ms))
            }
        }
    }
}
