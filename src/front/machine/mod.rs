//! One person on the real machine: what a chat wants done is done here with sockets, threads, the resolver and files.
//! It decides nothing of a conversation, and does not know who looks on.

pub(super) mod actor;
pub(super) mod bind;
pub(super) mod driver;
pub(super) mod live;
mod log;
pub(super) mod show;
