//! What the doctor says: one line for each thing looked at, and under it what to do. It knows nothing of what
//! was looked at.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _};

use crate::app::error::AppError;
use crate::app::print::print_line;

/// How one thing is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FindingStatus {
    /// As it should be.
    Ok,
    /// It may be meant so.
    Warning,
    /// A connection would not work; the exit code for it.
    Problem(u8),
}

/// One thing looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Finding {
    verdict: FindingStatus,
    what: &'static str,
    found: String,
    advice: Vec<String>,
}

/// Cells of the verdict and of the name of what was looked at.
const VERDICT_CELLS: usize = 9;
const WHAT_CELLS: usize = 11;
/// The narrowest terminal that is wrapped for: below, the indent would leave no room.
const NARROWEST_CELLS: usize = 40;

/// Cells of a row: those of the terminal, or as many as a row takes where there is none.
fn cells() -> usize {
    let size = io::stdout().is_terminal().then(|| rustix::termios::tcgetwinsize(io::stdout()).ok()).flatten();
    let cells = size.map_or(0, |size| usize::from(size.ws_col));
    if cells < NARROWEST_CELLS { usize::MAX } else { cells }
}

impl Finding {
    pub(crate) fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: FindingStatus::Ok, what, found: found.into(), advice: Vec::new() }
    }

    pub(crate) fn warning(what: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: FindingStatus::Warning, ..Self::ok(what, found) }
    }

    pub(crate) fn problem(code: u8, what: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: FindingStatus::Problem(code), ..Self::ok(what, found) }
    }

    /// A failure in the words of the program.
    pub(crate) fn of(what: &'static str, error: &AppError) -> Self {
        let finding = Self::problem(error.code, what, error.message.clone());
        match &error.hint {
            Some(hint) => finding.advise(hint),
            None => finding,
        }
    }

    /// What to do about it, or what to know of it.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    /// The same, where it does not matter for what is wanted.
    pub(crate) fn no_problem(mut self) -> Self {
        if self.verdict != FindingStatus::Ok {
            self.verdict = FindingStatus::Warning;
        }
        self
    }

    #[cfg(test)]
    pub(crate) fn is_ok(&self) -> bool {
        self.verdict == FindingStatus::Ok
    }

    /// The rows for an output of so many cells; words stay whole, fingerprints among them.
    fn rows(&self, cells: usize) -> Vec<String> {
        let word = match self.verdict {
            FindingStatus::Ok => "ok",
            FindingStatus::Warning => "warning",
            FindingStatus::Problem(_) => "problem",
        };
        let mut rows = Vec::new();
        for (number, row) in self.found.lines().enumerate() {
            let (word, what) = if number == 0 { (word, self.what) } else { ("", "") };
            rows.push(format!("{word:VERDICT_CELLS$}{what:WHAT_CELLS$}{row}"));
        }
        let indent = VERDICT_CELLS + WHAT_CELLS;
        rows.extend(self.advice.iter().map(|advice| format!("{:indent$}{advice}", "")));
        let blanks = " ".repeat(indent);
        let manner = textwrap::Options::new(cells).subsequent_indent(&blanks).break_words(false);
        let wrapped = rows.iter().flat_map(|row| textwrap::wrap(row, &manner));
        wrapped.map(Cow::into_owned).collect()
    }
}

/// Everything found so far.
#[derive(Default)]
pub(crate) struct DoctorReport {
    problems: Vec<u8>,
    warnings: usize,
}

impl DoctorReport {
    /// Prints a finding and remembers how it was.
    pub(crate) fn add(&mut self, finding: &Finding) -> Result<(), AppError> {
        match finding.verdict {
            FindingStatus::Ok => {}
            FindingStatus::Warning => self.warnings += 1,
            FindingStatus::Problem(code) => self.problems.push(code),
        }
        for row in finding.rows(cells()) {
            print_line(&row)?;
        }
        Ok(())
    }

    /// Prints the sum and gives the exit code: that of the first problem, since later ones may follow from it.
    pub(crate) fn finish(&self) -> Result<u8, AppError> {
        let count = |count: usize, word: &str| match count {
            1 => format!("1 {word}"),
            _ => format!("{count} {word}s"),
        };
        let sum = match (self.problems.len(), self.warnings) {
            (0, 0) => "nothing is wrong".to_owned(),
            (0, warnings) => format!("nothing is wrong; {}", count(warnings, "warning")),
            (problems, warnings) => format!("{}, {}", count(problems, "problem"), count(warnings, "warning")),
        };
        print_line(&sum)?;
        Ok(self.problems.first().copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_wrapped_under_what_they_say_and_words_stay_whole() {
        let finding =
            Finding::warning("trust", "SHA256:3dyQ2c7dCjTgpQ65B77RTdMEUiFxGRVmIJh0Fi4USwE is new\nto you")
                .advise("지문을 물어보고 맞춰 보세요, 그 다음에 믿으세요");
        assert_eq!(
            finding.rows(44),
            [
                "warning  trust",
                "                    SHA256:3dyQ2c7dCjTgpQ65B77RTdMEUiFxGRVmIJh0Fi4USwE",
                "                    is new",
                "                    to you",
                "                    지문을 물어보고 맞춰",
                "                    보세요, 그 다음에",
                "                    믿으세요",
            ]
        );
        assert_eq!(finding.rows(usize::MAX).len(), 3);
    }
}
