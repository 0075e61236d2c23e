//! Keys, fingerprints, the handshake's cryptography and sealing. It does not know frames, sockets or
//! people. Randomness comes in as a [`Seed`]; every RSA operation of a session is a [`Job`].
//!
//! `rsa` makes, checks and seals; `aws-lc-rs` opens (blinded, constant time) and does the AEAD: so the
//! open advisory on `rsa`'s private operation (RUSTSEC-2023-0071) touches nothing that a network sends.

mod cipher;
mod fingerprint;
pub mod handshake;
mod job;
mod kem;
mod pem;
mod private;
mod public;
mod random;
mod raw;
mod safety;
mod sound;
mod spki;
mod ssh;
mod symmetric;

pub use cipher::{Exhausted, OpenKey, SealKey};
pub use fingerprint::{Fingerprint, FingerprintFault};
pub use handshake::{Failed, Split, TranscriptHash};
pub use job::{Job, JobResult, Keys};
pub use kem::{Sealed, SharedSecret, encapsulate};
pub use private::{Identity, KeyFileFault, Passphrase, get_ready};
pub use public::{KeyFault, PublicKey};
pub use random::Seed;
pub use raw::{RawJob, RawPair, RawResult, seal_raw};
pub use safety::SafetyNumber;
pub use spki::PemFault;
