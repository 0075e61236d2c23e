//! Rendering of notices: rows, colours, widths and the safety card.

pub(crate) mod bell;
pub(crate) mod colour;
pub(crate) mod layout;
pub(crate) mod size;

mod safety_card;
mod wrap;
