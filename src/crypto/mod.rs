//! Keys, fingerprints, the handshake's cryptography and sealing. It does not know frames, sockets or
//! people. Randomness comes in as a [`Seed`]; every RSA operation of a session is a [`Job`].
//!
//! `rsa` makes, checks and seals; `aws-lc-rs` opens (blinded, constant time) and does the AEAD: so the
//! open advisory on `rsa`'s private operation (RUSTSEC-2023-0071) touches nothing that a network sends.

mod cipher_state;
mod fingerprint;
pub mod handshake;
mod kem;
mod oaep;
mod pem;
mod private_key;
mod public_key;
mod rsa_job;
mod safety_number;
mod seed;
mod spki;
mod ssh_blob;
mod symmetric_state;
mod weak_key;

pub use cipher_state::{Exhausted, OpenKey, SealKey};
pub use fingerprint::{Fingerprint, FingerprintFault};
pub use handshake::{Failed, Split, TranscriptHash};
pub use kem::{Sealed, SharedSecret, encapsulate};
pub use oaep::{RawJob, RawPair, RawResult, seal_raw};
pub use private_key::{Identity, KeyFileFault, Passphrase, get_ready};
pub use public_key::{KeyFault, PublicKey};
pub use rsa_job::{Job, JobResult, Keys};
pub use safety_number::SafetyNumber;
pub use seed::Seed;
pub use spki::PemFault;
