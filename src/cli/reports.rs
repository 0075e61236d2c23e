//! Choice of the scripts that a replay plays, and the reports about them: options, and what is
//! written.

use std::path::PathBuf;

use clap::Args;
use regex::Regex;

use crate::app::error::{AppError, code};
use crate::app::os::eprint_line;
use crate::replay::journal::Journal;
use crate::script::Script;

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Play only scripts whose name matches
    #[arg(long, value_name = "REGEX")]
    only: Option<Regex>,
    /// Play only scripts with this @tag, or one of these
    #[arg(long, value_name = "NAME")]
    tag: Vec<String>,
    /// Play no script with this @tag
    #[arg(long, value_name = "NAME")]
    skip_tag: Vec<String>,
    /// Print the names of the scripts and play none
    #[arg(long, conflicts_with_all = ["check", "fmt", "update"])]
    pub(crate) list: bool,
    #[expect(clippy::doc_markdown, reason = "the help has no markup")]
    /// Write a report in JUnit XML, with a test case for each script
    #[arg(long, value_name = "FILE", conflicts_with_all = ["check", "fmt", "list"])]
    junit: Option<PathBuf>,
    /// List the ten slowest scripts
    #[arg(long, conflicts_with_all = ["check", "fmt", "list"])]
    timings: bool,
}

impl ReportArgs {
    /// Whether a script is one of those that were chosen. One that has mistakes may have any tag.
    pub(crate) fn chooses(&self, name: &str, script: Option<&Script>) -> bool {
        let has_tags = script.is_none_or(|script| {
            let has = |tag: &String| script.has_tag(tag);
            (self.tag.is_empty() || self.tag.iter().any(has)) && !self.skip_tag.iter().any(has)
        });
        has_tags && self.only.as_ref().is_none_or(|only| only.is_match(name))
    }

    /// Refuses a choice that leaves nothing to play.
    pub(crate) fn check(&self, scripts: usize) -> Result<(), AppError> {
        if scripts > 0 || (self.only.is_none() && self.tag.is_empty() && self.skip_tag.is_empty()) {
            return Ok(());
        }
        let error = AppError::new(code::USAGE, "no script matches --only, --tag and --skip-tag");
        Err(error.hint("--list without them prints every name"))
    }

    /// Writes the reports at the end of a run, also of one that was interrupted.
    pub(crate) fn write(&self, journal: &Journal, scripts: usize, seed: Option<u64>) -> Result<(), AppError> {
        if self.timings {
            journal.timings().iter().for_each(|row| eprint_line(row));
        }
        if scripts > 1 {
            eprint_line(&journal.summary());
        }
        match &self.junit {
            Some(path) => journal.write_junit(path, seed),
            None => Ok(()),
        }
    }
}
