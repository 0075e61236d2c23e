//! One step of a script: it is done, the world settles, and each actor's rows are held against its
//! expectations.

use std::time::{Duration, Instant};

use super::interrupt;
use super::runner::{Checking, Play, Stop, Told};
use super::trouble::restless;
use crate::app::error::{Fault as Failure, code};
use crate::script::diagnose::{Played, explain};
use crate::script::matcher::{self, Difference, Shown};
use crate::script::{Directive, Expectation, Fault, Kind, Line};

/// The head of the step that begins at a line, its tail, and where the next line is.
pub(crate) fn extent(lines: &[Line], at: usize) -> (&[Line], &[Line], usize) {
    let together = matches!(lines.get(at).map(|line| &line.kind), Some(Kind::Directive(Directive::Together)));
    let mut from = at + 1;
    if together {
        let is_end = |line: &Line| matches!(line.kind, Kind::Directive(Directive::End));
        let end = lines.iter().skip(at).position(is_end);
        from = end.map_or(lines.len(), |end| at + end + 1);
    }
    let is_over = |line: &Line| line.is_step() || matches!(line.kind, Kind::Directive(_));
    let length = lines.iter().skip(from).position(is_over);
    let next = length.map_or(lines.len(), |length| from + length);
    // Comments and blank lines at the end belong to what follows.
    let is_expected = |line: &Line| matches!(line.kind, Kind::Expected { .. });
    let tail = lines.get(from..next).unwrap_or_default();
    let until = tail.iter().rposition(is_expected).map_or(from, |last| from + last + 1);
    (lines.get(at..from).unwrap_or_default(), lines.get(from..until).unwrap_or_default(), until)
}

impl Play<'_> {
    /// Does a step and compares.
    pub(crate) fn step(&mut self, head: &[Line], tail: &[Line]) -> Result<(), Stop> {
        let Some(first) = head.first() else { return Ok(()) };
        for line in head {
            self.act(line)?;
        }
        if interrupt::came() {
            return Err(Stop::Interrupted);
        }
        if self.script.is_live() {
            return self.compare_live(first, tail);
        }
        self.cast.settle().map_err(|fault| restless(&fault.0))?;
        self.name_ports();
        let shown = self.cast.stage.shown.clone();
        for who in 0..self.cast.count() {
            let expected = of(tail, who);
            let wanted = !expected.is_empty() || self.checking == Checking::Exact;
            let rows: Vec<&Shown> = shown.iter().filter(|one| one.who == who).collect();
            if wanted && let Err(difference) = matcher::compare(&whats(&expected), &rows, &mut self.bindings)
            {
                self.differs(first, &expected, &rows, &difference, None);
            }
        }
        Ok(())
    }

    fn act(&mut self, line: &Line) -> Result<(), Stop> {
        match &line.kind {
            Kind::Typed { who, .. } if self.cast.is_live(*who) => {}
            Kind::Typed { who, text, .. } => {
                if let Some(fault) = self.absent(line, *who) {
                    self.fault(fault);
                    return Ok(());
                }
                match self.bindings.typed(text) {
                    Ok(typed) => {
                        let label = self.script.label(*who);
                        (self.tell)(Told::Typed { line, who: label, text: &typed });
                        self.cast.types(*who, &typed);
                    }
                    Err(unbound) => {
                        let what = format!("no value for ${{{}}} yet", unbound.name);
                        self.fault(Fault::new(line.stretch(unbound.at), what));
                    }
                }
            }
            Kind::Directive(directive) => self.act_directive(line, directive)?,
            Kind::Blank | Kind::Comment | Kind::Expected { .. } => {}
        }
        Ok(())
    }

    fn act_directive(&mut self, line: &Line, directive: &Directive) -> Result<(), Stop> {
        match directive {
            Directive::Tick(ms) => self.cast.pass_time(*ms).map_err(|fault| restless(&fault.0))?,
            Directive::Kill { who, death } => match self.absent(line, *who) {
                Some(fault) => self.fault(fault),
                None => self.cast.kill(*who, *death),
            },
            Directive::Start { who, home } => {
                if self.cast.gone(*who).is_some() {
                    self.cast.start(*who, *home).map_err(Stop::Failed)?;
                } else {
                    let label = self.script.label(*who);
                    let fault = Fault::new(line.whole(), format!("{label} is running already"));
                    self.fault(fault.help(format!("`@kill {label}` or `{label}> :quit` ends it first")));
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
    fn compare_live(&mut self, first: &Line, tail: &[Line]) -> Result<(), Stop> {
        let began = Instant::now();
        let until = began + Duration::from_millis(self.timeout_ms);
        let mut seen = 0;
        loop {
            self.catch_rows(&mut seen);
            if (0..self.cast.count()).all(|who| self.has_come(who, tail)) {
                break;
            }
            if interrupt::came() {
                return Err(Stop::Interrupted);
            }
            if Instant::now() >= until {
                break;
            }
            self.live_until(until)?;
        }
        let quiet = Instant::now() + Duration::from_millis(self.quiet_ms);
        let forbids =
            tail.iter().any(|line| matches!(line.kind, Kind::Expected { what: Expectation::Never(_), .. }));
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
        let new = self.cast.stage.shown.get(*seen..).unwrap_or_default();
        self.untaken.extend_from_slice(new);
        *seen = self.cast.stage.shown.len();
    }

    fn has_come(&self, who: usize, tail: &[Line]) -> bool {
        let rows: Vec<&Shown> = self.untaken.iter().filter(|one| one.who == who).collect();
        matcher::consume(&whats(&of(tail, who)), &rows, &mut self.bindings.clone()).is_ok()
    }

    fn take_rows(&mut self, first: &Line, tail: &[Line], who: usize) {
        let expected = of(tail, who);
        let untaken = self.untaken.clone();
        let rows: Vec<&Shown> = untaken.iter().filter(|one| one.who == who).collect();
        let taken = matcher::consume(&whats(&expected), &rows, &mut self.bindings);
        let taken = taken.and_then(|taken| {
            matcher::absent(&whats(&expected), &rows, &self.bindings)?;
            Ok(taken)
        });
        match taken {
            Ok(mut taken) => self.untaken.retain(|one| {
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

    fn live_until(&mut self, until: Instant) -> Result<(), Stop> {
        let failed = |error: std::io::Error| Stop::Failed(Failure::new(code::MACHINE, error.to_string()));
        self.cast.go_on(until).map_err(failed)
    }

    fn differs(
        &mut self,
        head: &Line,
        expected: &[&Line],
        shown: &[&Shown],
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
        let fault = explain(&played, difference);
        // What must not appear is a wish, and no row that came can take its place.
        self.mendable += usize::from(!matches!(difference, Difference::Forbidden { .. }));
        self.fault(fault);
    }
}

/// The expectations of an actor.
fn of(tail: &[Line], who: usize) -> Vec<&Line> {
    let is_of = |line: &&Line| matches!(line.kind, Kind::Expected { who: whose, .. } if whose == who);
    tail.iter().filter(is_of).collect()
}

fn whats<'a>(lines: &[&'a Line]) -> Vec<&'a Expectation> {
    let what = |line: &&'a Line| match &line.kind {
        Kind::Expected { what, .. } => Some(what),
        _ => None,
    };
    lines.iter().filter_map(what).collect()
}
