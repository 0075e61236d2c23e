//! Errors of keys, handshake and sealed records. Handshake and record errors do not state their
//! cause, since a peer could exploit it.

use super::key_form::{KeyForm, LockAlgorithm};
use crate::limits;

/// A step of the handshake failed, whatever the cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the handshake failed")]
pub struct HandshakeError;

/// A ciphertext did not open, whatever the cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the record does not open")]
pub struct DecryptError;

/// The nonces of one direction are used up; the session must end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many records under one key")]
pub struct NonceExhausted;

impl From<DecryptError> for HandshakeError {
    fn from(_: DecryptError) -> Self {
        Self
    }
}

impl From<NonceExhausted> for DecryptError {
    fn from(_: NonceExhausted) -> Self {
        Self
    }
}

/// Why a public key is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PublicKeyError {
    /// Not an `ssh-rsa` blob, or not in its one right form.
    #[error("it is not an RSA public key in the form of OpenSSH")]
    Malformed,
    /// The modulus is too short.
    #[error("{0} bits, at least {min} needed", min = limits::KEY_BITS_MIN)]
    TooShort(u32),
    /// The modulus is too long.
    #[error("{0} bits, at most {max} accepted", max = limits::KEY_BITS_MAX)]
    TooLong(u32),
    /// A key of this size is not generated.
    #[error("{0} bits, a multiple of eight needed for a new key")]
    Uneven(u32),
    /// The exponent is not 65537.
    #[error("its public exponent is not 65537")]
    Exponent,
    /// The modulus is even or has a small factor.
    #[error("its modulus has a small factor")]
    SmallFactor,
    /// The modulus is a square, or its primes are so close that Fermat's method finds them.
    #[error("its primes are too close to each other")]
    ClosePrimes,
    /// The modulus has the structure of keys made by a faulty chip (ROCA, CVE-2017-15361).
    #[error("it was made by a faulty chip (ROCA)")]
    Roca,
    /// The private half is public: a key of replays.
    #[error("it is a test key, whose private half anybody can read")]
    TestKey,
    /// The numbers do not make a key.
    #[error("its numbers do not make an RSA key")]
    Inconsistent,
}

/// Why a PEM block gives no public key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PemError {
    /// A private key of any kind. It is not kept.
    #[error("it is a PRIVATE key")]
    Private,
    /// A certificate of any kind.
    #[error("it is a certificate, not a public key")]
    Certificate,
    /// A block of another kind.
    #[error("it is not a PUBLIC KEY block")]
    Label,
    /// Not one block in its one right form.
    #[error("it is not one public key in PEM form")]
    Malformed,
    /// A key of another kind: an elliptic curve, say.
    #[error("it is not an RSA key")]
    NotRsa,
    /// An RSA key, but not an acceptable one.
    #[error("{0}")]
    Key(PublicKeyError),
}

/// Why the text of a key file gives no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It is encrypted, and no passphrase was given.
    #[error("it is protected by a passphrase")]
    NeedsPassphrase,
    /// The passphrase does not open it, or it was damaged.
    #[error("wrong passphrase, or the file is damaged")]
    WrongPassphrase,
    /// It is locked with an algorithm that is not opened.
    #[error("it is locked with {0}, which rsachat does not open")]
    Lock(LockAlgorithm),
    /// It is a private key in another form.
    #[error("it is in {0}, not in PKCS#8")]
    Form(KeyForm),
    /// Opening it would cost too much time or memory.
    #[error("its passphrase function asks for too much time or memory")]
    TooCostly,
    /// Nothing stands in it.
    #[error("it is empty")]
    Empty,
    /// No block begins in it.
    #[error("it has no PEM block (no row -----BEGIN PRIVATE KEY-----)")]
    NoBlock,
    /// More than one block begins in it.
    #[error("it has more than one PEM block; keep the one of the private key")]
    SeveralBlocks,
    /// A block begins in it and does not end.
    #[error("it is cut: its PEM block has no -----END row")]
    Cut,
    /// A row of the block is neither boundary nor base64.
    #[error("its line {number} is no row of a PEM block")]
    Row {
        /// Its number, from 1.
        number: usize,
    },
    /// The block does not decode, or what it decodes to is no key.
    #[error("its PEM block is damaged")]
    Damaged,
    /// A public key without the private one.
    #[error("it holds a public key only")]
    PublicKey,
    /// The block does not hold an RSA key that can be used.
    #[error("it does not hold a usable RSA key")]
    NotRsa,
    /// A key, but not an acceptable one.
    #[error("its key is refused: {0}")]
    Key(PublicKeyError),
}
