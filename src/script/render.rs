//! Rendering back: what was typed and shown, as lines of a script that mean just that. A peer's text comes
//! out as a pattern that is equal to it alone, so that nothing said in a conversation becomes a line of it.

use std::fmt::Write as _;

use super::matcher::{ShownKind, ShownRow};
use crate::text::safe::SafeText;

/// Values that stand by their names in what is rendered: ports that were given out, files of the script.
#[derive(Clone, Debug, Default)]
pub struct CaptureNames {
    ports: Vec<(String, String)>,
    texts: Vec<(String, String)>,
}

/// Bytes that the text of a file has before it is worth a name.
const NAMED_TEXT_BYTES: usize = 32;

impl CaptureNames {
    /// A port stands by its name wherever its digits stand alone.
    pub fn port(&mut self, digits: impl Into<String>, name: impl Into<String>) {
        self.ports.push((digits.into(), name.into()));
    }

    /// A long text of one row stands by its name; where one text is part of another, the longer counts.
    pub fn text(&mut self, text: impl Into<String>, name: impl Into<String>) {
        let (text, name) = (text.into(), name.into());
        self.forget(&name);
        if text.len() >= NAMED_TEXT_BYTES && !text.contains('\n') {
            let at = self.texts.partition_point(|(other, _)| other.len() > text.len());
            self.texts.insert(at, (text, name));
        }
    }

    /// A name gets another value: nothing stands by it any more.
    pub fn forget(&mut self, name: &str) {
        self.texts.retain(|(_, other)| other != name);
        self.ports.retain(|(_, other)| other != name);
    }

    /// A shown row as a pattern that only this row is like. What could move a cursor or end a line is
    /// made visible first.
    #[must_use]
    pub fn pattern(&self, row: &str) -> String {
        self.rendered(SafeText::line(row).as_str())
    }

    /// A typed text as it is written in a script: control characters by their number.
    #[must_use]
    pub fn typed(&self, text: &str) -> String {
        let mut written = String::new();
        for (number, row) in text.split('\n').enumerate() {
            if number > 0 {
                push_number(&mut written, '\n');
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
                    push_number(&mut written, c);
                }
            }
            written.push_str(&self.rendered(&plain));
        }
        written
    }

    fn rendered(&self, text: &str) -> String {
        if let Some((before, name, after)) = self.named_text(text) {
            let mut out = self.rendered(before);
            push_name(&mut out, name);
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
                    Some((_, name)) => push_name(&mut out, name),
                    None => out.push_str(digits),
                }
                rest = after;
                continue;
            }
            let after = rest.get(first.len_utf8()..).unwrap_or_default();
            out.push(first);
            if first == '$' && is_live(after) {
                out.push('$');
            }
            rest = after;
        }
        out
    }

    fn named_text<'t>(&self, text: &'t str) -> Option<(&'t str, &str, &'t str)> {
        self.texts.iter().find_map(|(whole, name)| {
            let (before, after) = text.split_once(whole.as_str())?;
            Some((before, name.as_str(), after))
        })
    }
}

/// One line of a transcript: what an actor showed.
#[must_use]
pub fn shown(label: &str, shown: &ShownRow, names: &CaptureNames) -> String {
    let pattern = names.pattern(&shown.text);
    let mark = match shown.what {
        ShownKind::Row => "|",
        ShownKind::Event => "|*",
    };
    if pattern.is_empty() { format!("{label}{mark}") } else { format!("{label}{mark} {pattern}") }
}

/// One line of a transcript: what was typed.
#[must_use]
pub fn input(label: &str, text: &str, names: &CaptureNames) -> String {
    if text.is_empty() { format!("{label}>") } else { format!("{label}> {}", names.typed(text)) }
}

/// A dollar that stands before a name is doubled, or the two would mean something else.
fn push_name(out: &mut String, name: &str) {
    if ends_with_single_dollar(out) {
        out.push('$');
    }
    for part in ["${", name, "}"] {
        out.push_str(part);
    }
}

fn ends_with_single_dollar(out: &str) -> bool {
    out.chars().rev().take_while(|c| *c == '$').count() % 2 == 1
}

/// Whether a dollar before this would mean something.
fn is_live(after: &str) -> bool {
    after.starts_with(['$', '{', '*']) || after.starts_with("u{")
}

/// Whether a reader of the script sees this character where it stands.
fn is_plain(c: char) -> bool {
    let hidden = matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !c.is_control() && !hidden
}

/// A character by its number; a dollar before it would take it for its own.
fn push_number(out: &mut String, c: char) {
    if ends_with_single_dollar(out) {
        out.push('$');
    }
    let _ = write!(out, "$u{{{:x}}}", u32::from(c));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::script::template::{TemplateKind, pieces};
    use crate::script::{Bindings, Expectation};

    fn names() -> CaptureNames {
        let mut names = CaptureNames::default();
        names.port("40001", "alice.port");
        names
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
            assert_eq!(names().pattern(row), pattern, "{row:?}");
        }
    }

    #[test]
    fn a_file_stands_by_its_own_name_and_not_by_a_part_of_it() {
        let mut names = CaptureNames::default();
        for (bytes, name) in [(40, "part"), (100, "whole"), (60, "half")] {
            names.text("x".repeat(bytes), name);
        }
        assert_eq!(names.pattern(&"x".repeat(100)), "${whole}");
        assert_eq!(names.pattern(&format!("<{}>", "x".repeat(60))), "<${half}>");
        names.text("y".repeat(40), "half");
        assert_eq!(names.pattern(&"x".repeat(60)), format!("${{part}}{}", "x".repeat(20)));
    }

    #[test]
    fn typed_control_characters_stand_by_their_number() {
        assert_eq!(names().typed("a\nb\u{1b}[31m$"), "a$u{a}b$u{1b}[31m$");
        assert_eq!(names().typed("$\u{1b}"), "$$$u{1b}");
        assert_eq!(names().typed("한글 👨‍👩‍👧‍👦"), "한글 👨‍👩‍👧‍👦");
        assert_eq!(names().typed("a\u{202e}b"), "a$u{202e}b");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_row_is_like_its_own_pattern(row in "[$*u{}a0-9가\u{1b}\u{202e}\n ]{0,20}|.*|\\$?40001.*") {
            let pattern = names().pattern(&row);
            prop_assert!(!pattern.contains('\n'));
            let read = pieces(&pattern, 0, TemplateKind::Expected).unwrap();
            let safe = SafeText::line(&row).to_string();
            prop_assert!(bindings().after(&Expectation::Row(read), &safe).is_some(), "{pattern:?}");
        }

        #[test]
        fn every_typed_text_is_read_back(text in "[$*u{}a0-9가\u{1b}\u{202e}\n ]{0,20}|(?s).*|\\$?40001.*") {
            let written = names().typed(&text);
            prop_assert!(!written.contains('\n'));
            let read = pieces(&written, 0, TemplateKind::Typed).unwrap();
            prop_assert_eq!(bindings().typed(&read).unwrap(), text);
        }
    }
}
