//! Script runner: runs a script line by line, and emits the transcript.

use super::outcome::{
    AfterDifference, Checking, RunEvent, RunOptions, RunOutcome, RunStop, ScriptEnd, UpdateMode,
};
use super::step::{Run, ScriptStep};
use super::{diagnostics, files, interrupt};
use crate::script::diagnostic::file_variable;
use crate::script::matcher::ShownRow;
use crate::script::{Directive, FileContent, Line, LineKind, Script, render};

/// Runs a script and reports its events to `emit`.
pub(crate) fn run(script: &Script, options: &RunOptions, emit: &mut dyn FnMut(RunEvent<'_>)) -> RunOutcome {
    let skipped = script.directives().find_map(|directive| match directive {
        Directive::Skip(reason) => Some(reason.clone()),
        _ => None,
    });
    if let Some(reason) = skipped {
        let source = script.sources.first().map_or("", |source| source.text.as_str());
        let lines: Vec<String> = source.lines().map(str::to_owned).collect();
        for line in &lines {
            emit(RunEvent::Transcript(line));
        }
        return RunOutcome::without_steps(ScriptEnd::Skipped(reason), lines);
    }
    let run = match Run::new(script, options, emit) {
        Ok(run) => run,
        Err(error) => return RunOutcome::without_steps(ScriptEnd::Failed(error), Vec::new()),
    };
    let mut runner = Runner { run, steps: 0, header: Header::Due, updated: Vec::new(), remaining: 0 };
    let end = match runner.lines() {
        Err(RunStop::Interrupted) => ScriptEnd::Interrupted,
        Err(RunStop::Failed(error)) => ScriptEnd::Aborted { exit_code: error.code },
        Ok(()) | Err(RunStop::Halted | RunStop::Differed) if runner.run.diagnostics.is_empty() => {
            ScriptEnd::Passed
        }
        Ok(()) | Err(RunStop::Halted | RunStop::Differed) => ScriptEnd::Differed,
    };
    runner.run.leave_live_peers();
    let Runner { run, steps, updated, remaining, .. } = runner;
    RunOutcome { end, diagnostics: run.diagnostics, steps, updated, remaining }
}

/// Runner of one script.
struct Runner<'a> {
    run: Run<'a>,
    steps: usize,
    header: Header,
    updated: Vec<String>,
    remaining: usize,
}

/// Header of a transcript: `@exact`, and `@seed` where the command line gives it.
#[derive(PartialEq, Eq)]
enum Header {
    Due,
    Emitted,
}

impl Runner<'_> {
    fn lines(&mut self) -> Result<(), RunStop> {
        let script = self.run.script;
        let lines = &script.lines;
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            if interrupt::came() {
                return Err(RunStop::Interrupted);
            }
            let result = if line.is_step() {
                let step = ScriptStep::at(lines, at);
                at += step.head.len() + step.tail.len();
                self.step(line, &step)
            } else {
                at += 1;
                self.plain_line(line)
            };
            match &result {
                Err(RunStop::Failed(error)) => self.run.report(diagnostics::at_line(line, error)),
                Err(RunStop::Halted) => lines.iter().skip(at).for_each(|line| self.keep(line)),
                _ => {}
            }
            result?;
        }
        Ok(())
    }

    fn step(&mut self, first: &Line, step: &ScriptStep<'_>) -> Result<(), RunStop> {
        self.steps += 1;
        self.run.actors.start_all()?;
        for line in step.head {
            let text = self.head_text(line);
            self.emit_line(line, &text);
        }
        let before = self.run.diagnostics.len();
        let result = self.run.step(first, step);
        let shown = self.run.actors.take_shown();
        self.emit_output(step, &shown);
        let updated = self.update_tail(first, step, &shown);
        let mendable = result?;
        let differences = self.run.diagnostics.len() - before;
        self.remaining += differences;
        if updated == UpdateMode::Rewrite {
            self.remaining -= mendable;
        }
        if differences > 0 && self.run.options.after_difference == AfterDifference::Stop {
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
        let run = &mut self.run;
        match directive {
            Directive::Exact => run.checking = Checking::Exact,
            Directive::Open => run.checking = run.options.checking,
            Directive::Timeout(ms) => run.timeout_ms = run.options.timeout_ms.unwrap_or(*ms),
            Directive::Quiet(ms) => run.quiet_ms = *ms,
            Directive::Live(actor) => run.actors.set_live(*actor),
            Directive::Set { name, value } => {
                let value = run.bindings.expand(value).unwrap_or_default();
                if name == "limits" && value == "on" {
                    run.actors.limit_sources();
                }
                if run.options.vars.iter().all(|(given, _)| given != name) {
                    run.substitutions.remove(name);
                    run.bindings.set(name.clone(), value);
                }
            }
            Directive::File { path, content } => self.file(path, content)?,
            _ => {}
        }
        match directive {
            Directive::Include(_) => self.keep(line),
            // The header stands for these.
            Directive::Exact | Directive::Open => self.replace_by_header(line),
            Directive::Seed(_) if self.run.options.seed.is_some() => self.replace_by_header(line),
            _ => self.emit_line(line, &line.text),
        }
        if *directive == Directive::Halt { Err(RunStop::Halted) } else { Ok(()) }
    }

    fn file(&mut self, path: &str, content: &FileContent) -> Result<(), RunStop> {
        let text = match content {
            FileContent::HereDocument(text) => text.clone(),
            FileContent::Fill(bytes) => "0123456789abcdef".chars().cycle().take(*bytes).collect(),
        };
        let folder = self.run.actors.folder();
        files::write(folder, &folder.join(path), &text)?;
        let value = text.strip_suffix('\n').unwrap_or(&text);
        let name = file_variable(path);
        self.run.substitutions.add_text(value, name.clone());
        self.run.bindings.set(name, value);
        Ok(())
    }

    fn emit_output(&mut self, step: &ScriptStep<'_>, shown: &[ShownRow]) {
        self.run.name_ports();
        for one in shown {
            let actor = self.run.script.label(one.actor);
            let line = render::shown(actor, one, &self.run.substitutions);
            (self.run.emit)(RunEvent::Transcript(&line));
            (self.run.emit)(RunEvent::Shown { actor, shown: one });
        }
        for line in step.tail.iter().filter(|line| line.expectation().is_none()) {
            (self.run.emit)(RunEvent::Transcript(&line.text));
        }
    }

    /// Updates the tail of a step, if it stands in the main source. Returns what became of it.
    fn update_tail(&mut self, first: &Line, step: &ScriptStep<'_>, shown: &[ShownRow]) -> UpdateMode {
        // A step of an included file has its expectations there, unless they follow the `@include`.
        let is_main = match step.tail {
            [] => first.source == 0,
            tail => tail.iter().all(|line| line.source == 0),
        };
        let run = &self.run;
        if run.options.update == UpdateMode::Rewrite && is_main {
            let (substitutions, bindings) = (&run.substitutions, &run.bindings);
            let updated = render::updated_tail(run.script, step.tail, shown, substitutions, bindings);
            self.updated.extend(updated);
            return UpdateMode::Rewrite;
        }
        step.tail.iter().for_each(|line| self.keep(line));
        UpdateMode::Keep
    }

    /// The head of a step in the transcript: typed text with its values, all else as written.
    fn head_text(&self, line: &Line) -> String {
        match &line.kind {
            LineKind::Input { actor, template } => match self.run.bindings.expand(template) {
                Ok(text) => render::input(self.run.script.label(*actor), &text, &self.run.substitutions),
                Err(_) => line.text.clone(),
            },
            _ => line.text.clone(),
        }
    }

    /// Emits a line as `text`; the updated script keeps it as written.
    fn emit_line(&mut self, line: &Line, text: &str) {
        if !matches!(line.kind, LineKind::Blank | LineKind::Comment) {
            self.emit_header();
        }
        (self.run.emit)(RunEvent::Transcript(text));
        self.keep(line);
    }

    fn replace_by_header(&mut self, line: &Line) {
        self.emit_header();
        self.keep(line);
    }

    /// Emits the header once. A live run has none: its output comes in any order, and not from a
    /// seed.
    fn emit_header(&mut self) {
        if std::mem::replace(&mut self.header, Header::Emitted) == Header::Emitted
            || self.run.script.is_live()
        {
            return;
        }
        (self.run.emit)(RunEvent::Transcript("@exact"));
        if let Some(seed) = self.run.options.seed {
            (self.run.emit)(RunEvent::Transcript(&format!("@seed {seed}")));
        }
    }

    /// Keeps a line of the main source in the updated script.
    fn keep(&mut self, line: &Line) {
        if line.source == 0 {
            self.updated.push(line.text.clone());
        }
    }
}
