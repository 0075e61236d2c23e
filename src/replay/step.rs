//! Step of a script: what is done, and the expectations behind it.

use crate::script::matcher::Expected;
use crate::script::{Directive, Line, LineKind};

/// Lines of a step.
pub(super) struct ScriptStep<'a> {
    pub(super) first: &'a Line,
    /// What is done: one line, or the block from `@together` to `@end`.
    pub(super) head: &'a [Line],
    /// Expectations, with comments and blank lines between them.
    pub(super) tail: &'a [Line],
}

impl<'a> ScriptStep<'a> {
    /// The step that begins with `first`, the first of these lines.
    pub(super) fn new(first: &'a Line, lines: &'a [Line]) -> Self {
        let is = |directive: Directive| move |line: &Line| matches!(&line.kind, LineKind::Directive(other) if *other == directive);
        let mut end = 1;
        if is(Directive::Together)(first) {
            end = lines.iter().position(is(Directive::End)).map_or(lines.len(), |end| end + 1);
        }
        let (head, rest) = lines.split_at_checked(end).unwrap_or((lines, &[]));
        let is_next = |line: &Line| {
            matches!(line.kind, LineKind::Input { .. } | LineKind::Directive(_)) && !line.is_in_tail()
        };
        let rest = rest.iter().position(is_next).and_then(|end| rest.get(..end)).unwrap_or(rest);
        // Comments and blank lines at the end belong to what follows.
        let last = rest.iter().rposition(Line::is_in_tail);
        let tail = last.and_then(|last| rest.get(..=last)).unwrap_or_default();
        Self { first, head, tail }
    }

    /// Expectations of an actor, with their lines; the head may itself wait for a row.
    pub(super) fn expectations(&self, actor: usize) -> (Vec<&'a Line>, Vec<Expected<'a>>) {
        let lines = self.head.iter().chain(self.tail);
        let lines = lines.filter_map(|line| Some((line, line.expectation()?)));
        let own = lines.filter(|(_, (of, _))| *of == actor);
        own.map(|(line, (_, expectation))| (line, Expected { expectation, block: line.block() })).unzip()
    }
}
