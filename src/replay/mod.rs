//! Script runner: actors on one virtual clock and real loopback sockets, matched against a script.

mod actors;
mod circumstances;
mod comparison;
mod delivery;
pub(crate) mod environment;
mod execution;
mod face;
mod file_checks;
pub(crate) mod files;
mod history;
mod homes;
pub(crate) mod journal;
mod live;
mod network;
pub(crate) mod pool;
pub(crate) mod reporter;
pub(crate) mod runner;
pub(crate) mod screencast;
pub(crate) mod screens;
mod simulation;
mod spawn;
mod spawned;
mod step;
mod typed_lines;
