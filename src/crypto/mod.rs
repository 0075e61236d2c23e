//! Keys, fingerprints, the handshake's cryptography and sealing. It does not know frames, sockets or
//! people. Randomness comes in as a [`Seed`]; every RSA operation of a session is a [`RsaJob`].
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

pub use cipher_state::{NonceExhausted, OpenKey, SealKey};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use handshake::{HandshakeError, Split, TranscriptHash};
pub use kem::{Encapsulated, SharedSecret, encapsulate};
pub use oaep::{OaepJob, OaepJobResult, OaepKeyPair, seal_oaep};
pub use private_key::{Identity, KeyFileError, Passphrase, warm_up_rng};
pub use public_key::{PublicKey, PublicKeyError};
pub use rsa_job::{JobResult, PrivateKeys, RsaJob};
pub use safety_number::SafetyNumber;
pub use seed::Seed;
pub use spki::PemError;
