//! Peers: display names, addresses, invitations and the peer book.

pub mod address;
pub mod book;
pub mod invitation;
pub mod met;
pub mod name;
pub mod name_index;
mod percent_encoding;
pub mod relay_url;
pub mod via;
