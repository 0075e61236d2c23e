//! Update of a script in place (`--update`): what matched stays, all else becomes what was shown.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::ast::{Expectation, Line, Script};
use super::matcher::{Bindings, ShownRow};
use super::render::{self, Substitutions};

/// Updates the lines of a step after its head: `tail` are expectations, comments and blank lines as
/// written, `shown` is the output of all actors in order, `bindings` are those after the step.
pub(crate) fn updated_tail(
    script: &Script,
    tail: &[Line],
    shown: &[ShownRow],
    substitutions: &Substitutions,
    bindings: &Bindings,
) -> Vec<String> {
    let placements = placements(tail, shown, bindings);
    let matched: BTreeSet<usize> =
        placements.iter().filter_map(|one| one.rows.as_ref()).flatten().copied().collect();
    let mut new: Vec<usize> = (0..shown.len()).filter(|row| !matched.contains(row)).collect();
    let mut render_new = |out: &mut Vec<String>, wanted: &dyn Fn(usize, usize) -> bool| {
        new.retain(|row| {
            let found = shown.get(*row).filter(|one| wanted(*row, one.actor));
            out.extend(found.map(|one| render::shown(script.label(one.actor), one, substitutions)));
            found.is_none()
        });
    };
    let end = tail.iter().rposition(|line| line.expectation().is_some()).map_or(0, |last| last + 1);
    let (expectations, rest) = tail.split_at(end);
    let mut out = Vec::new();
    for (line, placement) in expectations.iter().zip(&placements) {
        if let Some((actor, _)) = line.expectation() {
            render_new(&mut out, &|row, of| row < placement.before && of == actor);
        }
        if placement.rows.is_some() {
            out.push(line.text.clone());
        }
    }
    render_new(&mut out, &|_, _| true);
    out.extend(rest.iter().map(|line| line.text.clone()));
    out
}

/// Place of a line of the tail among the rows that were shown.
struct Placement {
    /// Rows that the line stands for; `None` if the line is removed.
    rows: Option<Vec<usize>>,
    /// End of the rows that come before the line, or in its place.
    before: usize,
}

/// Places the expectations of each actor by themselves; other lines, absent rows included, stay.
fn placements(tail: &[Line], shown: &[ShownRow], bindings: &Bindings) -> Vec<Placement> {
    let mut placements: Vec<_> =
        tail.iter().map(|_| Placement { rows: Some(Vec::new()), before: 0 }).collect();
    let actors: BTreeSet<usize> = tail.iter().filter_map(|line| Some(line.expectation()?.0)).collect();
    for actor in actors {
        let expectations = tail.iter().enumerate().filter_map(|(index, line)| match line.expectation()? {
            (_, Expectation::Absent(_)) => None,
            (of, expectation) => (of == actor).then_some((index, expectation)),
        });
        let (lines, expectations): (Vec<usize>, Vec<&Expectation>) = expectations.unzip();
        let rows = shown.iter().enumerate().filter(|(_, one)| one.actor == actor);
        let (rows, texts): (Vec<usize>, Vec<&str>) = rows.map(|(row, one)| (row, one.text.as_str())).unzip();
        let aligned = align(&expectations, &texts, bindings);
        let mut before = shown.len();
        for (index, line) in lines.into_iter().enumerate().rev() {
            let rows = aligned.get(&index).map(|range| rows.get(range.clone()).unwrap_or_default().to_vec());
            let first = rows.as_ref().map(|rows| rows.first().copied());
            before = first.flatten().unwrap_or(before);
            if let Some(slot) = placements.get_mut(line) {
                *slot = Placement { rows, before: first.map_or(before, Option::unwrap_or_default) };
            }
        }
    }
    placements
}

/// Range of rows that each expectation stands for, by a longest common subsequence. `$**` always
/// has one: the rows between its neighbours.
fn align(expectations: &[&Expectation], rows: &[&str], bindings: &Bindings) -> BTreeMap<usize, Range<usize>> {
    let mut matches = BTreeSet::new();
    let mut lengths: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let length = |lengths: &BTreeMap<_, _>, i: usize, j: usize| lengths.get(&(i, j)).copied().unwrap_or(0);
    for (i, expectation) in expectations.iter().enumerate().rev() {
        for (j, row) in rows.iter().enumerate().rev() {
            let mut longest = length(&lengths, i + 1, j).max(length(&lengths, i, j + 1));
            if bindings.matched(expectation, row).is_some() {
                matches.insert((i, j));
                longest = longest.max(length(&lengths, i + 1, j + 1) + 1);
            }
            lengths.insert((i, j), longest);
        }
    }
    let mut aligned = BTreeMap::new();
    let (mut i, mut j) = (0, 0);
    while i < expectations.len() && j < rows.len() {
        if matches.contains(&(i, j)) && length(&lengths, i, j) == length(&lengths, i + 1, j + 1) + 1 {
            aligned.insert(i, j..j + 1);
            (i, j) = (i + 1, j + 1);
        } else if length(&lengths, i + 1, j) >= length(&lengths, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    for (i, expectation) in expectations.iter().enumerate() {
        if matches!(expectation, Expectation::AnyRows) {
            let is_filled = |(_, range): &(&usize, &Range<usize>)| !range.is_empty();
            let before = aligned.range(..i).rfind(is_filled).map_or(0, |(_, range)| range.end);
            let after = aligned.range(i + 1..).find(is_filled).map_or(rows.len(), |(_, range)| range.start);
            aligned.insert(i, before..after);
        }
    }
    aligned
}
