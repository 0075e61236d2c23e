//! Faults that show only while a script is played, each with the line that it came up at.

use super::actors::Gone;
use super::runner::{Play, Stop, Told};
use crate::app::error::{Fault as Failure, code};
use crate::script::{Fault, Line};

impl Play<'_> {
    /// A fault of the script that shows only while it runs.
    pub(crate) fn fault(&mut self, fault: Fault) {
        (self.tell)(Told::Differs(&fault));
        self.faults.push(fault);
    }

    /// Why somebody cannot do what the script wants.
    pub(crate) fn absent(&self, line: &Line, who: usize) -> Option<Fault> {
        let label = self.script.label(who);
        let why = match self.cast.gone(who)? {
            Gone::NotYet => "it has not been started",
            Gone::Exited => "it has left",
            Gone::Killed => "it was killed",
        };
        if label.is_empty() {
            let fault = Fault::new(line.whole(), format!("nobody is there to type this: {why}"));
            return Some(
                fault.help("an actor with a name can be started again: `@actors NAME`, `@start NAME`"),
            );
        }
        let fault = Fault::new(line.whole(), format!("{label} is not there: {why}"));
        Some(fault.help(format!("`@start {label}` brings it back")))
    }
}

/// A world that did not come to rest.
pub(crate) fn restless(what: &str) -> Stop {
    let fault = Failure::new(code::MACHINE, format!("the world did not come to rest: {what}"));
    Stop::Failed(fault.hint("this is a fault of the program; please report it with the script"))
}

/// A failure of the machine, at the line that was played then.
pub(crate) fn placed(line: &Line, failure: &Failure) -> Fault {
    let mut fault = Fault::new(line.whole(), failure.message.clone());
    fault.help.extend(failure.hint.clone());
    fault
}
