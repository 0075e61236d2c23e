//! Cryptography against the world: other implementations, published vectors, hostile keys and
//! damaged messages.

mod damage;
mod differential;
mod hostile_keys;
mod key_files;
pub(crate) mod keys;
mod oracle;
pub(crate) mod programs;
mod published;
pub(crate) mod raw;
mod steps;
mod two_sides;
mod vectors;
