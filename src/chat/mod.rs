//! What a person means: commands, peers, trust, receipts and notices. A [`Chat`] is a value like any other:
//! inputs go in, effects come out, and it touches no socket, file, clock or screen.
//!
//! `contract.rs` has what goes in and out, `core.rs` the state, `words.rs` all sentences.

pub mod address;
mod alert;
mod ask;
pub mod book;
pub mod command;
mod contract;
mod core;
mod events;
mod glance;
mod kinds;
mod leave;
mod memory;
mod mine;
pub mod name;
mod notice;
mod perform;
pub mod prompts;
mod raw;
mod reports;
pub mod safe;
mod tables;
mod talk;
mod trust;
mod words;

pub use alert::{Content, Notify, When};
pub use ask::Piped;
pub use contract::{
    Assurance, Dial, Effect, Farewell, Input, Link, Listener, NewKey, Now, Origin, Owed, OwnKey, Queue,
    Replacing, Sent, Verdict,
};
pub use core::Chat;
pub use glance::View;
pub use kinds::{Direction, KeyFor, Wire};
pub use notice::{Acquaintance, Claimed, Info, Notice, RawInfo, Said, Trouble};
pub use talk::Callers;
pub use trust::objection_to_dialled;
pub use words::{SafetyCard, earlier_words};
