//! Form of a text in which it is searched: as it is shown, composed, in lower case.

use unicode_normalization::UnicodeNormalization as _;

use super::safe::SafeText;

/// A row in the form in which it is searched.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Lower case may be decomposed where upper case was not.
    text.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// Text that is looked for in many others, compared as they are shown, so that what can be seen can
/// be found; composed, so that it does not count which of two canonically equivalent forms (Unicode
/// Standard Annex #15) a keyboard gives.
#[derive(Debug)]
pub(crate) struct Wanted(String);

impl Wanted {
    pub(crate) fn new(text: &str) -> Self {
        Self(folded(SafeText::line(text).as_str()))
    }

    /// Whether it stands in a row of a text.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        // What is shown as it is needs no copy.
        if text.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
            return self.0.is_ascii() && self.is_in_ascii(text);
        }
        SafeText::rows_from_bytes(text).iter().any(|row| self.is_in_row(row.as_str()))
    }

    /// Whether it stands in a row as it is shown.
    pub(crate) fn is_in_row(&self, row: &str) -> bool {
        folded(row).contains(&self.0)
    }

    /// The same for printable ASCII; a newline is in no wanted text.
    fn is_in_ascii(&self, text: &[u8]) -> bool {
        let Some((first, rest)) = self.0.as_bytes().split_first() else { return true };
        let upper = first.to_ascii_uppercase();
        let starts = text.iter().enumerate().filter(|(_, byte)| *byte == first || **byte == upper);
        let follows = |at: usize| text.get(at + 1..).and_then(|behind| behind.get(..rest.len()));
        starts.into_iter().any(|(at, _)| follows(at).is_some_and(|part| part.eq_ignore_ascii_case(rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_finds_what_the_long_one_does() {
        for (text, wanted) in [
            ("Hello World", "o w"),
            ("Hello World", "LD"),
            ("Hello World", ""),
            ("", ""),
            ("", "x"),
            ("one\ntwo", "e\nt"),
            ("one\ntwo", "\u{a}"),
            ("one\ntwo", "TWO"),
            ("aab", "ab"),
            ("a\\u{a}b", "\n"),
            ("K", "\u{212a}"),
            ("plain", "plaine"),
        ] {
            let wanted = Wanted::new(wanted);
            let rows = SafeText::rows(text);
            let long = rows.iter().any(|row| wanted.is_in_row(row.as_str()));
            assert_eq!(wanted.is_in(text.as_bytes()), long, "{wanted:?} in {text:?}");
        }
        assert!(Wanted::new("\u{1112}\u{1161}\u{11ab}").is_in("한글".as_bytes()));
        assert!(Wanted::new("\\xff").is_in(b"a\xffb"));
    }
}
