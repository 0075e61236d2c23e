//! History of a run: the lines where actors ended and bytes were held, and the step before.

use std::collections::{BTreeMap, BTreeSet};

use crate::script::matcher::ShownRow;
use crate::script::{Directive, FaultInjection, Line, LineKind};

/// What earlier steps did.
#[derive(Default)]
pub(super) struct History {
    /// Line of the step in which each actor has ended.
    ended: BTreeMap<usize, usize>,
    /// Line of each `@hold`, by sender and receiver.
    holds: BTreeMap<(usize, Option<usize>), usize>,
    /// Line and output of the step before.
    before: Option<(usize, Vec<ShownRow>)>,
}

impl History {
    /// Remembers the line of a `@hold`.
    pub(super) fn inject(&mut self, line: &Line) {
        if let LineKind::Directive(Directive::InjectFault { from, to, fault: FaultInjection::Hold(_) }) =
            line.kind
        {
            self.holds.insert((from, to), line.number);
        }
    }

    /// Remembers a step that is over: its first line, who has ended by now, and what was shown.
    pub(super) fn remember(&mut self, first: &Line, ended: &BTreeSet<usize>, shown: Vec<ShownRow>) {
        self.inject(first);
        self.ended.retain(|actor, _| ended.contains(actor));
        for actor in ended {
            self.ended.entry(*actor).or_insert(first.number);
        }
        self.before = Some((first.number, shown));
    }

    /// Line of the step before, and what was shown in it.
    pub(super) fn before(&self) -> Option<&(usize, Vec<ShownRow>)> {
        self.before.as_ref()
    }

    /// Line of the step in which an actor has ended.
    pub(super) fn end_of(&self, actor: usize) -> Option<usize> {
        self.ended.get(&actor).copied()
    }

    /// Line of the `@hold` between two actors.
    pub(super) fn hold(&self, from: usize, to: usize) -> Option<usize> {
        let of = |to| self.holds.get(&(from, to));
        of(Some(to)).or_else(|| of(None)).copied()
    }
}
