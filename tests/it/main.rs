//! The library and the program without a terminal: cryptography, network, files, commands,
//! documents.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails there")]

mod addressee;
mod ask;
mod calling;
mod calling_again;
mod codes;
mod config;
mod costs;
mod crypto;
mod doctor;
mod editors;
mod ends;
mod events;
mod file_commands;
mod files;
mod foreign_keys;
mod hints;
mod history;
mod home;
mod hostile;
mod hostile_offers;
mod idle;
mod interrupted_transfers;
mod killings;
mod manual;
mod marks;
mod names;
mod net;
mod outputs;
mod owner;
mod pasted;
mod pipe;
mod raw;
mod readme;
mod replay;
mod saving;
mod scripts;
mod scripts_doc;
mod send;
mod service;
mod short;
mod standing;
mod stdin;
#[path = "../support/mod.rs"]
mod support;
mod talk;
mod test_keys;
mod testing_doc;
mod transfers;
mod trust;
mod unproven;
mod unseen;
mod wire;
mod words;
