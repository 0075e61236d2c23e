//! Files of the user: the home folder with keys and peer book, and safe ways to read and write
//! others.

pub(crate) mod book_file;
mod error;
pub(crate) mod home;
pub(crate) mod key_file;
pub(crate) mod met_file;
pub(crate) mod safe_file;
#[cfg(test)]
mod tests;

pub(crate) use error::{StoreError, describe, quoted};
pub(crate) use home::Home;
