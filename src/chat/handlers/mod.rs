//! Handlers of the conversation core: `impl Chat`, one file for each kind of input.

mod calling;
mod closings;
mod commands;
mod delivery;
mod export;
mod foreign_changes;
mod history;
mod kept_history;
mod listings;
mod messages;
mod names;
mod oaep;
pub(crate) mod outbox;
mod probes;
mod questions;
mod receipts;
mod redial;
mod resumption;
mod rivals;
mod room;
mod seats;
mod sessions;
mod shutdown;
mod text;
mod trust;
