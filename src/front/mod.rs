//! The roof: people and other programs come in here. Only this floor prints, reads the clock and the
//! environment, and ends the process.

mod cli;
mod clock;
mod completions;
mod config;
mod doctor;
mod events;
mod facts;
mod fault;
mod keyring;
mod keys;
mod looks;
mod machine;
mod manual;
mod options;
mod passphrase;
mod peers;
mod prompt;
mod record;
mod replay;
mod streams;
mod unattended;

pub use cli::{Cli, run};
