//! Cryptography: keys, fingerprints, the handshake and sealed records.
//!
//! Randomness comes in as a [`Seed`]; every RSA operation of a session is a [`RsaJob`]. `rsa`
//! generates, checks and encrypts; `aws-lc-rs` decrypts (blinded, constant time) and does the AEAD:
//! so the open advisory on `rsa`'s private operation (RUSTSEC-2023-0071) concerns nothing that a
//! network sends.

mod cipher_state;
mod error;
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

pub use cipher_state::{OpenKey, SealKey, TAG_BYTES};
pub use error::{DecryptError, HandshakeError, KeyFileError, NonceExhausted, PemError, PublicKeyError};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use handshake::{Split, TranscriptHash};
pub use kem::{Encapsulated, SharedSecret, encapsulate};
pub use oaep::{OaepKeyPair, seal_oaep};
pub use pem::Passphrase;
pub use private_key::{Identity, warm_up_rng};
pub use public_key::PublicKey;
pub use rsa_job::{JobResult, PrivateKeys, RsaJob};
pub use safety_number::SafetyNumber;
pub use seed::Seed;
