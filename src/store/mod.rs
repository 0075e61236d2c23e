//! Files of the user: the home folder with keys and peer book, and safe ways to read and write
//! others.

pub mod atomic_write;
pub mod book_file;
pub mod checked_read;
mod error;
pub mod home;
pub mod key_file;
pub mod private_file;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use home::Home;
