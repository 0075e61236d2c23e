//! Script runner: actors on one virtual clock and real loopback sockets, matched against a script.

pub(crate) mod actors;
pub(crate) mod clock;
pub(crate) mod diagnostics;
pub(crate) mod files;
pub(crate) mod interrupt;
pub(crate) mod links;
pub(crate) mod live;
pub(crate) mod outcome;
pub(crate) mod ports;
pub(crate) mod quiesce;
pub(crate) mod reporter;
pub(crate) mod runner;
pub(crate) mod seeds;
pub(crate) mod simulation;
pub(crate) mod step;
