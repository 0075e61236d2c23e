//! The roof: people and other programs come in here. Only this floor prints, reads the clock and the
//! environment, and ends the process.

mod actor;
mod bind;
mod cli;
mod driver;
mod events;
mod fault;
mod keys;
mod live;
mod pipe;
mod recv;
mod repl;
mod replay;
mod screen;
mod send;
mod terminal;
mod unattended;
mod wrap;

pub use cli::{Cli, run};
