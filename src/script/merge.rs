//! Merge of a pattern with the row that takes its place: captures, values and wildcards that still
//! fit stay, all else becomes what was shown.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::fragment::Fragment;
use super::lexer::KINDS;
use super::matcher::Bindings;
use super::render::{Substitutions, push_sequence};

/// Most cells of the alignment of one pattern with one row: both may be as long as a message.
const CELLS_MAX: usize = 1 << 20;

/// Digits of a fingerprint, in Base64.
const FINGERPRINT_DIGITS: usize = 43;

/// What becomes of literal text that differs from run to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LiteralStyle {
    /// It is the same in every run.
    Exact,
    /// Fingerprints, ports and times become wildcards.
    Masked,
}

/// Pattern that matches a row and takes over the parts of an older one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MergedPattern {
    pub(super) text: String,
    /// Common part of the two, in thousandths.
    pub(super) similarity: i64,
}

/// Piece of a pattern.
enum Item<'a> {
    Literal(&'a str),
    /// Variable with the text that it matches, or a capture.
    Variable {
        fragment: &'a Fragment,
        value: Option<&'a str>,
    },
    Wildcard,
}

/// What an item does with the rest of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It stands for the tokens up to this one.
    Fits(usize),
    /// The wildcard takes one more token.
    Absorbs,
    /// Another word stands in its place.
    Differs,
    /// It has no place.
    Dropped,
    /// A token of the row stands before it.
    After,
}

/// Merges the pattern of a line with a row. `None` if a capture of it has no place there.
pub(super) fn merge(
    line: &str,
    pattern: &[Fragment],
    row: &str,
    bindings: &Bindings,
    writer: Writer<'_>,
) -> Option<MergedPattern> {
    let items = items(pattern, bindings);
    let tokens = tokens(row);
    if (items.len() + 1) * (tokens.len() + 1) > CELLS_MAX {
        return None;
    }
    let fates = Alignment { items: &items, tokens: &tokens, row }.fates();
    let is_lost = |(item, fate): &(&Item<'_>, &Placed)| {
        matches!(item, Item::Variable { value: None, .. }) && !matches!(fate.fate, Fate::Fits(_))
    };
    if items.iter().zip(&fates).any(|one| is_lost(&one)) {
        return None;
    }
    let similarity = similarity(&items, &fates, &tokens, row);
    Some(MergedPattern { text: writer.written(line, &items, &fates, &tokens, row), similarity })
}

/// Item in its place: what became of it, and the token at which it stands.
struct Placed {
    fate: Fate,
    at: usize,
}

impl Placed {
    /// Tokens that the item stands for.
    fn range(&self) -> Range<usize> {
        match self.fate {
            Fate::Fits(end) => self.at..end,
            Fate::Differs => self.at..self.at + 1,
            Fate::Absorbs | Fate::Dropped | Fate::After => self.at..self.at,
        }
    }

    /// Whether the parts beside it have something to hold on to.
    fn is_anchor(&self) -> bool {
        matches!(self.fate, Fate::Fits(_) | Fate::Differs)
    }
}

fn items<'a>(pattern: &'a [Fragment], bindings: &'a Bindings) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    for fragment in pattern {
        match fragment {
            Fragment::Literal(text) => {
                items.extend(tokens(text).into_iter().filter_map(|token| text.get(token).map(Item::Literal)));
            }
            Fragment::Variable { name, .. } => {
                items.push(Item::Variable { fragment, value: bindings.get(name) });
            }
            Fragment::Wildcard => items.push(Item::Wildcard),
            // A pattern has no keys.
            Fragment::Key(_) => {}
        }
    }
    items
}

/// Fingerprints, runs of digits, runs of letters, and every other character by itself.
fn tokens(text: &str) -> Vec<Range<usize>> {
    let class = |c: char| match c {
        c if c.is_ascii_digit() => 1,
        c if c.is_alphanumeric() => 2,
        _ => 0,
    };
    let mut tokens: Vec<Range<usize>> = Vec::new();
    let mut before = 0;
    for (at, c) in text.char_indices() {
        if tokens.last().is_some_and(|last| last.end > at) {
            continue;
        }
        if let Some(length) = fingerprint(text.get(at..).unwrap_or_default()) {
            tokens.push(at..at + length);
            before = 0;
            continue;
        }
        let end = at + c.len_utf8();
        match tokens.last_mut() {
            Some(last) if class(c) != 0 && class(c) == before => last.end = end,
            _ => tokens.push(at..end),
        }
        before = class(c);
    }
    tokens
}

/// Bytes of the fingerprint that a text begins with.
fn fingerprint(text: &str) -> Option<usize> {
    let digits = text.strip_prefix("SHA256:")?.get(..FINGERPRINT_DIGITS)?;
    let is_digit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    digits.chars().all(is_digit).then_some("SHA256:".len() + FINGERPRINT_DIGITS)
}

fn is_word(text: &str) -> bool {
    text.chars().all(char::is_alphanumeric) || fingerprint(text).is_some()
}

/// Part of a text in the comparison of two: words say most, numbers little, blanks nothing.
fn weight(text: &str) -> i64 {
    match text {
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => 1,
        text if is_word(text) => 4,
        text if text.trim().is_empty() => 0,
        _ => 1,
    }
}

/// Weight of a variable.
const VARIABLE_WEIGHT: i64 = 4;

/// Alignment of a pattern with a row that keeps most of the pattern.
struct Alignment<'a> {
    items: &'a [Item<'a>],
    tokens: &'a [Range<usize>],
    row: &'a str,
}

impl Alignment<'_> {
    /// What becomes of each item.
    fn fates(&self) -> Vec<Placed> {
        let width = self.tokens.len() + 1;
        let mut best = vec![(0_i64, Fate::Dropped); (self.items.len() + 1) * width];
        let cell = |item: usize, token: usize| item * width + token;
        for item in (0..=self.items.len()).rev() {
            for token in (0..width).rev() {
                let score = |item: usize, token: usize| {
                    best.get(cell(item, token)).map_or(i64::MIN / 2, |(score, _)| *score)
                };
                let found = self.best(item, token, &score);
                if let Some(slot) = best.get_mut(cell(item, token)) {
                    *slot = found;
                }
            }
        }
        let mut placed = Vec::with_capacity(self.items.len());
        let (mut item, mut token, mut start) = (0, 0, None);
        while item < self.items.len() {
            let fate = best.get(cell(item, token)).map_or(Fate::Dropped, |(_, fate)| *fate);
            match fate {
                Fate::After => token += 1,
                Fate::Absorbs => {
                    start = start.or(Some(token));
                    token += 1;
                }
                Fate::Fits(end) => {
                    placed.push(Placed { fate, at: start.take().unwrap_or(token) });
                    (item, token) = (item + 1, end);
                }
                Fate::Differs => {
                    placed.push(Placed { fate, at: token });
                    (item, token) = (item + 1, token + 1);
                }
                Fate::Dropped => {
                    placed.push(Placed { fate, at: start.take().unwrap_or(token) });
                    item += 1;
                }
            }
        }
        placed
    }

    /// The best score of what is left from an item and a token on, and what it begins with.
    fn best(&self, item: usize, token: usize, score: &dyn Fn(usize, usize) -> i64) -> (i64, Fate) {
        let here = self.tokens.get(token).and_then(|range| self.row.get(range.clone()));
        let mut found = (i64::MIN, Fate::Dropped);
        let mut offer = |score: i64, fate: Fate| {
            if score > found.0 {
                found = (score, fate);
            }
        };
        let Some(this) = self.items.get(item) else {
            return if here.is_some() {
                (score(item, token + 1) - 2, Fate::After)
            } else {
                (0, Fate::Dropped)
            };
        };
        match this {
            Item::Literal(text) => {
                if here == Some(text) {
                    offer(score(item + 1, token + 1) + 2 * weight(text) + 1, Fate::Fits(token + 1));
                }
                if here.is_some_and(|here| is_word(here) && is_word(text)) {
                    offer(score(item + 1, token + 1) - 1, Fate::Differs);
                }
                offer(score(item + 1, token) - 2, Fate::Dropped);
            }
            Item::Variable { value: Some(value), .. } => {
                if let Some(end) = self.end_of(value, token) {
                    offer(score(item + 1, end) + 12, Fate::Fits(end));
                }
                offer(score(item + 1, token) - 4, Fate::Dropped);
            }
            Item::Variable { fragment, value: None } => {
                for end in token + 1..=self.tokens.len() {
                    let Some(text) = self.text(token..end) else { break };
                    if text.contains(char::is_whitespace) {
                        break;
                    }
                    let bonus = if fits(fragment, text) { 8 } else { 6 };
                    offer(score(item + 1, end) + bonus, Fate::Fits(end));
                }
                offer(score(item + 1, token) - 1_000, Fate::Dropped);
            }
            Item::Wildcard => {
                offer(score(item + 1, token) + 1, Fate::Fits(token));
                if here.is_some() {
                    offer(score(item, token + 1), Fate::Absorbs);
                }
            }
        }
        if here.is_some() && !matches!(this, Item::Wildcard) {
            offer(score(item, token + 1) - 2, Fate::After);
        }
        found
    }

    /// The token behind a value that begins at a token.
    fn end_of(&self, value: &str, token: usize) -> Option<usize> {
        let start = self.tokens.get(token)?.start;
        self.row.get(start..)?.strip_prefix(value)?;
        let end = start + value.len();
        (token..self.tokens.len())
            .find(|at| self.tokens.get(*at).is_some_and(|range| range.end == end))
            .map(|at| at + 1)
    }

    fn text(&self, tokens: Range<usize>) -> Option<&str> {
        text_of(self.row, self.tokens, tokens)
    }
}

/// Text of some tokens.
fn text_of<'a>(row: &'a str, tokens: &[Range<usize>], range: Range<usize>) -> Option<&'a str> {
    let Some(start) = tokens.get(range.start).map(|token| token.start) else { return Some("") };
    if range.is_empty() {
        return Some("");
    }
    row.get(start..tokens.get(range.end.checked_sub(1)?)?.end)
}

/// Whether a text is one that a capture takes.
fn fits(fragment: &Fragment, text: &str) -> bool {
    let Fragment::Variable { values, .. } = fragment else { return false };
    WHOLE.get(values).is_some_and(|regex| regex.is_match(text))
}

/// Expressions of whole captures, by the expression of their values.
static WHOLE: LazyLock<BTreeMap<&'static str, Regex>> = LazyLock::new(|| {
    let whole = |values: &'static str| Some((values, Regex::new(&format!("^(?:{values})$")).ok()?));
    KINDS.iter().filter_map(|(_, values)| whole(values)).collect()
});

/// Weight of what the two have in common, in relation to both.
fn similarity(items: &[Item<'_>], fates: &[Placed], tokens: &[Range<usize>], row: &str) -> i64 {
    let weights = |range: Range<usize>| -> i64 {
        tokens
            .get(range)
            .unwrap_or_default()
            .iter()
            .filter_map(|token| row.get(token.clone()))
            .map(weight)
            .sum()
    };
    let (mut common, mut wanted, mut shown) = (0, 0, weights(0..tokens.len()));
    for (item, placed) in items.iter().zip(fates) {
        let is_kept = matches!(placed.fate, Fate::Fits(_));
        match item {
            Item::Literal(text) => {
                wanted += weight(text);
                common += if is_kept { weight(text) } else { 0 };
            }
            Item::Variable { .. } => {
                wanted += VARIABLE_WEIGHT;
                if is_kept {
                    common += VARIABLE_WEIGHT;
                    shown += VARIABLE_WEIGHT - weights(placed.range());
                }
            }
            Item::Wildcard => shown -= weights(placed.range()),
        }
    }
    if wanted + shown <= 0 { 0 } else { 2_000 * common / (wanted + shown) }
}

/// Writer of the text of rows.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    pub(super) substitutions: &'a Substitutions,
    pub(super) style: LiteralStyle,
}

impl Writer<'_> {
    /// The merged pattern of a line.
    fn written(
        self,
        line: &str,
        items: &[Item<'_>],
        fates: &[Placed],
        tokens: &[Range<usize>],
        row: &str,
    ) -> String {
        let (mut out, mut next) = (String::new(), 0);
        let text = |range: Range<usize>| text_of(row, tokens, range).unwrap_or_default();
        let is_held = |at: usize| fates.get(at).is_none_or(Placed::is_anchor);
        for (index, (item, placed)) in items.iter().zip(fates).enumerate() {
            let special = match item {
                Item::Variable { fragment, value } if placed.is_anchor() => match value {
                    Some(_) => as_written(line, fragment).to_owned(),
                    None => capture(line, fragment, text(placed.range())),
                },
                // A wildcard without its neighbours would take what they checked.
                Item::Wildcard if index.checked_sub(1).is_none_or(is_held) && is_held(index + 1) => {
                    "$*".to_owned()
                }
                _ => continue,
            };
            self.push_literal(&mut out, text(next..placed.at.max(next)));
            push_sequence(&mut out, &special);
            next = placed.range().end.max(next);
        }
        self.push_literal(&mut out, text(next..tokens.len()));
        out
    }

    /// The pattern of a whole row.
    pub(super) fn pattern(self, row: &str) -> String {
        let mut out = String::new();
        self.push_literal(&mut out, row);
        out
    }

    fn push_literal(self, out: &mut String, text: &str) {
        if self.style == LiteralStyle::Exact {
            return self.push_plain(out, text);
        }
        let mut rest = text;
        while let Some((range, pattern)) = self.substitutions.masked(rest) {
            self.push_changing(out, rest.get(..range.start).unwrap_or_default());
            push_sequence(out, pattern);
            rest = rest.get(range.end..).unwrap_or_default();
        }
        self.push_changing(out, rest);
    }

    fn push_changing(self, out: &mut String, text: &str) {
        let mut done = 0;
        let found = CHANGING.iter().flat_map(|changing| changing.captures_iter(text));
        for found in found {
            // A port that has a name keeps it.
            let Some(part) = found.name("port").or_else(|| found.get(0)) else { continue };
            let is_named = self.substitutions.pattern(part.as_str()) != part.as_str();
            if !is_named {
                self.push_plain(out, text.get(done..part.start()).unwrap_or_default());
                push_sequence(out, "$*");
                done = part.end();
            }
        }
        self.push_plain(out, text.get(done..).unwrap_or_default());
    }

    fn push_plain(self, out: &mut String, text: &str) {
        out.push_str(&self.substitutions.pattern(text));
    }
}

/// Parts of rows that no two runs of a live world have in common: fingerprints, safety numbers,
/// ports of addresses, times.
static CHANGING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let parts = [
        "SHA256:[A-Za-z0-9+/]{43}",
        "[0-9]{5}(?: [0-9]{5})+",
        r#"[0-9]{5}(?:","[0-9]{5})+"#,
        r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z",
        r"(?:[0-9]\.[0-9]+|localhost|\]):(?<port>[0-9]{1,5})\b",
        r"\b[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?\b",
    ];
    Regex::new(&parts.join("|")).ok()
});

fn as_written<'a>(line: &'a str, fragment: &Fragment) -> &'a str {
    let Fragment::Variable { at, .. } = fragment else { return "" };
    line.get(at.clone()).unwrap_or_default()
}

/// A capture as the line has it, or of the kind that now stands there.
fn capture(line: &str, fragment: &Fragment, text: &str) -> String {
    let Fragment::Variable { name, .. } = fragment else { return String::new() };
    if fits(fragment, text) {
        return as_written(line, fragment).to_owned();
    }
    let takes = |values: &str| WHOLE.get(values).is_some_and(|regex| regex.is_match(text));
    let mut kinds = KINDS.iter().filter(|(kind, _)| !["port", "word"].contains(kind));
    match kinds.find(|(_, values)| takes(values)) {
        Some((kind, _)) => format!("${{{name}:{kind}}}"),
        None => format!("${{{name}}}"),
    }
}

/// Whether a pattern and a row may tell of the same kind of event, as far as they say.
pub(super) fn is_alike(pattern: &[Fragment], row: &str) -> bool {
    let literals = pattern.iter().filter_map(|fragment| match fragment {
        Fragment::Literal(text) => Some(text.as_str()),
        _ => None,
    });
    let (wanted, literals) = (row_kind(row), literals.collect::<String>());
    let kind = row_kind(&literals);
    kind.is_none() || wanted.is_none() || kind == wanted
}

/// Kind of a row: of an event for a program its name, else whether it is a notice, which may stand
/// behind a time.
fn row_kind(row: &str) -> Option<&str> {
    if row.starts_with('{') {
        return row.split_once("\"event\":\"")?.1.split('"').next();
    }
    let row = row.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ':' | ' '));
    Some(if row.starts_with("* ") || row.starts_with("note: ") { "notice" } else { "" })
}
