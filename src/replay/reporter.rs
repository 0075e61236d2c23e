//! Reporter of runs, with their events: a transcript, TAP for test harnesses, or one JSON object a
//! line. These go to standard output; diagnostics and progress go to standard error.

use std::io;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;
use similar::TextDiff;

use super::screens::ScreenEvent;
use crate::app::error::AppError;
use crate::app::json::json_line;
use crate::app::os::{eprint, eprint_line, print_line, stderr_is_terminal, stdout_is_terminal};
use crate::script::matcher::{ShownKind, ShownRow};
use crate::script::update::Edits;
use crate::script::{Diagnostic, Line, Script, SourceFile, Span};
use crate::text::safe::SafeText;

/// Output format.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// The script that the run makes
    #[default]
    Transcript,
    /// TAP version 14, a test for each script
    Tap,
    /// One JSON object a line
    Json,
}

/// Whether transcripts are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verbosity {
    Transcripts,
    Diagnostics,
}

/// Escape sequence that clears the progress line.
const CLEAR_LINE: &str = "\r\x1b[2K";
/// Width of a drawing, whatever the screen.
const COLUMNS: usize = 120;

/// Event of a run, for its reporter.
pub(crate) enum RunEvent<'a> {
    /// Line of the transcript.
    Transcript(&'a str),
    /// Text that an actor typed, and the line of the script.
    Typed { line: &'a Line, actor: &'a str, text: &'a str },
    /// Output of an actor.
    Shown { actor: &'a str, shown: &'a ShownRow },
    /// What has happened on the screen of an actor, and how its rows are written without paths and
    /// addresses of this machine.
    Screen { actor: &'a str, event: &'a ScreenEvent, portable: &'a dyn Fn(&str) -> String },
    /// Time that passes on the clock of a closed run.
    Idle { ms: u64 },
    /// Difference, or an error that shows only while the script runs.
    Diagnostic(&'a Diagnostic),
    /// Mistake in the script, for which it is not played.
    Mistake(&'a Diagnostic),
}

/// End of a script.
pub(crate) enum ScriptEnd {
    Passed,
    /// It passed, but only after it had differed in the same world.
    Flaky {
        /// Most runs that there could have been.
        attempts_max: usize,
    },
    Differed,
    Skipped(String),
    Interrupted,
    /// The run could not begin.
    Failed(AppError),
    /// The script has mistakes, which have been reported, and was not played.
    Wrong,
    /// The machine failed at a line, which has been reported, or the simulation did not settle
    /// there.
    Aborted {
        exit_code: u8,
    },
}

/// Outcome of a script.
pub(crate) struct RunOutcome {
    pub(crate) end: ScriptEnd,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) steps: usize,
    /// How many times the script was played.
    pub(crate) attempts: usize,
    /// Changes that `--update` makes: with them, only the diagnostics remain.
    pub(crate) edits: Edits,
    /// Place of the first step that could not be played, behind which `--update` changes nothing.
    pub(crate) unplayed: Option<Span>,
}

impl RunOutcome {
    pub(crate) fn new(end: ScriptEnd) -> Self {
        Self { end, diagnostics: Vec::new(), steps: 0, attempts: 1, edits: Edits::default(), unplayed: None }
    }
}

/// Reporter of a number of scripts.
pub(crate) struct Reporter {
    format: Format,
    verbosity: Verbosity,
    scripts: usize,
    number: usize,
    has_progress: bool,
    /// Whether the progress line must be cleared before the next line of output.
    is_output_blocked: bool,
    error: Option<io::Error>,
}

impl Reporter {
    pub(crate) fn new(format: Format, verbosity: Verbosity, scripts: usize) -> Self {
        let has_progress = scripts > 1 && stderr_is_terminal();
        let mut reporter = Self {
            format,
            verbosity,
            scripts,
            number: 0,
            has_progress,
            is_output_blocked: false,
            error: None,
        };
        if format == Format::Tap {
            reporter.line("TAP version 14");
            reporter.line(&format!("1..{scripts}"));
        }
        reporter
    }

    /// Reports the start of a script.
    pub(crate) fn begin(&mut self, name: &str) {
        self.number += 1;
        let has_header = self.scripts > 1 && self.verbosity == Verbosity::Transcripts;
        if has_header && self.format == Format::Transcript {
            self.line(&format!("# {}", SafeText::line(name)));
        }
        if self.has_progress {
            let name = SafeText::line(name);
            eprint(&format!("{CLEAR_LINE}{}/{} {name}", self.number, self.scripts));
            self.is_output_blocked = stdout_is_terminal();
        }
    }

    /// Reports an event of a script.
    pub(crate) fn event(&mut self, script: &Script, event: &RunEvent<'_>) {
        match (self.format, event) {
            (Format::Transcript, RunEvent::Transcript(line)) if self.verbosity == Verbosity::Transcripts => {
                // What is typed and shown is safe already, comments and directives are as written.
                if line.starts_with(['#', '@']) {
                    line.split('\n').for_each(|row| self.line(SafeText::line(row).as_str()));
                } else {
                    self.line(line);
                }
            }
            (Format::Json, RunEvent::Typed { line, actor, text }) => {
                let file = script.sources.get(line.source).map(|source| source.name.as_str());
                let object = json!({
                    "event": "typed", "file": file, "line": line.number, "actor": actor, "text": text
                });
                self.json(&object);
            }
            (Format::Json, RunEvent::Shown { actor, shown }) => {
                let event = if shown.kind == ShownKind::Row { "shown" } else { "happened" };
                self.json(&json!({ "event": event, "actor": actor, "text": shown.text }));
            }
            (Format::Json, RunEvent::Diagnostic(diagnostic) | RunEvent::Mistake(diagnostic)) => {
                let event = if matches!(event, RunEvent::Mistake(_)) { "mistake" } else { "differs" };
                let (file, line, column) = location(diagnostic, &script.sources);
                let fact = |(heading, note): &(_, String)| json!({ "what": heading, "text": note });
                let facts: Vec<_> = diagnostic.notes.iter().map(fact).collect();
                let object = json!({
                    "event": event, "file": file, "line": line, "column": column,
                    "message": diagnostic.message, "facts": facts, "help": diagnostic.help
                });
                self.json(&object);
            }
            _ => {}
        }
        if let RunEvent::Diagnostic(diagnostic) | RunEvent::Mistake(diagnostic) = event {
            self.clear_progress();
            eprint_line(&draw(diagnostic, &script.sources));
        }
    }

    /// Reports the end of a script.
    pub(crate) fn end(&mut self, name: &str, script: &Script, outcome: &RunOutcome) {
        self.clear_progress();
        let word = match &outcome.end {
            ScriptEnd::Passed => "passed",
            ScriptEnd::Flaky { .. } => "flaky",
            ScriptEnd::Differed => "differed",
            ScriptEnd::Skipped(_) => "skipped",
            ScriptEnd::Interrupted => "interrupted",
            ScriptEnd::Failed(_) | ScriptEnd::Wrong | ScriptEnd::Aborted { .. } => "failed",
        };
        match self.format {
            Format::Transcript => {}
            Format::Tap => self.tap(name, script, outcome),
            Format::Json => {
                let mut object =
                    json!({ "event": "ended", "file": name, "outcome": word, "steps": outcome.steps });
                if let Some(members) = object.as_object_mut() {
                    if let ScriptEnd::Failed(error) = &outcome.end {
                        members.insert("message".to_owned(), json!(error.message));
                    }
                    if outcome.attempts > 1 {
                        members.insert("attempts".to_owned(), json!(outcome.attempts));
                    }
                }
                self.json(&object);
            }
        }
        if let ScriptEnd::Failed(error) = &outcome.end {
            eprint_line(&error.to_string());
        }
    }

    /// Reports that a script that differed is played again.
    pub(crate) fn again(&mut self, name: &str, (attempt, attempts_max): (usize, usize)) {
        self.clear_progress();
        let text = format!("{} again, {attempt} of {attempts_max}", SafeText::line(name));
        match self.format {
            Format::Transcript if self.verbosity == Verbosity::Transcripts => {
                self.line(&format!("# {text}"));
            }
            Format::Transcript | Format::Tap => {}
            Format::Json => self.json(&json!({ "event": "again", "file": name, "attempt": attempt })),
        }
        eprint_line(&format!("rsachat: playing {text}"));
    }

    /// Reports that the scripts that are left are not played.
    pub(crate) fn stop(&mut self, reason: &str) {
        match self.format {
            Format::Transcript => {}
            Format::Tap => self.line(&format!("Bail out! {}", SafeText::line(reason))),
            Format::Json => {
                let left = self.scripts.saturating_sub(self.number);
                self.json(&json!({ "event": "stopped", "message": reason, "left": left }));
            }
        }
    }

    /// Reports what an update has written into the file of a script.
    pub(crate) fn updated(&mut self, name: &str, lines: usize) {
        self.clear_progress();
        let unit = if lines == 1 { "line" } else { "lines" };
        let text = format!("updated: {}: {lines} {unit}", SafeText::line(name));
        self.line(&match self.format {
            Format::Transcript => text,
            Format::Tap => format!("# {text}"),
            Format::Json => {
                json_line(&json!({ "event": "updated", "file": name, "lines": lines })).trim_end().to_owned()
            }
        });
    }

    /// Shows what an update would write.
    pub(crate) fn would_update(&mut self, name: &str, before: &str, after: &str) {
        self.clear_progress();
        let diff = TextDiff::from_lines(before, after);
        let diff = diff.unified_diff().header(name, name).to_string();
        // What a script holds is not for a terminal as it is.
        diff.lines().for_each(|row| self.line(SafeText::line(row).as_str()));
    }

    /// Takes the error of standard output, if there was one.
    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    fn tap(&mut self, name: &str, script: &Script, outcome: &RunOutcome) {
        let number = self.number;
        // A number sign would begin a directive of TAP.
        let name = SafeText::line(name).as_str().replace('#', "\\#");
        self.line(&match &outcome.end {
            ScriptEnd::Passed => format!("ok {number} - {name}"),
            ScriptEnd::Flaky { attempts_max } => {
                format!("ok {number} - {name} # flaky {} of {attempts_max}", outcome.attempts)
            }
            ScriptEnd::Skipped(reason) => format!("ok {number} - {name} # SKIP {}", SafeText::line(reason)),
            _ => format!("not ok {number} - {name}"),
        });
        if let Some(diagnostic) = outcome.diagnostics.first() {
            let (file, line, column) = location(diagnostic, &script.sources);
            self.line("  ---");
            self.yaml("message", &diagnostic.message);
            self.yaml("at", &format!("{file}:{line}:{column}"));
            for (key, values) in by_heading(&diagnostic.notes) {
                match values.as_slice() {
                    [value] => self.yaml(key, value),
                    // A key stands once in a mapping of YAML.
                    values => self.yaml(key, values),
                }
            }
            self.line("  ...");
        } else if let ScriptEnd::Failed(error) = &outcome.end {
            self.line("  ---");
            self.yaml("message", &error.message);
            self.yaml("at", &name);
            self.line("  ...");
        }
    }

    /// A row of the YAML block of TAP; JSON is YAML.
    fn yaml(&mut self, key: &str, value: &(impl Serialize + ?Sized)) {
        self.line(&format!("  {key}: {}", json_line(&value).trim_end()));
    }

    fn json(&mut self, object: &impl Serialize) {
        self.line(json_line(object).trim_end());
    }

    fn clear_progress(&self) {
        if self.has_progress {
            eprint(CLEAR_LINE);
        }
    }

    fn line(&mut self, text: &str) {
        if std::mem::take(&mut self.is_output_blocked) {
            self.clear_progress();
        }
        if self.error.is_none() {
            self.error = print_line(text).err();
        }
    }
}

/// Notes with their headings, each once, in the order in which they came up.
fn by_heading<'a>(notes: &'a [(&'static str, String)]) -> Vec<(&'static str, Vec<&'a str>)> {
    let mut groups: Vec<(&'static str, Vec<&str>)> = Vec::new();
    for (heading, note) in notes {
        match groups.iter_mut().find(|(key, _)| key == heading) {
            Some((_, values)) => values.push(note),
            None => groups.push((heading, vec![note])),
        }
    }
    groups
}

/// Draws a diagnostic. Nothing of a script, which may come from a stranger, reaches the terminal
/// as it is.
pub(crate) fn draw(diagnostic: &Diagnostic, sources: &[SourceFile]) -> String {
    let safe = |text: &str| SafeText::line(text).to_string();
    let Span { source, line, bytes } = &diagnostic.span;
    let (name, text) = sources.get(*source).map_or(("-", ""), |source| (&source.name, &source.text));
    let row = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let part = |bytes: Range<usize>| safe(row.get(bytes).unwrap_or_default());
    let (before, marked) = (part(0..bytes.start), part(bytes.clone()));
    let span = before.len()..before.len() + marked.len();
    let row = [before, marked, part(bytes.end..row.len())].concat();
    let label = Some(safe(&diagnostic.label)).filter(|label| !label.is_empty());
    let snippet = Snippet::source(row)
        .line_start(*line)
        .path(safe(name))
        .annotation(AnnotationKind::Primary.span(span).label(label));
    let mut group = Level::ERROR.primary_title(safe(&diagnostic.message)).element(snippet);
    for (heading, note) in &diagnostic.notes {
        group = group.element(Level::NOTE.with_name(*heading).message(safe(note)));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(safe(help)));
    }
    Renderer::plain().term_width(COLUMNS).render(&[group])
}

/// File, line and column of a diagnostic; the column from 1, in characters.
pub(crate) fn location(diagnostic: &Diagnostic, sources: &[SourceFile]) -> (String, usize, usize) {
    let span = &diagnostic.span;
    let source = sources.get(span.source);
    let name = source.map_or_else(|| "-".to_owned(), |source| source.name.clone());
    let line = source.and_then(|source| source.text.lines().nth(span.line.saturating_sub(1)));
    let before = line.and_then(|line| line.get(..span.bytes.start)).unwrap_or_default();
    (name, span.line, before.chars().count() + 1)
}
