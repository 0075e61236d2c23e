//! Writer of scripts: typed and shown text as lines, the canonical form (`--fmt`). A peer's text
//! becomes a pattern that matches it alone, so that nothing said in a conversation becomes a line
//! of the script.

use std::ops::Range;

use regex::Regex;

use super::ast::{Directive, Expectation, LineKind, Script};
use super::lexer::is_label;
use super::matcher::{ShownKind, ShownRow};
use crate::text::safe::SafeText;

/// Values that are rendered as variables: assigned ports, files of the script.
#[derive(Clone, Debug, Default)]
pub struct Substitutions {
    /// Digits and variable of each port.
    ports: Vec<(String, String)>,
    /// Text and variable of each file, the longest first.
    texts: Vec<(String, String)>,
    /// What differs from one live run to the next, and the pattern for each.
    masks: Vec<(Regex, String)>,
}

/// Fewest bytes of a file's text that is substituted.
const SUBSTITUTED_TEXT_BYTES_MIN: usize = 32;

impl Substitutions {
    /// Substitutes a port wherever its digits stand alone.
    pub(crate) fn add_port(&mut self, digits: impl Into<String>, name: impl Into<String>) {
        self.ports.push((digits.into(), name.into()));
    }

    /// Substitutes a long text of one row; where one text is part of another, the longer counts.
    pub(crate) fn add_text(&mut self, text: impl Into<String>, name: impl Into<String>) {
        let (text, name) = (text.into(), name.into());
        self.remove(&name);
        if text.len() >= SUBSTITUTED_TEXT_BYTES_MIN && !text.contains('\n') {
            let at = self.texts.partition_point(|(other, _)| other.len() > text.len());
            self.texts.insert(at, (text, name));
        }
    }

    /// Masks what an expression matches, as a variable or as any text.
    pub(crate) fn add_mask(&mut self, regex: Regex, name: Option<&str>) {
        self.masks.push((regex, name.map_or_else(|| "$*".to_owned(), |name| format!("${{{name}}}"))));
    }

    /// The first part of a text that is masked, and the pattern for it.
    pub(super) fn masked(&self, text: &str) -> Option<(Range<usize>, &str)> {
        let found = self.masks.iter().filter_map(|(regex, pattern)| Some((regex.find(text)?, pattern)));
        let found =
            found.filter(|(found, _)| !found.is_empty()).map(|(found, pattern)| (found.range(), pattern));
        found.min_by_key(|(range, _)| range.start).map(|(range, pattern)| (range, pattern.as_str()))
    }

    /// Ends the substitution of a variable, which gets another value.
    pub(crate) fn remove(&mut self, name: &str) {
        self.texts.retain(|(_, other)| other != name);
        self.ports.retain(|(_, other)| other != name);
    }

    /// Renders a shown row as a pattern that matches this row alone. Characters that could move a
    /// cursor or end a line are escaped first, as on the screen.
    #[must_use]
    pub fn pattern(&self, row: &str) -> String {
        self.rendered(SafeText::line(row).as_str())
    }

    /// Renders typed text as a template, with control characters by their number.
    #[must_use]
    pub fn template(&self, text: &str) -> String {
        let mut written = String::new();
        for (index, row) in text.split('\n').enumerate() {
            if index > 0 {
                push_code_point(&mut written, '\n');
            }
            if SafeText::line(row).as_str() == row {
                written.push_str(&self.rendered(row));
                continue;
            }
            let mut plain = String::new();
            for c in row.chars() {
                if is_plain(c) {
                    plain.push(c);
                } else {
                    written.push_str(&self.rendered(&std::mem::take(&mut plain)));
                    push_code_point(&mut written, c);
                }
            }
            written.push_str(&self.rendered(&plain));
        }
        written
    }

    fn rendered(&self, text: &str) -> String {
        let split =
            self.texts.iter().find_map(|(whole, name)| Some((text.split_once(whole.as_str())?, name)));
        if let Some(((before, after), name)) = split {
            let mut out = self.rendered(before);
            push_variable(&mut out, name);
            out.push_str(&self.rendered(after));
            return out;
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first.is_ascii_digit() {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let (digits, after) = rest.split_at(end);
                match self.ports.iter().find(|(port, _)| port == digits) {
                    Some((_, name)) => push_variable(&mut out, name),
                    None => out.push_str(digits),
                }
                rest = after;
                continue;
            }
            let after = rest.get(first.len_utf8()..).unwrap_or_default();
            out.push(first);
            if first == '$' && is_special(after) {
                out.push('$');
            }
            rest = after;
        }
        out
    }
}

/// Line of a transcript for the output of an actor.
pub(crate) fn shown(label: &str, shown: &ShownRow, substitutions: &Substitutions) -> String {
    let mark = match shown.kind {
        ShownKind::Row => "|",
        ShownKind::Event => "|*",
    };
    marked(label, mark, &substitutions.pattern(&shown.text))
}

/// Line of a transcript for typed text.
pub(crate) fn input(label: &str, text: &str, substitutions: &Substitutions) -> String {
    marked(label, ">", &substitutions.template(text))
}

/// Line of an actor with this mark.
pub(super) fn marked(label: &str, mark: &str, text: &str) -> String {
    let blank = if text.is_empty() { "" } else { " " };
    without_blank_end(&format!("{label}{mark}{blank}{text}"), mark.len() + label.len() + blank.len())
}

/// A line without a blank at its end, which editors remove; nothing before `start` belongs to the
/// text.
fn without_blank_end(line: &str, start: usize) -> String {
    match line.strip_suffix(' ').filter(|rest| rest.len() >= start) {
        Some(rest) => {
            let mut out = rest.to_owned();
            push_code_point(&mut out, ' ');
            out
        }
        None => line.trim_end_matches(' ').to_owned(),
    }
}

fn push_variable(out: &mut String, name: &str) {
    push_sequence(out, &format!("${{{name}}}"));
}

fn push_code_point(out: &mut String, c: char) {
    push_sequence(out, &format!("$u{{{:x}}}", u32::from(c)));
}

/// A dollar sign before a sequence is doubled, or the two would mean something else.
pub(super) fn push_sequence(out: &mut String, sequence: &str) {
    if out.chars().rev().take_while(|c| *c == '$').count() % 2 == 1 {
        out.push('$');
    }
    out.push_str(sequence);
}

/// Whether a dollar sign before this would be special.
fn is_special(after: &str) -> bool {
    after.starts_with(['$', '{', '*']) || after.starts_with("u{") || after.starts_with("key{")
}

/// Whether a character is visible in its place.
fn is_plain(c: char) -> bool {
    let hidden = matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !c.is_control() && !hidden
}

/// Main source of a script in its canonical form: directives have one blank between their words,
/// blank lines come one at a time and not at the end, every line ends with a newline; texts stay as
/// written, but for a blank at the end, which is written as a number.
#[must_use]
pub fn canonical(script: &Script) -> String {
    let mut text = String::new();
    let mut blanks = 0;
    for line in script.lines.iter().filter(|line| line.source == 0) {
        let written = match &line.kind {
            LineKind::Blank => {
                blanks += 1;
                continue;
            }
            LineKind::Comment => line.text.trim_end().to_owned(),
            LineKind::Directive(directive) => canonical_directive(directive, &line.text),
            LineKind::Expect { expectation: Expectation::Regex(_), .. } => canonical_regex(&line.text),
            LineKind::Input { .. } | LineKind::Expect { .. } => {
                // A bare line has no mark; it may have the sign of one.
                let mark = line.text.split_once(['>', '|']).map(|(label, _)| label);
                let mark = mark.filter(|label| is_label(label)).map_or(0, |label| label.len() + 1);
                without_blank_end(&line.text, mark + 1)
            }
        };
        if blanks > 0 && !text.is_empty() {
            text.push('\n');
        }
        blanks = 0;
        text.push_str(&written);
        text.push('\n');
    }
    text
}

/// Directive with one blank between its words, unless it ends with a text.
fn canonical_directive(directive: &Directive, line: &str) -> String {
    match directive {
        Directive::Set { .. } | Directive::Type { .. } | Directive::Env { .. } => without_blank_end(line, 0),
        Directive::Ready { .. } | Directive::Mask { .. } => canonical_regex(line),
        // A blank at the end may be quoted.
        Directive::Spawn { .. } => line.to_owned(),
        Directive::Skip(_) | Directive::Include { .. } => line.trim_end().to_owned(),
        _ => {
            let (first, rows) =
                line.split_once('\n').map_or((line, None), |(first, rows)| (first, Some(rows)));
            let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
            match rows {
                Some(rows) => format!("{first}\n{rows}"),
                None => first,
            }
        }
    }
}

/// Line that ends with a regular expression. A blank at its end is written as a number.
fn canonical_regex(line: &str) -> String {
    match line.strip_suffix(' ') {
        Some(rest) if !rest.ends_with('\\') => format!("{rest}\\x20"),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::script::Bindings;
    use crate::script::lexer::{TemplateKind, parse_template};

    fn substitutions() -> Substitutions {
        let mut substitutions = Substitutions::default();
        substitutions.add_port("40001", "alice.port");
        substitutions
    }

    fn bindings() -> Bindings {
        let mut bindings = Bindings::default();
        bindings.set("alice.port", "40001");
        bindings
    }

    #[test]
    fn ports_and_dollars_are_written_so_that_they_mean_themselves() {
        for (row, pattern) in [
            ("on 127.0.0.1:40001", "on 127.0.0.1:${alice.port}"),
            ("140001", "140001"),
            ("$40001", "$$${alice.port}"),
            ("$5 $$5 $* ${x} $u{a}", "$5 $$$5 $$* $${x} $$u{a}"),
            ("$**", "$$**"),
            ("alice> :quit", "alice> :quit"),
            ("a\nalice> :quit", "a\\u{a}alice> :quit"),
        ] {
            assert_eq!(substitutions().pattern(row), pattern, "{row:?}");
        }
    }

    #[test]
    fn a_file_stands_by_its_own_name_and_not_by_a_part_of_it() {
        let mut substitutions = Substitutions::default();
        for (bytes, name) in [(40, "part"), (100, "whole"), (60, "half")] {
            substitutions.add_text("x".repeat(bytes), name);
        }
        assert_eq!(substitutions.pattern(&"x".repeat(100)), "${whole}");
        assert_eq!(substitutions.pattern(&format!("<{}>", "x".repeat(60))), "<${half}>");
        substitutions.add_text("y".repeat(40), "half");
        assert_eq!(substitutions.pattern(&"x".repeat(60)), format!("${{part}}{}", "x".repeat(20)));
    }

    #[test]
    fn typed_control_characters_stand_by_their_number() {
        assert_eq!(substitutions().template("a\nb\u{1b}[31m$"), "a$u{a}b$u{1b}[31m$");
        assert_eq!(substitutions().template("$\u{1b}"), "$$$u{1b}");
        assert_eq!(substitutions().template("한글 👨‍👩‍👧‍👦"), "한글 👨‍👩‍👧‍👦");
        assert_eq!(substitutions().template("a\u{202e}b"), "a$u{202e}b");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_row_is_like_its_own_pattern(row in "[$*u{}a0-9가\u{1b}\u{202e}\n ]{0,20}|.*|\\$?40001.*") {
            let pattern = substitutions().pattern(&row);
            prop_assert!(!pattern.contains('\n'));
            let read = parse_template(&pattern, 0, TemplateKind::Expect).unwrap();
            let safe = SafeText::line(&row).to_string();
            prop_assert!(bindings().matched(&Expectation::Row(read), &safe).is_some(), "{pattern:?}");
        }

        #[test]
        fn every_typed_text_is_read_back(text in "[$*u{}a0-9가\u{1b}\u{202e}\n ]{0,20}|(?s).*|\\$?40001.*") {
            let written = substitutions().template(&text);
            prop_assert!(!written.contains('\n'));
            let read = parse_template(&written, 0, TemplateKind::Input).unwrap();
            prop_assert_eq!(bindings().expand(&read).unwrap(), text);
        }
    }
}
