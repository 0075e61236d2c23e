//! Programs that a script starts as actors (docs/SCRIPTS.md, section 6.1).

mod process;
mod programs;
mod rows;
mod terminal;

pub(crate) use programs::{ProgramRow, ProgramSpec, Programs};
