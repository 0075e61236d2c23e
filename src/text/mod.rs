//! Text that peers and people wrote: escaping for the screen, durations, suggestions.

pub mod duration;
pub mod safe;
pub mod suggest;
