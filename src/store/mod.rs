//! The folder with the user's key and peer book. It knows nothing of cryptography, of conversations, nor
//! of who asks.

pub mod bookfile;
mod fault;
pub mod home;
pub mod keyfile;
mod regular;
mod whole;

pub use fault::StoreFault;
pub use home::Home;

#[cfg(test)]
mod tests;
