//! Comparison of the output of a live run, which comes when it comes: expectations wait for it.

use std::time::{Duration, Instant};

use super::environment::is_interrupted;
use super::runner::{Run, RunStop};
use super::step::ScriptStep;
use crate::script::matcher::{self, ShownRow};
use crate::script::{Expectation, Line};

impl Run<'_> {
    /// Waits for what is expected, until the timeout.
    pub(super) fn compare_live(&mut self, step: &ScriptStep<'_>) -> Result<usize, RunStop> {
        let until = Instant::now() + Duration::from_millis(self.timeout_ms);
        let mut seen = 0;
        loop {
            self.collect_output(&mut seen);
            if (0..self.actors.count()).all(|actor| self.is_complete(step, actor)) {
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
    }

    fn is_complete(&self, step: &ScriptStep<'_>, actor: usize) -> bool {
        let rows: Vec<&ShownRow> = self.untaken.iter().filter(|one| one.actor == actor).collect();
        matcher::consume(&step.expectations(actor).1, &rows, &mut self.bindings.clone()).is_ok()
    }

    /// Takes the output that an actor's expectations match. Returns the number of mendable
    /// differences.
    fn take_output(&mut self, step: &ScriptStep<'_>, actor: usize) -> usize {
        let (lines, expected) = step.expectations(actor);
        let untaken = self.untaken.clone();
        let rows: Vec<&ShownRow> = untaken.iter().filter(|one| one.actor == actor).collect();
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
                0
            }
            Err(difference) => {
                self.report_difference(step, &lines, &rows, &difference, Some(self.timeout_ms))
            }
        }
    }
}
