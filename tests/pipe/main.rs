//! `rsachat pipe` between real processes: what goes in comes out, and the exit codes tell the truth.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails there")]

#[path = "../support/mod.rs"]
mod support;

mod ends;
mod refusals;
mod stage;
mod streams;
mod terminal;
mod wires;
