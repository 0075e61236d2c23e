//! Runner of scripts: runs a script line by line, compares the output of each step, and emits the
//! transcript.

use std::time::{Duration, Instant};

use super::actors::Actors;
use super::environment::{Environment, is_interrupted};
use super::files;
use super::history::History;
use super::reporter::{RunEvent, RunOutcome, ScriptEnd};
use super::step::ScriptStep;
use crate::app::error::AppError;
use crate::chat::{ExitRequest, Input};
use crate::limits::SHUTDOWN_GRACE_MS;
use crate::net::SourceLimiter;
use crate::script::diagnostic::{FOLDER_VARIABLE, StepComparison, file_variable, port_variable};
use crate::script::matcher::{self, Difference, ShownRow};
use crate::script::render::{self, Substitutions};
use crate::script::{Bindings, Diagnostic, Directive, FileContent, Line, LineKind, Script};

/// Default time that an expectation waits in a live run.
const TIMEOUT_MS: u64 = 5_000;
/// Default time without output that shows that a row is absent in a live run.
const QUIET_MS: u64 = 200;

/// Options of a run.
#[derive(Clone, Debug)]
pub(crate) struct RunOptions {
    pub(crate) checking: Strictness,
    pub(crate) seed: Option<u64>,
    pub(crate) vars: Vec<(String, String)>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) after_difference: AfterDifference,
    pub(crate) update: UpdateMode,
}

/// Whether the file of a script is updated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UpdateMode {
    Keep,
    Rewrite,
}

/// Actors that a step checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Strictness {
    /// Those with expectations in the step.
    Open,
    /// All.
    Exact,
}

/// What follows a difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AfterDifference {
    Stop,
    Continue,
}

/// Reason to stop before the end of a script.
pub(super) enum RunStop {
    Differed,
    Halted,
    Interrupted,
    Failed(AppError),
}

impl From<AppError> for RunStop {
    fn from(error: AppError) -> Self {
        Self::Failed(error)
    }
}

/// Runs a script and reports its events to `emit`.
pub(crate) fn run(script: &Script, options: &RunOptions, emit: &mut dyn FnMut(RunEvent<'_>)) -> RunOutcome {
    let skipped = script.directives().find_map(|directive| match directive {
        Directive::Skip(reason) => Some(reason.clone()),
        _ => None,
    });
    if let Some(reason) = skipped {
        let source = script.sources.first().map_or("", |source| source.text.as_str());
        source.lines().for_each(|line| emit(RunEvent::Transcript(line)));
        return RunOutcome::new(ScriptEnd::Skipped(reason));
    }
    let mut run = match Run::new(script, options, emit) {
        Ok(run) => run,
        Err(error) => return RunOutcome::new(ScriptEnd::Failed(error)),
    };
    let end = match run.lines() {
        Err(RunStop::Interrupted) => ScriptEnd::Interrupted,
        Err(RunStop::Failed(error)) => ScriptEnd::Aborted { exit_code: error.code },
        _ if run.outcome.diagnostics.is_empty() => ScriptEnd::Passed,
        Ok(()) | Err(RunStop::Halted | RunStop::Differed) => ScriptEnd::Differed,
    };
    run.leave_live_peers();
    RunOutcome { end, ..run.outcome }
}

/// State of a run.
pub(super) struct Run<'a> {
    pub(super) script: &'a Script,
    pub(super) options: &'a RunOptions,
    /// Lines behind the current step.
    pub(super) upcoming: &'a [Line],
    pub(super) history: History,
    pub(super) actors: Actors,
    pub(super) bindings: Bindings,
    substitutions: Substitutions,
    checking: Strictness,
    pub(super) timeout_ms: u64,
    pub(super) quiet_ms: u64,
    pub(super) emit: &'a mut dyn FnMut(RunEvent<'_>),
    /// Live run: output that no expectation has taken.
    pub(super) untaken: Vec<ShownRow>,
    /// First lines of the transcript, until they are emitted.
    header: Vec<String>,
    pub(super) outcome: RunOutcome,
}

impl<'a> Run<'a> {
    fn new(
        script: &'a Script,
        options: &'a RunOptions,
        emit: &'a mut dyn FnMut(RunEvent<'_>),
    ) -> Result<Self, AppError> {
        let seed = script.directives().find_map(|directive| match directive {
            Directive::Seed(seed) => Some(*seed),
            _ => None,
        });
        let (environment, header) = if script.is_live() {
            // It has no header: its output comes in any order, and not from a seed.
            (Environment::Live { start: Instant::now() }, Vec::new())
        } else {
            let seed_line = options.seed.map(|seed| format!("@seed {seed}"));
            let header = ["@exact".to_owned()].into_iter().chain(seed_line).collect();
            (Environment::closed(options.seed.or(seed).unwrap_or(0)), header)
        };
        let text = script.sources.iter().map(|source| source.text.as_str()).collect();
        let mut actors = Actors::new(&script.actors, environment, text)?;
        let mut bindings = Bindings::default();
        for actor in script.spawned() {
            actors.set_spawned(actor);
            bindings.set(FOLDER_VARIABLE, files::folder_of(script));
        }
        for (name, value) in &options.vars {
            bindings.set(name.clone(), value.clone());
        }
        Ok(Self {
            script,
            options,
            upcoming: &[],
            history: History::default(),
            actors,
            bindings,
            substitutions: Substitutions::default(),
            checking: options.checking,
            timeout_ms: options.timeout_ms.unwrap_or(TIMEOUT_MS),
            quiet_ms: QUIET_MS,
            emit,
            untaken: Vec::new(),
            header,
            outcome: RunOutcome::new(ScriptEnd::Passed),
        })
    }

    fn lines(&mut self) -> Result<(), RunStop> {
        let mut rest = self.script.lines.as_slice();
        while let Some((line, after)) = rest.split_first() {
            if is_interrupted() {
                return Err(RunStop::Interrupted);
            }
            let result = if line.is_step() {
                let step = ScriptStep::new(line, rest);
                rest = rest.get(step.head.len() + step.tail.len()..).unwrap_or_default();
                self.upcoming = rest;
                self.step(&step)
            } else {
                rest = after;
                self.plain_line(line)
            };
            match &result {
                Err(RunStop::Failed(error)) => self.report(at_line(line, error)),
                Err(RunStop::Halted) => rest.iter().for_each(|line| self.keep(line)),
                _ => {}
            }
            result?;
        }
        Ok(())
    }

    fn step(&mut self, step: &ScriptStep<'_>) -> Result<(), RunStop> {
        self.outcome.steps += 1;
        self.actors.start_all()?;
        for line in step.head {
            let text = self.head_text(line);
            self.emit_line(line, &text);
        }
        let before = self.outcome.diagnostics.len();
        let result = self.perform(step);
        let shown = std::mem::take(&mut self.actors.simulation.shown);
        self.emit_output(step, &shown);
        let updated = self.update_tail(step, &shown);
        self.remember(step, shown);
        let mendable = result?;
        let differences = self.outcome.diagnostics.len() - before;
        self.outcome.remaining += differences;
        if updated == UpdateMode::Rewrite {
            self.outcome.remaining -= mendable;
        }
        if differences > 0 && self.options.after_difference == AfterDifference::Stop {
            return Err(RunStop::Differed);
        }
        Ok(())
    }

    /// Runs a line that is no step.
    fn plain_line(&mut self, line: &Line) -> Result<(), RunStop> {
        let LineKind::Directive(directive) = &line.kind else {
            self.emit_line(line, &line.text);
            return Ok(());
        };
        match directive {
            Directive::Exact => self.checking = Strictness::Exact,
            Directive::Open => self.checking = self.options.checking,
            Directive::Timeout(ms) => self.timeout_ms = self.options.timeout_ms.unwrap_or(*ms),
            Directive::Quiet(ms) => self.quiet_ms = *ms,
            Directive::Live(actor) => self.actors.set_live(*actor),
            Directive::Env { name, value } => {
                let value = self.bindings.expand(value).unwrap_or_default();
                self.actors.programs.set_variable(name.clone(), value);
            }
            Directive::Set { name, value } => {
                let value = self.bindings.expand(value).unwrap_or_default();
                if name == "limits" && value == "on" {
                    self.actors.simulation.source_limiter = Some((SourceLimiter::limited(), Instant::now()));
                }
                if self.options.vars.iter().all(|(given, _)| given != name) {
                    self.substitutions.remove(name);
                    self.bindings.set(name.clone(), value);
                }
            }
            Directive::File { path, content } => self.file(path, content)?,
            _ => {}
        }
        match directive {
            Directive::Include(_) => self.keep(line),
            // The header stands for these.
            Directive::Exact | Directive::Open => self.replace_by_header(line),
            Directive::Seed(_) if self.options.seed.is_some() => self.replace_by_header(line),
            _ => self.emit_line(line, &line.text),
        }
        if *directive == Directive::Halt { Err(RunStop::Halted) } else { Ok(()) }
    }

    fn file(&mut self, path: &str, content: &FileContent) -> Result<(), RunStop> {
        let text = match content {
            FileContent::HereDocument(text) => text.clone(),
            FileContent::Fill(bytes) => "0123456789abcdef".chars().cycle().take(*bytes).collect(),
        };
        let folder = self.actors.simulation.folder.path();
        files::write(folder, &folder.join(path), &text)?;
        let value = text.strip_suffix('\n').unwrap_or(&text);
        let name = file_variable(path);
        self.substitutions.add_text(value, name.clone());
        self.bindings.set(name, value);
        Ok(())
    }

    fn emit_output(&mut self, step: &ScriptStep<'_>, shown: &[ShownRow]) {
        self.name_ports();
        for one in shown {
            let actor = self.script.label(one.actor);
            let line = render::shown(actor, one, &self.substitutions);
            (self.emit)(RunEvent::Transcript(&line));
            (self.emit)(RunEvent::Shown { actor, shown: one });
        }
        for line in step.tail.iter().filter(|line| line.expectation().is_none()) {
            (self.emit)(RunEvent::Transcript(&line.text));
        }
    }

    /// What becomes of the tail of a step: it is rewritten if it stands in the main source.
    fn update_of(&self, step: &ScriptStep<'_>) -> UpdateMode {
        // A step of an included file has its expectations there, unless they follow the `@include`.
        let is_main = match step.tail {
            [] => step.first.source == 0,
            tail => tail.iter().all(|line| line.source == 0),
        };
        if is_main { self.options.update } else { UpdateMode::Keep }
    }

    /// Updates the tail of a step. Returns what became of it.
    fn update_tail(&mut self, step: &ScriptStep<'_>, shown: &[ShownRow]) -> UpdateMode {
        if self.update_of(step) == UpdateMode::Rewrite {
            let (substitutions, bindings) = (&self.substitutions, &self.bindings);
            let updated = render::updated_tail(self.script, step.tail, shown, substitutions, bindings);
            self.outcome.updated.extend(updated);
            return UpdateMode::Rewrite;
        }
        step.tail.iter().for_each(|line| self.keep(line));
        UpdateMode::Keep
    }

    /// The head of a step in the transcript: typed text with its values, all else as written.
    fn head_text(&self, line: &Line) -> String {
        let LineKind::Input { actor, template } = &line.kind else { return line.text.clone() };
        let Ok(text) = self.bindings.expand(template) else { return line.text.clone() };
        render::input(self.script.label(*actor), &text, &self.substitutions)
    }

    /// Emits a line as `text`; the updated script keeps it as written.
    fn emit_line(&mut self, line: &Line, text: &str) {
        if !matches!(line.kind, LineKind::Blank | LineKind::Comment) {
            self.emit_header();
        }
        (self.emit)(RunEvent::Transcript(text));
        self.keep(line);
    }

    fn replace_by_header(&mut self, line: &Line) {
        self.emit_header();
        self.keep(line);
    }

    /// Emits the header, once.
    fn emit_header(&mut self) {
        for line in std::mem::take(&mut self.header) {
            (self.emit)(RunEvent::Transcript(&line));
        }
    }

    /// Keeps a line of the main source in the updated script.
    fn keep(&mut self, line: &Line) {
        if line.source == 0 {
            self.outcome.updated.push(line.text.clone());
        }
    }

    /// Runs a step. Returns how many of its differences an update of the expectations mends.
    fn perform(&mut self, step: &ScriptStep<'_>) -> Result<usize, RunStop> {
        for line in step.head {
            self.execute(line)?;
        }
        if is_interrupted() {
            return Err(RunStop::Interrupted);
        }
        if self.script.is_live() {
            return self.compare_live(step);
        }
        self.actors.settle()?;
        self.name_ports();
        let shown = self.actors.simulation.shown.clone();
        let mut mendable = 0;
        for actor in 0..self.actors.count() {
            let (lines, expected) = step.expectations(actor);
            let rows: Vec<&ShownRow> = shown.iter().filter(|one| one.actor == actor).collect();
            if (!lines.is_empty() || self.checking == Strictness::Exact)
                && let Err(difference) = matcher::compare(&expected, &rows, &mut self.bindings)
            {
                mendable += self.report_difference(step, &lines, &rows, &difference, None);
            }
        }
        Ok(mendable)
    }

    /// Binds the ports that were assigned since the last step.
    pub(super) fn name_ports(&mut self) {
        for (actor, port) in std::mem::take(&mut self.actors.simulation.assigned_ports) {
            let label = self.script.label(actor);
            let mut names = (1..usize::from(u16::MAX)).map(|number| port_variable(label, number));
            if let Some(name) = names.find(|name| self.bindings.get(name).is_none()) {
                self.bindings.set(name.clone(), port.to_string());
                self.substitutions.add_port(port.to_string(), name);
            }
        }
    }

    /// Output of the step so far; in a live run what no expectation has taken.
    fn output(&self) -> &[ShownRow] {
        if self.script.is_live() { &self.untaken } else { &self.actors.simulation.shown }
    }

    /// Reports a difference, or an error that shows only while the script runs.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        (self.emit)(RunEvent::Diagnostic(&diagnostic));
        self.outcome.diagnostics.push(diagnostic);
    }

    /// Closes the conversations with foreign programs, and waits a moment for them.
    fn leave_live_peers(&mut self) {
        if !self.script.is_live() {
            return;
        }
        self.actors.input_all(|| Input::ExitRequest(ExitRequest::Quit));
        let until = Instant::now() + Duration::from_millis(SHUTDOWN_GRACE_MS);
        let has_links = |actors: &Actors| actors.simulation.net.links() > 0;
        while has_links(&self.actors) && Instant::now() < until && self.actors.poll(until).is_ok() {}
    }

    /// Returns 1 if an update of the expectations mends the difference: no row can replace an
    /// absent one. What an update mends is no error.
    pub(super) fn report_difference(
        &mut self,
        step: &ScriptStep<'_>,
        expected: &[&Line],
        shown: &[&ShownRow],
        difference: &Difference,
        waited_ms: Option<u64>,
    ) -> usize {
        let (script, bindings, substitutions) = (self.script, &self.bindings, &self.substitutions);
        let (head, all) = (step.first, self.output());
        let comparison =
            StepComparison { script, head, expected, shown, all, bindings, substitutions, waited_ms };
        let diagnostic = comparison.explain(difference);
        let diagnostic = self.with_circumstances(step, expected, difference, diagnostic);
        let diagnostic = self.with_program_facts(expected, diagnostic);
        let is_mendable = !matches!(difference, Difference::Forbidden { .. });
        if is_mendable && self.update_of(step) == UpdateMode::Rewrite {
            self.outcome.diagnostics.push(diagnostic);
        } else {
            self.report(diagnostic);
        }
        usize::from(is_mendable)
    }
}

/// The diagnostic for an error of the machine at a line.
pub(crate) fn at_line(line: &Line, error: &AppError) -> Diagnostic {
    let mut diagnostic = Diagnostic::new(line.full_span(), error.message.clone());
    diagnostic.help.extend(error.hint.clone());
    diagnostic
}
