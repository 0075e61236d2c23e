//! The machine floor on real loopback sockets and real inputs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod callers;
mod dialling;
mod input;
mod links;
mod stage;
