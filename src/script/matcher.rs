//! What an actor showed in a step beside what it was expected to show.

use std::collections::BTreeSet;

use super::ast::Expectation;
use super::pattern::Bindings;

/// One thing that an actor showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownRow {
    /// Which actor.
    pub who: usize,
    /// A row, or an event.
    pub what: ShownKind,
    /// The row as it stood on its screen, or the event in words.
    pub text: String,
}

/// A row of the screen, or something that the runner tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShownKind {
    /// A row.
    Row,
    /// Not a row: `exited 0`, `killed`.
    Event,
}

/// How two lists differ; numbers are places in the lists that were given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// This came in the place of what was expected.
    Other {
        /// The expectation.
        expected: usize,
        /// What came.
        shown: usize,
    },
    /// Nothing came.
    Missing {
        /// The expectation.
        expected: usize,
    },
    /// This was not expected.
    Unexpected {
        /// What came.
        shown: usize,
    },
    /// This was not to come.
    Forbidden {
        /// The expectation.
        expected: usize,
        /// What came.
        shown: usize,
    },
}

/// Holds what one actor showed against its expectations in a step, both in order and whole: what is shown is
/// expected, unless nothing is expected but that something does not appear.
///
/// # Errors
/// The first [`Difference`]; the bindings are then unchanged.
pub fn compare(
    expected: &[&Expectation],
    shown: &[&ShownRow],
    bindings: &mut Bindings,
) -> Result<(), Difference> {
    let in_order: Vec<usize> = numbers(expected, |one| !matches!(one, Expectation::Never(_)));
    if !in_order.is_empty() || expected.is_empty() {
        let failed = BTreeSet::new();
        let mut search = Search { expected, order: &in_order, shown, failed, deepest: (0, 0) };
        match search.run(0, 0, bindings) {
            Some(after) => *bindings = after,
            None => return Err(search.difference(bindings)),
        }
    }
    absent(expected, shown, bindings)
}

/// Where time passes: takes each expectation's row in its order and skips others. Gives how many of the rows
/// are behind the last that was taken.
///
/// # Errors
/// The first expectation whose row has not come; the bindings are then unchanged.
pub fn consume(
    expected: &[&Expectation],
    shown: &[&ShownRow],
    bindings: &mut Bindings,
) -> Result<usize, Difference> {
    let (mut taken, mut after) = (0, bindings.clone());
    for (number, one) in expected.iter().enumerate() {
        if matches!(one, Expectation::Never(_) | Expectation::Rows) {
            continue;
        }
        let found = shown.iter().enumerate().skip(taken).find_map(|(at, row)| {
            let bound = alike(one, row, &after)?;
            Some((at, bound))
        });
        let Some((at, bound)) = found else { return Err(Difference::Missing { expected: number }) };
        (taken, after) = (at + 1, bound);
    }
    *bindings = after;
    Ok(taken)
}

/// Nothing was shown that was not to appear.
///
/// # Errors
/// [`Difference::Forbidden`], the first that was.
pub fn absent(expected: &[&Expectation], shown: &[&ShownRow], bindings: &Bindings) -> Result<(), Difference> {
    for number in numbers(expected, |one| matches!(one, Expectation::Never(_))) {
        let Some(never) = expected.get(number) else { continue };
        let found = shown.iter().position(|one| bindings.after(never, &one.text).is_some());
        if let Some(shown) = found {
            return Err(Difference::Forbidden { expected: number, shown });
        }
    }
    Ok(())
}

fn numbers(expected: &[&Expectation], wanted: impl Fn(&Expectation) -> bool) -> Vec<usize> {
    let each = expected.iter().enumerate();
    each.filter(|(_, one)| wanted(one)).map(|(number, _)| number).collect()
}

/// Whether an expectation and something shown are of one kind and alike.
fn alike(expectation: &Expectation, shown: &ShownRow, bindings: &Bindings) -> Option<Bindings> {
    let event = matches!(expectation, Expectation::Event(_));
    if event != (shown.what == ShownKind::Event) {
        return None;
    }
    bindings.after(expectation, &shown.text)
}

/// A search with steps back, since `$**` may take more or fewer rows.
struct Search<'a> {
    expected: &'a [&'a Expectation],
    order: &'a [usize],
    shown: &'a [&'a ShownRow],
    failed: BTreeSet<(usize, usize)>,
    deepest: (usize, usize),
}

impl Search<'_> {
    fn expectation(&self, at: usize) -> Option<&Expectation> {
        self.order.get(at).and_then(|number| self.expected.get(*number)).copied()
    }

    fn run(&mut self, at: usize, row: usize, bindings: &Bindings) -> Option<Bindings> {
        let Some(expectation) = self.expectation(at) else {
            return if row == self.shown.len() { Some(bindings.clone()) } else { self.fail(at, row) };
        };
        if self.failed.contains(&(at, row)) {
            return None;
        }
        let any_number = matches!(expectation, Expectation::Rows);
        if any_number && let Some(after) = self.run(at + 1, row, bindings) {
            return Some(after);
        }
        let Some(shown) = self.shown.get(row) else { return self.fail(at, row) };
        if any_number {
            return self.run(at, row + 1, bindings).or_else(|| self.fail(at, row));
        }
        if let Some(bound) = self.expectation(at).and_then(|one| alike(one, shown, bindings))
            && let Some(after) = self.run(at + 1, row + 1, &bound)
        {
            return Some(after);
        }
        self.fail(at, row)
    }

    fn fail(&mut self, at: usize, row: usize) -> Option<Bindings> {
        self.deepest = self.deepest.max((at, row));
        self.failed.insert((at, row));
        None
    }

    /// Names the failure at the place that the search got to.
    fn difference(&self, bindings: &Bindings) -> Difference {
        let (at, row) = self.deepest;
        let is_like = |at: usize, row: usize| {
            let (one, shown) = (self.expectation(at), self.shown.get(row));
            one.zip(shown).is_some_and(|(one, shown)| alike(one, shown, bindings).is_some())
        };
        let Some(&expected) = self.order.get(at) else { return Difference::Unexpected { shown: row } };
        if row >= self.shown.len() {
            return Difference::Missing { expected };
        }
        let (left, came) = (self.order.len() - at, self.shown.len() - row);
        if came > left && is_like(at, row + 1) {
            Difference::Unexpected { shown: row }
        } else if left > came && is_like(at + 1, row) {
            Difference::Missing { expected }
        } else {
            Difference::Other { expected, shown: row }
        }
    }
}
