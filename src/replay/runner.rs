//! Runner of scripts: runs a script line by line, compares the output of each step, and emits the
//! transcript.

use std::time::{Duration, Instant};

use super::actors::Actors;
use super::environment::{Environment, is_interrupted};
use super::files;
use super::history::History;
use super::reporter::{RunEvent, RunOutcome, ScriptEnd};
use super::screens::{Drawing, Screens};
use super::step::ScriptStep;
use crate::app::error::AppError;
use crate::chat::{ExitRequest, Input};
use crate::limits::SHUTDOWN_GRACE_MS;
use crate::net::SourceLimiter;
use crate::script::diagnostic::{FOLDER_VARIABLE, file_variable, port_variable};
use crate::script::matcher::ShownRow;
use crate::script::render::{self, Substitutions};
use crate::script::{Bindings, Diagnostic, Directive, FileContent, Fragment, Line, LineKind, Script, Span};

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
    pub(crate) drawing: Drawing,
}

/// Whether the file of a script is updated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UpdateMode {
    Keep,
    Rewrite,
    /// It is shown what would be rewritten.
    DryRun,
}

/// Actors that a step checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Strictness {
    /// Those with expectations in the step. A warning may go unexpected.
    Lenient,
    /// Those with expectations in the step, and warnings of the others.
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
    let played = run.lines();
    if matches!(played, Ok(()) | Err(RunStop::Halted)) {
        run.report_untaken(played.is_ok());
    }
    let end = match played {
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
    pub(super) substitutions: Substitutions,
    pub(super) checking: Strictness,
    pub(super) timeout_ms: u64,
    pub(super) quiet_ms: u64,
    pub(super) emit: &'a mut dyn FnMut(RunEvent<'_>),
    /// Live run: output that no expectation has taken.
    pub(super) untaken: Vec<ShownRow>,
    /// Live run: warnings that no expectation has taken, with the steps in which they came.
    pub(super) warnings: Vec<(ShownRow, Span)>,
    /// Lines of the faults that were injected, in their order.
    pub(super) faults: Vec<Span>,
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
        let (environment, header) = if script.is_live() {
            // It has no header: its output comes in any order, and not from a seed.
            (Environment::Live { start: Instant::now() }, Vec::new())
        } else {
            let seed_line = options.seed.map(|seed| format!("@seed {seed}"));
            let header = ["@exact".to_owned()].into_iter().chain(seed_line).collect();
            let start = script.directives().find_map(|directive| match directive {
                Directive::At(start) => Some(*start),
                _ => None,
            });
            (Environment::closed(options.seed.or(script.seed()).unwrap_or(0), start), header)
        };
        let text = script.sources.iter().map(|source| source.text.as_str()).collect();
        let mut actors = Actors::new(&script.actors, environment, text)?;
        actors.set_faces(script.faces());
        actors.simulation.screens = Screens::new(options.drawing);
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
            warnings: Vec::new(),
            faults: Vec::new(),
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
            if let Err(RunStop::Failed(error)) = &result {
                self.report(at_line(line, error));
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
        let performed = self.perform(step);
        let shown = std::mem::take(&mut self.actors.simulation.shown);
        self.emit_output(step, &shown);
        self.remember(step, shown);
        for difference in performed? {
            self.report(difference);
        }
        let has_differences = self.outcome.diagnostics.len() > before;
        if has_differences && self.options.after_difference == AfterDifference::Stop {
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
            Directive::Lenient if self.options.checking == Strictness::Exact => {
                self.checking = Strictness::Exact;
            }
            Directive::Lenient => self.checking = Strictness::Lenient,
            Directive::Timeout(ms) => self.timeout_ms = self.options.timeout_ms.unwrap_or(*ms),
            Directive::Quiet(ms) => self.quiet_ms = *ms,
            Directive::Live(actor) => self.actors.set_live(*actor),
            Directive::Mask { regex, name } => {
                if let Some(regex) = regex.with_values(|name| self.bindings.get(name)) {
                    self.substitutions.add_mask(regex, name.as_deref());
                }
            }
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
            Directive::Include { .. } => {}
            // The header stands for these.
            Directive::Lenient if self.script.is_live() => self.emit_line(line, &line.text),
            Directive::Exact | Directive::Open | Directive::Lenient => self.emit_header(),
            Directive::Seed(_) if self.options.seed.is_some() => self.emit_header(),
            _ => self.emit_line(line, &line.text),
        }
        match directive {
            Directive::Halt => Err(RunStop::Halted),
            Directive::CheckFile(check) => self.check_file(line, check),
            _ => Ok(()),
        }
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
        self.emit_screens();
        for line in step.tail.iter().filter(|line| !line.is_in_tail()) {
            (self.emit)(RunEvent::Transcript(&line.text));
        }
    }

    /// Emits what has happened on the screens.
    pub(super) fn emit_screens(&mut self) {
        let simulation = &mut self.actors.simulation;
        for (actor, event) in simulation.screens.take() {
            let (label, portable) = (self.script.label(actor), |row: &str| simulation.portable(actor, row));
            (self.emit)(RunEvent::Screen { actor: label, event: &event, portable: &portable });
        }
    }

    /// The head of a step in the transcript: typed text with its values, all else as written.
    fn head_text(&self, line: &Line) -> String {
        let LineKind::Input { actor, template } = &line.kind else { return line.text.clone() };
        if template.iter().any(|fragment| matches!(fragment, Fragment::Key(_))) {
            return line.text.clone();
        }
        let Ok(text) = self.bindings.expand(template) else { return line.text.clone() };
        render::input(self.script.label(*actor), &text, &self.substitutions)
    }

    fn emit_line(&mut self, line: &Line, text: &str) {
        if !matches!(line.kind, LineKind::Blank | LineKind::Comment) {
            self.emit_header();
        }
        (self.emit)(RunEvent::Transcript(text));
    }

    /// Emits the header, once.
    fn emit_header(&mut self) {
        for line in std::mem::take(&mut self.header) {
            (self.emit)(RunEvent::Transcript(&line));
        }
    }

    /// Does what a step says, until nothing more follows from it. Returns what differs.
    fn perform(&mut self, step: &ScriptStep<'_>) -> Result<Vec<Diagnostic>, RunStop> {
        for line in step.head {
            self.execute(line)?;
        }
        if is_interrupted() {
            return Err(RunStop::Interrupted);
        }
        if self.script.is_live() {
            self.wait_for(step)?;
            return Ok(self.compare_live(step));
        }
        self.actors.settle()?;
        self.name_ports();
        let shown = self.actors.simulation.shown.clone();
        Ok(self.compare_closed(step, &shown))
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
    pub(super) fn output(&self) -> &[ShownRow] {
        if self.script.is_live() { &self.untaken } else { &self.actors.simulation.shown }
    }

    /// Reports a difference, or an error that shows only while the script runs.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        (self.emit)(RunEvent::Diagnostic(&diagnostic));
        self.outcome.diagnostics.push(diagnostic);
    }

    /// Reports why a step was not played. What is behind it is not updated.
    pub(super) fn report_unplayed(&mut self, diagnostic: Diagnostic) {
        self.outcome.unplayed.get_or_insert_with(|| diagnostic.span.clone());
        self.report(diagnostic);
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
}

/// The diagnostic for an error of the machine at a line.
pub(crate) fn at_line(line: &Line, error: &AppError) -> Diagnostic {
    let mut diagnostic = Diagnostic::new(line.full_span(), error.message.clone());
    diagnostic.help.extend(error.hint.clone());
    diagnostic
}
