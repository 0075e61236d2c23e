//! How what is shown looks: rows, colours, widths and cards. It decides nothing of what is said, nor when.

pub(super) mod alert;
mod card;
pub(super) mod colour;
pub(super) mod form;
mod qr;
pub(super) mod size;
pub(super) mod wrap;
