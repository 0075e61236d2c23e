//! Library of rsachat: private conversation between terminals, over a direct connection.
//!
//! It exists so that tests, documentation examples and fuzzers reach the rows below the program. A
//! module imports lower rows only, from the top: [`cli`], `ui`, `replay`, `render`, `events`,
//! `config`, `app`, [`store`], [`chat`] and [`script`], [`session`], [`peers`] and [`delivery`],
//! [`wire`], [`relay`], [`crypto`], [`text`] and [`net`]; [`ids`], [`time`] and [`limits`] are
//! imported by all. From `chat` and `script` down, `net` apart, everything is pure: no socket,
//! file, clock, terminal or randomness of its own. The map is `docs/ARCHITECTURE.md`.

mod app;
pub mod chat;
pub mod cli;
mod config;
pub mod crypto;
pub mod delivery;
mod events;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
pub mod ids;
pub mod limits;
pub mod net;
pub mod peers;
pub mod relay;
mod render;
mod replay;
pub mod script;
pub mod session;
pub mod store;
pub mod text;
pub mod time;
pub mod transfer;
mod ui;
pub mod wire;
