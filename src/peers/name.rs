//! Display names: which texts are names, and which two a reader would take for one. A name proves
//! nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};

use unicode_ident::{is_xid_continue, is_xid_start};
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

use crate::limits::NAME_CHARS;
use crate::text::safe::{SafeText, decoded};

/// A display name: a letter, then letters, digits, `_`, marks and `-` (UAX #31), in NFC, at most
/// [`NAME_CHARS`] characters, nothing invisible. Equality is that of the spelling; see
/// [`Name::same_as`].
#[derive(Clone, Debug)]
pub struct Name {
    shown: String,
    folded: String,
}

/// Reason why a text is not a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name has at least one letter")]
    Empty,
    /// The first character is no letter.
    #[error("a name begins with a letter")]
    Start,
    /// A later character does not belong in a name.
    #[error("a name has letters, digits, - and _ only")]
    Character,
    /// There are too many characters.
    #[error("a name has at most {NAME_CHARS} characters")]
    Long,
    /// The word means something else here.
    #[error("that word means something else here; choose another name")]
    Reserved,
}

/// Words that notices and commands use themselves.
const RESERVED: [&str; 6] = ["you", "me", "all", "everyone", "system", "rsachat"];
/// Name of a peer whose claim leaves nothing usable.
const NAMELESS: &str = "peer";
/// Numbers behind a name that are tried one by one before others are skipped.
const LINEAR_NUMBERS: usize = 16;
/// Bytes of a claim that are read: more than the longest name can have.
const CLAIM_BYTES: usize = 16 * NAME_CHARS;

impl Name {
    /// A name as its owner or the user types it.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let shown: String = text.nfc().collect();
        let mut chars = shown.chars();
        let first = chars.next().ok_or(NameError::Empty)?;
        if !is_xid_start(first) {
            return Err(NameError::Start);
        }
        if !chars.all(continues) || SafeText::line(&shown).as_str() != shown {
            return Err(NameError::Character);
        }
        if shown.chars().count() > NAME_CHARS {
            return Err(NameError::Long);
        }
        let name = Self { folded: folded(&shown), shown };
        if RESERVED.contains(&name.folded.as_str()) { Err(NameError::Reserved) } else { Ok(name) }
    }

    /// A name as a peer claims it: what does not belong is dropped, and there is always a result.
    #[must_use]
    pub fn claimed(bytes: &[u8]) -> Self {
        let text = decoded(bytes.get(..CLAIM_BYTES).unwrap_or(bytes));
        let mut kept = String::new();
        for c in text.nfc() {
            let fits = if kept.is_empty() { is_xid_start(c) } else { continues(c) };
            if fits && kept.chars().count() < NAME_CHARS {
                kept.push(c);
                if SafeText::line(&kept).as_str() != kept {
                    kept.pop();
                }
            }
        }
        Self::parse(&kept)
            .or_else(|_| Self::parse(&format!("{}-", shortened(&kept, NAME_CHARS - 1))))
            .unwrap_or_else(|_| Self { shown: NAMELESS.into(), folded: NAMELESS.into() })
    }

    /// The same name with a number, for the second peer that claims it: `bob-2`. Shortened if it
    /// must be.
    #[must_use]
    pub fn with_suffix(&self, number: usize) -> Self {
        let suffix = format!("-{number}");
        let room = NAME_CHARS.saturating_sub(suffix.len());
        let shown = format!("{}{suffix}", shortened(&self.shown, room));
        Self { folded: folded(&shown), shown }
    }

    /// The name itself, or one with a number, that is not taken. Each look costs a logarithm of the
    /// names that are taken; where numbers in between are free, one of them need not be found.
    #[must_use]
    pub fn first_free(&self, is_taken: impl Fn(&Self) -> bool) -> Self {
        if !is_taken(self) {
            return self.clone();
        }
        let numbered_is_taken = |number: usize| is_taken(&self.with_suffix(number));
        let mut taken = 1;
        let mut free = 2;
        while numbered_is_taken(free) {
            (taken, free) = (free, if free < LINEAR_NUMBERS { free + 1 } else { free.saturating_mul(2) });
        }
        while free - taken > 1 {
            let middle = taken + (free - taken) / 2;
            if numbered_is_taken(middle) { taken = middle } else { free = middle }
        }
        self.with_suffix(free)
    }

    /// Whether a reader would take both for one: equal after NFKC and case folding.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.folded == other.folded
    }

    /// Whether a quick reader could take this name for the other: [`Name::same_as`], or equal
    /// skeletons by the confusable characters of UTS #39, as `bоb` with a Cyrillic letter is like
    /// `bob`.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        let others = other.shapes();
        self.shapes().iter().any(|shape| others.contains(shape))
    }

    /// Forms of which two names that look alike have one in common, for tables of names: the folded
    /// name, and the skeletons with its capitals and without them, since a zero is like an O and a
    /// Cyrillic Ь like a b.
    pub(super) fn shapes(&self) -> BTreeSet<String> {
        // Skeletons of small letters may be capitals, so that they are folded once more.
        let shape = |text: &str| folded(&skeleton(text).collect::<String>());
        [self.folded.clone(), shape(&self.shown), shape(&self.folded)].into()
    }

    /// The name as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// Form that [`Name::same_as`] compares, for tables of names.
    #[must_use]
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.shown)
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.shown == other.shown
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.shown.hash(state);
    }
}

fn continues(c: char) -> bool {
    c == '-' || is_xid_continue(c)
}

/// NFKC, then full case folding by way of upper case (so that `ß` and `ss` agree), then NFKC again.
pub(crate) fn folded(text: &str) -> String {
    let upper: String = text.nfkc().flat_map(char::to_uppercase).collect();
    upper.chars().flat_map(char::to_lowercase).nfkc().collect()
}

fn shortened(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::peers::name::{NAME_CHARS, Name, NameError};

    fn claimed(claim: &str) -> String {
        Name::claimed(claim.as_bytes()).to_string()
    }

    #[test]
    fn names_of_many_scripts_are_names() {
        for text in ["bob", "김철수", "Zoë", "bob-2", "x_1", "नमस्ते", "you-"] {
            assert_eq!(Name::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(Name::parse("e\u{301}a").unwrap().as_str(), "\u{e9}a");
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_reason() {
        let error = |text: &str| Name::parse(text).unwrap_err();
        assert_eq!(
            (error(""), error("2bob"), error("-bob")),
            (NameError::Empty, NameError::Start, NameError::Start)
        );
        for text in ["bob smith", "bob\u{200b}", "bob\u{3164}", "bob>"] {
            assert_eq!(error(text), NameError::Character, "{text:?}");
        }
        assert_eq!(error(&"b".repeat(33)), NameError::Long);
        assert_eq!(error("ＹＯＵ"), NameError::Reserved);
    }

    #[test]
    fn a_claim_is_made_into_a_name() {
        assert_eq!(claimed("bob"), "bob");
        assert_eq!(claimed("b\x1b[31mob> \n"), "b31mob");
        assert_eq!(claimed(""), "peer");
        assert_eq!(claimed("123 \u{202e}"), "peer");
        assert_eq!(claimed("System"), "System-");
        assert_eq!(claimed("y\u{200b}ou"), "you-");
        assert_eq!(claimed(&"b".repeat(10_240)), "b".repeat(NAME_CHARS));
        assert_eq!(Name::claimed(b"\xffbob\xfe").as_str(), "bob");
    }

    #[test]
    fn names_that_read_alike_are_the_same_and_others_may_look_alike() {
        let same = |a: &str, b: &str| Name::parse(a).unwrap().same_as(&Name::parse(b).unwrap());
        assert!(same("Bob", "bob"));
        assert!(same("ｂｏｂ", "bob"));
        assert!(same("Straße", "STRASSE"));
        assert!(!same("bob", "bob-2"));
        let alike = |a: &str, b: &str| Name::parse(a).unwrap().looks_like(&Name::parse(b).unwrap());
        for imitation in ["Bob", "b\u{43e}b", "ｂｏｂ", "b0b", "\u{42c}\u{43e}\u{42c}"] {
            assert!(alike(imitation, "bob"), "{imitation}");
        }
        assert!(alike("paypa1", "paypal"));
        for other in ["rob", "bob-2", "bobb", "밥"] {
            assert!(!alike(other, "bob"), "{other}");
        }
    }

    #[test]
    fn a_suffix_always_fits() {
        assert_eq!(Name::parse("bob").unwrap().with_suffix(2).as_str(), "bob-2");
        let long = Name::parse(&"b".repeat(NAME_CHARS)).unwrap().with_suffix(100);
        assert_eq!(long.as_str().chars().count(), NAME_CHARS);
        assert!(long.as_str().ends_with("b-100"));
    }

    #[test]
    fn the_first_free_name_is_found_among_thousands_with_few_looks() {
        let bob = Name::parse("bob").unwrap();
        assert_eq!(bob.first_free(|_| false).as_str(), "bob");
        for taken in [1, 2, 15, 16, 17, 1_000, 9_999, 10_000, 50_000] {
            let looks = std::cell::Cell::new(0);
            let name = bob.first_free(|name| {
                looks.set(looks.get() + 1);
                let number = name.as_str().strip_prefix("bob-").map_or(1, |number| number.parse().unwrap());
                number <= taken
            });
            assert_eq!(name.as_str(), format!("bob-{}", taken + 1));
            assert!(looks.get() < 50, "{} looks at {taken}", looks.get());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_claim_becomes_a_name_that_parses_as_itself(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".*") {
            for name in [Name::claimed(&bytes), Name::claimed(text.as_bytes())] {
                prop_assert_eq!(Name::parse(name.as_str()).unwrap(), name.clone());
                let suffixed = name.with_suffix(12);
                prop_assert_eq!(Name::parse(suffixed.as_str()).unwrap(), suffixed);
            }
        }
    }
}
