//! What a person means: commands, peers, trust, receipts and notices. A [`Chat`] is a value like any other:
//! inputs go in, effects come out, and it touches no socket, file, clock or screen.
//!
//! `contract.rs` has what goes in and out, `core.rs` the state, `words.rs` all sentences.

pub mod command;
mod conversation;
mod display;
mod glance;
pub(crate) mod handlers;
mod io;
mod kinds;
mod notice;
pub mod prompts;
mod queries;
mod rate_limit;
mod state;

pub use conversation::Callers;
pub use display::{SafetyCard, earlier_words};
pub use glance::View;
pub use handlers::notify::{Content, Notify, When};
pub use handlers::trust::objection_to_dialled;
pub use io::{
    Assurance, Dial, Effect, Farewell, Input, Link, Listener, NewKey, Now, Origin, Owed, OwnKey, Queue,
    Replacing, Sent, Verdict,
};
pub use kinds::{Direction, KeyFor, Wire};
pub use notice::{Acquaintance, Claimed, Info, Notice, RawInfo, Said, Trouble};
pub use queries::Piped;
pub use state::Chat;
