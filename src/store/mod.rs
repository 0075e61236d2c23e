//! The folder with the user's key and peer book, and the file with settings. It knows nothing of
//! cryptography, of conversations, nor of who asks.

mod atomic_write;
pub mod book_file;
mod checked_read;
mod error;
pub mod home;
pub mod key_file;
pub mod settings;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use home::Home;
