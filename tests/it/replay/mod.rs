//! `rsachat replay` as a program: what it prints, what it finds, how it ends. `scripts.rs` plays
//! the scripts of the project; here are scripts that are made to fail, and those that nobody would
//! write.

mod codes;
mod directives;
mod disks;
mod fixture;
mod forms;
mod generated;
mod jobs;
mod live;
mod markdown;
mod messages;
mod pictures;
mod record;
mod reports;
mod retries;
mod spawn;
mod unordered;
mod untaken;
mod update;
mod update_property;

pub(crate) use fixture::{connected, replay};
