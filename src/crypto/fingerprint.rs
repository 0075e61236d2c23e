//! Fingerprints in OpenSSH's form: SHA-256 of the `ssh-rsa` blob, as `ssh-keygen -lf` prints it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

const PREFIX: &str = "SHA256:";

/// SHA-256 of a public key's blob (RFC 4253, section 6.6), by which people compare keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// The text is not a whole fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a whole fingerprint: it reads SHA256: and 43 characters, as :showkey prints it")]
pub struct FingerprintError;

impl Fingerprint {
    /// The fingerprint of an `ssh-rsa` blob.
    #[must_use]
    pub fn of(blob: &[u8]) -> Self {
        Self(Sha256::digest(blob).into())
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// First eight characters of the base64 form, for rows of a table; never to compare keys.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = STANDARD_NO_PAD.encode(self.0);
        text.truncate(8);
        text
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Only the whole form is a fingerprint: a key with a given prefix is quickly found.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix(PREFIX).ok_or(FingerprintError)?;
        let bytes = STANDARD_NO_PAD.decode(digits).map_err(|_| FingerprintError)?;
        bytes.try_into().map(Self).map_err(|_| FingerprintError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_form_is_a_fingerprint() {
        let whole = Fingerprint::of(b"blob");
        assert_eq!(whole.to_string().parse(), Ok(whole));
        let text = whole.to_string();
        for wrong in [&text[..text.len() - 1], &text[7..], &text.to_lowercase(), "", "SHA256:"] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(FingerprintError), "{wrong}");
        }
    }
}
