//! Text that a person or a foreign program wrote: UTF-8, with a byte order mark or without.

/// Byte order mark in UTF-8 (The Unicode Standard, section 23.8), which editors of Windows put
/// before a text. It is no part of the text.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// The same in UTF-16, little-endian and big-endian.
const UTF_16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// Why bytes are no text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// They begin with the byte order mark of UTF-16.
    #[error("UTF-16 text; save it as UTF-8")]
    Utf16,
    /// A byte is not UTF-8.
    #[error("not UTF-8 text")]
    NotUtf8 {
        /// Line of the first such byte, from 1.
        line: usize,
    },
}

/// The bytes without a byte order mark before them.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}

/// The text of a file, without a byte order mark before it.
///
/// # Errors
/// [`DecodeError`].
pub fn decode(bytes: &[u8]) -> Result<&str, DecodeError> {
    if UTF_16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(DecodeError::Utf16);
    }
    str::from_utf8(without_mark(bytes)).map_err(|error| {
        let before = without_mark(bytes).get(..error.valid_up_to()).unwrap_or_default();
        DecodeError::NotUtf8 { line: before.split(|byte| *byte == b'\n').count() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text_and_that_of_utf_16_is_named() {
        for (bytes, expected) in [
            (&b"\xef\xbb\xbfname"[..], Ok("name")),
            (b"name", Ok("name")),
            (b"\xef\xbb\xbf", Ok("")),
            // Only the first is a mark.
            (b"\xef\xbb\xbf\xef\xbb\xbfname", Ok("\u{feff}name")),
            (b"\xff\xfen\0", Err(DecodeError::Utf16)),
            (b"\xfe\xff\0n", Err(DecodeError::Utf16)),
            (b"\xef\xbb\xbfa\nb\n\xff", Err(DecodeError::NotUtf8 { line: 3 })),
        ] {
            assert_eq!(decode(bytes), expected, "{bytes:?}");
        }
    }
}
