//! Names of received files: what a peer says becomes a name that a folder may hold.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::limits::FILE_NAME_BYTES;

/// Longest extension that stays behind a name that is cut, in bytes, its dot included.
const EXTENSION_BYTES: usize = 17;
/// What stands for a character that a file name must not have.
const REPLACEMENT: char = '_';

/// Name of a file or folder in another one: 1 to [`FILE_NAME_BYTES`] bytes of UTF-8 in NFC,
/// without a slash, a control character or one that reorders or hides, and not hidden itself.
///
/// Names of a peer are changed in the file system, not only on a screen: whoever lists the folder
/// later sees the same name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileName(String);

impl FileName {
    /// The name that bytes of a peer become: their last component, with what does not belong in a
    /// name replaced by `_`.
    #[must_use]
    pub fn of_peer(bytes: &[u8]) -> Self {
        let is_slash = |byte: &u8| *byte == b'/';
        let trimmed = bytes.iter().rposition(|byte| !is_slash(byte)).and_then(|last| bytes.get(..=last));
        let last = trimmed.unwrap_or_default().rsplit(is_slash).next().unwrap_or_default();
        Self::of_component(last)
    }

    /// The name that one component of a path becomes.
    pub(super) fn of_component(bytes: &[u8]) -> Self {
        let mut name: String = String::from_utf8_lossy(bytes).chars().filter_map(fitting).nfc().collect();
        if name.trim().is_empty() {
            name = REPLACEMENT.to_string();
        }
        if name.starts_with('.') {
            name.insert(0, REPLACEMENT);
        }
        let (stem, extension) = split_extension(&name);
        Self::joined(stem, "", extension)
    }

    /// Whether a user can name a file or folder so: it is one name, not a path.
    #[must_use]
    pub fn is_one(name: &str) -> bool {
        !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
    }

    /// The name of the `number`th file that would have this one: `name (2).ext`.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let (stem, extension) = split_extension(&self.0);
        Self::joined(stem, &format!(" ({number})"), extension)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Cuts the stem so that the whole fits.
    fn joined(stem: &str, number: &str, extension: &str) -> Self {
        let room = FILE_NAME_BYTES.saturating_sub(number.len() + extension.len());
        let stem = stem.get(..stem.floor_char_boundary(room)).unwrap_or_default();
        Self(format!("{stem}{number}{extension}"))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Name and extension, the dot with the extension: a short one behind a name.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= EXTENSION_BYTES => name.split_at(at),
        _ => (name, ""),
    }
}

/// What a character of a peer's name becomes; nothing, if nothing would be seen of it.
fn fitting(c: char) -> Option<char> {
    use GeneralCategory as Category;
    match c {
        // A path on other systems.
        '/' | '\\' | char::REPLACEMENT_CHARACTER => Some(REPLACEMENT),
        '\u{200b}'..='\u{200d}' | '\u{ad}' | '\u{feff}' => None,
        _ => Some(match c.general_category() {
            Category::Control
            | Category::Format
            | Category::LineSeparator
            | Category::ParagraphSeparator
            | Category::PrivateUse
            | Category::Surrogate
            | Category::Unassigned => REPLACEMENT,
            Category::SpaceSeparator => ' ',
            _ => c,
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::is_nfc;

    use super::*;

    fn of(text: &str) -> String {
        FileName::of_peer(text.as_bytes()).0
    }

    #[test]
    fn a_peer_names_a_file_and_no_place() {
        assert_eq!(of("notes.txt"), "notes.txt");
        assert_eq!(of("/etc/passwd"), "passwd");
        assert_eq!(of("../../.ssh/authorized_keys"), "authorized_keys");
        assert_eq!(of("folder/"), "folder");
        assert_eq!(of("///"), "_");
        assert_eq!(of(""), "_");
        assert_eq!(of("   "), "_");
        assert_eq!(of("."), "_.");
        assert_eq!(of(".."), "_..");
        assert_eq!(of(".bashrc"), "_.bashrc");
        assert_eq!(of("..\\..\\evil.exe"), "_.._.._evil.exe");
        assert_eq!(of("a\0b"), "a_b");
    }

    #[test]
    fn what_moves_hides_or_reorders_is_replaced_in_the_name_itself() {
        assert_eq!(of("a\u{1b}[2Jb"), "a_[2Jb");
        assert_eq!(of("a\nb\rc\td"), "a_b_c_d");
        assert_eq!(of("photo\u{202e}gpj.exe"), "photo_gpj.exe");
        assert_eq!(of("a\u{2066}b\u{2069}"), "a_b_");
        assert_eq!(of("pay\u{200b}pal"), "paypal");
        assert_eq!(of("wide\u{3000}blank"), "wide blank");
        assert_eq!(FileName::of_peer(b"bad\xff\xfebytes").0, "bad__bytes");
    }

    #[test]
    fn spelling_quotes_and_blanks_stay() {
        assert_eq!(of("회의록 최종.hwp"), "회의록 최종.hwp");
        assert_eq!(of("\u{1112}\u{116c}\u{110b}\u{1174}.txt"), "회의.txt", "NFD becomes NFC");
        assert_eq!(of("it's \"quoted\" `x` $y.md"), "it's \"quoted\" `x` $y.md");
    }

    #[test]
    fn a_long_name_is_cut_before_its_extension_between_two_characters() {
        let long = of(&format!("{}.txt", "가".repeat(200)));
        assert_eq!(long, format!("{}.txt", "가".repeat(83)));
        assert!(long.len() <= FILE_NAME_BYTES);
        let plain = of(&"a".repeat(300));
        assert_eq!(plain, "a".repeat(FILE_NAME_BYTES));
        let dotted = of(&format!("a.{}", "b".repeat(300)));
        assert_eq!(dotted.len(), FILE_NAME_BYTES, "that is no extension");
    }

    #[test]
    fn a_number_stands_before_the_extension() {
        assert_eq!(FileName::of_peer(b"name.ext").numbered(2).0, "name (2).ext");
        assert_eq!(FileName::of_peer(b"name").numbered(13).0, "name (13)");
        let longest = FileName::of_peer(format!("{}.ext", "a".repeat(251)).as_bytes());
        let numbered = longest.numbered(10).0;
        assert_eq!(numbered, format!("{} (10).ext", "a".repeat(246)));
        assert_eq!(numbered.len(), FILE_NAME_BYTES);
    }

    proptest! {
        #[test]
        fn any_bytes_become_a_name_that_stays_as_it_is(
            bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..600), ".{0,300}".prop_map(String::into_bytes)],
            number in any::<u32>(),
        ) {
            let name = FileName::of_peer(&bytes);
            for name in [name.numbered(number), name] {
                let text = name.as_str();
                prop_assert!((1..=FILE_NAME_BYTES).contains(&text.len()));
                prop_assert!(!text.starts_with('.') && !text.contains(['/', '\\', '\0']));
                prop_assert!(is_nfc(text) && !text.chars().any(char::is_control));
                prop_assert_eq!(FileName::of_peer(text.as_bytes()), name.clone());
            }
        }
    }
}
