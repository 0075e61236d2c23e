//! Comparison of the output of a live run, which comes when it comes: expectations wait for it.

use std::time::{Duration, Instant};

use super::environment::is_interrupted;
use super::runner::{Run, RunStop};
use super::step::ScriptStep;
use crate::script::matcher::{self, ShownRow};
use crate::script::{Expectation, Line};

/// Most rows that are kept until an expectation takes them; those before are gone.
const UNTAKEN_ROWS_MAX: usize = 16_384;

impl Run<'_> {
    /// Waits for what is expected, until the timeout.
    pub(super) fn compare_live(&mut self, step: &ScriptStep<'_>) -> Result<usize, RunStop> {
        let until = Instant::now() + Duration::from_millis(self.timeout_ms);
        let mut seen = 0;
        self.actors.take_program_rows();
        loop {
            self.collect_output(&mut seen);
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
        self.collect_output(&mut seen);
        Ok((0..self.actors.count()).map(|actor| self.take_output(step, actor)).sum())
    }

    /// Collects the output since the last call; ports are bound before.
    fn collect_output(&mut self, seen: &mut usize) {
        self.name_ports();
        let shown = &self.actors.simulation.shown;
        self.untaken.extend_from_slice(shown.get(*seen..).unwrap_or_default());
        *seen = shown.len();
        let surplus = self.untaken.len().saturating_sub(UNTAKEN_ROWS_MAX);
        self.untaken.drain(..surplus);
    }

    /// Whether an actor is a program that has ended, so that nothing more comes from it.
    fn is_hopeless(&self, actor: usize) -> bool {
        self.actors.is_spawned(actor) && self.actors.stopped(actor).is_some()
    }

    fn is_complete(&self, step: &ScriptStep<'_>, actor: usize) -> bool {
        let pending = self.actors.pending_row(actor);
        let rows: Vec<&ShownRow> =
            self.untaken.iter().chain(&pending).filter(|one| one.actor == actor).collect();
        matcher::consume(&step.expectations(actor).1, &rows, &mut self.bindings.clone()).is_ok()
    }

    /// Takes the output that an actor's expectations match. Returns the number of mendable
    /// differences.
    fn take_output(&mut self, step: &ScriptStep<'_>, actor: usize) -> usize {
        let (lines, expected) = step.expectations(actor);
        let (untaken, pending) = (self.untaken.clone(), self.actors.pending_row(actor));
        let rows: Vec<&ShownRow> = untaken.iter().chain(&pending).filter(|one| one.actor == actor).collect();
        let taken = matcher::consume(&expected, &rows, &mut self.bindings);
        let taken = taken.and_then(|taken| {
            matcher::check_absent(&expected, &rows, &self.bindings)?;
            Ok(taken)
        });
        match taken {
            Ok(mut taken) => {
                self.untaken.retain(|one| {
                    let is_taken = one.actor == actor && taken > 0;
                    taken -= usize::from(is_taken);
                    !is_taken
                });
                if taken > 0 {
                    self.actors.take_pending_row(actor);
                }
                0
            }
            Err(difference) => {
                let waited_ms = (!self.is_hopeless(actor)).then_some(self.timeout_ms);
                self.report_difference(step, &lines, &rows, &difference, waited_ms)
            }
        }
    }
}
