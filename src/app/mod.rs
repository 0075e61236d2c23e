//! One person on the real machine: what a chat wants done is done here with sockets, threads, the resolver and files.
//! It decides nothing of a conversation, and does not know who looks on.

pub(crate) mod account;
pub(crate) mod clock;
pub(crate) mod error;
pub(crate) mod event_loop;
pub(crate) mod global_args;
pub(crate) mod host;
pub(crate) mod keyring;
pub(crate) mod log;
pub(crate) mod passphrase;
pub(crate) mod print;
pub(crate) mod recorder;
pub(crate) mod resolve;
pub(crate) mod sink;
