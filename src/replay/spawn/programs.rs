//! Spawned programs of a run by actor: start, typed text, signals, rows, and their common end.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Waker;

use super::process::{Exit, Launch, Process};
use super::rows::Lines;
use crate::app::error::{AppError, code, describe};
use crate::text::safe::SafeText;

/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// Rows of a program that a message repeats.
const LAST_ROWS: usize = 20;
/// Search path where the environment of the run has none.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Word that stands for the running program.
const OWN_NAME: &str = "rsachat";

/// Row or event that a program has shown.
pub(crate) enum TerminalRow {
    Row(String),
    Event(String),
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
    /// Its words.
    command: Vec<String>,
    process: Process,
    lines: Lines,
    last_rows: VecDeque<String>,
    /// End that was told.
    exit: Option<Exit>,
    /// Whether an expectation has taken the row that has not ended, and nothing came since.
    is_pending_taken: bool,
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
    pub(crate) fn start(
        &mut self,
        actor: usize,
        command: Vec<String>,
        folder: &Path,
    ) -> Result<(), AppError> {
        // What is left of the one before ends first.
        self.by_actor.remove(&actor);
        let Some((word, arguments)) = command.split_first() else { return Ok(()) };
        let failed = |error: io::Error| {
            let what = format!("cannot run {}: {}", SafeText::line(word), describe(&error));
            AppError::new(code::MACHINE, what)
                .hint("it is looked for in PATH, or name its file from the root on")
        };
        let program =
            if word == OWN_NAME { env::current_exe().map_err(failed)? } else { PathBuf::from(word) };
        let environment = self.environment(folder);
        let launch = Launch { program: &program, arguments, folder, environment: &environment };
        let process = Process::start(&launch, &self.waker).map_err(failed)?;
        let program = Program {
            command,
            process,
            lines: Lines::default(),
            last_rows: VecDeque::new(),
            exit: None,
            is_pending_taken: false,
        };
        self.by_actor.insert(actor, program);
        Ok(())
    }

    /// The whole environment of a program.
    fn environment(&self, folder: &Path) -> Vec<(String, String)> {
        let path = env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
        let home = folder.display().to_string();
        let own = [("HOME", home.as_str()), ("PATH", &path), ("TERM", "dumb"), ("LANG", "C.UTF-8")];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut environment = BTreeMap::from(own);
        environment.extend(self.variables.clone());
        environment.into_iter().collect()
    }

    /// Words of the command that an actor was started with last.
    pub(crate) fn command(&self, actor: usize) -> Option<Vec<String>> {
        self.by_actor.get(&actor).map(|program| program.command.clone())
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
        if let Some(program) = self.by_actor.get(&actor) {
            program.process.write(text.as_bytes().to_vec());
        }
    }

    /// Types Enter.
    pub(crate) fn type_enter(&self, actor: usize) {
        self.type_text(actor, "\n");
    }

    /// Sends a signal to the program of an actor.
    pub(crate) fn signal(&self, actor: usize, name: &str) {
        if let Some(program) = self.by_actor.get(&actor) {
            program.process.signal(name);
        }
    }

    /// Takes what has come from the program of an actor.
    pub(crate) fn take_rows(&mut self, actor: usize) -> Vec<TerminalRow> {
        let Some(program) = self.by_actor.get_mut(&actor) else { return Vec::new() };
        let output = program.process.take_output();
        program.is_pending_taken &= output.is_empty();
        let mut rows = program.lines.process(&output);
        let exit = if program.exit.is_none() { program.process.exit() } else { None };
        if exit.is_some() {
            // What was taken as it stood is not shown once more.
            rows.extend(program.lines.finish().filter(|_| !program.is_pending_taken));
            program.exit = exit;
        }
        program.last_rows.extend(rows.iter().cloned());
        let surplus = program.last_rows.len().saturating_sub(LAST_ROWS);
        program.last_rows.drain(..surplus);
        let event = exit.map(|exit| TerminalRow::Event(exit.event()));
        rows.into_iter().map(TerminalRow::Row).chain(event).collect()
    }

    /// Actors with a program.
    pub(crate) fn actors(&self) -> Vec<usize> {
        self.by_actor.keys().copied().collect()
    }

    /// The row that the program of an actor has not ended yet, unless it was taken as it stands.
    pub(crate) fn pending_row(&self, actor: usize) -> Option<String> {
        let program = self.by_actor.get(&actor).filter(|program| !program.is_pending_taken)?;
        program.lines.pending()
    }

    /// Takes the row that the program of an actor has not ended yet, as it stands.
    pub(crate) fn take_pending_row(&mut self, actor: usize) {
        if let Some(program) = self.by_actor.get_mut(&actor) {
            program.is_pending_taken = true;
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
        let pending = program.lines.pending();
        let rows: Vec<&String> = program.last_rows.iter().chain(&pending).collect();
        let state = if rows.is_empty() { format!("{state}; it has shown nothing") } else { state };
        let first = rows.len().saturating_sub(LAST_ROWS);
        let rows = rows.into_iter().skip(first).map(|row| ("last", row.clone()));
        [("note", state)].into_iter().chain(rows).collect()
    }
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
