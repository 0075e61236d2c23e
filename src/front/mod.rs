//! The roof: people and other programs come in here. Only this floor prints, reads the clock and the
//! environment, and ends the process.

mod actor;
mod alert;
mod bind;
mod card;
mod cli;
mod colour;
mod completions;
mod config;
mod doctor;
mod driver;
mod events;
mod facts;
mod fault;
mod form;
mod history;
mod json;
mod keys;
mod live;
mod log;
mod manual;
mod orders;
mod pipe;
mod prompting;
mod qr;
mod record;
mod recv;
mod repl;
mod replay;
mod screen;
mod send;
mod telling;
mod terminal;
mod unattended;
mod wrap;

pub use cli::{Cli, run};
