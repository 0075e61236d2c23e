//! Text of peers and users: escaping for the screen, durations, suggestions.

pub mod duration;
pub mod safe;
pub mod suggest;
