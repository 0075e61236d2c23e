//! The folder with the user's key and peer book, and the file with settings. It knows nothing of
//! cryptography, of conversations, nor of who asks.

pub mod bookfile;
mod fault;
pub mod home;
pub mod keyfile;
mod regular;
pub mod settings;
mod whole;

pub use fault::StoreFault;
pub use home::Home;

#[cfg(test)]
mod tests;
