//! Korean two-set layout (KS X 5002): the keys that were pressed for a text that was typed on it.

use unicode_normalization::UnicodeNormalization as _;

/// Keys of the initial consonants U+1100 and following.
const INITIALS: [&str; 19] =
    ["r", "R", "s", "e", "E", "f", "a", "q", "Q", "t", "T", "d", "w", "W", "c", "z", "x", "v", "g"];
/// Keys of the vowels U+1161 and following, and of U+314F and following.
const VOWELS: [&str; 21] = [
    "k", "o", "i", "O", "j", "p", "u", "P", "h", "hk", "ho", "hl", "y", "n", "nj", "np", "nl", "b", "m",
    "ml", "l",
];
/// Keys of the final consonants U+11A8 and following.
const FINALS: [&str; 27] = [
    "r", "R", "rt", "s", "sw", "sg", "e", "f", "fr", "fa", "fq", "ft", "fx", "fv", "fg", "a", "q", "qt", "t",
    "T", "d", "w", "c", "z", "x", "v", "g",
];
/// Keys of the consonants that stand alone, U+3131 and following.
const CONSONANTS: [&str; 30] = [
    "r", "R", "rt", "s", "sw", "sg", "e", "E", "f", "fr", "fa", "fq", "ft", "fx", "fv", "fg", "a", "q", "Q",
    "qt", "t", "T", "d", "w", "W", "c", "z", "x", "v", "g",
];

/// The keys, as letters of the Latin layout. `None` if a character is not typed with the two-set
/// layout.
#[must_use]
pub fn pressed_keys(text: &str) -> Option<String> {
    text.nfd().map(keys_of).collect()
}

fn keys_of(c: char) -> Option<&'static str> {
    let (keys, first): (&[&str], char) = match c {
        '\u{1100}'..='\u{1112}' => (&INITIALS, '\u{1100}'),
        '\u{1161}'..='\u{1175}' => (&VOWELS, '\u{1161}'),
        '\u{11A8}'..='\u{11C2}' => (&FINALS, '\u{11A8}'),
        '\u{3131}'..='\u{314E}' => (&CONSONANTS, '\u{3131}'),
        '\u{314F}'..='\u{3163}' => (&VOWELS, '\u{314F}'),
        _ => return None,
    };
    keys.get(usize::try_from(u32::from(c) - u32::from(first)).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangul_gives_the_keys_that_were_pressed() {
        for (typed, keys) in [("ㅣㅑㄴㅅ두", "listen"), ("채ㅜㅜㄷㅊㅅ", "connect"), ("벼ㅑㅅ", "quit")]
        {
            assert_eq!(pressed_keys(typed).as_deref(), Some(keys), "{typed}");
        }
        assert_eq!(pressed_keys("ㅣx"), None);
    }
}
