//! `rsachat replay` as a program: what it prints, what it finds, how it ends. `tests/scripts.rs` plays the
//! scripts of the project; here are scripts that are made to fail, and those that nobody would write.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

#[path = "../support/mod.rs"]
mod support;

mod codes;
mod directives;
mod forms;
mod generated;
mod live;
mod messages;
mod record;
mod stage;
mod update;
