//! PEM text of a private key file (RFC 7468): one block, whatever stands before and behind it and
//! however it is wrapped. A form or a lock that is not read is named, with how to change it.

use pkcs8::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use pkcs8::der::{Decode as _, ErrorKind};
use pkcs8::pkcs5::pbes2::{Kdf, PBES2_OID};
use pkcs8::pkcs5::{self, AlgorithmIdentifierRef, EncryptionScheme};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use super::KeyFileError;
use super::key_form::{KeyForm, LockAlgorithm};
use super::passphrase::Passphrase;
use crate::limits;

/// Label of a block of PKCS#8 without a lock.
pub(super) const PLAIN: &str = "PRIVATE KEY";
/// Label of a block of PKCS#8 with one.
pub(super) const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PKCS1: &str = "RSA PRIVATE KEY";
const OPENSSH: &str = "OPENSSH PRIVATE KEY";

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

const TRIPLE_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.3.7");
const TRIPLE_DES_IV_BYTES: usize = 8;

/// Bytes of a private key.
pub(super) enum KeyDer {
    /// PKCS#8.
    Pkcs8(Zeroizing<Vec<u8>>),
    /// PKCS#1, which is read to be converted only.
    Pkcs1(Zeroizing<Vec<u8>>),
}

/// Reads the block of a private key, and opens its lock.
pub(super) fn read(text: &str, passphrase: Option<&Passphrase>) -> Result<KeyDer, KeyFileError> {
    let block = Block::find(text)?;
    match block.label {
        PLAIN => block.decode().map(KeyDer::Pkcs8),
        ENCRYPTED => decrypt(&block.decode()?, passphrase).map(KeyDer::Pkcs8),
        PKCS1 if block.rows().any(|(_, row)| row.starts_with("Proc-Type:") && row.contains("ENCRYPTED")) => {
            Err(KeyFileError::Form(KeyForm::LegacyLock))
        }
        PKCS1 => block.decode().map(KeyDer::Pkcs1),
        OPENSSH => Err(KeyFileError::Form(KeyForm::OpenSsh)),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => Err(KeyFileError::PublicKey),
        _ => Err(KeyFileError::NotRsa),
    }
}

/// The one block of a text. Explanations before and behind it are allowed (RFC 7468, section 2).
struct Block<'a> {
    label: &'a str,
    /// Rows between its boundaries, with the number of the first in the file.
    body: Vec<&'a str>,
    first: usize,
}

impl<'a> Block<'a> {
    fn find(text: &'a str) -> Result<Self, KeyFileError> {
        if text.trim().is_empty() {
            return Err(KeyFileError::Empty);
        }
        let rows: Vec<_> = text.lines().map(str::trim).collect();
        let begins: Vec<_> = rows.iter().enumerate().filter(|(_, row)| row.contains(BEGIN)).collect();
        let (begin, label) = match begins[..] {
            [] => return Err(KeyFileError::NoBlock),
            [(at, row)] => match label(row, BEGIN) {
                Some(label) => (at, label),
                None => return Err(KeyFileError::Row { number: at + 1 }),
            },
            [..] => return Err(KeyFileError::SeveralBlocks),
        };
        let behind = rows.get(begin + 1..).unwrap_or_default();
        let end = behind.iter().position(|row| row.contains(END)).ok_or(KeyFileError::Cut)?;
        if behind.get(end).and_then(|row| self::label(row, END)) != Some(label) {
            return Err(KeyFileError::Row { number: begin + end + 2 });
        }
        let body = behind.get(..end).unwrap_or_default().to_vec();
        Ok(Self { label, body, first: begin + 2 })
    }

    /// The rows that are not blank, with their numbers in the file.
    fn rows(&self) -> impl Iterator<Item = (usize, &'a str)> {
        (self.first..).zip(self.body.iter().copied()).filter(|(_, row)| !row.is_empty())
    }

    /// The bytes of the block. It is wrapped anew for the decoder, whose time does not depend on
    /// them.
    fn decode(&self) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        const WIDTH: usize = 64;
        let is_white = |byte: &u8| byte.is_ascii_whitespace();
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        let length: usize = self.body.iter().map(|row| row.len()).sum();
        // Of full capacity from the start: text that grows leaves copies behind.
        let capacity = length + length / WIDTH + 2 * (self.label.len() + 20);
        let mut block = Zeroizing::new(String::with_capacity(capacity));
        block.extend([BEGIN, self.label, DASHES]);
        let mut column = WIDTH;
        for (number, row) in self.rows() {
            for byte in row.bytes().filter(|byte| !is_white(byte)) {
                if !is_base64(byte) {
                    return Err(KeyFileError::Row { number });
                }
                if column == WIDTH {
                    block.push('\n');
                    column = 0;
                }
                block.push(char::from(byte));
                column += 1;
            }
        }
        block.extend(["\n", END, self.label, DASHES, "\n"]);
        let (_, document) = SecretDocument::from_pem(&block).map_err(|_| KeyFileError::Damaged)?;
        Ok(document.to_bytes())
    }
}

/// Label of a boundary, if the row is one and nothing else.
fn label<'a>(row: &'a str, boundary: &str) -> Option<&'a str> {
    row.strip_prefix(boundary)?.strip_suffix(DASHES)
}

/// Decrypts an encrypted block. Its lock and the cost of it are checked before a passphrase is
/// asked for.
fn decrypt(der: &[u8], passphrase: Option<&Passphrase>) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    check_lock(der)?;
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| KeyFileError::Damaged)?;
    let parameters = encrypted.encryption_algorithm.pbes2().ok_or(KeyFileError::Damaged)?;
    check_cost(&parameters.kdf)?;
    let passphrase = passphrase.ok_or(KeyFileError::NeedsPassphrase)?;
    let document = encrypted.decrypt(passphrase.as_bytes()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::UnsupportedAlgorithm { oid }) => {
            KeyFileError::Lock(LockAlgorithm::new(oid))
        }
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) => KeyFileError::WrongPassphrase,
        _ => KeyFileError::Damaged,
    })?;
    // A wrong passphrase gives a good padding once in 256 times: what comes out is then no key.
    PrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| KeyFileError::WrongPassphrase)?;
    Ok(document.to_bytes())
}

/// Checks that the algorithms of a lock are among those that are opened.
fn check_lock(der: &[u8]) -> Result<(), KeyFileError> {
    let scheme = AnyRef::from_der(der).and_then(|info| {
        info.sequence(|fields| {
            let scheme = AlgorithmIdentifierRef::decode(fields)?;
            <&OctetStringRef>::decode(fields)?;
            Ok::<_, pkcs8::der::Error>(scheme)
        })
    });
    let scheme = scheme.map_err(|_| KeyFileError::Damaged)?;
    if scheme.oid != PBES2_OID {
        return Err(KeyFileError::Lock(LockAlgorithm::new(scheme.oid)));
    }
    let cipher = scheme.parameters.ok_or(KeyFileError::Damaged)?.sequence(|parts| {
        AlgorithmIdentifierRef::decode(parts)?;
        AlgorithmIdentifierRef::decode(parts)
    });
    let cipher = cipher.map_err(|_: pkcs8::der::Error| KeyFileError::Damaged)?;
    let iv = cipher.parameters.and_then(|iv| iv.decode_as::<&OctetStringRef>().ok());
    // The library slices the vector of this cipher without a look at its length.
    if cipher.oid == TRIPLE_DES && iv.map(|iv| iv.as_bytes().len()) != Some(TRIPLE_DES_IV_BYTES) {
        return Err(KeyFileError::Damaged);
    }
    EncryptionScheme::try_from(scheme).map(|_| ()).map_err(|error| match error.kind() {
        ErrorKind::OidUnknown { oid } => KeyFileError::Lock(LockAlgorithm::new(oid)),
        _ => KeyFileError::Damaged,
    })
}

/// Checks the parameters of a passphrase function before it runs: a file must not make us work for
/// long, nor use numbers that the function is not defined for.
fn check_cost(kdf: &Kdf) -> Result<(), KeyFileError> {
    match kdf {
        Kdf::Scrypt(cost) => {
            // scrypt takes 128 · N · r bytes and passes over them p times (RFC 7914, section 2).
            let (n, r, p) =
                (cost.cost_parameter, u64::from(cost.block_size), u64::from(cost.parallelization));
            if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
                return Err(KeyFileError::Damaged);
            }
            let memory = n.saturating_mul(r).saturating_mul(128);
            if memory > limits::KDF_MEMORY_BYTES || memory.saturating_mul(p) > limits::KDF_TRAFFIC_BYTES {
                return Err(KeyFileError::TooCostly);
            }
            Ok(())
        }
        Kdf::Pbkdf2(cost) if cost.iteration_count > limits::KDF_ROUNDS => Err(KeyFileError::TooCostly),
        Kdf::Pbkdf2(_) => Ok(()),
        _ => Err(KeyFileError::Damaged),
    }
}
