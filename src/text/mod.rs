//! Text of peers and users: decoding, escaping for the screen, counts of bytes, durations, keyboard
//! layouts, suggestions.

pub mod byte_count;
pub(crate) mod cp949;
pub mod duration;
mod folding;
pub mod hangul_layout;
pub(crate) mod redaction;
pub mod safe;
pub(crate) mod shell;
pub mod suggest;
pub mod utf8;

pub(crate) use folding::Wanted;
