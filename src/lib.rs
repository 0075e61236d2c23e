//! rsachat: private conversation between terminals, over a direct connection, with nothing to sign up for.
//!
//! The library exists so that tests, documentation examples and fuzzers reach the floors below the
//! program. Imports point down only: [`front`] stands on [`net`] and [`store`], these on [`chat`], it on
//! [`session`], and that introduces [`wire`] and [`crypto`], which do not know each other. From `chat`
//! down everything is pure: no socket, file, clock, terminal or randomness of its own.

mod app;
pub mod chat;
pub mod cli;
mod config;
pub mod crypto;
mod events;
pub mod ids;
pub mod limits;
pub mod net;
pub mod peers;
mod replay;
pub mod script;
pub mod session;
pub mod store;
pub mod text;
pub mod time;
mod ui;
pub mod wire;
