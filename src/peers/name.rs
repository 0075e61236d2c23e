//! Display names: which texts are names, and which two a reader would take for one. A name proves
//! nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};

use unicode_ident::{is_xid_continue, is_xid_start};
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

use crate::limits::NAME_CHARS;
use crate::text::safe::SafeText;

/// A display name: a letter, then letters, digits, `_`, marks and `-` (UAX #31), in NFC, at most
/// [`NAME_CHARS`] characters, nothing invisible. One that this program gives has a suffix behind
/// [`GIVEN`], which no claim and no word of the user can have. Equality is that of the spelling;
/// see [`Name::same_as`].
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

/// Sign before the suffix of a given name.
pub const GIVEN: char = '~';
/// Words that notices and commands use themselves.
const RESERVED: [&str; 6] = ["you", "me", "all", "everyone", "system", "rsachat"];
/// Words that a peer may be called, and that are somebody else to a reader.
const MISLEADING: [&str; 1] = ["localhost"];
/// Hexadecimal digits of a suffix.
const SUFFIX_DIGITS: usize = 8;
/// Name of a peer whose claim leaves nothing usable.
const NAMELESS: &str = "peer";
/// Numbers behind a name that are tried one by one before others are skipped.
const LINEAR_NUMBERS: u64 = 16;
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
        let text = String::from_utf8_lossy(bytes.get(..CLAIM_BYTES).unwrap_or(bytes));
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

    /// A name of a peer as the user types it: also one that this program has given.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse_local(text: &str) -> Result<Self, NameError> {
        let Some((stem, suffix)) = text.split_once(GIVEN) else { return Self::parse(text) };
        let is_number = !suffix.starts_with('0') && suffix.bytes().all(|digit| digit.is_ascii_digit());
        let is_hex = suffix.len() == SUFFIX_DIGITS
            && suffix.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
        if suffix.is_empty() || !(is_number || is_hex) {
            return Err(NameError::Character);
        }
        Ok(Self::parse(stem)?.given(suffix))
    }

    /// The same name with a number, for the second peer that claims it: `bob~2`. Never cut.
    #[must_use]
    pub fn with_number(&self, number: u64) -> Self {
        self.given(&number.to_string())
    }

    /// Name of a newcomer where no more names are kept: `peer~` and the beginning of its key.
    #[must_use]
    pub fn of_key(key: &[u8; 32]) -> Self {
        let nameless = Self { shown: NAMELESS.into(), folded: NAMELESS.into() };
        let digits: Vec<_> = key.iter().take(SUFFIX_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
        nameless.given(&digits.concat())
    }

    fn given(&self, suffix: &str) -> Self {
        let stem = self.shown.split(GIVEN).next().unwrap_or_default();
        let shown = format!("{stem}{GIVEN}{suffix}");
        Self { folded: folded(&shown), shown }
    }

    /// The name itself, or one with a number, that is not taken. Each look costs a logarithm of the
    /// names that are taken; where numbers in between are free, one of them need not be found.
    #[must_use]
    pub fn first_free(&self, is_taken: impl Fn(&Self) -> bool) -> Self {
        if !is_taken(self) {
            return self.clone();
        }
        let numbered_is_taken = |number: u64| is_taken(&self.with_number(number));
        let mut taken = 1;
        let mut free = 2;
        while numbered_is_taken(free) {
            (taken, free) = (free, if free < LINEAR_NUMBERS { free + 1 } else { free.saturating_mul(2) });
        }
        while free - taken > 1 {
            let middle = taken + (free - taken) / 2;
            if numbered_is_taken(middle) { taken = middle } else { free = middle }
        }
        self.with_number(free)
    }

    /// The part of a name that a reader takes for the whole: without numbers, `-` and `_` at its
    /// end, and without a given suffix.
    #[must_use]
    pub fn stem(&self) -> Self {
        let claimed = self.shown.split(GIVEN).next().unwrap_or_default();
        let stem = claimed.trim_end_matches(|c: char| c.is_numeric() || matches!(c, '-' | '_'));
        let shown = if stem.is_empty() { claimed } else { stem }.to_owned();
        Self { folded: folded(&shown), shown }
    }

    /// The word of this program, or of the machine, that a reader could take this name for.
    #[must_use]
    pub fn misleads_as(&self) -> Option<&'static str> {
        let shapes: BTreeSet<_> = self.shapes().into_iter().chain(self.stem().shapes()).collect();
        let mut words = RESERVED.into_iter().chain(MISLEADING);
        words.find(|word| shapes.contains(&folded(&skeleton(word).collect::<String>())))
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
    fn a_given_name_is_never_cut_and_nobody_can_claim_or_choose_one() {
        let long = "b".repeat(NAME_CHARS);
        for (name, given) in [("bob", "bob~2"), (long.as_str(), &format!("{long}~2"))] {
            let name = Name::parse(name).unwrap().with_number(2);
            assert_eq!(name.as_str(), given);
            assert_eq!(Name::parse_local(given).unwrap(), name);
            assert_eq!(name.with_number(3).as_str(), given.replace("~2", "~3"));
            assert_eq!(Name::parse(given), Err(NameError::Character));
            assert!(!claimed(given).contains('~'));
        }
        assert_eq!(Name::of_key(&[0xab; 32]).as_str(), "peer~abababab");
        assert!(Name::parse_local("peer~abababab").is_ok());
        for wrong in ["bob~", "~2", "bob~02", "bob~x", "bob~2~3", "bob~0123456", "you~2", "bob~２"] {
            assert!(Name::parse_local(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_stem_of_a_name_is_what_a_reader_takes_for_it() {
        for (text, stem) in [
            ("bob-2", "bob"),
            ("bob_", "bob"),
            ("bob2", "bob"),
            ("bob", "bob"),
            ("x1y", "x1y"),
            ("민지2", "민지"),
        ] {
            assert_eq!(Name::parse(text).unwrap().stem().as_str(), stem);
        }
        for (text, word) in [
            ("you-", Some("you")),
            ("rsachat2", Some("rsachat")),
            ("l\u{43e}calhost", Some("localhost")),
            ("System_", Some("system")),
            ("yourself", None),
        ] {
            assert_eq!(Name::parse(text).unwrap().misleads_as(), word, "{text}");
        }
    }

    #[test]
    fn the_first_free_name_is_found_among_thousands_with_few_looks() {
        let bob = Name::parse("bob").unwrap();
        assert_eq!(bob.first_free(|_| false).as_str(), "bob");
        for taken in [1, 2, 15, 16, 17, 1_000, 9_999, 10_000, 50_000] {
            let looks = std::cell::Cell::new(0);
            let name = bob.first_free(|name| {
                looks.set(looks.get() + 1);
                let number = name.as_str().strip_prefix("bob~").map_or(1, |number| number.parse().unwrap());
                number <= taken
            });
            assert_eq!(name.as_str(), format!("bob~{}", taken + 1));
            assert!(looks.get() < 50, "{} looks at {taken}", looks.get());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_claim_becomes_a_name_that_parses_as_itself(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".*") {
            for name in [Name::claimed(&bytes), Name::claimed(text.as_bytes())] {
                prop_assert_eq!(Name::parse(name.as_str()).unwrap(), name.clone());
                let numbered = name.with_number(12);
                prop_assert_eq!(Name::parse_local(numbered.as_str()).unwrap(), numbered);
            }
        }
    }
}
