//! One step of a run: actors act, the simulation settles, and their output is compared.

use std::io;
use std::time::{Duration, Instant};

use super::actors::{Actors, Stopped};
use super::clock::RunClock;
use super::interrupt;
use super::outcome::{Checking, RunEvent, RunOptions, RunStop};
use super::seeds::Seeds;
use crate::app::error::{AppError, code};
use crate::limits::SHUTDOWN_GRACE_MS;
use crate::script::diagnostic::StepComparison;
use crate::script::diagnostic::port_variable;
use crate::script::matcher::{self, Difference, ShownRow};
use crate::script::render::Substitutions;
use crate::script::{Bindings, Diagnostic, Directive, Expectation, Line, LineKind, Script};

/// Default time that an expectation waits in a live run.
const TIMEOUT_MS: u64 = 5_000;
/// Default time without output that shows that a row is absent in a live run.
const QUIET_MS: u64 = 200;

/// Lines of a step.
pub(crate) struct ScriptStep<'a> {
    /// What is done: one line, or the block from `@together` to `@end`.
    pub(crate) head: &'a [Line],
    /// Expectations, with comments and blank lines between them.
    pub(crate) tail: &'a [Line],
}

impl<'a> ScriptStep<'a> {
    /// The step that begins at a line.
    pub(crate) fn at(lines: &'a [Line], at: usize) -> Self {
        let lines = lines.get(at..).unwrap_or_default();
        let is = |directive: Directive| move |line: &Line| matches!(&line.kind, LineKind::Directive(other) if *other == directive);
        let mut end = 1;
        if lines.first().is_some_and(is(Directive::Together)) {
            end = lines.iter().position(is(Directive::End)).map_or(lines.len(), |end| end + 1);
        }
        let (head, rest) = lines.split_at_checked(end).unwrap_or((lines, &[]));
        let is_next = |line: &Line| line.is_step() || matches!(line.kind, LineKind::Directive(_));
        let rest = rest.iter().position(is_next).and_then(|end| rest.get(..end)).unwrap_or(rest);
        // Comments and blank lines at the end belong to what follows.
        let last = rest.iter().rposition(|line| line.expectation().is_some());
        let tail = last.and_then(|last| rest.get(..=last)).unwrap_or_default();
        Self { head, tail }
    }

    /// Expectations of an actor, with their lines.
    fn expectations(&self, actor: usize) -> (Vec<&'a Line>, Vec<&'a Expectation>) {
        let lines = self.tail.iter().filter_map(|line| Some((line, line.expectation()?)));
        lines.filter(|(_, (of, _))| *of == actor).map(|(line, (_, expectation))| (line, expectation)).unzip()
    }
}

/// State of a run.
pub(crate) struct Run<'a> {
    pub(crate) script: &'a Script,
    pub(crate) options: &'a RunOptions,
    pub(crate) actors: Actors,
    pub(crate) bindings: Bindings,
    pub(crate) substitutions: Substitutions,
    pub(crate) checking: Checking,
    pub(crate) timeout_ms: u64,
    pub(crate) quiet_ms: u64,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) emit: &'a mut dyn FnMut(RunEvent<'_>),
    /// Live run: output that no expectation has taken.
    untaken: Vec<ShownRow>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        script: &'a Script,
        options: &'a RunOptions,
        emit: &'a mut dyn FnMut(RunEvent<'_>),
    ) -> Result<Self, AppError> {
        let seed = script.directives().find_map(|directive| match directive {
            Directive::Seed(seed) => Some(*seed),
            _ => None,
        });
        let (clock, seeds) = if script.is_live() {
            (RunClock::live(), Seeds::System)
        } else {
            (RunClock::closed(), Seeds::script(options.seed.or(seed).unwrap_or(0)))
        };
        let text = script.sources.iter().map(|source| source.text.as_str()).collect();
        let mut bindings = Bindings::default();
        for (name, value) in &options.vars {
            bindings.set(name.clone(), value.clone());
        }
        Ok(Self {
            script,
            options,
            actors: Actors::new(&script.actors, clock, seeds, text)?,
            bindings,
            substitutions: Substitutions::default(),
            checking: options.checking,
            timeout_ms: options.timeout_ms.unwrap_or(TIMEOUT_MS),
            quiet_ms: QUIET_MS,
            diagnostics: Vec::new(),
            emit,
            untaken: Vec::new(),
        })
    }

    /// Runs a step. Returns how many of its differences an update of the expectations mends.
    pub(crate) fn step(&mut self, first: &Line, step: &ScriptStep<'_>) -> Result<usize, RunStop> {
        for line in step.head {
            self.execute(line)?;
        }
        if interrupt::came() {
            return Err(RunStop::Interrupted);
        }
        if self.script.is_live() {
            return self.compare_live(first, step);
        }
        self.actors.settle()?;
        self.name_ports();
        let shown = self.actors.shown().to_vec();
        let mut mendable = 0;
        for actor in 0..self.actors.count() {
            let (lines, expected) = step.expectations(actor);
            let rows: Vec<&ShownRow> = shown.iter().filter(|one| one.actor == actor).collect();
            if (!lines.is_empty() || self.checking == Checking::Exact)
                && let Err(difference) = matcher::compare(&expected, &rows, &mut self.bindings)
            {
                mendable += self.report_difference(first, &lines, &rows, &difference, None);
            }
        }
        Ok(mendable)
    }

    /// Binds the ports that were assigned since the last step.
    pub(crate) fn name_ports(&mut self) {
        for (actor, port) in self.actors.take_assigned_ports() {
            let label = self.script.label(actor);
            let mut names = (1..usize::from(u16::MAX)).map(|number| port_variable(label, number));
            if let Some(name) = names.find(|name| self.bindings.get(name).is_none()) {
                self.bindings.set(name.clone(), port.to_string());
                self.substitutions.add_port(port.to_string(), name);
            }
        }
    }

    /// Reports a difference, or an error that shows only while the script runs.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        (self.emit)(RunEvent::Diagnostic(&diagnostic));
        self.diagnostics.push(diagnostic);
    }

    /// Closes the conversations with foreign programs, and waits a moment for them.
    pub(crate) fn leave_live_peers(&mut self) {
        if !self.script.is_live() {
            return;
        }
        self.actors.quit_all();
        let until = Instant::now() + Duration::from_millis(SHUTDOWN_GRACE_MS);
        while self.actors.connection_count() > 0 && Instant::now() < until && self.actors.poll(until).is_ok()
        {
        }
    }

    fn execute(&mut self, line: &Line) -> Result<(), RunStop> {
        match &line.kind {
            LineKind::Input { actor, .. } if self.actors.is_live(*actor) => {}
            LineKind::Input { actor, template } => {
                if let Some(error) = self.not_running(line, *actor) {
                    self.report(error);
                    return Ok(());
                }
                match self.bindings.expand(template) {
                    Ok(text) => {
                        let label = self.script.label(*actor);
                        (self.emit)(RunEvent::Typed { line, actor: label, text: &text });
                        self.actors.type_line(*actor, &text);
                    }
                    Err(unbound) => {
                        let message = format!("no value for ${{{}}} yet", unbound.name);
                        self.report(Diagnostic::new(line.span(unbound.at), message));
                    }
                }
            }
            LineKind::Directive(directive) => self.execute_directive(line, directive)?,
            LineKind::Blank | LineKind::Comment | LineKind::Expect { .. } => {}
        }
        Ok(())
    }

    fn execute_directive(&mut self, line: &Line, directive: &Directive) -> Result<(), RunStop> {
        match directive {
            Directive::Tick(ms) => self.actors.advance(*ms)?,
            Directive::Kill(actor, mode) => match self.not_running(line, *actor) {
                Some(error) => self.report(error),
                None => self.actors.kill(*actor, *mode),
            },
            Directive::Start(actor, home) => {
                if self.actors.stopped(*actor).is_some() {
                    self.actors.start(*actor, *home)?;
                } else {
                    let label = self.script.label(*actor);
                    let error = Diagnostic::new(line.full_span(), format!("{label} is running already"));
                    self.report(error.help(format!("`@kill {label}` or `{label}> :quit` ends it first")));
                }
            }
            Directive::InjectFault { from, to, fault } => self.actors.inject_fault(*from, *to, *fault),
            Directive::Wait(ms) => {
                let until = Instant::now() + Duration::from_millis(*ms);
                while Instant::now() < until && !interrupt::came() {
                    self.poll_live(until)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Reason why an actor cannot act, if it is not running.
    fn not_running(&self, line: &Line, actor: usize) -> Option<Diagnostic> {
        let label = self.script.label(actor);
        let why = match self.actors.stopped(actor)? {
            Stopped::NotYet => "it has not been started",
            Stopped::Exited => "it has left",
            Stopped::Killed => "it was killed",
        };
        let (message, help) = if label.is_empty() {
            let help = "an actor with a name can be started again: `@actors NAME`, `@start NAME`";
            (format!("nobody is there to type this: {why}"), help.to_owned())
        } else {
            (format!("{label} is not there: {why}"), format!("`@start {label}` brings it back"))
        };
        Some(Diagnostic::new(line.full_span(), message).help(help))
    }

    /// Waits for what is expected, until the timeout.
    fn compare_live(&mut self, first: &Line, step: &ScriptStep<'_>) -> Result<usize, RunStop> {
        let until = Instant::now() + Duration::from_millis(self.timeout_ms);
        let mut seen = 0;
        loop {
            self.collect_output(&mut seen);
            if (0..self.actors.count()).all(|actor| self.is_complete(step, actor)) {
                break;
            }
            if interrupt::came() {
                return Err(RunStop::Interrupted);
            }
            if Instant::now() >= until {
                break;
            }
            self.poll_live(until)?;
        }
        let quiet = Instant::now() + Duration::from_millis(self.quiet_ms);
        let is_absent = |line: &Line| matches!(line.expectation(), Some((_, Expectation::Absent(_))));
        let has_absent = step.tail.iter().any(is_absent);
        while has_absent && Instant::now() < quiet && !interrupt::came() {
            self.poll_live(quiet)?;
        }
        self.collect_output(&mut seen);
        Ok((0..self.actors.count()).map(|actor| self.take_output(first, step, actor)).sum())
    }

    /// Collects the output since the last call; ports are bound before.
    fn collect_output(&mut self, seen: &mut usize) {
        self.name_ports();
        let shown = self.actors.shown();
        self.untaken.extend_from_slice(shown.get(*seen..).unwrap_or_default());
        *seen = shown.len();
    }

    fn is_complete(&self, step: &ScriptStep<'_>, actor: usize) -> bool {
        let rows: Vec<&ShownRow> = self.untaken.iter().filter(|one| one.actor == actor).collect();
        matcher::consume(&step.expectations(actor).1, &rows, &mut self.bindings.clone()).is_ok()
    }

    /// Takes the output that an actor's expectations match. Returns the number of mendable
    /// differences.
    fn take_output(&mut self, first: &Line, step: &ScriptStep<'_>, actor: usize) -> usize {
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
                self.report_difference(first, &lines, &rows, &difference, Some(self.timeout_ms))
            }
        }
    }

    fn poll_live(&mut self, until: Instant) -> Result<(), RunStop> {
        let failed = |error: io::Error| AppError::new(code::MACHINE, error.to_string());
        Ok(self.actors.poll(until).map_err(failed)?)
    }

    /// Returns 1 if an update of the expectations mends the difference: no row can replace an
    /// absent one.
    fn report_difference(
        &mut self,
        head: &Line,
        expected: &[&Line],
        shown: &[&ShownRow],
        difference: &Difference,
        waited_ms: Option<u64>,
    ) -> usize {
        let (script, bindings, substitutions) = (self.script, &self.bindings, &self.substitutions);
        let comparison = StepComparison { script, head, expected, shown, bindings, substitutions, waited_ms };
        self.report(comparison.explain(difference));
        usize::from(!matches!(difference, Difference::Forbidden { .. }))
    }
}
