//! Matcher of output against expectations, and its variables (docs/SCRIPTS.md, section 2.2).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use regex::Regex;

use super::ast::Expectation;
use super::fragment::Fragment;

/// Output of an actor: a row of its screen or an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ShownRow {
    pub(crate) actor: usize,
    pub(crate) kind: ShownKind,
    pub(crate) text: String,
    /// Whether it says that something went wrong.
    pub(crate) is_warning: bool,
}

impl ShownRow {
    /// Row of a screen, where a warning begins with its mark.
    pub(crate) fn row(actor: usize, text: String) -> Self {
        let is_warning = text.starts_with("! ");
        Self { actor, kind: ShownKind::Row, text, is_warning }
    }

    pub(crate) fn event(actor: usize, text: String) -> Self {
        Self { actor, kind: ShownKind::Event, text, is_warning: false }
    }
}

/// Kind of output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ShownKind {
    Row,
    /// Event beside the screen, such as an exit.
    Event,
}

/// Difference between expectations and output, as indices into the compared lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Difference {
    /// Output that differs from the expectation in its place.
    Mismatch { expected: usize, shown: usize },
    /// Expectation without output.
    Missing { expected: usize },
    /// Output without expectation.
    Unexpected { shown: usize },
    /// Warning of an actor of whom nothing is expected.
    Untaken { shown: usize },
    /// Output that an [`Expectation::Absent`] matches.
    Forbidden { expected: usize, shown: usize },
}

/// Compares the output of one actor in a step with its expectations: in order and completely,
/// unless all of them are [`Expectation::Absent`].
///
/// # Errors
/// The first [`Difference`]; the bindings are then unchanged.
pub(crate) fn compare(
    expected: &[&Expectation],
    shown: &[&ShownRow],
    bindings: &mut Bindings,
) -> Result<(), Difference> {
    let is_ordered = |(_, one): &(usize, &Expectation)| !matches!(one, Expectation::Absent(_));
    let ordered: Vec<_> = expected.iter().copied().enumerate().filter(is_ordered).collect();
    if !ordered.is_empty() || expected.is_empty() {
        let mut search = Search { ordered: &ordered, shown, failed: BTreeSet::new(), deepest: (0, 0) };
        match search.run(0, 0, bindings) {
            Some(bound) => *bindings = bound,
            None => return Err(search.difference(bindings)),
        }
    }
    check_absent(expected, shown, bindings)
}

/// Takes the output that each expectation matches, in order, and skips the rest; for live runs.
/// Returns the rows that are matched.
///
/// # Errors
/// The first expectation without output yet; the bindings are then unchanged.
pub(crate) fn consume(
    expected: &[&Expectation],
    shown: &[&ShownRow],
    bindings: &mut Bindings,
) -> Result<Vec<usize>, Difference> {
    let (mut taken, mut bound) = (Vec::new(), bindings.clone());
    for (number, one) in expected.iter().enumerate() {
        if matches!(one, Expectation::Absent(_) | Expectation::AnyRows) {
            continue;
        }
        let next = taken.last().map_or(0, |last| last + 1);
        let mut rest = shown.iter().enumerate().skip(next);
        let found = rest.find_map(|(at, shown)| Some((at, match_shown(one, shown, &bound)?)));
        let (at, extended) = found.ok_or(Difference::Missing { expected: number })?;
        taken.push(at);
        bound = extended;
    }
    *bindings = bound;
    Ok(taken)
}

/// Checks that no [`Expectation::Absent`] matches the output.
///
/// # Errors
/// [`Difference::Forbidden`], the first match.
pub(crate) fn check_absent(
    expected: &[&Expectation],
    shown: &[&ShownRow],
    bindings: &Bindings,
) -> Result<(), Difference> {
    for (expected, one) in expected.iter().enumerate() {
        if matches!(one, Expectation::Absent(_))
            && let Some(shown) = shown.iter().position(|shown| bindings.matched(one, &shown.text).is_some())
        {
            return Err(Difference::Forbidden { expected, shown });
        }
    }
    Ok(())
}

/// The bindings after a match of kind and text.
pub(crate) fn match_shown(
    expectation: &Expectation,
    shown: &ShownRow,
    bindings: &Bindings,
) -> Option<Bindings> {
    let is_event = matches!(expectation, Expectation::Event(_));
    if is_event != (shown.kind == ShownKind::Event) {
        return None;
    }
    bindings.matched(expectation, &shown.text)
}

/// Backtracking search: `$**` may take more or fewer rows.
struct Search<'a> {
    /// Expectations that are compared in order, with their indices.
    ordered: &'a [(usize, &'a Expectation)],
    shown: &'a [&'a ShownRow],
    failed: BTreeSet<(usize, usize)>,
    deepest: (usize, usize),
}

impl Search<'_> {
    fn run(&mut self, at: usize, row: usize, bindings: &Bindings) -> Option<Bindings> {
        if self.failed.contains(&(at, row)) {
            return None;
        }
        let bound = match (self.ordered.get(at), self.shown.get(row)) {
            (None, None) => Some(bindings.clone()),
            (Some((_, Expectation::AnyRows)), shown) => {
                let none = self.run(at + 1, row, bindings);
                none.or_else(|| shown.and_then(|_| self.run(at, row + 1, bindings)))
            }
            (Some((_, expectation)), Some(shown)) => {
                match_shown(expectation, shown, bindings).and_then(|bound| self.run(at + 1, row + 1, &bound))
            }
            (None, Some(_)) | (Some(_), None) => None,
        };
        if bound.is_none() {
            self.deepest = self.deepest.max((at, row));
            self.failed.insert((at, row));
        }
        bound
    }

    /// The difference at the deepest place of the search.
    fn difference(&self, bindings: &Bindings) -> Difference {
        let (at, row) = self.deepest;
        let matches = |at: usize, row: usize| {
            let pair = self.ordered.get(at).zip(self.shown.get(row));
            pair.is_some_and(|((_, one), shown)| match_shown(one, shown, bindings).is_some())
        };
        let Some(&(expected, _)) = self.ordered.get(at) else {
            return Difference::Unexpected { shown: row };
        };
        if row >= self.shown.len() {
            return Difference::Missing { expected };
        }
        let (expected_left, shown_left) = (self.ordered.len() - at, self.shown.len() - row);
        if shown_left > expected_left && matches(at, row + 1) {
            Difference::Unexpected { shown: row }
        } else if expected_left > shown_left && matches(at + 1, row) {
            Difference::Missing { expected }
        } else {
            Difference::Mismatch { expected, shown: row }
        }
    }
}

/// Values of variables by name. Shared until changed, since each row is tried against a copy.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Bindings(Arc<BTreeMap<String, String>>);

/// Variable of a template that has no value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UnboundVariable {
    pub(crate) name: String,
    /// Bytes of the line.
    pub(crate) at: Range<usize>,
}

impl Bindings {
    /// Binds or rebinds a variable.
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        Arc::make_mut(&mut self.0).insert(name.into(), value.into());
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Every variable with its value, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Expands a template.
    ///
    /// # Errors
    /// The first variable without a value.
    pub(crate) fn expand(&self, template: &[Fragment]) -> Result<String, UnboundVariable> {
        let mut text = String::new();
        for fragment in template {
            match fragment {
                Fragment::Literal(literal) => text.push_str(literal),
                Fragment::Key(key) => text.push_str(key.sequence()),
                Fragment::Variable { name, at, .. } => match self.get(name) {
                    Some(value) => text.push_str(value),
                    None => return Err(UnboundVariable { name: name.clone(), at: at.clone() }),
                },
                Fragment::Wildcard => {}
            }
        }
        Ok(text)
    }

    /// The bindings after a match, with its captures; `None` without a match.
    /// [`Expectation::AnyRows`] matches no single text.
    pub(crate) fn matched(&self, expectation: &Expectation, text: &str) -> Option<Self> {
        match expectation {
            Expectation::Row(pattern) | Expectation::Absent(pattern) | Expectation::Event(pattern) => {
                self.matched_pattern(pattern, text)
            }
            Expectation::Regex(regex) => {
                let found = regex.with_values(|name| self.get(name))?;
                let found = found.captures(text)?;
                let names = regex.capture_names();
                self.extended(names.filter_map(|name| Some((name, found.name(name)?.as_str()))))
            }
            Expectation::AnyRows => None,
        }
    }

    fn matched_pattern(&self, pattern: &[Fragment], text: &str) -> Option<Self> {
        if let Ok(literal) = self.expand(pattern)
            && !pattern.contains(&Fragment::Wildcard)
        {
            return (literal == text).then(|| self.clone());
        }
        if !self.has_literals(pattern, text) {
            return None;
        }
        let mut expression = String::from("(?s)^");
        let mut captures = Vec::new();
        for fragment in pattern {
            match fragment {
                Fragment::Literal(text) => expression.push_str(&regex::escape(text)),
                Fragment::Wildcard => expression.push_str(".*"),
                // A pattern has no keys.
                Fragment::Key(_) => {}
                Fragment::Variable { name, values, .. } => {
                    if let Some(value) = self.get(name) {
                        expression.push_str(&regex::escape(value));
                        continue;
                    }
                    for part in ["(", values, ")"] {
                        expression.push_str(part);
                    }
                    captures.push(name.as_str());
                }
            }
        }
        expression.push('$');
        // Only a line of the script that is too large makes an expression too large to compile.
        let found = Regex::new(&expression).ok()?.captures(text)?;
        let values = found.iter().skip(1).flatten().map(|value| value.as_str());
        self.extended(captures.into_iter().zip(values))
    }

    /// Whether the known parts of a pattern stand in a text, one after the other: most rows are
    /// refused without an expression.
    fn has_literals(&self, pattern: &[Fragment], text: &str) -> bool {
        let mut rest = text;
        pattern.iter().all(|fragment| {
            let known = match fragment {
                Fragment::Literal(literal) => Some(literal.as_str()),
                Fragment::Variable { name, .. } => self.get(name),
                Fragment::Wildcard | Fragment::Key(_) => None,
            };
            let found = known.map_or(Some(rest), |known| rest.split_once(known).map(|(_, after)| after));
            rest = found.unwrap_or_default();
            found.is_some()
        })
    }

    /// These bindings and more; `None` if a variable would have two values.
    fn extended<'t>(&self, values: impl Iterator<Item = (&'t str, &'t str)>) -> Option<Self> {
        let mut extended = self.clone();
        for (name, value) in values {
            match extended.get(name) {
                Some(bound) if bound != value => return None,
                Some(_) => {}
                None => extended.set(name, value),
            }
        }
        Some(extended)
    }
}
