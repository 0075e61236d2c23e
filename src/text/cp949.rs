//! Recognition of CP949 (EUC-KR with Microsoft's extension), the encoding of Korean Windows.

use std::ops::RangeInclusive;

/// First bytes of a pair.
const LEADS: RangeInclusive<u8> = 0x81..=0xfe;
/// First bytes of the Hangul of KS X 1001.
const HANGUL: RangeInclusive<u8> = 0xb0..=0xc8;
/// First bytes of the signs of KS X 1001, single letters of Hangul among them.
const SIGNS: RangeInclusive<u8> = 0xa1..=0xac;
/// First bytes of the Hangul of the extension.
const EXTENSION: RangeInclusive<u8> = 0x81..=0xc6;
/// Second bytes of KS X 1001.
const TRAILS: RangeInclusive<u8> = 0xa1..=0xfe;

/// Whether bytes that are not UTF-8 look like Korean text in CP949: everything beyond ASCII comes
/// in pairs, each of them Hangul or a sign, and at least one is Hangul.
pub(crate) fn is_likely(bytes: &[u8]) -> bool {
    let (mut rest, mut hangul) = (bytes, 0);
    loop {
        rest = match rest {
            [] => return hangul > 0 && std::str::from_utf8(bytes).is_err(),
            [byte, rest @ ..] if byte.is_ascii() => rest,
            [lead, trail, rest @ ..] if HANGUL.contains(lead) && TRAILS.contains(trail) => {
                hangul += 1;
                rest
            }
            [lead, trail, rest @ ..] if EXTENSION.contains(lead) && is_extended_trail(*trail) => {
                hangul += 1;
                rest
            }
            [lead, trail, rest @ ..] if SIGNS.contains(lead) && TRAILS.contains(trail) => rest,
            _ => return false,
        };
    }
}

fn is_extended_trail(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || (*LEADS.start()..*TRAILS.start()).contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_text_of_windows_is_told_from_other_encodings() {
        // "안녕하세요, 똠방 ㅋㅋ!", whose 똠 is in the extension alone.
        let korean = b"\xbe\xc8\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4, \x8cc\xb9\xe6 \xa4\xbb\xa4\xbb!";
        assert!(is_likely(korean));
        for other in [
            &b"plain"[..],
            "안녕하세요".as_bytes(),
            b"caf\xe9 cr\xe8me",
            b"\xff\xfe",
            // Half of a pair, and "привет" in KOI8-R.
            b"\xbe\xc8\xb3",
            b"\xd0\xd2\xc9\xd7\xc5\xd4",
            // Signs alone may be of any of these.
            b"\xa1\xa1",
        ] {
            assert!(!is_likely(other), "{other:?}");
        }
    }
}
