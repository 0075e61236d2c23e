//! The text form of a private key: one PEM block (RFC 7468) of PKCS#8 (RFC 5958), optionally under a
//! passphrase with PBES2 (RFC 8018). Knows nothing of RSA and of files.

use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::pkcs5::scrypt;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument};
use rand::CryptoRng;
use rsa::pkcs8::LineEnding;
use zeroize::Zeroizing;

use super::{KeyFileFault, Passphrase};

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// log2 of scrypt's N, its r and p. OpenSSL refuses more than 32 MiB, which N = 2^15 already exceeds; so
/// the time comes from p.
const SCRYPT: (u8, u32, u32) = (14, 8, 8);
/// Memory that a passphrase function of a file may ask for, in bytes.
const MEMORY_MAX: u64 = 256 * 1024 * 1024;
/// scrypt's work N · r · p that a file may ask for.
const WORK_MAX: u64 = 1 << 22;
/// PBKDF2's rounds that a file may ask for.
const ROUNDS_MAX: u32 = 10_000_000;

/// One block, by its label.
pub(super) enum Pem {
    Plain(Zeroizing<Vec<u8>>),
    Encrypted(Zeroizing<Vec<u8>>),
}

/// Reads exactly one block; white space around it is all that may be there besides.
pub(super) fn read(text: &str) -> Result<Pem, KeyFileFault> {
    let block = text.trim();
    if !block.starts_with("-----BEGIN ")
        || !block.ends_with("-----")
        || block.matches("-----BEGIN").count() != 1
    {
        return Err(KeyFileFault::NotOneKey);
    }
    let (label, document) = SecretDocument::from_pem(block).map_err(|_| KeyFileFault::NotOneKey)?;
    let der = Zeroizing::new(document.as_bytes().to_vec());
    match label {
        PLAIN => Ok(Pem::Plain(der)),
        ENCRYPTED => Ok(Pem::Encrypted(der)),
        _ => Err(KeyFileFault::NotOneKey),
    }
}

pub(super) fn decrypt(der: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, KeyFileFault> {
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| KeyFileFault::NotOneKey)?;
    let parameters = encrypted.encryption_algorithm.pbes2().ok_or(KeyFileFault::NotOneKey)?;
    if !affordable(&parameters.kdf) {
        return Err(KeyFileFault::TooCostly);
    }
    let document = encrypted.decrypt(passphrase.as_bytes()).map_err(|_| KeyFileFault::WrongPassphrase)?;
    Ok(Zeroizing::new(document.as_bytes().to_vec()))
}

pub(super) fn write(
    der: &[u8],
    passphrase: Option<&Passphrase>,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<String>, KeyFileFault> {
    let encoded = match passphrase {
        None => {
            SecretDocument::try_from(der).map_err(|_| KeyFileFault::NotRsa)?.to_pem(PLAIN, LineEnding::LF)
        }
        Some(passphrase) => {
            let (mut salt, mut iv) = ([0; 16], [0; 16]);
            rng.fill_bytes(&mut salt);
            rng.fill_bytes(&mut iv);
            let (log_n, r, p) = SCRYPT;
            let cost = scrypt::Params::new(log_n, r, p).map_err(|_| KeyFileFault::TooCostly)?;
            let parameters = Parameters::generate_scrypt_aes256cbc(cost, &salt, iv)
                .map_err(|_| KeyFileFault::TooCostly)?;
            PrivateKeyInfoRef::try_from(der)
                .and_then(|info| info.encrypt_with_params(parameters, passphrase.as_bytes()))
                .map_err(|_| KeyFileFault::NotRsa)?
                .to_pem(ENCRYPTED, LineEnding::LF)
        }
    };
    encoded.map_err(|_| KeyFileFault::NotRsa)
}

fn affordable(kdf: &Kdf) -> bool {
    match (kdf.scrypt(), kdf.pbkdf2()) {
        (Some(scrypt), _) => {
            let (n, r) = (scrypt.cost_parameter, u64::from(scrypt.block_size));
            let blocks = n.saturating_mul(r);
            blocks.saturating_mul(128) <= MEMORY_MAX
                && blocks.saturating_mul(u64::from(scrypt.parallelization)) <= WORK_MAX
        }
        (None, Some(pbkdf2)) => pbkdf2.iteration_count <= ROUNDS_MAX,
        (None, None) => false,
    }
}
