//! Runtime of a chat: profile on disk, host of effects, event loop, log and recorder.

pub(crate) mod book_thread;
pub(crate) mod broker;
pub(crate) mod client;
pub(crate) mod dialler;
pub(crate) mod error;
pub(crate) mod event_loop;
pub(crate) mod export;
pub(crate) mod external_editor;
pub(crate) mod file_disk;
pub(crate) mod file_thread;
mod history_writer;
pub(crate) mod host;
mod job_thread;
pub(crate) mod json;
pub(crate) mod keyring;
pub(crate) mod local_faces;
pub(crate) mod log;
pub(crate) mod message_command;
pub(crate) mod os;
pub(crate) mod output;
pub(crate) mod owner;
pub(crate) mod owner_client;
pub(crate) mod proxy_command;
pub(crate) mod recorder;
pub(crate) mod relay;
pub(crate) mod sandbox;
pub(crate) mod store_thread;
