//! Spawned programs of a run by actor: start, typed text, signals, rows, and their common end.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Waker;
use rustix::io::Errno;

use super::process::{Exit, Launch, Process};
use super::rows::Lines;
use super::terminal::Terminal;
use crate::app::error::{AppError, code, describe};
use crate::script::TerminalSize;
use crate::text::safe::SafeText;

/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// Rows of a program that a message repeats.
const LAST_ROWS: usize = 20;
/// Search path where the environment of the run has none.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Name of this program; where it runs by another, as a test of Rust, programs find that of `PATH`.
const OWN_NAME: &str = "rsachat";

/// Row or event that a program has shown.
pub(crate) enum ProgramRow {
    Row(String),
    Event(String),
}

/// Program as a script starts it.
#[derive(Clone)]
pub(crate) struct ProgramSpec {
    /// Its words.
    pub(crate) command: Vec<String>,
    /// Size of its terminal; without one it has pipes.
    pub(crate) terminal: Option<TerminalSize>,
}

/// Spawned programs of a run. When it is dropped, whichever way the run ends, all of them end.
pub(crate) struct Programs {
    waker: Arc<Waker>,
    /// What `@env` has set.
    variables: BTreeMap<String, String>,
    by_actor: BTreeMap<usize, Program>,
}

/// Program of an actor.
struct Program {
    spec: ProgramSpec,
    process: Process,
    screen: Screen,
    last_rows: VecDeque<String>,
    /// End that was told.
    exit: Option<Exit>,
    /// Rows that have not ended and were taken as they stand; anew once more was written.
    pending_taken: usize,
}

/// What a program writes on.
enum Screen {
    Lines(Lines),
    Terminal(Box<Terminal>),
}

impl Screen {
    fn process(&mut self, bytes: &[u8]) -> Vec<String> {
        match self {
            Self::Lines(lines) => lines.process(bytes),
            Self::Terminal(terminal) => terminal.process(bytes),
        }
    }

    /// Rows that have not ended.
    fn pending(&self) -> Vec<String> {
        match self {
            Self::Lines(lines) => lines.pending().into_iter().collect(),
            Self::Terminal(terminal) => terminal.pending(),
        }
    }
}

impl Programs {
    pub(crate) fn new(waker: Arc<Waker>) -> Self {
        Self { waker, variables: BTreeMap::new(), by_actor: BTreeMap::new() }
    }

    /// Sets a variable for the programs that are started from now on.
    pub(crate) fn set_variable(&mut self, name: String, value: String) {
        self.variables.insert(name, value);
    }

    /// Starts a program in a folder.
    pub(crate) fn start(&mut self, actor: usize, spec: ProgramSpec, folder: &Path) -> Result<(), AppError> {
        // What is left of the one before ends first.
        self.by_actor.remove(&actor);
        let Some((word, arguments)) = spec.command.split_first() else { return Ok(()) };
        let failed = |error: io::Error| {
            let what = format!("cannot run {}: {}", SafeText::line(word), describe(&error));
            AppError::new(code::MACHINE, what)
                .hint("it is looked up in PATH; otherwise give its absolute path")
        };
        let environment = self.environment(folder, spec.terminal);
        let own = own_program().filter(|_| word == OWN_NAME);
        let program = own.map_or_else(|| find(word, folder, &environment), Ok).map_err(failed)?;
        let launch = Launch { program: &program, arguments, folder, environment: &environment };
        let (process, screen) = match spec.terminal {
            None => (Process::start(&launch, &self.waker), Screen::Lines(Lines::default())),
            Some(size) => (
                Process::start_on_terminal(&launch, size, &self.waker),
                Screen::Terminal(Box::new(Terminal::new(size))),
            ),
        };
        let process = process.map_err(failed)?;
        let (last_rows, exit, pending_taken) = (VecDeque::new(), None, 0);
        let program = Program { spec, process, screen, last_rows, exit, pending_taken };
        self.by_actor.insert(actor, program);
        Ok(())
    }

    /// The whole environment of a program.
    fn environment(&self, folder: &Path, terminal: Option<TerminalSize>) -> BTreeMap<String, String> {
        let path = search_path();
        let home = folder.display().to_string();
        let term = if terminal.is_some() { "xterm-256color" } else { "dumb" };
        let own = [("HOME", home.as_str()), ("PATH", &path), ("TERM", term), ("LANG", "C.UTF-8")];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut environment = BTreeMap::from(own);
        environment.extend(self.variables.clone());
        environment
    }

    /// What an actor was started as last.
    pub(crate) fn spec(&self, actor: usize) -> Option<ProgramSpec> {
        self.by_actor.get(&actor).map(|program| program.spec.clone())
    }

    /// Whether the program of an actor has a terminal.
    fn has_terminal(&self, actor: usize) -> bool {
        self.by_actor.get(&actor).is_some_and(|program| program.spec.terminal.is_some())
    }

    /// End of the program of an actor, if it has ended.
    pub(crate) fn has_ended(&self, actor: usize) -> bool {
        self.by_actor.get(&actor).is_none_or(|program| program.exit.is_some())
    }

    /// Whether a signal has ended the program of an actor.
    pub(crate) fn was_killed(&self, actor: usize) -> bool {
        matches!(self.by_actor.get(&actor), Some(Program { exit: Some(Exit::Signal(_)), .. }))
    }

    /// Types a text, without Enter.
    pub(crate) fn type_text(&self, actor: usize, text: &str) {
        let Some(program) = self.by_actor.get(&actor) else { return };
        let mut text = text.to_owned();
        if let Screen::Terminal(terminal) = &program.screen
            && terminal.has_application_cursor()
        {
            for key in ["A", "B", "C", "D", "H", "F"] {
                text = text.replace(&format!("\x1b[{key}"), &format!("\x1bO{key}"));
            }
        }
        program.process.write(text.into_bytes());
    }

    /// Types a line and Enter, in one piece: a terminal echoes both before what the program writes.
    pub(crate) fn type_line(&self, actor: usize, text: &str) {
        let enter = if self.has_terminal(actor) { '\r' } else { '\n' };
        self.type_text(actor, &format!("{text}{enter}"));
    }

    /// Ends the input of the program of an actor, behind a text: over pipes it is closed, on a
    /// terminal the text has Ctrl-D.
    pub(crate) fn type_end(&mut self, actor: usize, text: &str) {
        if self.has_terminal(actor) {
            return self.type_text(actor, text);
        }
        self.type_text(actor, text.strip_suffix('\x04').unwrap_or(text));
        if let Some(program) = self.by_actor.get_mut(&actor) {
            program.process.close_input();
        }
    }

    /// Sends a signal to the program of an actor.
    pub(crate) fn signal(&self, actor: usize, name: &str) {
        if let Some(program) = self.by_actor.get(&actor) {
            program.process.signal(name);
        }
    }

    /// Takes what has come from the program of an actor.
    pub(crate) fn take_rows(&mut self, actor: usize) -> Vec<ProgramRow> {
        let Some(program) = self.by_actor.get_mut(&actor) else { return Vec::new() };
        let output = program.process.take_output();
        if !output.is_empty() {
            program.pending_taken = 0;
        }
        let mut rows = program.screen.process(&output);
        let exit = if program.exit.is_none() { program.process.exit() } else { None };
        if exit.is_some() {
            // What was taken as it stood is not shown once more.
            rows.extend(program.screen.pending().into_iter().skip(program.pending_taken));
            program.pending_taken = usize::MAX;
            program.exit = exit;
        }
        program.last_rows.extend(rows.iter().cloned());
        let surplus = program.last_rows.len().saturating_sub(LAST_ROWS);
        program.last_rows.drain(..surplus);
        let event = exit.map(|exit| ProgramRow::Event(exit.event()));
        rows.into_iter().map(ProgramRow::Row).chain(event).collect()
    }

    /// Actors with a program.
    pub(crate) fn actors(&self) -> Vec<usize> {
        self.by_actor.keys().copied().collect()
    }

    /// Rows that the program of an actor has not ended yet, without those that were taken.
    pub(crate) fn pending_rows(&self, actor: usize) -> Vec<String> {
        let Some(program) = self.by_actor.get(&actor) else { return Vec::new() };
        program.screen.pending().into_iter().skip(program.pending_taken).collect()
    }

    /// Takes so many of these rows as they stand.
    pub(crate) fn take_pending_rows(&mut self, actor: usize, count: usize) {
        if let Some(program) = self.by_actor.get_mut(&actor) {
            program.pending_taken = program.pending_taken.saturating_add(count);
        }
    }

    /// Moment at which the end of a program is told, although others still have its pipe.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let untold = self.by_actor.values().filter(|program| program.exit.is_none());
        let now = Instant::now();
        untold.filter_map(|program| program.process.exit_due()).filter(|due| *due > now).min()
    }

    /// What a message tells of the program of an actor: its state, and its last rows.
    pub(crate) fn facts(&self, actor: usize, label: &str) -> Vec<(&'static str, String)> {
        let Some(program) = self.by_actor.get(&actor) else { return Vec::new() };
        let state = match program.exit {
            None => format!("{label} is running"),
            Some(Exit::Code(exit)) => format!("{label} has exited with code {exit}"),
            Some(signal) => format!("{label} was {}", signal.event()),
        };
        let pending = if program.exit.is_none() { program.screen.pending() } else { Vec::new() };
        let rows = program.last_rows.iter().chain(&pending).filter(|row| !row.is_empty());
        let rows: Vec<&String> = rows.collect();
        let state = if rows.is_empty() { format!("{state}; it has shown nothing") } else { state };
        let first = rows.len().saturating_sub(LAST_ROWS);
        let rows = rows.into_iter().skip(first).map(|row| ("last", row.clone()));
        [("note", state)].into_iter().chain(rows).collect()
    }
}

/// The running program, unless it is another one that plays scripts.
fn own_program() -> Option<PathBuf> {
    env::current_exe().ok().filter(|own| own.file_name().is_some_and(|name| name == OWN_NAME))
}

/// The search path of programs. That they find this program is what they are tried with.
fn search_path() -> String {
    let path = env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    match own_program().as_deref().and_then(Path::parent) {
        Some(folder) => format!("{}:{path}", folder.display()),
        None => path,
    }
}

/// The file of a program: a path from its folder on, or a name that is found in its `PATH`.
fn find(word: &str, folder: &Path, environment: &BTreeMap<String, String>) -> io::Result<PathBuf> {
    if word.contains('/') {
        return Ok(folder.join(word));
    }
    let is_executable = |file: &PathBuf| {
        let metadata = fs::metadata(file);
        metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    let path = environment.get("PATH").map_or("", String::as_str);
    let mut files = env::split_paths(path).map(|place| folder.join(place).join(word));
    files.find(is_executable).ok_or_else(|| Errno::NOENT.into())
}

impl Drop for Programs {
    fn drop(&mut self) {
        let running = || self.by_actor.values();
        running().for_each(|program| program.process.terminate());
        let until = Instant::now() + GRACE;
        running().for_each(|program| program.process.wait(until));
        // The rest of each group is killed as its process is dropped.
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::net::Net;

    #[test]
    fn a_run_that_panics_ends_its_programs() {
        let folder = tempfile::tempdir().unwrap();
        let mut pids = Vec::new();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let mut programs = Programs::new(Net::new().unwrap().waker());
            for (actor, size) in
                [None, Some(TerminalSize { columns: 80.try_into().unwrap(), rows: 24.try_into().unwrap() })]
                    .into_iter()
                    .enumerate()
            {
                let command = ["sh", "-c", "trap '' TERM HUP; echo $$; while :; do sleep 1; done"];
                let spec = ProgramSpec { command: command.map(str::to_owned).to_vec(), terminal: size };
                programs.start(actor, spec, folder.path()).unwrap();
                let mut rows = Vec::new();
                while rows.is_empty() {
                    rows = programs.take_rows(actor);
                }
                let [ProgramRow::Row(pid)] = rows.as_slice() else { panic!("no number") };
                pids.push(pid.clone());
            }
            panic!("in the middle of a run");
        }));
        assert!(ended.is_err());
        assert_eq!(pids.len(), 2);
        for pid in pids {
            assert!(!Path::new("/proc").join(&pid).exists(), "{pid} is left");
        }
    }
}
