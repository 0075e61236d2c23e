//! Playing a script: line by line, step by step; what is shown is held against what is expected, and printed
//! as the script that it makes.

use std::time::{Duration, Instant};

use super::cast::{Cast, Gone};
use super::seeds::Seeds;
use super::world::World;
use super::{interrupt, step};
use crate::front::fault::{Fault as Failure, code};
use crate::net::Sources;
use crate::script::check::{file_value, port_name};
use crate::script::compare::Shown;
use crate::script::render::{self, Names};
use crate::script::{Bindings, Content, Directive, Fault, Kind, Line, Script, update};

/// How a script is to be played.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    pub(super) checking: Checking,
    pub(super) seed: Option<u64>,
    pub(super) vars: Vec<(String, String)>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) after_difference: AfterDifference,
    pub(super) file: KeptFile,
}

/// Whether the file of a script is to be brought up to date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeptFile {
    AsItStands,
    Updated,
}

/// Which actors a step checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Checking {
    /// Those that have expectations in it.
    Open,
    /// All.
    Exact,
}

/// What a difference means for the rest of a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AfterDifference {
    Stop,
    GoOn,
}

/// How a script ended.
pub(super) enum End {
    Passed,
    Differed,
    Skipped(String),
    Interrupted,
    /// The machine refused, or the world did not come to rest.
    Failed(Failure),
}

/// What is told while a script is played.
pub(super) enum Told<'a> {
    /// One line of the transcript.
    Line(&'a str),
    /// What an actor typed, and at which line of the script.
    Typed { line: &'a Line, who: &'a str, text: &'a str },
    /// What an actor showed.
    Shown { who: &'a str, shown: &'a Shown },
    /// Something differs.
    Differs(&'a Fault),
}

/// What came of a script.
pub(super) struct Outcome {
    pub(super) end: End,
    pub(super) faults: Vec<Fault>,
    pub(super) steps: usize,
    /// The script as `--update` would write it.
    pub(super) updated: Vec<String>,
}

/// Why a script is not played to its end.
pub(super) enum Stop {
    Differed,
    Halted,
    Interrupted,
    Failed(Failure),
}

/// A script that is being played.
pub(super) struct Play<'a> {
    pub(super) script: &'a Script,
    pub(super) manner: &'a Manner,
    pub(super) cast: Cast,
    pub(super) bindings: Bindings,
    pub(super) names: Names,
    pub(super) checking: Checking,
    pub(super) timeout_ms: u64,
    pub(super) quiet_ms: u64,
    /// Live: what each actor showed and no expectation took.
    pub(super) untaken: Vec<Shown>,
    pub(super) faults: Vec<Fault>,
    pub(super) tell: &'a mut dyn FnMut(Told<'_>),
    steps: usize,
    headed: bool,
    updated: Vec<String>,
}

/// How long an expectation waits in a live world where nothing else is said, in milliseconds.
const TIMEOUT_MS: u64 = 5_000;
/// How long it must be quiet for something not to have appeared, in milliseconds.
const QUIET_MS: u64 = 200;

/// Plays a script.
pub(super) fn play(script: &Script, manner: &Manner, tell: &mut dyn FnMut(Told<'_>)) -> Outcome {
    if let Some(reason) = skipped(script) {
        let source = script.sources.first().map_or("", |source| source.text.as_str());
        let updated: Vec<String> = source.lines().map(str::to_owned).collect();
        for line in &updated {
            tell(Told::Line(line));
        }
        return Outcome { end: End::Skipped(reason), faults: Vec::new(), steps: 0, updated };
    }
    let live = script.is_live();
    let seed = manner.seed.or_else(|| seed_of(script)).unwrap_or(0);
    let (world, seeds) =
        if live { (World::live(), Seeds::System) } else { (World::closed(), Seeds::script(seed)) };
    let text = script.sources.iter().map(|source| source.text.as_str()).collect::<String>();
    let cast = match Cast::new(&script.actors, world, seeds, text) {
        Ok(cast) => cast,
        Err(failure) => {
            let end = End::Failed(failure);
            return Outcome { end, faults: Vec::new(), steps: 0, updated: Vec::new() };
        }
    };
    let mut bindings = Bindings::default();
    for (name, value) in &manner.vars {
        bindings.set(name.clone(), value.clone());
    }
    let mut play = Play {
        script,
        manner,
        cast,
        bindings,
        names: Names::default(),
        checking: manner.checking,
        timeout_ms: manner.timeout_ms.unwrap_or(TIMEOUT_MS),
        quiet_ms: QUIET_MS,
        untaken: Vec::new(),
        faults: Vec::new(),
        tell,
        steps: 0,
        headed: false,
        updated: Vec::new(),
    };
    let end = match play.lines() {
        Ok(()) | Err(Stop::Halted | Stop::Differed) if play.faults.is_empty() => End::Passed,
        Ok(()) | Err(Stop::Halted | Stop::Differed) => End::Differed,
        Err(Stop::Interrupted) => End::Interrupted,
        Err(Stop::Failed(failure)) => End::Failed(failure),
    };
    if live {
        play.part();
    }
    Outcome { end, faults: play.faults, steps: play.steps, updated: play.updated }
}

fn skipped(script: &Script) -> Option<String> {
    script.lines.iter().find_map(|line| match &line.kind {
        Kind::Directive(Directive::Skip(reason)) => Some(reason.clone()),
        _ => None,
    })
}

fn seed_of(script: &Script) -> Option<u64> {
    script.lines.iter().find_map(|line| match line.kind {
        Kind::Directive(Directive::Seed(seed)) => Some(seed),
        _ => None,
    })
}

impl Play<'_> {
    fn lines(&mut self) -> Result<(), Stop> {
        let lines = &self.script.lines;
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            if interrupt::came() {
                return Err(Stop::Interrupted);
            }
            if !line.is_step() {
                let outcome = self.plain(line);
                at += 1;
                if let Err(Stop::Halted) = outcome {
                    let rest = lines.get(at..).unwrap_or_default();
                    for line in rest {
                        self.keep(line);
                    }
                }
                outcome?;
                continue;
            }
            let (head, tail, next) = step::extent(lines, at);
            self.steps += 1;
            self.cast.everybody_enters().map_err(Stop::Failed)?;
            for line in head {
                let text = self.head_line(line);
                self.print(line, &text);
            }
            let faults = self.faults.len();
            let played = self.step(head, tail);
            let shown = std::mem::take(&mut self.cast.stage.shown);
            self.after(tail, &shown);
            played?;
            if self.faults.len() > faults && self.manner.after_difference == AfterDifference::Stop {
                return Err(Stop::Differed);
            }
            at = next;
        }
        Ok(())
    }

    /// A line that is no step.
    fn plain(&mut self, line: &Line) -> Result<(), Stop> {
        if let Kind::Directive(directive) = &line.kind {
            return self.directive(line, directive);
        }
        self.print(line, &line.text);
        Ok(())
    }

    fn directive(&mut self, line: &Line, directive: &Directive) -> Result<(), Stop> {
        match directive {
            Directive::Exact => self.checking = Checking::Exact,
            Directive::Open => self.checking = self.manner.checking,
            Directive::Timeout(ms) => self.timeout_ms = self.manner.timeout_ms.unwrap_or(*ms),
            Directive::Quiet(ms) => self.quiet_ms = *ms,
            Directive::Live(who) => self.cast.is_not_ours(*who),
            Directive::Set { name, value } => {
                let value = self.bindings.typed(value).unwrap_or_default();
                if name == "limits" && value == "on" {
                    self.cast.stage.sources = Some((Sources::limited(), Instant::now()));
                }
                if self.manner.vars.iter().all(|(given, _)| given != name) {
                    self.names.forget(name);
                    self.bindings.set(name.clone(), value);
                }
            }
            Directive::File { name, content } => self.file(name, content).map_err(Stop::Failed)?,
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
        if *directive == Directive::Halt { Err(Stop::Halted) } else { Ok(()) }
    }

    fn file(&mut self, name: &str, content: &Content) -> Result<(), Failure> {
        let text = match content {
            Content::Given(text) => text.clone(),
            Content::Fill(bytes) => "0123456789abcdef".chars().cycle().take(*bytes).collect(),
        };
        let path = self.cast.stage.folder().join(name);
        super::files::write(self.cast.stage.folder(), &path, &text)?;
        let value = text.strip_suffix('\n').unwrap_or(&text).to_owned();
        let by = file_value(name);
        self.names.text(value.clone(), by.clone());
        self.bindings.set(by, value);
        Ok(())
    }

    /// What was shown in a step is printed, and the tail of the step brought up to date.
    fn after(&mut self, tail: &[Line], shown: &[Shown]) {
        self.name_ports();
        for one in shown {
            let label = self.script.label(one.who);
            let line = render::shown(label, one, &self.names);
            (self.tell)(Told::Line(&line));
            (self.tell)(Told::Shown { who: label, shown: one });
        }
        for line in tail.iter().filter(|line| !matches!(line.kind, Kind::Expected { .. })) {
            (self.tell)(Told::Line(&line.text));
        }
        if self.manner.file == KeptFile::AsItStands {
            return;
        }
        let included = tail.iter().any(|line| line.source != 0);
        if included {
            for line in tail {
                self.keep(line);
            }
        } else {
            let tail: Vec<&Line> = tail.iter().collect();
            self.updated.extend(update::tail(self.script, &tail, shown, &self.names, &self.bindings));
        }
    }

    /// Ports that were given out get their names.
    pub(super) fn name_ports(&mut self) {
        for (who, port) in std::mem::take(&mut self.cast.stage.given) {
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
            Kind::Typed { who, text, .. } => match self.bindings.typed(text) {
                Ok(typed) => render::input(self.script.label(*who), &typed, &self.names),
                Err(_) => line.text.clone(),
            },
            _ => line.text.clone(),
        }
    }

    /// Prints a line of the script; the file keeps it as it stands.
    fn print(&mut self, line: &Line, text: &str) {
        if !matches!(line.kind, Kind::Blank | Kind::Comment) {
            self.head();
        }
        (self.tell)(Told::Line(text));
        self.keep(line);
    }

    /// What every transcript says before anything else. Where a program takes part that is not ours, rows come when
    /// they come: nothing is checked exactly, and nothing comes from a seed.
    fn head(&mut self) {
        if std::mem::replace(&mut self.headed, true) || self.script.is_live() {
            return;
        }
        (self.tell)(Told::Line("@exact"));
        if let Some(seed) = self.manner.seed {
            (self.tell)(Told::Line(&format!("@seed {seed}")));
        }
    }

    /// The file keeps this line.
    fn keep(&mut self, line: &Line) {
        if line.source == 0 {
            self.updated.push(line.text.clone());
        }
    }

    /// A fault of the script that shows only while it runs.
    pub(super) fn fault(&mut self, fault: Fault) {
        (self.tell)(Told::Differs(&fault));
        self.faults.push(fault);
    }

    /// Why somebody cannot do what the script wants.
    pub(super) fn absent(&self, line: &Line, who: usize) -> Option<Fault> {
        let label = self.script.label(who);
        let why = match self.cast.gone(who)? {
            Gone::NotYet => "it has not been started",
            Gone::Exited => "it has left",
            Gone::Killed => "it was killed",
        };
        if label.is_empty() {
            let fault = Fault::new(line.whole(), format!("nobody is there to type this: {why}"));
            return Some(
                fault.help("an actor with a name can be started again: `@actors NAME`, `@start NAME`"),
            );
        }
        let fault = Fault::new(line.whole(), format!("{label} is not there: {why}"));
        Some(fault.help(format!("`@start {label}` brings it back")))
    }

    /// Says goodbye to programs that are not ours, for a moment.
    fn part(&mut self) {
        self.cast.farewell();
        let until = Instant::now() + Duration::from_millis(crate::limits::FAREWELL_MS);
        while self.cast.stage.net.links() > 0 && Instant::now() < until {
            if self.cast.go_on(until).is_err() {
                return;
            }
        }
    }
}

/// A world that did not come to rest.
pub(super) fn restless(what: &str) -> Stop {
    let fault = Failure::new(code::MACHINE, format!("the world did not come to rest: {what}"));
    Stop::Failed(fault.hint("this is a fault of the program; please report it with the script"))
}
