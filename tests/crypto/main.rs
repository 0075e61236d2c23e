//! The cryptographic floor against the world: other implementations, published vectors, hostile keys and
//! damaged messages.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

mod damage;
mod hostile_keys;
mod key_files;
mod keys;
mod oracle;
mod programs;
mod published;
mod raw;
mod two_sides;
mod vectors;
