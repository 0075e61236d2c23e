//! What a run prints: the transcript, TAP for test harnesses, or one JSON object a line. Transcripts and
//! objects go to standard output, faults and progress to standard error.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde_json::json;

use super::diagnostics;
use super::runner::{End, Outcome, Told};
use crate::app::print::complain;
use crate::script::Script;
use crate::script::matcher::What;

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
pub(crate) enum Loudness {
    Transcripts,
    Faults,
}

/// Writes what is told.
pub(crate) struct Output {
    format: Format,
    loudness: Loudness,
    scripts: usize,
    number: usize,
    progress: bool,
    /// The progress line stands where the next line of standard output would.
    in_the_way: bool,
    broken: Option<io::Error>,
}

impl Output {
    pub(crate) fn new(format: Format, loudness: Loudness, scripts: usize) -> Self {
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
        let header = self.scripts > 1 && self.loudness == Loudness::Transcripts;
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
    pub(crate) fn told(&mut self, script: &Script, told: &Told<'_>) {
        match (self.format, told) {
            (Format::Transcript, Told::Line(line)) if self.loudness == Loudness::Transcripts => {
                self.line(line);
            }
            (Format::Json, Told::Typed { line, who, text }) => {
                let file = script.sources.get(line.source).map(|source| source.name.as_str());
                let object = json!({
                    "event": "typed", "file": file, "line": line.number, "actor": who, "text": text
                });
                self.line(&object.to_string());
            }
            (Format::Json, Told::Shown { who, shown }) => {
                let event = if shown.what == What::Row { "shown" } else { "happened" };
                self.line(&json!({ "event": event, "actor": who, "text": shown.text }).to_string());
            }
            (Format::Json, Told::Differs(fault)) => {
                let (file, line, column) = diagnostics::place(fault, &script.sources);
                let facts: Vec<_> = fault
                    .facts
                    .iter()
                    .map(|(heading, fact)| json!({ "what": heading, "text": fact }))
                    .collect();
                let object = json!({
                    "event": "differs", "file": file, "line": line, "column": column,
                    "message": fault.what, "facts": facts, "help": fault.help
                });
                self.line(&object.to_string());
            }
            _ => {}
        }
        if let Told::Differs(fault) = told {
            self.clear_progress();
            complain(&diagnostics::drawn(fault, &script.sources));
        }
    }

    /// A script has ended.
    pub(crate) fn end(&mut self, name: &str, script: &Script, outcome: &Outcome) {
        self.clear_progress();
        let word = match &outcome.end {
            End::Passed => "passed",
            End::Differed => "differed",
            End::Skipped(_) => "skipped",
            End::Interrupted => "interrupted",
            End::Failed(_) | End::Refused(_) => "failed",
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
        if let End::Failed(fault) = &outcome.end {
            complain(&fault.to_string());
        }
    }

    /// What could not be written, if something could not.
    pub(crate) fn broken(&mut self) -> Option<io::Error> {
        self.broken.take()
    }

    fn tap(&mut self, name: &str, script: &Script, outcome: &Outcome) {
        let number = self.number;
        // A number sign would begin a directive of TAP.
        let name = name.replace('#', "\\#");
        match &outcome.end {
            End::Passed => self.line(&format!("ok {number} - {name}")),
            End::Skipped(reason) => self.line(&format!("ok {number} - {name} # SKIP {reason}")),
            End::Differed | End::Interrupted | End::Failed(_) | End::Refused(_) => {
                self.line(&format!("not ok {number} - {name}"));
            }
        }
        if let Some(fault) = outcome.faults.first() {
            let (file, line, column) = diagnostics::place(fault, &script.sources);
            self.line("  ---");
            self.line(&format!("  message: {}", json!(fault.what)));
            self.line(&format!("  at: {}", json!(format!("{file}:{line}:{column}"))));
            for (heading, fact) in &fault.facts {
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
