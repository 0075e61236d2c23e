//! Lexical rules of scripts (docs/SCRIPTS.md, section 2): names, source rows, errors within a line.

use std::ops::Range;

use unicode_ident::{is_xid_continue, is_xid_start};

/// Syntax error with its place: bytes of the line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SyntaxError {
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl SyntaxError {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), help: None }
    }

    /// Adds advice.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Reader of a source, one line at a time. A line with a here-document spans several rows.
pub(super) struct LineReader<'a> {
    rows: std::iter::Enumerate<std::str::Lines<'a>>,
    /// Rows of the current line so far.
    line: String,
}

impl<'a> LineReader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rows: text.lines().enumerate(), line: String::new() }
    }

    /// First row of the next line, and its number from 1.
    pub(super) fn next_row(&mut self) -> Option<(usize, &'a str)> {
        let (index, row) = self.rows.next()?;
        row.clone_into(&mut self.line);
        Some((index + 1, row))
    }

    /// Rows of a here-document, up to the row that is `tag` alone; `None` without such a row.
    pub(super) fn here_document(&mut self, tag: &str) -> Option<String> {
        let mut body = String::new();
        for (_, row) in self.rows.by_ref() {
            self.line.push('\n');
            self.line.push_str(row);
            if row == tag {
                return Some(body);
            }
            body.push_str(row);
            body.push('\n');
        }
        None
    }

    /// The current line, here-document included.
    pub(super) fn line(&self) -> &str {
        &self.line
    }
}

/// Whether a text is a name: `XID_Start`, then `XID_Continue` or `-` (UAX #31).
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_xid_start) && chars.all(|c| c == '-' || is_xid_continue(c))
}

/// Whether a text is the name of a variable: names joined by dots, as in `alice.port`.
pub(crate) fn is_variable_name(text: &str) -> bool {
    text.split('.').all(is_name)
}
