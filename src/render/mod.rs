//! Rendering of notices and of the prompt: rows, colours, widths and the safety card.

pub(crate) mod colour;
pub(crate) mod cut;
pub(crate) mod layout;
pub(crate) mod progress_row;
pub(crate) mod prompt_line;

mod invitation_card;
pub(crate) mod qr_code;
mod safety_card;
mod url;
pub(crate) mod wrap;

/// Size of the screen.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Size {
    /// Cells of a row.
    pub(crate) cells: usize,
    pub(crate) rows: usize,
}

impl Size {
    /// Size where no terminal tells its own.
    pub(crate) const DEFAULT: Self = Self { cells: 80, rows: 24 };
}
