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

pub use conversation::AcceptPolicy;
pub use display::{SafetyCard, earlier_words};
pub use glance::PromptView;
pub use handlers::notify::{Notify, NotifyContent, NotifyWhen};
pub use handlers::trust::objection_to_dialled;
pub use io::{
    DialOutcome, Effect, ExitRequest, Input, KeyOrigin, NewKey, OwnKey, ReceiptDue, Replacing, SentMessage,
    TrustLevel,
};
pub use kinds::{Direction, KeyFor, Protocol};
pub use notice::{Impersonated, Info, KeyStatus, Message, Notice, RawInfo, Warning};
pub use queries::EstablishedPipe;
pub use state::Chat;
