//! Cut of a long message on a terminal that wraps rows itself.

use unicode_width::UnicodeWidthStr as _;

use super::wrap::prefix;
use crate::chat::Message;
use crate::limits::MESSAGE_ROWS;
use crate::text::safe::SafeText;

/// Rows that one message may take of the output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RowLimit {
    /// [`MESSAGE_ROWS`]: somebody looks at it.
    Terminal,
    /// As many as it has: a program reads it.
    None,
}

/// The message as far as it may be shown, and the number of rows that are left out, on a terminal
/// where each row of it begins behind `margin` cells.
pub(super) fn cut(message: &Message, margin: usize, cells: usize) -> (Message, usize) {
    let cells = cells.max(1);
    let rows_of = |row: &SafeText| (margin + row.as_str().width()).div_ceil(cells).max(1);
    let whole: usize = message.rows.iter().map(rows_of).sum();
    let mut left = MESSAGE_ROWS;
    let mut rows = Vec::new();
    for row in &message.rows {
        let wanted = rows_of(row).min(left);
        if wanted == 0 {
            break;
        }
        left -= wanted;
        rows.push(SafeText::line(prefix(row.as_str(), (wanted * cells).saturating_sub(margin))));
    }
    (Message { rows, ..message.clone() }, whole.saturating_sub(MESSAGE_ROWS))
}

/// The same message in one row, as it is said in words.
pub(super) fn in_one_row(message: &Message) -> Message {
    let rows: Vec<_> = message.rows.iter().map(SafeText::as_str).collect();
    Message { rows: vec![SafeText::line(&rows.join(" / "))], ..message.clone() }
}
