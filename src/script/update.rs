//! Update of a script with what was shown (`--update`): only the expectations that differ change,
//! and what was expected is never dropped where nothing takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::ast::{Expectation, Line};
use super::fragment::Fragment;
use super::matcher::{self, Bindings, Expected, ShownKind, ShownRow};
pub(crate) use super::merge::LiteralStyle;
use super::merge::{self, MergedPattern, Writer};
use super::parser;
use super::render::{self, Substitutions};
use super::unordered::Matching;

/// Fewest thousandths that a row shares with the line that it replaces by likeness.
const SIMILARITY_MIN: i64 = 340;
/// The same in a live run, where rows come that no line is about.
const LIVE_SIMILARITY_MIN: i64 = 500;
/// Value of an expectation that matches as it is: more than all likeness together.
const MATCH: i64 = 1 << 32;
/// Value of an expectation that keeps its captures or wildcards in a row that is like it.
const LIKE: i64 = 1 << 12;

/// Changes of the lines of a source, by line number.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Edits {
    lines: BTreeMap<usize, LineEdit>,
}

/// Changes at a line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct LineEdit {
    before: Vec<String>,
    /// The line itself.
    fate: LineFate,
    after: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
enum LineFate {
    #[default]
    Kept,
    Replaced(String),
    Removed,
}

impl Edits {
    /// Number of lines that are added, removed or replaced.
    pub(crate) fn count(&self) -> usize {
        let of =
            |edit: &LineEdit| edit.before.len() + edit.after.len() + usize::from(edit.fate != LineFate::Kept);
        self.lines.values().map(of).sum()
    }

    /// The text with these changes. All else stays byte for byte.
    pub(crate) fn apply(&self, text: &str) -> String {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let mut out = String::with_capacity(text.len());
        let push = |out: &mut String, line: &str| {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push_str(newline);
            }
            out.push_str(line);
            out.push_str(newline);
        };
        for (above, row) in text.split_inclusive('\n').enumerate() {
            let Some(edit) = self.lines.get(&(above + 1)) else {
                out.push_str(row);
                continue;
            };
            edit.before.iter().for_each(|line| push(&mut out, line));
            match &edit.fate {
                LineFate::Kept => out.push_str(row),
                LineFate::Replaced(line) => push(&mut out, line),
                LineFate::Removed => {}
            }
            edit.after.iter().for_each(|line| push(&mut out, line));
        }
        out
    }

    fn at(&mut self, line: usize) -> &mut LineEdit {
        self.lines.entry(line).or_default()
    }
}

/// Expectations and output of one actor in a step, to be brought into agreement.
#[derive(Clone, Copy)]
pub(crate) struct StepUpdate<'a> {
    /// Label of the actor.
    pub(crate) label: &'a str,
    pub(crate) lines: &'a [&'a Line],
    pub(crate) shown: &'a [&'a ShownRow],
    /// Bindings before the comparison.
    pub(crate) bindings: &'a Bindings,
    pub(crate) substitutions: &'a Substitutions,
    pub(crate) style: LiteralStyle,
}

/// Expectations of one actor that what was shown fulfils.
pub(crate) struct UpdatedStep {
    pieces: Vec<Piece>,
    /// Lines that are no longer expected.
    removed: Vec<usize>,
    /// All expectations after the update, in their order, each with the number of its block; rows
    /// that must not appear included.
    expected: Vec<(Expectation, Option<usize>)>,
}

/// Line after an update.
enum Piece {
    /// As it was, or with another text, in its place.
    Line {
        number: usize,
        text: Option<String>,
    },
    New {
        text: String,
        row: usize,
    },
}

impl UpdatedStep {
    /// The expectations to compare with.
    pub(crate) fn expected(&self) -> Vec<Expected<'_>> {
        self.expected.iter().map(|(expectation, block)| Expected { expectation, block: *block }).collect()
    }

    /// Adds the changes. New lines of an actor without any follow the line `end`; they are returned
    /// with the number of their row, since other actors may have some, too.
    pub(crate) fn edit(self, edits: &mut Edits) -> Vec<(usize, String)> {
        let is_line = |piece: &Piece| match piece {
            Piece::Line { number, .. } => Some(*number),
            Piece::New { .. } => None,
        };
        let first = self.pieces.iter().find_map(is_line);
        let mut place = first.or(self.removed.first().copied());
        let mut is_behind = first.is_none();
        let mut appended = Vec::new();
        // Without a line that stays, the first removed one is the place.
        for number in &self.removed {
            edits.at(*number).fate = LineFate::Removed;
        }
        for piece in self.pieces {
            match piece {
                Piece::Line { number, text } => {
                    place = Some(number);
                    is_behind = true;
                    if let Some(text) = text {
                        edits.at(number).fate = LineFate::Replaced(text);
                    }
                }
                Piece::New { text, row } => match place {
                    Some(number) if is_behind => edits.at(number).after.push(text),
                    Some(number) => edits.at(number).before.push(text),
                    None => appended.push((row, text)),
                },
            }
        }
        appended
    }
}

/// Adds new lines of several actors behind a line, in the order of their rows.
pub(crate) fn append(edits: &mut Edits, line: usize, mut appended: Vec<(usize, String)>) {
    appended.sort_by_key(|(row, _)| *row);
    edits.at(line).after.extend(appended.into_iter().map(|(_, text)| text));
}

/// What becomes of an expectation.
#[derive(Clone, PartialEq, Eq)]
enum Fate {
    /// It matches this row.
    Matches(usize),
    /// This row is like it, and takes its place with this pattern.
    Becomes(usize, String),
    /// It stands for any rows.
    AnyRows,
    /// It matches a row in another place.
    Moves(usize),
    /// No row has been found.
    Left,
}

/// Row that an expectation may stand for.
enum Candidate {
    Matches,
    Like(MergedPattern),
}

impl<'a> StepUpdate<'a> {
    /// Expectations that every row of a closed run fulfils. `None` where none can be found without
    /// the loss of a capture, or of what `$**` would hide.
    pub(crate) fn closed(&self) -> Option<UpdatedStep> {
        // Where nothing was shown the step did something else than it was meant to.
        self.shown.first()?;
        let mut fates = self.fates(SIMILARITY_MIN, -1);
        self.find_moved(&mut fates);
        self.fill_gaps(&mut fates)?;
        let updated = self.updated(&fates)?;
        match matcher::compare(&updated.expected(), self.shown, &mut self.bindings.clone()) {
            Ok(()) | Err(matcher::Difference::Forbidden { .. }) => Some(updated),
            Err(_) => None,
        }
    }

    /// Expectations of a live run: each takes a row that is like it; warnings are none of them, and
    /// no row is added.
    pub(crate) fn live(&self) -> Option<UpdatedStep> {
        let fates = self.fates(LIVE_SIMILARITY_MIN, 0);
        let mut pieces = Vec::new();
        for (line, fate) in self.ordered().into_iter().zip(&fates) {
            let text = match fate {
                Fate::Matches(_) | Fate::AnyRows => None,
                Fate::Becomes(_, text) => Some(text.clone()),
                Fate::Moves(_) | Fate::Left => return None,
            };
            pieces.push(Piece::Line { number: line.number, text });
        }
        let updated = self.with_expected(pieces, Vec::new())?;
        matcher::consume(&updated.expected(), self.shown, &mut self.bindings.clone()).ok()?;
        Some(updated)
    }

    /// Lines that are compared in their order; those of a block in the order of the rows that match
    /// them.
    fn ordered(&self) -> Vec<&'a Line> {
        let is_ordered = |line: &&Line| !matches!(line.expectation(), Some((_, Expectation::Absent(_))));
        let mut lines: Vec<&Line> = self.lines.iter().copied().filter(is_ordered).collect();
        for block in lines.chunk_by_mut(|one, next| one.block().is_some() && one.block() == next.block()) {
            if block.len() > 1 {
                self.sort_by_rows(block);
            }
        }
        lines
    }

    /// Sorts the lines of a block by the rows that match them. One that no row matches takes the
    /// place of a row between them that no other line has, or comes last.
    fn sort_by_rows(&self, block: &mut [&Line]) {
        let mut matching = Matching::new(block.len());
        for shown in self.shown {
            let matches = |line: &Line| {
                let expectation = line.expectation().map(|(_, expectation)| expectation);
                expectation.is_some_and(|one| matcher::match_shown(one, shown, self.bindings).is_some())
            };
            let lines = block.iter().enumerate().filter(|(_, line)| matches(line));
            matching.add(lines.map(|(number, _)| number).collect());
        }
        let taken: BTreeSet<usize> = matching.rows().iter().flatten().copied().collect();
        let first = taken.first().copied().unwrap_or_default();
        let mut free = (first..self.shown.len()).filter(|row| !taken.contains(row));
        let row = |row: &Option<usize>| row.or_else(|| free.next()).unwrap_or(usize::MAX);
        let rows: Vec<usize> = matching.rows().iter().map(row).collect();
        let mut sorted: Vec<(usize, &Line)> = rows.into_iter().zip(block.iter().copied()).collect();
        sorted.sort_by_key(|(row, _)| *row);
        block.iter_mut().zip(sorted).for_each(|(slot, (_, line))| *slot = line);
    }

    /// Number of the block of a line, by its number.
    fn block_of(&self, number: usize) -> Option<usize> {
        self.lines.iter().find(|line| line.number == number)?.block()
    }

    /// What becomes of each ordered line: the most of them match, and the rest is as much like the
    /// rows as can be. An added row costs `unexpected`.
    fn fates(&self, similarity_min: i64, unexpected: i64) -> Vec<Fate> {
        let lines = self.ordered();
        let width = self.shown.len() + 1;
        let cell = |line: usize, row: usize| line * width + row;
        let candidates: BTreeMap<usize, Candidate> = (0..lines.len())
            .flat_map(|line| (0..self.shown.len()).map(move |row| (line, row)))
            .filter_map(|(line, row)| {
                let found = self.candidate(lines.get(line)?, self.shown.get(row)?)?;
                let is_near = match &found {
                    Candidate::Matches => true,
                    Candidate::Like(merged) => merged.similarity >= similarity_min,
                };
                is_near.then_some((cell(line, row), found))
            })
            .collect();
        let is_any = |line: usize| {
            let expectation = lines.get(line).and_then(|line| line.expectation());
            matches!(expectation, Some((_, Expectation::AnyRows)))
        };
        // Best values from a line and a row on, and whether the two stand for each other.
        let mut best = vec![0_i64; (lines.len() + 1) * width];
        for line in (0..=lines.len()).rev() {
            for row in (0..width).rev() {
                let at = |line: usize, row: usize| best.get(cell(line, row)).copied();
                let skipped_row = (row + 1 < width).then(|| at(line, row + 1)).flatten();
                let absorbs = line < lines.len() && is_any(line);
                let cost = if absorbs { 0 } else { unexpected };
                let mut found = skipped_row.map(|value| value + cost);
                if line < lines.len() {
                    found = found.max(at(line + 1, row));
                }
                if let Some(value) = candidates.get(&cell(line, row)).map(Candidate::value) {
                    found = found.max(at(line + 1, row + 1).map(|rest| rest + value));
                }
                if let Some(slot) = best.get_mut(cell(line, row)) {
                    *slot = found.unwrap_or(0);
                }
            }
        }
        let at = |line: usize, row: usize| best.get(cell(line, row)).copied().unwrap_or(0);
        let (mut fates, mut row) = (Vec::new(), 0);
        for line in 0..lines.len() {
            let fate = loop {
                let here = at(line, row);
                let candidate = candidates.get(&cell(line, row));
                if let Some(found) = candidate.filter(|found| here == at(line + 1, row + 1) + found.value()) {
                    row += 1;
                    break match found {
                        Candidate::Matches => Fate::Matches(row - 1),
                        Candidate::Like(merged) => Fate::Becomes(row - 1, merged.text.clone()),
                    };
                }
                if here == at(line + 1, row) || row >= self.shown.len() {
                    break if is_any(line) { Fate::AnyRows } else { Fate::Left };
                }
                row += 1;
            };
            fates.push(fate);
        }
        fates
    }

    fn candidate(&self, line: &Line, shown: &ShownRow) -> Option<Candidate> {
        let (_, expectation) = line.expectation()?;
        let kind = match expectation {
            Expectation::Event(_) => ShownKind::Event,
            _ => ShownKind::Row,
        };
        if kind != shown.kind {
            return None;
        }
        if self.bindings.matched(expectation, &shown.text).is_some() {
            return Some(Candidate::Matches);
        }
        let (Expectation::Row(pattern) | Expectation::Event(pattern)) = expectation else { return None };
        // A live world that fails is not what was meant, nor is a notice instead of a message.
        if self.style == LiteralStyle::Masked && (shown.is_warning || !merge::is_alike(pattern, &shown.text))
        {
            return None;
        }
        let merged = merge::merge(&line.text, pattern, &shown.text, self.bindings, self.writer())?;
        let text = render::marked(self.label, mark(shown.kind), &merged.text);
        Some(Candidate::Like(MergedPattern { text, similarity: merged.similarity }))
    }

    fn writer(&self) -> Writer<'a> {
        Writer { substitutions: self.substitutions, style: self.style }
    }

    /// Finds the rows of lines that stand in another place. Such a line takes no row that is merely
    /// like it.
    fn find_moved(&self, fates: &mut [Fate]) {
        let lines = self.ordered();
        let mut taken: BTreeSet<usize> = fates.iter().filter_map(Fate::row).collect();
        let may_move = |fate: &Fate| matches!(fate, Fate::Left | Fate::Becomes(..));
        for (line, fate) in lines.iter().zip(fates.iter_mut()).filter(|(_, fate)| may_move(fate)) {
            let is_it = |row: &usize| {
                let shown = self.shown.get(*row);
                let found = shown.and_then(|shown| self.candidate(line, shown));
                !taken.contains(row) && matches!(found, Some(Candidate::Matches))
            };
            if let Some(row) = (0..self.shown.len()).find(is_it) {
                taken.insert(row);
                *fate = Fate::Moves(row);
            }
        }
    }

    /// Gives rows by their place to lines that are like none. Without `$**` beside it a line may
    /// also be left without a row; then every row is expected by another.
    fn fill_gaps(&self, fates: &mut [Fate]) -> Option<()> {
        let moved: BTreeSet<usize> = fates
            .iter()
            .filter_map(|fate| match fate {
                Fate::Moves(row) => Some(*row),
                _ => None,
            })
            .collect();
        let lines = self.ordered();
        let (mut start, mut first_row) = (0, 0);
        while start <= fates.len() {
            let anchor =
                fates.iter().enumerate().skip(start).find_map(|(at, fate)| Some((at, fate.anchor()?)));
            let (end, end_row) = anchor.unwrap_or((fates.len(), self.shown.len()));
            let rows: Vec<usize> = (first_row..end_row).filter(|row| !moved.contains(row)).collect();
            self.fill_gap(&lines, fates, start..end, &rows)?;
            (start, first_row) = (end + 1, end_row + 1);
        }
        Some(())
    }

    fn fill_gap(&self, lines: &[&Line], fates: &mut [Fate], gap: Range<usize>, rows: &[usize]) -> Option<()> {
        let has_captures = |at: usize| lines.get(at).is_none_or(|line| self.has_captures(line));
        let left: Vec<usize> = gap.clone().filter(|at| fates.get(*at) == Some(&Fate::Left)).collect();
        let any: Vec<usize> = gap.filter(|at| fates.get(*at) == Some(&Fate::AnyRows)).collect();
        // What is left is replaced row by row from both ends; nothing says where the middle is.
        let (Some(first), Some(last)) = (any.first(), any.last()) else {
            for (number, at) in left.into_iter().enumerate() {
                let row = rows.get(number).copied();
                if row.is_none() && has_captures(at) {
                    return None;
                }
                if let (Some(row), Some(fate)) = (row, fates.get_mut(at)) {
                    *fate = Fate::Becomes(row, self.replacement(lines.get(at)?, row)?);
                }
            }
            return Some(());
        };
        let before: Vec<usize> = left.iter().copied().filter(|at| at < first).collect();
        let after: Vec<usize> = left.iter().copied().filter(|at| at > last).collect();
        let is_determined = before.len() + after.len() == left.len() && left.len() <= rows.len();
        if !is_determined {
            return None;
        }
        let tail = rows.iter().skip(rows.len() - after.len());
        for (at, row) in before.iter().zip(rows).chain(after.iter().zip(tail)) {
            if let Some(fate) = fates.get_mut(*at) {
                *fate = Fate::Becomes(*row, self.replacement(lines.get(*at)?, *row)?);
            }
        }
        Some(())
    }

    /// Whether a line binds a name.
    fn has_captures(&self, line: &Line) -> bool {
        match line.expectation() {
            Some((_, Expectation::Row(pattern) | Expectation::Event(pattern))) => {
                let is_capture = |fragment: &Fragment| matches!(fragment, Fragment::Variable { name, .. } if self.bindings.get(name).is_none());
                pattern.iter().any(is_capture)
            }
            Some((_, Expectation::Regex(regex))) => regex.capture_names().next().is_some(),
            _ => false,
        }
    }

    /// The text of a line that a row replaces by its place: only captures are taken over.
    fn replacement(&self, line: &Line, row: usize) -> Option<String> {
        if !self.has_captures(line) {
            return self.plain(row);
        }
        match self.candidate(line, self.shown.get(row)?)? {
            Candidate::Like(merged) => Some(merged.text),
            Candidate::Matches => Some(line.text.clone()),
        }
    }

    /// A row as a line that expects it alone.
    fn plain(&self, row: usize) -> Option<String> {
        let shown = self.shown.get(row)?;
        Some(render::marked(self.label, mark(shown.kind), &self.writer().pattern(&shown.text)))
    }

    /// The lines in their new order.
    fn updated(&self, fates: &[Fate]) -> Option<UpdatedStep> {
        let lines = self.ordered();
        let moved: BTreeMap<usize, String> = lines
            .iter()
            .zip(fates)
            .filter_map(|(line, fate)| match fate {
                Fate::Moves(row) => Some((*row, line.text.clone())),
                _ => None,
            })
            .collect();
        let (mut pieces, mut removed, mut next) = (Vec::new(), Vec::new(), 0);
        for (index, (line, fate)) in lines.iter().zip(fates).enumerate() {
            let number = line.number;
            match fate {
                Fate::Matches(row) | Fate::Becomes(row, _) => {
                    self.add_new(&mut pieces, next..*row, &moved)?;
                    let text = if let Fate::Becomes(_, text) = fate { Some(text.clone()) } else { None };
                    pieces.push(Piece::Line { number, text });
                    next = row + 1;
                }
                Fate::AnyRows => {
                    pieces.push(Piece::Line { number, text: None });
                    let rest = fates.get(index + 1..).unwrap_or_default();
                    let end = rest.iter().find_map(Fate::anchor).unwrap_or(self.shown.len());
                    // Moved lines divide what it stands for.
                    let mut is_divided = false;
                    for row in next..end {
                        if let Some(text) = moved.get(&row) {
                            pieces.push(Piece::New { text: text.clone(), row });
                            is_divided = true;
                        } else if std::mem::take(&mut is_divided) {
                            pieces.push(Piece::New { text: line.text.clone(), row });
                        }
                    }
                    next = end;
                }
                Fate::Moves(_) | Fate::Left => removed.push(number),
            }
        }
        self.add_new(&mut pieces, next..self.shown.len(), &moved)?;
        self.with_expected(pieces, removed)
    }

    fn add_new(
        &self,
        pieces: &mut Vec<Piece>,
        rows: Range<usize>,
        moved: &BTreeMap<usize, String>,
    ) -> Option<()> {
        for row in rows {
            let text = match moved.get(&row) {
                Some(text) => text.clone(),
                None => self.plain(row)?,
            };
            pieces.push(Piece::New { text, row });
        }
        Some(())
    }

    fn with_expected(&self, pieces: Vec<Piece>, removed: Vec<usize>) -> Option<UpdatedStep> {
        let mut expected = Vec::new();
        let is_line = |piece: &Piece| match piece {
            Piece::Line { number, .. } => Some(*number),
            Piece::New { .. } => None,
        };
        // A new line stands in the block of the line beside which it is written.
        let place = pieces.iter().find_map(is_line).or(removed.first().copied());
        let mut block = place.and_then(|number| self.block_of(number));
        for piece in &pieces {
            block = is_line(piece).map_or(block, |number| self.block_of(number));
            let text = match piece {
                Piece::Line { text: Some(text), .. } | Piece::New { text, .. } => text,
                Piece::Line { number, text: None } => {
                    let line = self.lines.iter().find(|line| line.number == *number)?;
                    expected.push((line.expectation()?.1.clone(), block));
                    continue;
                }
            };
            // A line that is taken to another place is an expectation of any kind.
            let original = self.lines.iter().find(|line| line.text == *text);
            let expectation = match original.and_then(|line| line.expectation()) {
                Some((_, expectation)) => expectation.clone(),
                None => parsed(self.label, text)?,
            };
            expected.push((expectation, block));
        }
        let absent = self.lines.iter().filter_map(|line| line.expectation());
        let absent = absent.filter(|(_, one)| matches!(one, Expectation::Absent(_)));
        expected.extend(absent.map(|(_, one)| (one.clone(), None)));
        Some(UpdatedStep { pieces, removed, expected })
    }
}

impl Fate {
    /// The row that an expectation stands for.
    fn row(&self) -> Option<usize> {
        match self {
            Self::Matches(row) | Self::Becomes(row, _) | Self::Moves(row) => Some(*row),
            Self::AnyRows | Self::Left => None,
        }
    }

    /// The row of an expectation that stays in its place.
    fn anchor(&self) -> Option<usize> {
        if let Self::Moves(_) = self { None } else { self.row() }
    }
}

impl Candidate {
    fn value(&self) -> i64 {
        match self {
            Self::Matches => MATCH,
            Self::Like(merged) => LIKE + merged.similarity,
        }
    }
}

fn mark(kind: ShownKind) -> &'static str {
    match kind {
        ShownKind::Row => "|",
        ShownKind::Event => "|*",
    }
}

/// The expectation of a written line. That of a row never means any rows.
fn parsed(label: &str, line: &str) -> Option<Expectation> {
    let marked = line.strip_prefix(label)?.strip_prefix('|')?;
    let expectation = parser::expectation(label, marked, 0).ok()?;
    (!matches!(expectation, Expectation::AnyRows)).then_some(expectation)
}
