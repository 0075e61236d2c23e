//! What a run prints: the transcript, TAP for test harnesses, or one JSON object a line. Transcripts and
//! objects go to standard output, faults and progress to standard error.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde_json::json;

use super::diagnostics;
use super::runner::{RunEvent, RunOutcome, ScriptEnd};
use crate::app::print::eprint_line;
use crate::script::Script;
use crate::script::matcher::ShownKind;

/// In which form.
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
    Faults,
}

/// Writes what is told.
pub(crate) struct Reporter {
    format: Format,
    loudness: Verbosity,
    scripts: usize,
    number: usize,
    progress: bool,
    /// The progress line stands where the next line of standard output would.
    in_the_way: bool,
    broken: Option<io::Error>,
}

impl Reporter {
    pub(crate) fn new(format: Format, loudness: Verbosity, scripts: usize) -> Self {
        let progress = scripts > 1 && io::stderr().is_terminal();
        let mut output =
            Self { format, loudness, scripts, number: 0, progress, in_the_way: false, broken: None };
        if format == Format::Tap {
            output.line("TAP version 14");
            output.line(&format!("1..{scripts}"));
        }
        output
    }

    /// A script begins.
    pub(crate) fn begin(&mut self, name: &str) {
        self.number += 1;
        let header = self.scripts > 1 && self.loudness == Verbosity::Transcripts;
        if header && self.format == Format::Transcript {
            self.line(&format!("# {name}"));
        }
        if self.progress {
            let row = format!("\r\x1b[2K{}/{} {name}", self.number, self.scripts);
            // Nobody misses a progress line.
            let _ = write!(io::stderr(), "{row}");
            self.in_the_way = io::stdout().is_terminal();
        }
    }

    /// Something is told while it is played.
    pub(crate) fn told(&mut self, script: &Script, told: &RunEvent<'_>) {
        match (self.format, told) {
            (Format::Transcript, RunEvent::Line(line)) if self.loudness == Verbosity::Transcripts => {
                self.line(line);
            }
            (Format::Json, RunEvent::Typed { line, who, text }) => {
                let file = script.sources.get(line.source).map(|source| source.name.as_str());
                let object = json!({
                    "event": "typed", "file": file, "line": line.number, "actor": who, "text": text
                });
                self.line(&object.to_string());
            }
            (Format::Json, RunEvent::ShownRow { who, shown }) => {
                let event = if shown.what == ShownKind::Row { "shown" } else { "happened" };
                self.line(&json!({ "event": event, "actor": who, "text": shown.text }).to_string());
            }
            (Format::Json, RunEvent::Differs(error)) => {
                let (file, line, column) = diagnostics::place(error, &script.sources);
                let facts: Vec<_> = error
                    .facts
                    .iter()
                    .map(|(heading, fact)| json!({ "what": heading, "text": fact }))
                    .collect();
                let object = json!({
                    "event": "differs", "file": file, "line": line, "column": column,
                    "message": error.what, "facts": facts, "help": error.help
                });
                self.line(&object.to_string());
            }
            _ => {}
        }
        if let RunEvent::Differs(error) = told {
            self.clear_progress();
            eprint_line(&diagnostics::drawn(error, &script.sources));
        }
    }

    /// A script has ended.
    pub(crate) fn end(&mut self, name: &str, script: &Script, outcome: &RunOutcome) {
        self.clear_progress();
        let word = match &outcome.end {
            ScriptEnd::Passed => "passed",
            ScriptEnd::Differed => "differed",
            ScriptEnd::Skipped(_) => "skipped",
            ScriptEnd::Interrupted => "interrupted",
            ScriptEnd::Failed(_) | ScriptEnd::Refused(_) => "failed",
        };
        match self.format {
            Format::Transcript => {}
            Format::Tap => self.tap(name, script, outcome),
            Format::Json => {
                let object =
                    json!({ "event": "ended", "file": name, "outcome": word, "steps": outcome.steps });
                self.line(&object.to_string());
            }
        }
        if let ScriptEnd::Failed(error) = &outcome.end {
            eprint_line(&error.to_string());
        }
    }

    /// What could not be written, if something could not.
    pub(crate) fn broken(&mut self) -> Option<io::Error> {
        self.broken.take()
    }

    fn tap(&mut self, name: &str, script: &Script, outcome: &RunOutcome) {
        let number = self.number;
        // A number sign would begin a directive of TAP.
        let name = name.replace('#', "\\#");
        match &outcome.end {
            ScriptEnd::Passed => self.line(&format!("ok {number} - {name}")),
            ScriptEnd::Skipped(reason) => self.line(&format!("ok {number} - {name} # SKIP {reason}")),
            ScriptEnd::Differed | ScriptEnd::Interrupted | ScriptEnd::Failed(_) | ScriptEnd::Refused(_) => {
                self.line(&format!("not ok {number} - {name}"));
            }
        }
        if let Some(error) = outcome.diagnostics.first() {
            let (file, line, column) = diagnostics::place(error, &script.sources);
            self.line("  ---");
            self.line(&format!("  message: {}", json!(error.what)));
            self.line(&format!("  at: {}", json!(format!("{file}:{line}:{column}"))));
            for (heading, fact) in &error.facts {
                self.line(&format!("  {heading}: {}", json!(fact)));
            }
            self.line("  ...");
        }
    }

    fn clear_progress(&self) {
        if self.progress {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }

    fn line(&mut self, text: &str) {
        if std::mem::take(&mut self.in_the_way) {
            self.clear_progress();
        }
        if self.broken.is_none()
            && let Err(error) = writeln!(io::stdout().lock(), "{text}")
        {
            self.broken = Some(error);
        }
    }
}
