//! The roof: people and other programs come in here. Only this floor prints, reads the clock and the
//! environment, and ends the process.

mod actor;
mod bind;
mod cli;
mod completions;
mod config;
mod doctor;
mod driver;
mod facts;
mod fault;
mod keys;
mod live;
mod manual;
mod record;
mod repl;
mod replay;
mod screen;
mod terminal;
mod wrap;

pub use cli::{Cli, run};
