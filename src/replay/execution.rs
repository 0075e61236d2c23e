//! Execution of the lines of a step: what is typed, and the directives that do something.

use std::time::{Duration, Instant};

use super::actors::Stopped;
use super::environment::is_interrupted;
use super::reporter::RunEvent;
use super::runner::{Run, RunStop};
use super::spawn::ProgramSpec;
use crate::script::matcher::UnboundVariable;
use crate::script::{
    Diagnostic, Directive, Fragment, HomeState, Line, LineKind, SpawnedProgram, TypeMode, closes_input,
};

impl Run<'_> {
    /// Executes one line of a step.
    pub(super) fn execute(&mut self, line: &Line) -> Result<(), RunStop> {
        match &line.kind {
            LineKind::Input { actor, .. } if self.actors.is_live(*actor) => {}
            LineKind::Input { actor, template } => {
                if let Some(text) = self.typed_text(line, *actor, template) {
                    if closes_input(template) {
                        self.actors.type_end(*actor, &text);
                    } else {
                        self.actors.type_line(*actor, &text);
                    }
                }
            }
            LineKind::Directive(directive) => self.execute_directive(line, directive)?,
            LineKind::Blank | LineKind::Comment | LineKind::Expect { .. } => {}
        }
        Ok(())
    }

    /// Text that an actor types; `None`, which is reported, if it cannot.
    fn typed_text(&mut self, line: &Line, actor: usize, template: &[Fragment]) -> Option<String> {
        if let Some(error) = self.not_running(line, actor) {
            self.report_unplayed(error);
            return None;
        }
        match self.bindings.expand(template) {
            Ok(text) => {
                let label = self.script.label(actor);
                (self.emit)(RunEvent::Typed { line, actor: label, text: &text });
                self.actors.simulation.screens.typed(actor, &text);
                Some(text)
            }
            Err(unbound) => {
                self.report_unbound(line, unbound);
                None
            }
        }
    }

    fn execute_directive(&mut self, line: &Line, directive: &Directive) -> Result<(), RunStop> {
        match directive {
            Directive::Type { actor, .. } if self.actors.is_live(*actor) => {}
            Directive::Type { actor, template, mode } => {
                if let Some(text) = self.typed_text(line, *actor, template) {
                    match mode {
                        TypeMode::Draft if closes_input(template) => self.actors.type_end(*actor, &text),
                        TypeMode::Draft => self.actors.type_draft(*actor, &text),
                        TypeMode::Text => self.actors.send_text(*actor, &text),
                    }
                }
            }
            Directive::Tick(ms) => {
                self.emit_screens();
                (self.emit)(RunEvent::Idle { ms: *ms });
                self.actors.advance(*ms)?;
            }
            Directive::Kill(actor, mode) => match self.not_running(line, *actor) {
                Some(error) => self.report_unplayed(error),
                None => self.actors.kill(*actor, *mode),
            },
            Directive::Start(actor, home) => {
                if self.actors.stopped(*actor).is_some() {
                    self.actors.start(*actor, *home)?;
                } else {
                    self.report_running(line, *actor);
                }
            }
            Directive::Disk(actor, room) => self.actors.simulation.homes.set_room(*actor, *room),
            Directive::Backup(actor) => self.actors.back_up(*actor)?,
            Directive::Restore { actor, of } => {
                if self.actors.stopped(*actor).is_some() {
                    self.actors.restore(*actor, *of)?;
                } else {
                    self.report_running(line, *actor);
                }
            }
            Directive::Spawn { actor, program, .. } => self.spawn(line, *actor, program)?,
            Directive::InjectFault { from, to, fault } => {
                self.faults.push(line.full_span());
                self.actors.inject_fault(*from, *to, *fault);
            }
            Directive::Wait(ms) => {
                let until = Instant::now() + Duration::from_millis(*ms);
                while Instant::now() < until && !is_interrupted() {
                    self.actors.poll(until)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn report_running(&mut self, line: &Line, actor: usize) {
        let label = self.script.label(actor);
        let error = Diagnostic::new(line.full_span(), format!("{label} is running already"));
        self.report_unplayed(error.help(format!("`@kill {label}` or `{label}> :quit` ends it first")));
    }

    /// Starts a program with values filled into its words.
    fn spawn(&mut self, line: &Line, actor: usize, program: &SpawnedProgram) -> Result<(), RunStop> {
        if self.actors.stopped(actor).is_none() {
            self.report_running(line, actor);
            return Ok(());
        }
        match program.command.iter().map(|word| self.bindings.expand(word)).collect() {
            Ok(command) => {
                let spec = ProgramSpec { command, terminal: program.terminal };
                Ok(self.actors.spawn(actor, spec, HomeState::Kept)?)
            }
            Err(unbound) => {
                self.report_unbound(line, unbound);
                Ok(())
            }
        }
    }

    fn report_unbound(&mut self, line: &Line, unbound: UnboundVariable) {
        let message = format!("no value for ${{{}}} yet", unbound.name);
        self.report_unplayed(Diagnostic::new(line.span(unbound.at), message));
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
}
