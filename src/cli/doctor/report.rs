//! Report of the doctor: one line for each finding, with hints below it.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _};

use crate::app::error::AppError;
use crate::app::os::print_line;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FindingStatus {
    Ok,
    /// It may be intended.
    Warning,
    /// It prevents a connection; with the exit code for it.
    Problem(u8),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Finding {
    pub(crate) status: FindingStatus,
    subject: &'static str,
    pub(crate) text: String,
    hints: Vec<String>,
}

/// Cells of the columns of status and subject.
const STATUS_CELLS: usize = 9;
const SUBJECT_CELLS: usize = 11;
/// Width of the narrowest terminal that is wrapped for: below, the indent would leave no room.
const NARROWEST_CELLS: usize = 40;

/// Cells of a row to wrap for, if standard output is a terminal that is wide enough.
fn terminal_cells() -> Option<usize> {
    let size = io::stdout().is_terminal().then(|| rustix::termios::tcgetwinsize(io::stdout()).ok()).flatten();
    size.map(|size| usize::from(size.ws_col)).filter(|cells| *cells >= NARROWEST_CELLS)
}

impl Finding {
    pub(crate) fn ok(subject: &'static str, text: impl Into<String>) -> Self {
        Self { status: FindingStatus::Ok, subject, text: text.into(), hints: Vec::new() }
    }

    pub(crate) fn warning(subject: &'static str, text: impl Into<String>) -> Self {
        Self { status: FindingStatus::Warning, ..Self::ok(subject, text) }
    }

    pub(crate) fn problem(code: u8, subject: &'static str, text: impl Into<String>) -> Self {
        Self { status: FindingStatus::Problem(code), ..Self::ok(subject, text) }
    }

    pub(crate) fn from_error(subject: &'static str, error: &AppError) -> Self {
        let hints = error.hint.clone().into_iter().collect();
        Self { hints, ..Self::problem(error.code, subject, &error.message) }
    }

    /// Adds a hint: what to do about it, or what to know of it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The rows, wrapped if the output has a width; words stay whole, fingerprints among them.
    fn rows(&self, cells: Option<usize>) -> Vec<String> {
        let status = match self.status {
            FindingStatus::Ok => "ok",
            FindingStatus::Warning => "warning",
            FindingStatus::Problem(_) => "problem",
        };
        let indent = " ".repeat(STATUS_CELLS + SUBJECT_CELLS);
        let head = format!("{status:STATUS_CELLS$}{:SUBJECT_CELLS$}", self.subject);
        let heads = std::iter::once(&head).chain(std::iter::repeat(&indent));
        let rows = self.text.lines().chain(self.hints.iter().map(String::as_str)).zip(heads);
        let options =
            textwrap::Options::new(cells.unwrap_or(usize::MAX)).subsequent_indent(&indent).break_words(false);
        let wrap = |(row, head): (&str, &String)| {
            let row = format!("{head}{row}");
            textwrap::wrap(&row, &options).into_iter().map(Cow::into_owned).collect::<Vec<_>>()
        };
        rows.flat_map(wrap).collect()
    }
}

/// Printer of findings, which counts them for the exit code.
#[derive(Default)]
pub(crate) struct DoctorReport {
    problems: Vec<u8>,
    warnings: usize,
}

impl DoctorReport {
    /// Prints and counts a finding.
    pub(crate) fn add(&mut self, finding: &Finding) -> Result<(), AppError> {
        match finding.status {
            FindingStatus::Ok => {}
            FindingStatus::Warning => self.warnings += 1,
            FindingStatus::Problem(code) => self.problems.push(code),
        }
        for row in finding.rows(terminal_cells()) {
            print_line(&row)?;
        }
        Ok(())
    }

    /// Prints the totals and returns the exit code of the first problem, since later ones may
    /// follow from it.
    pub(crate) fn finish(&self) -> Result<u8, AppError> {
        let count = |count: usize, word: &str| match count {
            1 => format!("1 {word}"),
            _ => format!("{count} {word}s"),
        };
        let totals = match (self.problems.len(), self.warnings) {
            (0, 0) => "no problems found".to_owned(),
            (0, warnings) => format!("no problems found; {}", count(warnings, "warning")),
            (problems, warnings) => format!("{}, {}", count(problems, "problem"), count(warnings, "warning")),
        };
        print_line(&totals)?;
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
                .hint("지문을 물어보고 맞춰 보세요, 그 다음에 믿으세요");
        assert_eq!(
            finding.rows(Some(44)),
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
        assert_eq!(finding.rows(None).len(), 3);
    }
}
