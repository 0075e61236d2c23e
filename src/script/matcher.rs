//! Matcher of output against expectations, and its variables (docs/SCRIPTS.md, section 2.2).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use regex::Regex;

use super::ast::Expectation;
use super::fragment::Fragment;
use super::unordered::Matching;

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

/// Expectation of one actor in a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) expectation: &'a Expectation,
    /// Number of the `@unordered` block that it stands in. Those of a block follow each other.
    pub(crate) block: Option<usize>,
}

/// Most states of a search that are told apart by the values of variables. After that no other way
/// to bind the names of a block is tried.
const STATES_MAX: usize = 1 << 12;

/// Compares the output of one actor in a step with its expectations: in order and completely,
/// unless all of them are [`Expectation::Absent`].
///
/// # Errors
/// The first [`Difference`]; the bindings are then unchanged.
pub(crate) fn compare(
    expected: &[Expected<'_>],
    shown: &[&ShownRow],
    bindings: &mut Bindings,
) -> Result<(), Difference> {
    let is_ordered = |(_, one): &(usize, Expected<'_>)| !matches!(one.expectation, Expectation::Absent(_));
    let ordered: Vec<_> = expected.iter().copied().enumerate().filter(is_ordered).collect();
    if !ordered.is_empty() || expected.is_empty() {
        let mut search = Search::new(&ordered, shown);
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
    expected: &[Expected<'_>],
    shown: &[&ShownRow],
    bindings: &mut Bindings,
) -> Result<Vec<usize>, Difference> {
    let (mut taken, mut bound) = (Vec::new(), bindings.clone());
    let mut number = 0;
    while let Some(one) = expected.get(number) {
        let next = taken.last().map_or(0, |last| last + 1);
        if one.block.is_some() {
            let lines: Vec<_> = expected
                .iter()
                .copied()
                .enumerate()
                .skip(number)
                .take_while(|(_, other)| other.block == one.block)
                .collect();
            let (rows, extended) = take_block(&lines, shown, next, &bound)?;
            taken.extend(rows);
            bound = extended;
            number += lines.len();
            continue;
        }
        number += 1;
        if matches!(one.expectation, Expectation::Absent(_) | Expectation::AnyRows) {
            continue;
        }
        let mut rest = shown.iter().enumerate().skip(next);
        let found = rest.find_map(|(at, shown)| Some((at, match_shown(one.expectation, shown, &bound)?)));
        let (at, extended) = found.ok_or(Difference::Missing { expected: number - 1 })?;
        taken.push(at);
        bound = extended;
    }
    *bindings = bound;
    Ok(taken)
}

/// Takes rows from `next` on for the lines of a block, as soon as each of them has one. Returns
/// them in their order, and the bindings.
fn take_block(
    lines: &[(usize, Expected<'_>)],
    shown: &[&ShownRow],
    next: usize,
    bindings: &Bindings,
) -> Result<(Vec<usize>, Bindings), Difference> {
    let mut matching = Matching::new(lines.len());
    for row in shown.iter().skip(next) {
        matching.add(likes(lines, row, bindings));
        if matching.count() == lines.len() {
            break;
        }
    }
    let without = lines.iter().zip(matching.rows()).find(|(_, row)| row.is_none());
    if let Some(((expected, _), _)) = without {
        return Err(Difference::Missing { expected: *expected });
    }
    if lines.iter().any(|(_, one)| bindings.binds_more(one.expectation)) {
        let mut search = Search::new(lines, shown);
        let taken = search.take(0, next, bindings);
        return taken
            .ok_or_else(|| Difference::Missing { expected: search.first_unused().unwrap_or_default() });
    }
    let mut rows: Vec<usize> = matching.rows().iter().flatten().map(|row| row + next).collect();
    rows.sort_unstable();
    Ok((rows, bindings.clone()))
}

/// Those of some lines that match a row, by their place.
fn likes(lines: &[(usize, Expected<'_>)], row: &ShownRow, bindings: &Bindings) -> Vec<usize> {
    let places = lines.iter().enumerate();
    let matching = places.filter(|(_, (_, one))| match_shown(one.expectation, row, bindings).is_some());
    matching.map(|(place, _)| place).collect()
}

/// Checks that no [`Expectation::Absent`] matches the output.
///
/// # Errors
/// [`Difference::Forbidden`], the first match.
pub(crate) fn check_absent(
    expected: &[Expected<'_>],
    shown: &[&ShownRow],
    bindings: &Bindings,
) -> Result<(), Difference> {
    for (expected, one) in expected.iter().enumerate() {
        if matches!(one.expectation, Expectation::Absent(_))
            && let Some(shown) =
                shown.iter().position(|shown| bindings.matched(one.expectation, &shown.text).is_some())
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

/// Backtracking search: `$**` may take more or fewer rows, and the lines of a block any row of it.
struct Search<'a> {
    /// Expectations that are compared in order, with their indices.
    ordered: &'a [(usize, Expected<'a>)],
    shown: &'a [&'a ShownRow],
    failed: BTreeSet<State>,
    deepest: Place,
    /// Whether blocks may bind names in more than one way, so that states differ by their values.
    has_blocks: bool,
}

/// Place of a search: an expectation, or the first of a block and those of it that have a row, and
/// the row that comes next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Place {
    at: usize,
    used: u64,
    row: usize,
}

/// Place that was tried in vain, and the values of variables there.
type State = (Place, Bindings);

impl Place {
    fn matched(self) -> usize {
        self.used.count_ones() as usize
    }

    /// The place after a line of the block has taken a row.
    fn with(self, line: usize, row: usize) -> Self {
        Self { used: self.used | 1 << line, row: row + 1, ..self }
    }

    /// How far a search has come.
    fn progress(self) -> (usize, usize) {
        (self.at + self.matched(), self.row)
    }
}

impl<'a> Search<'a> {
    fn new(ordered: &'a [(usize, Expected<'a>)], shown: &'a [&'a ShownRow]) -> Self {
        let has_blocks = ordered.iter().any(|(_, one)| one.block.is_some());
        Self { ordered, shown, failed: BTreeSet::new(), deepest: Place::default(), has_blocks }
    }

    fn run(&mut self, at: usize, row: usize, bindings: &Bindings) -> Option<Bindings> {
        let place = Place { at, used: 0, row };
        if self.has_failed(place, bindings) {
            return None;
        }
        let next = self.ordered.get(at).map(|(_, one)| *one);
        let bound = match (next, self.shown.get(row)) {
            (None, None) => Some(bindings.clone()),
            (Some(Expected { block: Some(_), .. }), _) => self.run_block(place, bindings),
            (Some(Expected { expectation: Expectation::AnyRows, .. }), shown) => {
                let none = self.run(at + 1, row, bindings);
                none.or_else(|| shown.and_then(|_| self.run(at, row + 1, bindings)))
            }
            (Some(one), Some(shown)) => match_shown(one.expectation, shown, bindings)
                .and_then(|bound| self.run(at + 1, row + 1, &bound)),
            (None, Some(_)) | (Some(_), None) => None,
        };
        if bound.is_none() {
            self.fail(place, bindings);
        }
        bound
    }

    /// Continues with a block of expectations, which takes as many rows as it has lines.
    fn run_block(&mut self, place: Place, bindings: &Bindings) -> Option<Bindings> {
        let lines = self.block(place.at);
        let rows = self.shown.get(place.row..)?;
        let rows = rows.get(..lines.len()).unwrap_or(rows);
        let mut matching = Matching::new(lines.len());
        for row in rows {
            matching.add(likes(lines, row, bindings));
        }
        if matching.count() == lines.len() {
            // Where names are bound, not every assignment will do.
            let binds = lines.iter().any(|(_, one)| bindings.binds_more(one.expectation));
            let (at, row) = (place.at + lines.len(), place.row + lines.len());
            return if binds { self.assign(place, bindings) } else { self.run(at, row, bindings) };
        }
        let used = matching.rows().iter().enumerate().filter(|(_, row)| row.is_some());
        let used = used.fold(0, |used, (line, _)| used | 1 << line);
        self.deepen(Place { used, row: place.row + matching.count(), ..place });
        None
    }

    /// Assigns the next row to one of the lines of a block that have none yet.
    fn assign(&mut self, place: Place, bindings: &Bindings) -> Option<Bindings> {
        let lines = self.block(place.at);
        if place.matched() == lines.len() {
            return self.run(place.at + lines.len(), place.row, bindings);
        }
        // The first is the state of the block itself.
        if place.used != 0 && self.has_failed(place, bindings) {
            return None;
        }
        let shown = *self.shown.get(place.row)?;
        for (line, (_, one)) in lines.iter().enumerate() {
            if place.used & 1 << line == 0
                && let Some(bound) = match_shown(one.expectation, shown, bindings)
                && let Some(bound) = self.assign(place.with(line, place.row), &bound)
            {
                return Some(bound);
            }
        }
        self.fail(place, bindings);
        None
    }

    /// Takes rows for the lines that have none yet, and skips what none of them is like.
    fn take(&mut self, used: u64, row: usize, bindings: &Bindings) -> Option<(Vec<usize>, Bindings)> {
        let place = Place { at: 0, used, row };
        if place.matched() == self.ordered.len() {
            return Some((Vec::new(), bindings.clone()));
        }
        if self.has_failed(place, bindings) {
            return None;
        }
        for (at, shown) in self.shown.iter().enumerate().skip(row) {
            for (line, (_, one)) in self.ordered.iter().enumerate() {
                if used & 1 << line == 0
                    && let Some(bound) = match_shown(one.expectation, shown, bindings)
                    && let Some((mut rows, bound)) = self.take(place.with(line, at).used, at + 1, &bound)
                {
                    rows.insert(0, at);
                    return Some((rows, bound));
                }
            }
        }
        self.fail(place, bindings);
        None
    }

    /// The lines of the block that begins here.
    fn block(&self, at: usize) -> &'a [(usize, Expected<'a>)] {
        let rest = self.ordered.get(at..).unwrap_or_default();
        let block = rest.first().and_then(|(_, one)| one.block);
        let end = rest.iter().position(|(_, one)| one.block != block).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    /// Index of the first line that had no row at the deepest place.
    fn first_unused(&self) -> Option<usize> {
        let block = self.block(self.deepest.at).iter().enumerate();
        block.filter(|(line, _)| self.deepest.used & 1 << line == 0).map(|(_, (index, _))| *index).next()
    }

    /// Whether a place was tried in vain, or a block in too many ways.
    fn has_failed(&self, place: Place, bindings: &Bindings) -> bool {
        let is_given_up = place.used != 0 && self.failed.len() >= STATES_MAX;
        is_given_up || self.failed.contains(&self.state(place, bindings))
    }

    fn fail(&mut self, place: Place, bindings: &Bindings) {
        self.deepen(place);
        let state = self.state(place, bindings);
        self.failed.insert(state);
    }

    fn deepen(&mut self, place: Place) {
        if place.progress() > self.deepest.progress() {
            self.deepest = place;
        }
    }

    /// Without blocks the first way to bind names counts, as it does in a search that is too wide.
    fn state(&self, place: Place, bindings: &Bindings) -> State {
        let is_told_apart = self.has_blocks && self.failed.len() < STATES_MAX;
        (place, if is_told_apart { bindings.clone() } else { Bindings::default() })
    }

    /// The difference at the deepest place of the search.
    fn difference(&self, bindings: &Bindings) -> Difference {
        let Place { at, row, .. } = self.deepest;
        let matches = |at: usize, row: usize| {
            let pair = self.ordered.get(at).zip(self.shown.get(row));
            pair.is_some_and(|((_, one), shown)| match_shown(one.expectation, shown, bindings).is_some())
        };
        let Some(&(expected, one)) = self.ordered.get(at) else {
            return Difference::Unexpected { shown: row };
        };
        if one.block.is_some() {
            return self.block_difference(bindings);
        }
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

    /// The difference of a block: a line of it without a row, and the first row that is like none.
    fn block_difference(&self, bindings: &Bindings) -> Difference {
        let Place { at, row, .. } = self.deepest;
        let first_row = row - self.deepest.matched();
        let lines = self.block(at);
        let rows = self.shown.get(first_row..).unwrap_or_default();
        let expected_left = self.ordered.len() - at;
        let surplus = rows.len().saturating_sub(expected_left);
        let rows_of_block = rows.iter().take(lines.len() + surplus);
        let mut matching = Matching::new(lines.len());
        rows_of_block.clone().for_each(|row| matching.add(likes(lines, row, bindings)));
        let without = lines.iter().zip(matching.rows()).find(|(_, row)| row.is_none());
        let is_free = |row: &usize| !matching.rows().contains(&Some(*row));
        let shown = (0..rows_of_block.len()).find(is_free).map(|free| first_row + free);
        match (without, shown) {
            (None, Some(shown)) => Difference::Unexpected { shown },
            (Some(((expected, _), _)), Some(shown)) if rows.len() >= expected_left => {
                Difference::Mismatch { expected: *expected, shown }
            }
            (Some(((expected, _), _)), _) => Difference::Missing { expected: *expected },
            // Each row is like a line, but they do not agree about a name.
            (None, None) => match self.first_unused() {
                Some(expected) if row < self.shown.len() => Difference::Mismatch { expected, shown: row },
                unused => Difference::Missing { expected: unused.unwrap_or_default() },
            },
        }
    }
}

/// Values of variables by name. Shared until changed, since each row is tried against a copy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
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

    /// Whether a match of an expectation binds a name that has no value yet.
    pub(crate) fn binds_more(&self, expectation: &Expectation) -> bool {
        match expectation {
            Expectation::Row(pattern) | Expectation::Event(pattern) => {
                pattern.iter().filter_map(Fragment::name).any(|name| self.get(name).is_none())
            }
            Expectation::Regex(regex) => regex.capture_names().any(|name| self.get(name).is_none()),
            Expectation::Absent(_) | Expectation::AnyRows => false,
        }
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
