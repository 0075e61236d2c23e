//! Text that is safe on a terminal: everything that moves, hides, reorders or imitates is shown as
//! a visible escape. What only spells is kept, or dropped where nothing would be seen of it.
//!
//! The policies, one for each place; `docs/PROMPT.md` has this table too. The screen reads
//! [`SafeText::rows`], `recv` writes [`SafeText::exact_line`], a transcript is a script.
//!
//! | | screen | line being typed | `recv` | transcript |
//! | --- | --- | --- | --- | --- |
//! | tab | blanks to a stop of 8 | blanks to a stop of 8 | kept | `$u{9}` |
//! | ZWNJ, ZWJ between joining letters | kept | kept | kept | `$u{200c}` |
//! | LRM, RLM, ALM | dropped | kept | kept | `$u{200e}` |
//! | soft hyphen | dropped | kept | kept | kept |
//! | overrides, isolates, zero-width space | `\u{202e}` | kept | `\u{202e}` | `$u{202e}` |
//! | ESC | `\u{1b}` | its sequence is dropped | `\u{1b}` | `$u{1b}` |

use std::fmt::{self, Write as _};

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeEmoji, UnicodeGeneralCategory};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::limits::MARKS_EACH_BASE;

/// One row of text without any character that a terminal would obey or a reader would not see.
///
/// The only text of a peer that a notice accepts. What is not safe stands as `\u{1b}`: the number
/// in lower case hexadecimal, without padding. Making it safe a second time changes nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SafeText(String);

impl SafeText {
    /// The whole text as one row; newlines are escaped like any other control character.
    #[must_use]
    pub fn line(text: &str) -> Self {
        Self(escaped(text))
    }

    /// One row for each line of the text, at least one; `\n` and `\r\n` end a line, a lone `\r`
    /// does not.
    #[must_use]
    pub fn rows(text: &str) -> Vec<Self> {
        if text.is_empty() {
            return vec![Self::default()];
        }
        text.lines().map(Self::line).collect()
    }

    /// As [`SafeText::line`], for bytes that need not be UTF-8: each bad byte stands as `\x80`.
    #[must_use]
    pub fn line_from_bytes(bytes: &[u8]) -> Self {
        Self(with_bad_bytes(bytes, escaped))
    }

    /// One row of which no two texts have the same: a backslash stands as two, so that `\u{a}` in
    /// it is a newline, and `\x80` a byte that is not UTF-8. Tabs and what spells are kept.
    #[must_use]
    pub fn exact_line(bytes: &[u8]) -> Self {
        Self(with_bad_bytes(bytes, |text| written(&text.replace('\\', "\\\\"), Policy::Exact)))
    }

    /// As [`SafeText::rows`], for bytes that need not be UTF-8: each bad byte stands as `\x80`.
    #[must_use]
    pub fn rows_from_bytes(bytes: &[u8]) -> Vec<Self> {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Self::rows(text);
        }
        let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n');
        lines.map(|line| Self::line_from_bytes(line.strip_suffix(b"\r").unwrap_or(line))).collect()
    }

    /// The text as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Cells it takes on a terminal (UAX #11, as the `unicode-width` crate reads it).
    #[must_use]
    pub fn width(&self) -> usize {
        self.0.width()
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text of several rows, each in its safe form.
pub(crate) fn safe_rows(text: &str) -> String {
    let rows: Vec<_> = text.split('\n').map(escaped).collect();
    rows.join("\n")
}

/// Bytes as text: what is UTF-8 as `show` gives it, and each byte that is not as `\x80`, so that
/// nothing is hidden.
pub(crate) fn with_bad_bytes(bytes: &[u8], show: impl Fn(&str) -> String) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&show(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Place that a text is made safe for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// Rows that a person reads.
    Screen,
    /// Rows from which the text can be had again.
    Exact,
}

/// What becomes of a character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Dropped,
    Escaped,
}

/// Distance of the tab stops of a row, counted from its first cell.
const TAB_CELLS: usize = 8;

fn escaped(text: &str) -> String {
    written(text, Policy::Screen)
}

fn written(text: &str, policy: Policy) -> String {
    let mut out = String::with_capacity(text.len());
    let mut cluster = Cluster::default();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\t' {
            cluster = Cluster::default();
            match policy {
                Policy::Exact => out.push(c),
                Policy::Screen => out.push_str(&" ".repeat(TAB_CELLS - out.width() % TAB_CELLS)),
            }
            continue;
        }
        match (cluster.fate(c, chars.as_str()), policy) {
            (Fate::Kept, _) | (Fate::Dropped, Policy::Exact) => out.push(c),
            (Fate::Dropped, Policy::Screen) => {}
            (Fate::Escaped, _) => {
                // Nothing may combine with an escape: that keeps the form readable, and a second
                // pass equal.
                cluster = Cluster::default();
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    out
}

/// State of the cluster before the next character, which decides what that may be.
#[derive(Default)]
struct Cluster {
    /// The base that marks sit on; none at the start of a row, where a mark would sit on the
    /// prefix.
    base: Option<char>,
    /// The last character that was kept.
    last: Option<char>,
    marks: usize,
    joins: usize,
    /// Number of tag characters still to come of a flag that was recognised whole.
    tags: usize,
}

impl Cluster {
    /// What becomes of `c`, followed by `rest`.
    fn fate(&mut self, c: char, rest: &str) -> Fate {
        let next = rest.chars().find(|c| !is_mark_of_direction(*c));
        if is_mark_of_direction(c) {
            return Fate::Dropped;
        }
        let kept = match kind(c) {
            CharClass::Base => {
                let joined = self.last == Some(JOINER);
                *self = Self {
                    base: Some(c),
                    joins: if joined { self.joins } else { 0 },
                    tags: if c == BLACK_FLAG { flag_tags(rest) } else { 0 },
                    ..Self::default()
                };
                true
            }
            CharClass::Mark => self.base.is_some() && self.one_more_mark(),
            CharClass::JamoTail => self.base.is_some_and(is_hangul) && self.one_more_mark(),
            CharClass::Variation => self.last.is_some_and(|l| varies(l, c, next)) && self.one_more_mark(),
            CharClass::Joiner | CharClass::NonJoiner if self.last.is_some_and(joins) => {
                // At the end of a word nothing is seen of it.
                if !next.is_some_and(joins) {
                    return Fate::Dropped;
                }
                true
            }
            CharClass::Joiner => {
                self.joins += 1;
                self.joins <= MARKS_EACH_BASE
                    && self.base.is_some_and(is_pictograph)
                    && self.last != Some(JOINER)
                    && next.is_some_and(is_pictograph)
            }
            CharClass::Tag => self.tags.checked_sub(1).is_some_and(|left| {
                self.tags = left;
                true
            }),
            CharClass::NonJoiner | CharClass::Unsafe => false,
        };
        self.last = Some(c);
        if kept { Fate::Kept } else { Fate::Escaped }
    }

    fn one_more_mark(&mut self) -> bool {
        self.marks += 1;
        self.marks <= MARKS_EACH_BASE
    }
}

enum CharClass {
    Base,
    Mark,
    /// Middle and last conjoining Hangul letters: no marks, but they take no cell of their own.
    JamoTail,
    Variation,
    Joiner,
    NonJoiner,
    Tag,
    Unsafe,
}

const JOINER: char = '\u{200d}';
const NON_JOINER: char = '\u{200c}';
const BLACK_FLAG: char = '\u{1f3f4}';
/// The flags of England, Scotland and Wales: the only tag sequences of the emoji standard (UTS
/// #51).
const TAG_FLAGS: [&str; 3] = [
    "\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

fn kind(c: char) -> CharClass {
    match c {
        ' '..='~' => return CharClass::Base,
        JOINER => return CharClass::Joiner,
        NON_JOINER => return CharClass::NonJoiner,
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => return CharClass::Variation,
        '\u{e0020}'..='\u{e007f}' => return CharClass::Tag,
        // Letters, marks and symbols that are drawn as nothing: grapheme joiner, Hangul fillers,
        // Khmer inherent vowels, Mongolian selectors, blank Braille, null notehead.
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' => {
            return CharClass::Unsafe;
        }
        '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{1d159}' => return CharClass::Unsafe,
        '\u{1161}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7ff}'
            if c.general_category() != GeneralCategory::Unassigned =>
        {
            return CharClass::JamoTail;
        }
        _ => {}
    }
    match c.general_category_group() {
        GeneralCategoryGroup::Mark => CharClass::Mark,
        // Controls, formats, private use, surrogates, unassigned and noncharacters.
        GeneralCategoryGroup::Other => CharClass::Unsafe,
        _ if is_separator_of_lines(c) || c.width().unwrap_or(0) == 0 => CharClass::Unsafe,
        _ => CharClass::Base,
    }
}

fn is_separator_of_lines(c: char) -> bool {
    matches!(c.general_category(), GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator)
}

/// Marks that only help to order or to break what is around them: left-to-right, right-to-left and
/// Arabic letter mark (UAX #9), and the soft hyphen.
fn is_mark_of_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{ad}')
}

/// A letter or mark of a script whose letters join or stack: ZWNJ and ZWJ are part of its spelling
/// (UAX #31, 2.3).
fn joins(c: char) -> bool {
    let script = matches!(
        c,
        '\u{620}'..='\u{6ff}' | '\u{710}'..='\u{7ff}' | '\u{840}'..='\u{dff}' | '\u{1000}'..='\u{109f}'
            | '\u{1780}'..='\u{18af}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
    );
    let group = c.general_category_group();
    script && matches!(group, GeneralCategoryGroup::Letter | GeneralCategoryGroup::Mark)
}

fn is_hangul(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}')
}

/// A character that emoji sequences are made of: no digit, and none of the letters flags are spelt
/// with.
fn is_pictograph(c: char) -> bool {
    !c.is_ascii()
        && !matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
        && c.is_emoji_char()
        && matches!(kind(c), CharClass::Base)
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3fffd}')
}

/// Whether `selector` chooses between real forms of `base`; elsewhere it is an invisible passenger.
fn varies(base: char, selector: char, next: Option<char>) -> bool {
    match selector {
        '\u{fe0e}' | '\u{fe0f}' if is_pictograph(base) => true,
        '\u{fe0f}' if matches!(base, '0'..='9' | '#' | '*') => next == Some('\u{20e3}'),
        '\u{fe00}'..='\u{fe02}' | '\u{e0100}'..='\u{e01ef}' => is_ideograph(base),
        _ => false,
    }
}

fn flag_tags(rest: &str) -> usize {
    TAG_FLAGS.iter().find(|tags| rest.starts_with(**tags)).map_or(0, |tags| tags.chars().count())
}

#[cfg(test)]
mod tests;
