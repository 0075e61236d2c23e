//! Durable delivery (`docs/PROTOCOL.md`, section 7): a message that was accepted is kept until the
//! other side has it, and is sent again, in order, whenever the two are connected.

mod pair;

pub use crate::wire::{Chain, Epoch};
pub use pair::{
    Content, Inbound, InboxRow, Outbound, OutboxRow, Pair, PairChange, Pairs, SKIPPED, StoreChange, hash_of,
};
