//! Runtime of a chat: profile on disk, host of effects, event loop, log and recorder.

pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod error;
pub(crate) mod event_loop;
pub(crate) mod host;
pub(crate) mod keyring;
pub(crate) mod log;
pub(crate) mod passphrase;
pub(crate) mod print;
pub(crate) mod recorder;
pub(crate) mod resolve;
pub(crate) mod sink;
