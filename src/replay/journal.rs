//! Journal of the scripts that were played: the summary, the slowest of them, the report in XML.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};

use super::reporter::{RunOutcome, ScriptEnd, draw, location};
use crate::app::error::{AppError, code, describe, shown};
use crate::script::Script;
use crate::script::matcher::{ShownKind, ShownRow};
use crate::text::safe::SafeText;

/// Most scripts that the timings list.
const LISTED_MAX: usize = 10;

/// Scripts that were played, in their order.
#[derive(Debug)]
pub(crate) struct Journal {
    started: Instant,
    records: Vec<Record>,
    /// Output of the script that is being reported.
    current: String,
    /// Runs of it that were not the last.
    attempts: Vec<Record>,
}

/// Script that was played, or could not be.
#[derive(Debug)]
struct Record {
    name: String,
    result: ScriptResult,
    time: Duration,
    /// Seed of the script, where its run is closed.
    seed: Option<u64>,
    shown: String,
    /// Runs before this one.
    attempts: Vec<Record>,
}

#[derive(Debug)]
enum ScriptResult {
    Passed,
    Flaky,
    Skipped(String),
    /// Message with its place, and everything that was told.
    Differed(String, String),
    NotPlayed(String, String),
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), records: Vec::new(), current: String::new(), attempts: Vec::new() }
    }

    /// Notes output of an actor.
    pub(crate) fn shown(&mut self, actor: &str, shown: &ShownRow) {
        let mark = if shown.kind == ShownKind::Row { "|" } else { "|*" };
        self.current.extend([actor, mark, " ", &shown.text, "\n"]);
    }

    /// Notes the end of a script, and the time that it took.
    pub(crate) fn end(&mut self, name: &str, script: &Script, outcome: &RunOutcome, time: Duration) {
        let record = self.record(name, script, outcome, time);
        let attempts = std::mem::take(&mut self.attempts);
        self.records.push(Record { attempts, ..record });
    }

    /// Notes the end of a run after which the script is played again.
    pub(crate) fn attempt(&mut self, name: &str, script: &Script, outcome: &RunOutcome, time: Duration) {
        let record = self.record(name, script, outcome, time);
        self.attempts.push(record);
    }

    fn record(&mut self, name: &str, script: &Script, outcome: &RunOutcome, time: Duration) -> Record {
        let shown = std::mem::take(&mut self.current);
        let drawn: Vec<String> =
            outcome.diagnostics.iter().map(|diagnostic| draw(diagnostic, &script.sources)).collect();
        let message = outcome.diagnostics.first().map(|diagnostic| {
            let (file, line, column) = location(diagnostic, &script.sources);
            format!("{file}:{line}:{column}: {}", diagnostic.message)
        });
        let drawn = drawn.join("\n");
        let result = match &outcome.end {
            ScriptEnd::Passed => ScriptResult::Passed,
            ScriptEnd::Flaky { .. } => ScriptResult::Flaky,
            ScriptEnd::Skipped(reason) => ScriptResult::Skipped(reason.clone()),
            ScriptEnd::Differed => ScriptResult::Differed(message.unwrap_or_default(), drawn),
            ScriptEnd::Failed(error) => ScriptResult::NotPlayed(error.message.clone(), error.to_string()),
            ScriptEnd::Interrupted => ScriptResult::NotPlayed("interrupted".to_owned(), drawn),
            ScriptEnd::Wrong | ScriptEnd::Aborted { .. } => {
                ScriptResult::NotPlayed(message.unwrap_or_default(), drawn)
            }
        };
        let is_played = !matches!(result, ScriptResult::Skipped(_) | ScriptResult::NotPlayed(..));
        let seed = (is_played && !script.is_live()).then(|| script.seed().unwrap_or(0));
        Record { name: name.to_owned(), result, time, seed, shown, attempts: Vec::new() }
    }

    /// Notes a script that is left after a stop.
    pub(crate) fn leave(&mut self, name: &str) {
        let result = ScriptResult::NotPlayed("not played after a stop".to_owned(), String::new());
        self.records.push(Record {
            name: name.to_owned(),
            result,
            time: Duration::ZERO,
            seed: None,
            shown: String::new(),
            attempts: Vec::new(),
        });
    }

    /// `19 passed, 1 differed, 1 not played, 2.4 s`
    pub(crate) fn summary(&self) -> String {
        let count = |is: fn(&ScriptResult) -> bool| self.records.iter().filter(|one| is(&one.result)).count();
        let counts = [
            (count(|one| matches!(one, ScriptResult::Passed)), "passed"),
            (count(|one| matches!(one, ScriptResult::Flaky)), "flaky"),
            (count(|one| matches!(one, ScriptResult::Differed(..))), "differed"),
            (count(|one| matches!(one, ScriptResult::Skipped(_))), "skipped"),
            (count(|one| matches!(one, ScriptResult::NotPlayed(..))), "not played"),
        ];
        let told = counts.iter().filter(|(count, word)| *count > 0 || *word == "passed");
        let told: Vec<String> = told.map(|(count, word)| format!("{count} {word}")).collect();
        format!("{}, {:.1} s", told.join(", "), self.started.elapsed().as_secs_f64())
    }

    /// Rows with the slowest scripts, the slowest first.
    pub(crate) fn timings(&self) -> Vec<String> {
        let mut slowest: Vec<&Record> = self.records.iter().collect();
        slowest.sort_by_key(|record| std::cmp::Reverse(record.time));
        let row = |record: &&Record| {
            format!("{:>8.3} s  {}", record.time.as_secs_f64(), SafeText::line(&record.name))
        };
        slowest.iter().take(LISTED_MAX).map(row).collect()
    }

    /// Writes the report in `JUnit`'s XML: a test case for each script.
    pub(crate) fn write_junit(&self, path: &Path, seed: Option<u64>) -> Result<(), AppError> {
        let mut suite = TestSuite::new("rsachat replay");
        suite.add_property(Property::new("version", env!("CARGO_PKG_VERSION")));
        if let Some(seed) = seed {
            suite.add_property(Property::new("seed", seed.to_string()));
        }
        suite.set_time(self.started.elapsed());
        suite.add_test_cases(self.records.iter().map(|record| record.test_case(seed)));
        let mut report = Report::new("rsachat replay");
        report.set_time(self.started.elapsed()).add_test_suite(suite);
        let failed =
            |why: String| AppError::new(code::MACHINE, format!("cannot write {}: {why}", shown(path)));
        let text = report.to_string().map_err(|error| failed(error.to_string()))?;
        fs::write(path, text).map_err(|error| failed(describe(&error)))
    }
}

impl Record {
    /// A run that was not the last. Only one that differed is followed by another.
    fn rerun(&self) -> Option<TestRerun> {
        let ScriptResult::Differed(message, text) = &self.result else { return None };
        let mut rerun = TestRerun::new(NonSuccessKind::Failure);
        rerun.set_message(message.as_str()).set_description(text.as_str()).set_time(self.time);
        if !self.shown.is_empty() {
            rerun.set_system_out(self.shown.as_str());
        }
        Some(rerun)
    }

    /// The case of the report; `seed` is that of the command line, which wins.
    fn test_case(&self, seed: Option<u64>) -> TestCase {
        let unsuccessful = |kind: NonSuccessKind, message: &str, text: &str| {
            let mut status = TestCaseStatus::non_success(kind);
            status.set_message(message).set_description(text);
            status
        };
        let mut status = match &self.result {
            ScriptResult::Passed | ScriptResult::Flaky => TestCaseStatus::success(),
            ScriptResult::Skipped(reason) => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(reason.as_str());
                status
            }
            ScriptResult::Differed(message, text) => unsuccessful(NonSuccessKind::Failure, message, text),
            ScriptResult::NotPlayed(message, text) => unsuccessful(NonSuccessKind::Error, message, text),
        };
        status.add_reruns(self.attempts.iter().filter_map(Record::rerun));
        let mut case = TestCase::new(self.name.as_str(), status);
        case.set_classname("rsachat.replay").set_time(self.time);
        if let Some(own) = self.seed {
            case.add_property(Property::new("seed", seed.unwrap_or(own).to_string()));
        }
        if !self.shown.is_empty() {
            case.set_system_out(self.shown.as_str());
        }
        case
    }
}
