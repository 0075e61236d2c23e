//! One step of a script: it is done, the world settles, and each actor's rows are held against its
//! expectations.

use std::time::{Duration, Instant};

use super::interrupt;
use super::runner::{Checking, Run, RunEvent, RunStop};
use super::trouble::restless;
use crate::app::error::{AppError, code};
use crate::script::diagnose::{Played, explain};
use crate::script::matcher::{self, Difference, ShownRow};
use crate::script::{Diagnostic, Directive, Expectation, Line, LineKind};

/// The head of the step that begins at a line, its tail, and where the next line is.
pub(crate) fn extent(lines: &[Line], at: usize) -> (&[Line], &[Line], usize) {
    let together =
        matches!(lines.get(at).map(|line| &line.kind), Some(LineKind::Directive(Directive::Together)));
    let mut from = at + 1;
    if together {
        let is_end = |line: &Line| matches!(line.kind, LineKind::Directive(Directive::End));
        let end = lines.iter().skip(at).position(is_end);
        from = end.map_or(lines.len(), |end| at + end + 1);
    }
    let is_over = |line: &Line| line.is_step() || matches!(line.kind, LineKind::Directive(_));
    let length = lines.iter().skip(from).position(is_over);
    let next = length.map_or(lines.len(), |length| from + length);
    // Comments and blank lines at the end belong to what follows.
    let is_expected = |line: &Line| matches!(line.kind, LineKind::Expected { .. });
    let tail = lines.get(from..next).unwrap_or_default();
    let until = tail.iter().rposition(is_expected).map_or(from, |last| from + last + 1);
    (lines.get(at..from).unwrap_or_default(), lines.get(from..until).unwrap_or_default(), until)
}

impl Run<'_> {
    /// Does a step and compares.
    pub(crate) fn step(&mut self, head: &[Line], tail: &[Line]) -> Result<(), RunStop> {
        let Some(first) = head.first() else { return Ok(()) };
        for line in head {
            self.act(line)?;
        }
        if interrupt::came() {
            return Err(RunStop::Interrupted);
        }
        if self.script.is_live() {
            return self.compare_live(first, tail);
        }
        self.cast.settle().map_err(|error| restless(&error.0))?;
        self.name_ports();
        let shown = self.cast.shown().to_vec();
        for who in 0..self.cast.count() {
            let expected = of(tail, who);
            let wanted = !expected.is_empty() || self.checking == Checking::Exact;
            let rows: Vec<&ShownRow> = shown.iter().filter(|one| one.who == who).collect();
            if wanted && let Err(difference) = matcher::compare(&whats(&expected), &rows, &mut self.bindings)
            {
                self.differs(first, &expected, &rows, &difference, None);
            }
        }
        Ok(())
    }

    fn act(&mut self, line: &Line) -> Result<(), RunStop> {
        match &line.kind {
            LineKind::Input { who, .. } if self.cast.is_live(*who) => {}
            LineKind::Input { who, text, .. } => {
                if let Some(error) = self.absent(line, *who) {
                    self.error(error);
                    return Ok(());
                }
                match self.bindings.typed(text) {
                    Ok(typed) => {
                        let label = self.script.label(*who);
                        (self.tell)(RunEvent::Typed { line, who: label, text: &typed });
                        self.cast.type_line(*who, &typed);
                    }
                    Err(unbound) => {
                        let what = format!("no value for ${{{}}} yet", unbound.name);
                        self.error(Diagnostic::new(line.stretch(unbound.at), what));
                    }
                }
            }
            LineKind::Directive(directive) => self.act_directive(line, directive)?,
            LineKind::Blank | LineKind::Comment | LineKind::Expected { .. } => {}
        }
        Ok(())
    }

    fn act_directive(&mut self, line: &Line, directive: &Directive) -> Result<(), RunStop> {
        match directive {
            Directive::Tick(ms) => self.cast.pass_time(*ms).map_err(|error| restless(&error.0))?,
            Directive::Kill { who, death } => match self.absent(line, *who) {
                Some(error) => self.error(error),
                None => self.cast.kill(*who, *death),
            },
            Directive::Start { who, home } => {
                if self.cast.stopped(*who).is_some() {
                    self.cast.start(*who, *home).map_err(RunStop::Failed)?;
                } else {
                    let label = self.script.label(*who);
                    let error = Diagnostic::new(line.whole(), format!("{label} is running already"));
                    self.error(error.help(format!("`@kill {label}` or `{label}> :quit` ends it first")));
                }
            }
            Directive::Meddle { from, to, what } => self.cast.meddle(*from, *to, *what),
            Directive::Wait(ms) => {
                let until = Instant::now() + Duration::from_millis(*ms);
                while Instant::now() < until && !interrupt::came() {
                    self.live_until(until)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Waits for what is expected, as long as it may take.
    fn compare_live(&mut self, first: &Line, tail: &[Line]) -> Result<(), RunStop> {
        let began = Instant::now();
        let until = began + Duration::from_millis(self.timeout_ms);
        let mut seen = 0;
        loop {
            self.catch_rows(&mut seen);
            if (0..self.cast.count()).all(|who| self.has_come(who, tail)) {
                break;
            }
            if interrupt::came() {
                return Err(RunStop::Interrupted);
            }
            if Instant::now() >= until {
                break;
            }
            self.live_until(until)?;
        }
        let quiet = Instant::now() + Duration::from_millis(self.quiet_ms);
        let forbids = tail
            .iter()
            .any(|line| matches!(line.kind, LineKind::Expected { what: Expectation::Never(_), .. }));
        while forbids && Instant::now() < quiet && !interrupt::came() {
            self.live_until(quiet)?;
        }
        self.catch_rows(&mut seen);
        for who in 0..self.cast.count() {
            self.take_rows(first, tail, who);
        }
        Ok(())
    }

    /// Rows that came since the last look are there to be taken; ports get their names before.
    fn catch_rows(&mut self, seen: &mut usize) {
        self.name_ports();
        let new = self.cast.shown().get(*seen..).unwrap_or_default();
        self.unsent_bytes.extend_from_slice(new);
        *seen = self.cast.shown().len();
    }

    fn has_come(&self, who: usize, tail: &[Line]) -> bool {
        let rows: Vec<&ShownRow> = self.unsent_bytes.iter().filter(|one| one.who == who).collect();
        matcher::consume(&whats(&of(tail, who)), &rows, &mut self.bindings.clone()).is_ok()
    }

    fn take_rows(&mut self, first: &Line, tail: &[Line], who: usize) {
        let expected = of(tail, who);
        let unsent_bytes = self.unsent_bytes.clone();
        let rows: Vec<&ShownRow> = unsent_bytes.iter().filter(|one| one.who == who).collect();
        let taken = matcher::consume(&whats(&expected), &rows, &mut self.bindings);
        let taken = taken.and_then(|taken| {
            matcher::absent(&whats(&expected), &rows, &self.bindings)?;
            Ok(taken)
        });
        match taken {
            Ok(mut taken) => self.unsent_bytes.retain(|one| {
                let goes = one.who == who && taken > 0;
                taken -= usize::from(goes);
                !goes
            }),
            Err(difference) => {
                let waited = Some(self.timeout_ms);
                self.differs(first, &expected, &rows, &difference, waited);
            }
        }
    }

    fn live_until(&mut self, until: Instant) -> Result<(), RunStop> {
        let failed = |error: std::io::Error| RunStop::Failed(AppError::new(code::MACHINE, error.to_string()));
        self.cast.go_on(until).map_err(failed)
    }

    fn differs(
        &mut self,
        head: &Line,
        expected: &[&Line],
        shown: &[&ShownRow],
        difference: &Difference,
        waited_ms: Option<u64>,
    ) {
        let played = Played {
            script: self.script,
            head,
            expected,
            shown,
            bindings: &self.bindings,
            names: &self.names,
            waited_ms,
        };
        let error = explain(&played, difference);
        // What must not appear is a wish, and no row that came can take its place.
        self.mendable += usize::from(!matches!(difference, Difference::Forbidden { .. }));
        self.error(error);
    }
}

/// The expectations of an actor.
fn of(tail: &[Line], who: usize) -> Vec<&Line> {
    let is_of = |line: &&Line| matches!(line.kind, LineKind::Expected { who: whose, .. } if whose == who);
    tail.iter().filter(is_of).collect()
}

fn whats<'a>(lines: &[&'a Line]) -> Vec<&'a Expectation> {
    let what = |line: &&'a Line| match &line.kind {
        LineKind::Expected { what, .. } => Some(what),
        _ => None,
    };
    lines.iter().filter_map(what).collect()
}
