//! Retries of scripts in an open world, where the same script may differ once and pass once:
//! options, and the end that they give a script.

use clap::Args;

use crate::replay::reporter::{RunOutcome, ScriptEnd};
use crate::script::Script;

#[derive(Args, Debug)]
pub(crate) struct RetryArgs {
    /// Retry a script with @live or @spawn after a difference, up to this many times; one that then
    /// passes is flaky. Others are never retried
    #[arg(long, value_name = "N", default_value_t, hide_default_value = true)]
    #[arg(conflicts_with_all = ["check", "fmt", "list", "update", "svg", "cast"])]
    retry: u16,
    /// With --retry, treat a flaky script as failed
    #[arg(long, requires = "retry")]
    pub(crate) fail_on_flaky: bool,
}

impl RetryArgs {
    /// Most runs of a script. In a closed world a difference is a difference.
    fn attempts_max(&self, script: &Script) -> usize {
        if script.is_live() { usize::from(self.retry) + 1 } else { 1 }
    }

    /// Number of the next run of a script and the most there can be, if there is to be another.
    pub(crate) fn next(&self, script: &Script, outcome: &RunOutcome) -> Option<(usize, usize)> {
        let most = self.attempts_max(script);
        let is_next = matches!(outcome.end, ScriptEnd::Differed) && outcome.attempts < most;
        is_next.then_some((outcome.attempts + 1, most))
    }

    /// The outcome of a run of this number: a pass behind a difference is flaky.
    pub(crate) fn judge(&self, script: &Script, outcome: RunOutcome, attempts: usize) -> RunOutcome {
        let end = match outcome.end {
            ScriptEnd::Passed => ScriptEnd::Flaky { attempts_max: self.attempts_max(script) },
            end => end,
        };
        RunOutcome { end, attempts, ..outcome }
    }
}
