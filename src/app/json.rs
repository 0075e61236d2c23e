//! JSON as the program prints it: an object a line, with every character that is not visible by its
//! number.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// Serializes an object as one line, with its newline.
pub(crate) fn json_line(object: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    // Writing to memory does not fail, and every key of our objects is text.
    let _ = object.serialize(&mut Serializer::with_formatter(&mut bytes, VisibleFormatter));
    bytes.push(b'\n');
    String::from_utf8(bytes).unwrap_or_default()
}

/// Compact formatter that escapes what is not visible.
struct VisibleFormatter;

impl Formatter for VisibleFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, hidden)) = rest.char_indices().find(|(_, c)| is_hidden(*c)) {
            let (seen, after) = rest.split_at(at);
            out.write_all(seen.as_bytes())?;
            for unit in hidden.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = after.get(hidden.len_utf8()..).unwrap_or_default();
        }
        out.write_all(rest.as_bytes())
    }
}

fn is_hidden(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Unassigned};
    let category = c.general_category();
    matches!(category, Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | Unassigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_written_and_everything_is_given_back() {
        let text = "안녕 👋🏽\u{9b}2J\u{7f}\u{202e}\u{e0041}\u{2028}\r\n\u{1b}\"\\e\u{301}\u{200d}";
        let line = json_line(&[text]);
        assert_eq!(serde_json::from_str::<[String; 1]>(&line).unwrap(), [text]);
        let body = line.strip_suffix('\n').unwrap();
        assert!(!body.chars().any(is_hidden), "{body}");
        assert!(body.contains("안녕 👋🏽\\u009b2J\\u007f\\u202e\\udb40\\udc41"), "{body}");
    }
}
