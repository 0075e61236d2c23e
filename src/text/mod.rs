//! Text of peers and users: escaping for the screen, encodings, durations, keyboard layouts,
//! suggestions.

pub(crate) mod cp949;
pub mod duration;
pub mod hangul_layout;
pub mod safe;
pub mod suggest;
