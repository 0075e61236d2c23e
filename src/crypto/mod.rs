//! Cryptography: keys, fingerprints, the handshake and sealed records.
//!
//! Randomness comes in as a [`Seed`]; every RSA operation of a session is a [`RsaJob`]. `rsa`
//! generates, checks, encrypts, and signs (blinded) what we have written; `aws-lc-rs` decrypts
//! (blinded, constant time) and does the AEAD: so the open advisory on `rsa`'s private operation
//! (RUSTSEC-2023-0071) concerns nothing that a network sends.

mod ephemeral;
mod error;
mod fingerprint;
mod first_letter;
pub mod handshake;
mod kem;
mod key_form;
mod key_pem;
mod letter;
mod nkey;
mod noise;
mod oaep;
mod passphrase;
mod private_key;
mod public_key;
mod rekeying;
mod rsa_job;
mod sealed_file;
mod seed;
mod store_key;
mod test_keys;
mod weak_key;

pub use error::{DecryptError, HandshakeError, KeyFileError, NonceExhausted, PemError, PublicKeyError};
pub use fingerprint::{Fingerprint, FingerprintError, SafetyNumber};
pub use first_letter::{
    Bundle, BundleError, FirstLetterJob, FirstLetterResult, OpenedFirstLetter, bundle_name, first_letter_key,
    open_first_letter,
};
pub use handshake::{Split, TranscriptHash};
pub use kem::{Encapsulated, SharedSecret, encapsulate};
pub use key_form::{KeyForm, LockAlgorithm};
pub(crate) use letter::key_id_of;
pub use letter::{
    Inbox, LETTER_KEY_BYTES, LetterKey, LetterKeyId, LetterPair, LetterPublicKey, LetterSide, OfferedKey,
    SEALED_BYTES, letter_id,
};
pub use nkey::{NKEY_SEED_BYTES, Nkey, NkeyError};
pub use noise::{ExporterSecret, OpenKey, SealKey};
pub use oaep::{OaepKeyPair, seal_oaep};
pub use passphrase::Passphrase;
pub use private_key::{Identity, warm_up_rng};
pub use public_key::PublicKey;
pub use rekeying::{ChainSecret, NewKeys, RekeyingKey, RekeyingPublicKey};
pub use rsa_job::{JobResult, PrivateKeys, RsaJob};
pub use sealed_file::{SealedFile, SealedFileError};
pub use seed::Seed;
pub use store_key::StoreKey;
pub use test_keys::{is_test_key, test_keys};
