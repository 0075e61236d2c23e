//! Percent-encoding of bytes in a URL (RFC 3986, section 2.1).

use std::fmt::Write as _;

/// Text of these bytes, in which those that are not plain are escaped.
pub(super) fn encoded(bytes: &[u8], is_plain: impl Fn(u8) -> bool) -> String {
    let mut text = String::new();
    for &byte in bytes {
        if is_plain(byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Bytes of a text with escapes; none where one of them is malformed.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}
