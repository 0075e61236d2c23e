//! Peers: display names, addresses and the peer book.

pub mod address;
pub mod book;
pub mod met;
pub mod name;
pub mod name_index;
