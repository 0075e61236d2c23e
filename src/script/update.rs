//! Rewriting a script in place: what matched stays as it is written, what did not becomes what was shown.

use super::ast::{Line, LineKind};
use super::matcher::ShownRow;
use super::pattern::Bindings;
use super::render::{self, CaptureNames};
use super::{Expectation, Script};

/// The lines of a step after its head, brought up to date. `tail` are the expectations, comments and blank
/// lines as they stand; `shown` is everything that was shown, in its order; `bindings` are those after the step.
#[must_use]
pub fn tail(
    script: &Script,
    tail: &[&Line],
    shown: &[ShownRow],
    names: &CaptureNames,
    bindings: &Bindings,
) -> Vec<String> {
    let kept = kept(tail, shown, bindings);
    let mut written = vec![false; shown.len()];
    let mut out = Vec::new();
    let last = tail.iter().rposition(|line| matches!(line.kind, LineKind::Expected { .. }));
    let new = |number: usize| {
        shown.get(number).map(|one| render::shown(script.label(one.who), one, names)).unwrap_or_default()
    };
    let mut write = |numbers: &mut dyn Iterator<Item = usize>, out: &mut Vec<String>| {
        for number in numbers {
            if let Some(done) = written.get_mut(number)
                && !std::mem::replace(done, true)
            {
                out.push(new(number));
            }
        }
    };
    let taken: Vec<usize> = kept.iter().flat_map(Disposition::rows).collect();
    let free = |number: &usize| !taken.contains(number);
    if last.is_none() {
        write(&mut (0..shown.len()), &mut out);
    }
    for (number, (line, kept)) in tail.iter().zip(&kept).enumerate() {
        match (&line.kind, kept) {
            (LineKind::Expected { .. }, Disposition::Gone(until)) => {
                // In the place of what did not come stands what came there.
                let of = |row: &usize| shown.get(*row).is_some_and(|one| is_of(line, one));
                write(&mut (0..*until).filter(free).filter(of), &mut out);
            }
            (LineKind::Expected { .. }, Disposition::Rows(rows)) => {
                let first = rows.first().copied().unwrap_or(0);
                let of = |row: &usize| shown.get(*row).is_some_and(|one| is_of(line, one));
                write(&mut (0..first).filter(free).filter(of), &mut out);
                out.push(line.text.clone());
            }
            _ => out.push(line.text.clone()),
        }
        if Some(number) == last {
            write(&mut (0..shown.len()).filter(free), &mut out);
        }
    }
    out
}

/// What becomes of one line of a tail.
enum Disposition {
    /// It stays, and stands for these rows.
    Rows(Vec<usize>),
    /// It goes; the next line of its actor that stays begins at this row.
    Gone(usize),
}

impl Disposition {
    fn rows(&self) -> Vec<usize> {
        match self {
            Self::Rows(rows) => rows.clone(),
            Self::Gone(_) => Vec::new(),
        }
    }
}

fn is_of(line: &Line, shown: &ShownRow) -> bool {
    matches!(line.kind, LineKind::Expected { who, .. } if who == shown.who)
}

/// For each line of a tail whether it stays: the longest run of lines that are like rows, in order, for each
/// actor by itself.
fn kept(tail: &[&Line], shown: &[ShownRow], bindings: &Bindings) -> Vec<Disposition> {
    let mut kept: Vec<Disposition> = tail.iter().map(|_| Disposition::Rows(Vec::new())).collect();
    let mut actors: Vec<usize> = tail.iter().filter_map(|line| who(line)).collect();
    actors.sort_unstable();
    actors.dedup();
    for actor in actors {
        let lines: Vec<usize> = numbers(
            tail,
            |line| matches!(&line.kind, LineKind::Expected { who, what, .. } if *who == actor && !matches!(what, Expectation::Never(_))),
        );
        let rows: Vec<usize> = numbers(shown, |one| one.who == actor);
        let pairs = aligned(&lines, &rows, tail, shown, bindings);
        let mut until = shown.len();
        for (at, line) in lines.iter().enumerate().rev() {
            let stays = pairs.get(at).cloned().flatten();
            if let Some(first) = stays.as_ref().and_then(|rows| rows.first()) {
                until = *first;
            }
            if let Some(slot) = kept.get_mut(*line) {
                *slot = stays.map_or(Disposition::Gone(until), Disposition::Rows);
            }
        }
    }
    kept
}

fn who(line: &Line) -> Option<usize> {
    if let LineKind::Expected { who, .. } = line.kind { Some(who) } else { None }
}

fn numbers<T>(all: &[T], wanted: impl Fn(&T) -> bool) -> Vec<usize> {
    all.iter().enumerate().filter(|(_, one)| wanted(one)).map(|(number, _)| number).collect()
}

/// For each line the rows that it stands for, or nothing: a longest common subsequence, `$**` taking what
/// lies between its neighbours.
fn aligned(
    lines: &[usize],
    rows: &[usize],
    tail: &[&Line],
    shown: &[ShownRow],
    bindings: &Bindings,
) -> Vec<Option<Vec<usize>>> {
    let like = |line: usize, row: usize| {
        let what = tail.get(line).and_then(|line| expectation(line));
        let text = shown.get(row).map(|one| one.text.as_str());
        what.zip(text).is_some_and(|(what, text)| bindings.after(what, text).is_some())
    };
    let (height, width) = (lines.len(), rows.len());
    let mut best = vec![vec![0_usize; width + 1]; height + 1];
    let cell = |best: &Vec<Vec<usize>>, i: usize, j: usize| {
        best.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0)
    };
    for (i, line) in lines.iter().enumerate().rev() {
        for (j, row) in rows.iter().enumerate().rev() {
            let step = if like(*line, *row) { cell(&best, i + 1, j + 1) + 1 } else { 0 };
            let value = step.max(cell(&best, i + 1, j)).max(cell(&best, i, j + 1));
            if let Some(slot) = best.get_mut(i).and_then(|row| row.get_mut(j)) {
                *slot = value;
            }
        }
    }
    let mut out: Vec<Option<Vec<usize>>> = vec![None; height];
    let (mut i, mut j) = (0, 0);
    while let (Some(line), Some(row)) = (lines.get(i), rows.get(j)) {
        if like(*line, *row) && cell(&best, i, j) == cell(&best, i + 1, j + 1) + 1 {
            if let Some(slot) = out.get_mut(i) {
                *slot = Some(vec![*row]);
            }
            (i, j) = (i + 1, j + 1);
        } else if cell(&best, i + 1, j) >= cell(&best, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    take_between(&mut out, lines, rows, tail);
    out
}

/// `$**` stays always, and stands for every row between its neighbours that stay.
fn take_between(out: &mut [Option<Vec<usize>>], lines: &[usize], rows: &[usize], tail: &[&Line]) {
    for (at, line) in lines.iter().enumerate() {
        let any = tail.get(*line).and_then(|line| expectation(line));
        if !matches!(any, Some(Expectation::Rows)) {
            continue;
        }
        let before = out.iter().take(at).rev().flatten().find_map(|rows| rows.last().copied());
        let after = out.iter().skip(at + 1).flatten().find_map(|rows| rows.first().copied());
        let between = rows.iter().copied().filter(|row| {
            before.is_none_or(|before| *row > before) && after.is_none_or(|after| *row < after)
        });
        let between: Vec<usize> = between.collect();
        if let Some(slot) = out.get_mut(at) {
            *slot = Some(between);
        }
    }
}

fn expectation(line: &Line) -> Option<&Expectation> {
    if let LineKind::Expected { what, .. } = &line.kind { Some(what) } else { None }
}
