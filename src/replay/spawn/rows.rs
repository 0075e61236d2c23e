//! Rows of a program that writes lines: whole lines, and the one that has not ended yet.

use crate::text::safe::SafeText;

/// Bytes after which a line without an end is cut.
const ROW_BYTES: usize = 64 * 1024;

/// Output of a program over a pipe.
#[derive(Default)]
pub(super) struct Lines {
    /// Bytes since the last newline.
    rest: Vec<u8>,
}

impl Lines {
    /// Takes output. Returns the rows that end in it.
    pub(super) fn process(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut rows = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.rest.len() >= ROW_BYTES {
                rows.extend(self.pending());
                self.rest.clear();
            }
        }
        rows
    }

    /// The row that has not ended.
    pub(super) fn pending(&self) -> Option<String> {
        (!self.rest.is_empty()).then(|| row(&self.rest))
    }
}

fn row(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    SafeText::line_from_bytes(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_rows_without_control_characters_and_none_is_longer_than_the_bound() {
        let mut lines = Lines::default();
        assert_eq!(lines.process(b"one\r\ntwo\n\n\x1b[2Jth"), ["one", "two", ""]);
        assert_eq!(lines.pending().as_deref(), Some("\\u{1b}[2Jth"));
        assert_eq!(lines.process(b"ree\xff\n"), ["\\u{1b}[2Jthree\\xff"]);
        assert_eq!(lines.pending(), None);
        let cut = lines.process(&vec![b'x'; ROW_BYTES]);
        assert_eq!(cut.iter().map(String::len).collect::<Vec<_>>(), [ROW_BYTES]);
    }
}
