//! PEM text of a private key: one block (RFC 7468) of PKCS#8 (RFC 5958), optionally encrypted under
//! a passphrase with PBES2 (RFC 8018).

use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::pkcs5::scrypt;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument};
use rand::CryptoRng;
use rsa::pkcs8::LineEnding;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::KeyFileError;
use crate::limits;

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// log2 of scrypt's N, its r and p. OpenSSL refuses more than 32 MiB, which N = 2^15 already
/// exceeds; so the time comes from p.
const SCRYPT: (u8, u32, u32) = (14, 8, 8);

/// A passphrase, zeroised on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
#[expect(missing_debug_implementations, reason = "a secret has no printed form")]
pub struct Passphrase(String);

impl Passphrase {
    /// Takes the passphrase as typed.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both are the same, in constant time.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// One block, by its label.
pub(super) enum Pem {
    Plain(Zeroizing<Vec<u8>>),
    Encrypted(Zeroizing<Vec<u8>>),
}

/// The line before the block of a key that a replay generated: anybody can generate it again. Text
/// before a block is allowed (RFC 7468, section 2).
pub(super) const TEST_KEY: &str = "TEST KEY, made by a replay: never use it to talk";

/// Reads exactly one block; only white space and the mark of a test key may stand around it.
pub(super) fn read(text: &str) -> Result<Pem, KeyFileError> {
    let block = text.trim().trim_start_matches(TEST_KEY).trim_start();
    if !block.starts_with("-----BEGIN ")
        || !block.ends_with("-----")
        || block.matches("-----BEGIN").count() != 1
    {
        return Err(KeyFileError::NotOneKey);
    }
    let (label, document) = SecretDocument::from_pem(block).map_err(|_| KeyFileError::NotOneKey)?;
    let der = Zeroizing::new(document.as_bytes().to_vec());
    match label {
        PLAIN => Ok(Pem::Plain(der)),
        ENCRYPTED => Ok(Pem::Encrypted(der)),
        _ => Err(KeyFileError::NotOneKey),
    }
}

/// Decrypts an encrypted block. Its cost is checked before a passphrase is asked for.
pub(super) fn decrypt(
    der: &[u8],
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| KeyFileError::NotOneKey)?;
    let parameters = encrypted.encryption_algorithm.pbes2().ok_or(KeyFileError::NotOneKey)?;
    check_cost(&parameters.kdf)?;
    let passphrase = passphrase.ok_or(KeyFileError::NeedsPassphrase)?;
    let document = encrypted.decrypt(passphrase.as_bytes()).map_err(|_| KeyFileError::WrongPassphrase)?;
    // A wrong passphrase gives a good padding once in 256 times: what comes out is then no key.
    PrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| KeyFileError::WrongPassphrase)?;
    Ok(document.to_bytes())
}

pub(super) fn write(
    der: &[u8],
    passphrase: Option<&Passphrase>,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<String>, KeyFileError> {
    let encoded = match passphrase {
        None => {
            SecretDocument::try_from(der).map_err(|_| KeyFileError::NotRsa)?.to_pem(PLAIN, LineEnding::LF)
        }
        Some(passphrase) => {
            let (mut salt, mut iv) = ([0; 16], [0; 16]);
            rng.fill_bytes(&mut salt);
            rng.fill_bytes(&mut iv);
            let (log_n, r, p) = SCRYPT;
            let cost = scrypt::Params::new(log_n, r, p).map_err(|_| KeyFileError::TooCostly)?;
            let parameters = Parameters::generate_scrypt_aes256cbc(cost, &salt, iv)
                .map_err(|_| KeyFileError::TooCostly)?;
            PrivateKeyInfoRef::try_from(der)
                .and_then(|info| info.encrypt_with_params(parameters, passphrase.as_bytes()))
                .map_err(|_| KeyFileError::NotRsa)?
                .to_pem(ENCRYPTED, LineEnding::LF)
        }
    };
    encoded.map_err(|_| KeyFileError::NotRsa)
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
                return Err(KeyFileError::NotOneKey);
            }
            let memory = n.saturating_mul(r).saturating_mul(128);
            if memory > limits::KDF_MEMORY_BYTES || memory.saturating_mul(p) > limits::KDF_TRAFFIC_BYTES {
                return Err(KeyFileError::TooCostly);
            }
            Ok(())
        }
        Kdf::Pbkdf2(cost) if cost.iteration_count > limits::KDF_ROUNDS => Err(KeyFileError::TooCostly),
        Kdf::Pbkdf2(_) => Ok(()),
        _ => Err(KeyFileError::NotOneKey),
    }
}
