//! Playing a script: line by line, step by step; what is shown is held against what is expected, and printed
//! as the script that it makes.

use std::time::{Duration, Instant};

use super::actors::Actors;
use super::clock::RunClock;
use super::seeds::Seeds;
use super::trouble::placed;
use super::{interrupt, step};
use crate::app::error::AppError;
use crate::script::check::{file_value, port_name};
use crate::script::matcher::ShownRow;
use crate::script::render::{self, CaptureNames};
use crate::script::{Bindings, Diagnostic, Directive, FileContent, Line, LineKind, Script, update};

/// How a script is to be played.
#[derive(Clone, Debug)]
pub(crate) struct OutputArgs {
    pub(crate) checking: Checking,
    pub(crate) seed: Option<u64>,
    pub(crate) vars: Vec<(String, String)>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) after_difference: AfterDifference,
    pub(crate) file: UpdateMode,
}

/// Whether the file of a script is to be brought up to date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UpdateMode {
    AsItStands,
    Updated,
}

/// Which actors a step checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Checking {
    /// Those that have expectations in it.
    Open,
    /// All.
    Exact,
}

/// What a difference means for the rest of a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AfterDifference {
    Stop,
    GoOn,
}

/// How a script ended.
pub(crate) enum ScriptEnd {
    Passed,
    Differed,
    Skipped(String),
    Interrupted,
    /// The machine refused before anything was played.
    Failed(AppError),
    /// The machine refused at a line, or the world did not come to rest there, which has been told; with the exit code.
    Refused(u8),
}

/// What is told while a script is played.
pub(crate) enum RunEvent<'a> {
    /// One line of the transcript.
    Line(&'a str),
    /// What an actor typed, and at which line of the script.
    Typed { line: &'a Line, who: &'a str, text: &'a str },
    /// What an actor showed.
    ShownRow { who: &'a str, shown: &'a ShownRow },
    /// Something differs.
    Differs(&'a Diagnostic),
}

/// What came of a script.
pub(crate) struct RunOutcome {
    pub(crate) end: ScriptEnd,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) steps: usize,
    /// The script as `--update` would write it.
    pub(crate) updated: Vec<String>,
    /// How many of the faults are still there when it is written so.
    pub(crate) left: usize,
}

/// Why a script is not played to its end.
pub(crate) enum RunStop {
    Differed,
    Halted,
    Interrupted,
    Failed(AppError),
}

/// A script that is being played.
pub(crate) struct Run<'a> {
    pub(crate) script: &'a Script,
    pub(crate) manner: &'a OutputArgs,
    pub(crate) cast: Actors,
    pub(crate) bindings: Bindings,
    pub(crate) names: CaptureNames,
    pub(crate) checking: Checking,
    pub(crate) timeout_ms: u64,
    pub(crate) quiet_ms: u64,
    /// Live: what each actor showed and no expectation took.
    pub(crate) unsent_bytes: Vec<ShownRow>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) tell: &'a mut dyn FnMut(RunEvent<'_>),
    /// Faults of the step that go when its expectations become what was shown.
    pub(crate) mendable: usize,
    steps: usize,
    headed: bool,
    updated: Vec<String>,
    left: usize,
}

/// How long an expectation waits in a live world where nothing else is said, in milliseconds.
const TIMEOUT_MS: u64 = 5_000;
/// How long it must be quiet for something not to have appeared, in milliseconds.
const QUIET_MS: u64 = 200;

/// Plays a script.
pub(crate) fn play(script: &Script, manner: &OutputArgs, tell: &mut dyn FnMut(RunEvent<'_>)) -> RunOutcome {
    if let Some(reason) = skipped(script) {
        let source = script.sources.first().map_or("", |source| source.text.as_str());
        let updated: Vec<String> = source.lines().map(str::to_owned).collect();
        for line in &updated {
            tell(RunEvent::Line(line));
        }
        return RunOutcome {
            end: ScriptEnd::Skipped(reason),
            diagnostics: Vec::new(),
            steps: 0,
            updated,
            left: 0,
        };
    }
    let live = script.is_live();
    let seed = manner.seed.or_else(|| seed_of(script)).unwrap_or(0);
    let (world, seeds) =
        if live { (RunClock::live(), Seeds::System) } else { (RunClock::closed(), Seeds::script(seed)) };
    let text = script.sources.iter().map(|source| source.text.as_str()).collect::<String>();
    let cast = match Actors::new(&script.actors, world, seeds, text) {
        Ok(cast) => cast,
        Err(failure) => {
            let end = ScriptEnd::Failed(failure);
            return RunOutcome { end, diagnostics: Vec::new(), steps: 0, updated: Vec::new(), left: 0 };
        }
    };
    let mut bindings = Bindings::default();
    for (name, value) in &manner.vars {
        bindings.set(name.clone(), value.clone());
    }
    let mut play = Run {
        script,
        manner,
        cast,
        bindings,
        names: CaptureNames::default(),
        checking: manner.checking,
        timeout_ms: manner.timeout_ms.unwrap_or(TIMEOUT_MS),
        quiet_ms: QUIET_MS,
        unsent_bytes: Vec::new(),
        diagnostics: Vec::new(),
        tell,
        mendable: 0,
        steps: 0,
        headed: false,
        updated: Vec::new(),
        left: 0,
    };
    let end = match play.lines() {
        Ok(()) | Err(RunStop::Halted | RunStop::Differed) if play.diagnostics.is_empty() => ScriptEnd::Passed,
        Ok(()) | Err(RunStop::Halted | RunStop::Differed) => ScriptEnd::Differed,
        Err(RunStop::Interrupted) => ScriptEnd::Interrupted,
        Err(RunStop::Failed(failure)) => ScriptEnd::Refused(failure.code),
    };
    if live {
        play.part();
    }
    RunOutcome {
        end,
        diagnostics: play.diagnostics,
        steps: play.steps,
        updated: play.updated,
        left: play.left,
    }
}

fn skipped(script: &Script) -> Option<String> {
    script.lines.iter().find_map(|line| match &line.kind {
        LineKind::Directive(Directive::Skip(reason)) => Some(reason.clone()),
        _ => None,
    })
}

fn seed_of(script: &Script) -> Option<u64> {
    script.lines.iter().find_map(|line| match line.kind {
        LineKind::Directive(Directive::Seed(seed)) => Some(seed),
        _ => None,
    })
}

impl Run<'_> {
    fn lines(&mut self) -> Result<(), RunStop> {
        let mut at = 0;
        while let Some(line) = self.script.lines.get(at) {
            match self.line(line, at) {
                Ok(next) => at = next,
                Err(stop) => {
                    if let RunStop::Failed(failure) = &stop {
                        self.error(placed(line, failure));
                    }
                    return Err(stop);
                }
            }
        }
        Ok(())
    }

    /// Plays the line at a place, a step with all of its lines. Gives the place of the next.
    fn line(&mut self, line: &Line, at: usize) -> Result<usize, RunStop> {
        let lines = &self.script.lines;
        if interrupt::came() {
            return Err(RunStop::Interrupted);
        }
        if !line.is_step() {
            let outcome = self.plain(line);
            if let Err(RunStop::Halted) = outcome {
                let rest = lines.get(at + 1..).unwrap_or_default();
                for line in rest {
                    self.keep(line);
                }
            }
            return outcome.map(|()| at + 1);
        }
        let (head, tail, next) = step::extent(lines, at);
        self.steps += 1;
        self.cast.start_all().map_err(RunStop::Failed)?;
        for line in head {
            let text = self.head_line(line);
            self.print(line, &text);
        }
        let diagnostics = self.diagnostics.len();
        let played = self.step(head, tail);
        let shown = self.cast.take_shown();
        let mended = self.after(line, tail, &shown);
        played?;
        let came = self.diagnostics.len() - diagnostics;
        let mendable = std::mem::take(&mut self.mendable);
        self.left += came - if mended { mendable } else { 0 };
        if came > 0 && self.manner.after_difference == AfterDifference::Stop {
            return Err(RunStop::Differed);
        }
        Ok(next)
    }

    /// A line that is no step.
    fn plain(&mut self, line: &Line) -> Result<(), RunStop> {
        if let LineKind::Directive(directive) = &line.kind {
            return self.directive(line, directive);
        }
        self.print(line, &line.text);
        Ok(())
    }

    fn directive(&mut self, line: &Line, directive: &Directive) -> Result<(), RunStop> {
        match directive {
            Directive::Exact => self.checking = Checking::Exact,
            Directive::Open => self.checking = self.manner.checking,
            Directive::Timeout(ms) => self.timeout_ms = self.manner.timeout_ms.unwrap_or(*ms),
            Directive::Quiet(ms) => self.quiet_ms = *ms,
            Directive::Live(who) => self.cast.set_live(*who),
            Directive::Set { name, value } => {
                let value = self.bindings.typed(value).unwrap_or_default();
                if name == "limits" && value == "on" {
                    self.cast.limit_sources();
                }
                if self.manner.vars.iter().all(|(given, _)| given != name) {
                    self.names.forget(name);
                    self.bindings.set(name.clone(), value);
                }
            }
            Directive::File { name, content } => self.file(name, content).map_err(RunStop::Failed)?,
            _ => {}
        }
        match directive {
            // What is printed is checked whole, and says so once.
            Directive::Exact | Directive::Open => {
                self.head();
                self.keep(line);
            }
            Directive::Seed(_) if self.manner.seed.is_some() => {
                self.head();
                self.keep(line);
            }
            Directive::Include(_) => self.keep(line),
            _ => self.print(line, &line.text),
        }
        if *directive == Directive::Halt { Err(RunStop::Halted) } else { Ok(()) }
    }

    fn file(&mut self, name: &str, content: &FileContent) -> Result<(), AppError> {
        let text = match content {
            FileContent::Given(text) => text.clone(),
            FileContent::Fill(bytes) => "0123456789abcdef".chars().cycle().take(*bytes).collect(),
        };
        let path = self.cast.folder().join(name);
        super::files::write(self.cast.folder(), &path, &text)?;
        let value = text.strip_suffix('\n').unwrap_or(&text).to_owned();
        let by = file_value(name);
        self.names.text(value.clone(), by.clone());
        self.bindings.set(by, value);
        Ok(())
    }

    /// What was shown in a step is printed, and the tail of the step brought up to date, if it stands in the file that
    /// is played. Whether it was.
    fn after(&mut self, head: &Line, tail: &[Line], shown: &[ShownRow]) -> bool {
        self.name_ports();
        for one in shown {
            let label = self.script.label(one.who);
            let line = render::shown(label, one, &self.names);
            (self.tell)(RunEvent::Line(&line));
            (self.tell)(RunEvent::ShownRow { who: label, shown: one });
        }
        for line in tail.iter().filter(|line| !matches!(line.kind, LineKind::Expected { .. })) {
            (self.tell)(RunEvent::Line(&line.text));
        }
        if self.manner.file == UpdateMode::AsItStands {
            return false;
        }
        // A step of an included file has its expectations there, unless they follow the `@include`.
        let here = if tail.is_empty() { head.source == 0 } else { tail.iter().all(|line| line.source == 0) };
        if here {
            let tail: Vec<&Line> = tail.iter().collect();
            self.updated.extend(update::tail(self.script, &tail, shown, &self.names, &self.bindings));
        } else {
            for line in tail {
                self.keep(line);
            }
        }
        here
    }

    /// Ports that were given out get their names.
    pub(crate) fn name_ports(&mut self) {
        for (who, port) in self.cast.take_assigned_ports() {
            let label = self.script.label(who);
            let mut names = (1..usize::from(u16::MAX)).map(|number| port_name(label, number));
            if let Some(name) = names.find(|name| self.bindings.get(name).is_none()) {
                self.bindings.set(name.clone(), port.to_string());
                self.names.port(port.to_string(), name);
            }
        }
    }

    /// The head of a step as it is printed: what was typed with its values, all else as it stands.
    fn head_line(&self, line: &Line) -> String {
        match &line.kind {
            LineKind::Input { who, text, .. } => match self.bindings.typed(text) {
                Ok(typed) => render::input(self.script.label(*who), &typed, &self.names),
                Err(_) => line.text.clone(),
            },
            _ => line.text.clone(),
        }
    }

    /// Prints a line of the script; the file keeps it as it stands.
    fn print(&mut self, line: &Line, text: &str) {
        if !matches!(line.kind, LineKind::Blank | LineKind::Comment) {
            self.head();
        }
        (self.tell)(RunEvent::Line(text));
        self.keep(line);
    }

    /// What every transcript says before anything else. Where a program takes part that is not ours, rows come when
    /// they come: nothing is checked exactly, and nothing comes from a seed.
    fn head(&mut self) {
        if std::mem::replace(&mut self.headed, true) || self.script.is_live() {
            return;
        }
        (self.tell)(RunEvent::Line("@exact"));
        if let Some(seed) = self.manner.seed {
            (self.tell)(RunEvent::Line(&format!("@seed {seed}")));
        }
    }

    /// The file keeps this line.
    fn keep(&mut self, line: &Line) {
        if line.source == 0 {
            self.updated.push(line.text.clone());
        }
    }

    /// Says goodbye to programs that are not ours, for a moment.
    fn part(&mut self) {
        self.cast.quit_all();
        let until = Instant::now() + Duration::from_millis(crate::limits::FAREWELL_MS);
        while self.cast.connection_count() > 0 && Instant::now() < until {
            if self.cast.go_on(until).is_err() {
                return;
            }
        }
    }
}
