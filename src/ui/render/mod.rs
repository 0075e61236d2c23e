//! How what is shown looks: rows, colours, widths and cards. It decides nothing of what is said, nor when.

pub(crate) mod bell;
pub(crate) mod colour;
pub(crate) mod layout;
pub(crate) mod qr;
pub(crate) mod safety_card;
pub(crate) mod size;
pub(crate) mod wrap;
