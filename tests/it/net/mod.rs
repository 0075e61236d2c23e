//! The reactor on real loopback sockets and real inputs.

mod callers;
mod dialling;
mod input;
mod links;
mod names;
