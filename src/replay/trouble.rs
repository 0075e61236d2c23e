//! Faults that show only while a script is played, each with the line that it came up at.

use super::actors::Stopped;
use super::runner::{Run, RunEvent, RunStop};
use crate::app::error::{AppError, code};
use crate::script::{Diagnostic, Line};

impl Run<'_> {
    /// A fault of the script that shows only while it runs.
    pub(crate) fn error(&mut self, error: Diagnostic) {
        (self.tell)(RunEvent::Differs(&error));
        self.diagnostics.push(error);
    }

    /// Why somebody cannot do what the script wants.
    pub(crate) fn absent(&self, line: &Line, who: usize) -> Option<Diagnostic> {
        let label = self.script.label(who);
        let why = match self.cast.stopped(who)? {
            Stopped::NotYet => "it has not been started",
            Stopped::Exited => "it has left",
            Stopped::Killed => "it was killed",
        };
        if label.is_empty() {
            let error = Diagnostic::new(line.whole(), format!("nobody is there to type this: {why}"));
            return Some(
                error.help("an actor with a name can be started again: `@actors NAME`, `@start NAME`"),
            );
        }
        let error = Diagnostic::new(line.whole(), format!("{label} is not there: {why}"));
        Some(error.help(format!("`@start {label}` brings it back")))
    }
}

/// A world that did not come to rest.
pub(crate) fn restless(what: &str) -> RunStop {
    let error = AppError::new(code::MACHINE, format!("the world did not come to rest: {what}"));
    RunStop::Failed(error.hint("this is a fault of the program; please report it with the script"))
}

/// A failure of the machine, at the line that was played then.
pub(crate) fn placed(line: &Line, failure: &AppError) -> Diagnostic {
    let mut error = Diagnostic::new(line.whole(), failure.message.clone());
    error.help.extend(failure.hint.clone());
    error
}
