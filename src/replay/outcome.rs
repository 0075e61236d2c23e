//! Options, events and outcome of a run.

use crate::app::error::AppError;
use crate::script::matcher::ShownRow;
use crate::script::{Diagnostic, Line};

/// Options of a run.
#[derive(Clone, Debug)]
pub(crate) struct RunOptions {
    pub(crate) checking: Checking,
    pub(crate) seed: Option<u64>,
    pub(crate) vars: Vec<(String, String)>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) after_difference: AfterDifference,
    pub(crate) update: UpdateMode,
}

/// Whether the file of a script is updated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UpdateMode {
    Keep,
    Rewrite,
}

/// Actors that a step checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Checking {
    /// Those with expectations in the step.
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

/// Event of a run, for its reporter.
pub(crate) enum RunEvent<'a> {
    /// Line of the transcript.
    Transcript(&'a str),
    /// Text that an actor typed, and the line of the script.
    Typed { line: &'a Line, actor: &'a str, text: &'a str },
    /// Output of an actor.
    Shown { actor: &'a str, shown: &'a ShownRow },
    /// Difference, or an error that shows only while the script runs.
    Diagnostic(&'a Diagnostic),
}

/// Reason to stop before the end of a script.
pub(crate) enum RunStop {
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

/// End of a script.
pub(crate) enum ScriptEnd {
    Passed,
    Differed,
    Skipped(String),
    Interrupted,
    /// The run could not begin.
    Failed(AppError),
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
    /// Lines of the script after `--update`.
    pub(crate) updated: Vec<String>,
    /// Number of diagnostics that `--update` does not mend.
    pub(crate) remaining: usize,
}

impl RunOutcome {
    /// The outcome of a script without a step.
    pub(crate) fn without_steps(end: ScriptEnd, updated: Vec<String>) -> Self {
        Self { end, diagnostics: Vec::new(), steps: 0, updated, remaining: 0 }
    }
}
