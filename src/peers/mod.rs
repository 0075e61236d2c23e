//! Names, addresses and the peer book: whom we know, and by what.

pub mod address;
pub mod book;
pub mod name;
