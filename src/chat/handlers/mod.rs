//! Handlers of the conversation core: one file for each kind of input.

pub(crate) mod commands;
pub(crate) mod history;
pub(crate) mod listings;
pub(crate) mod log;
pub(crate) mod notify;
pub(crate) mod oaep;
pub(crate) mod sessions;
pub(crate) mod shutdown;
pub(crate) mod trust;
