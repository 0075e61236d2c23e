//! NKEY: the Ed25519 key by which a relay on NATS knows a log-in, in the text form of NATS (base32
//! of a prefix, the key and a CRC).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

/// Prefix byte of the public key of a user, which becomes a `U`.
const USER: u8 = 20 << 3;
/// Prefix byte of a seed, which becomes an `S`; the other prefix follows its five bits.
const SEED: u8 = 18 << 3;
const SEED_BYTES: usize = 32;

/// Log-in key of a user of a relay.
#[derive(Debug)]
pub struct Nkey {
    pair: Ed25519KeyPair,
    public: String,
}

/// Text that is not the seed of a user.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no seed of a user in it: one line that begins with SU")]
pub struct NkeyError;

impl Nkey {
    /// Reads the first line of a key file that is a seed.
    ///
    /// # Errors
    /// [`NkeyError`] when no line is one, or it was changed.
    pub fn from_text(text: &str) -> Result<Self, NkeyError> {
        let seed = text.lines().map(str::trim).find(|line| line.starts_with("SU")).ok_or(NkeyError)?;
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(seed.as_bytes()).map_err(|_| NkeyError)?);
        let (content, crc) = bytes.split_last_chunk::<2>().ok_or(NkeyError)?;
        match content {
            [SEED_AND_USER, USER_REST, seed @ ..] if crc16(content).to_le_bytes() == *crc => Self::of(seed),
            _ => Err(NkeyError),
        }
    }

    /// The key of a seed of 32 random bytes, and the text of that seed.
    ///
    /// # Errors
    /// [`NkeyError`] when the seed has another length.
    pub fn generate(seed: &[u8]) -> Result<(Self, Zeroizing<String>), NkeyError> {
        Ok((Self::of(seed)?, Zeroizing::new(encoded(&[SEED_AND_USER, USER_REST], seed))))
    }

    fn of(seed: &[u8]) -> Result<Self, NkeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NkeyError)?;
        let public = encoded(&[USER], pair.public_key().as_ref());
        Ok(Self { pair, public })
    }

    /// The public key, `U` and 55 more characters.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Signature of the nonce of a server, in base64url.
    #[must_use]
    pub fn sign(&self, nonce: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(nonce.as_bytes()))
    }
}

/// The prefixes of a seed and of a user, as the first two bytes of the seed of a user.
const SEED_AND_USER: u8 = SEED | (USER >> 5);
const USER_REST: u8 = (USER & 31) << 3;
/// Bytes of a random seed.
pub const NKEY_SEED_BYTES: usize = SEED_BYTES;

fn encoded(prefix: &[u8], key: &[u8]) -> String {
    let mut bytes = Zeroizing::new([prefix, key].concat());
    let crc = crc16(&bytes).to_le_bytes();
    bytes.extend_from_slice(&crc);
    BASE32_NOPAD.encode(&bytes)
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pair of the documentation of NATS.
    const SEED_TEXT: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    const PUBLIC: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

    #[test]
    fn a_seed_of_nats_gives_its_public_key_and_is_written_as_it_was() {
        let text = format!("-----BEGIN USER NKEY SEED-----\n{SEED_TEXT}\n------END USER NKEY SEED------\n");
        let key = Nkey::from_text(&text).unwrap();
        assert_eq!(key.public(), PUBLIC);
        let bytes = BASE32_NOPAD.decode(SEED_TEXT.as_bytes()).unwrap();
        let (again, seed) = Nkey::generate(&bytes[2..34]).unwrap();
        assert_eq!((again.public(), seed.as_str()), (PUBLIC, SEED_TEXT));
        assert_eq!(key.sign("nonce").len(), 86);
    }

    #[test]
    fn a_seed_that_was_changed_or_belongs_to_something_else_is_refused() {
        for text in ["", "SU", PUBLIC, &SEED_TEXT.replace("UDXKF", "UDXKE"), &SEED_TEXT[..56], "SAAB", "SUÄ"]
        {
            assert_eq!(Nkey::from_text(text).err(), Some(NkeyError), "{text}");
        }
    }
}
