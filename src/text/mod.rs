//! Text of peers and users: escaping for the screen, durations, keyboard layouts, suggestions.

pub mod duration;
pub mod hangul_layout;
pub mod safe;
pub mod suggest;
