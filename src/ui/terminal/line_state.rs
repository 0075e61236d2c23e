//! State of the line that is read, and what of it is painted next.

use super::editor_state::LineMode;
use crate::limits;

/// Content of the next painting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Painting {
    /// The line as it is edited.
    #[default]
    Line,
    /// The line as it was accepted: it stays.
    Accepted,
    /// The message that the line became.
    Message,
    /// The beginning of a block that is asked about.
    Sample,
    /// Nothing: the read is left, and begun anew.
    Left,
}

/// State of the line that is read, as it was last painted or validated.
#[derive(Clone, Copy, Default)]
pub(super) struct LineState {
    pub(super) mode: LineMode,
    pub(super) painting: Painting,
    /// Cells of a row as the read began.
    pub(super) begun_cells: usize,
    /// Column behind the prompt as it was laid out, and behind the text.
    pub(super) prompt_end: usize,
    pub(super) text_end: usize,
    pub(super) bytes: usize,
    pub(super) newlines: usize,
    pub(super) pasted: bool,
    /// Whether the next painting follows from a key, not from the printer.
    pub(super) by_key: bool,
    /// Whether the next painting is the first of a read that took the place of another.
    pub(super) is_anew: bool,
    /// Rows that a narrower screen has made of the line above the cursor, besides those that
    /// rustyline clears.
    pub(super) rows_gained: Option<usize>,
    /// Place of the cursor in the text, in bytes.
    pub(super) cursor: usize,
    /// Row in which the prompt ends as it was laid out.
    pub(super) prompt_row: usize,
    /// Rows of the line that are above the screen, and nothing below them but the line.
    pub(super) rows_above: usize,
    /// Rows below that of the end of the text which a hint takes.
    pub(super) hint_rows: usize,
}

impl LineState {
    /// Whether the line is a pasted block that is not sent without asking.
    pub(super) fn is_block(self) -> bool {
        self.pasted && self.newlines >= limits::PASTE_LINES
    }
}
