//! Fingerprints in OpenSSH's form (SHA-256 of the `ssh-rsa` blob, as `ssh-keygen -lf` prints it),
//! and the safety number of two keys: sixty digits that two people compare by voice, the same on
//! both sides.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const PREFIX: &str = "SHA256:";

/// SHA-256 of a public key's blob (RFC 4253, section 6.6), by which people compare keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint([u8; 32]);

/// The text is not a whole fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a complete fingerprint: it is SHA256: and 43 characters")]
pub struct FingerprintError;

impl Fingerprint {
    /// The fingerprint of an `ssh-rsa` blob.
    #[must_use]
    pub fn of(blob: &[u8]) -> Self {
        Self(Sha256::digest(blob).into())
    }

    /// The fingerprint with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
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

impl Fingerprint {
    /// Whether a text is written as one, be it whole or not.
    #[must_use]
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with(PREFIX)
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

/// Twelve groups of five digits, from both fingerprints (`docs/PROTOCOL.md`, section 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SafetyNumber([u32; 12]);

impl SafetyNumber {
    /// The number of two keys, in whichever order: HKDF-SHA-256 (RFC 5869) without salt over the
    /// lower and the higher fingerprint to 60 bytes; each five bytes, big-endian, modulo 100,000
    /// are one group.
    ///
    /// # Panics
    /// Never: HKDF gives far more than 60 bytes.
    #[must_use]
    pub fn between(one: &Fingerprint, other: &Fingerprint) -> Self {
        let (lower, higher) = if one <= other { (one, other) } else { (other, one) };
        let input = [lower.as_bytes().as_slice(), higher.as_bytes()].concat();
        let mut okm = [0; 60];
        Hkdf::<Sha256>::new(None, &input)
            .expand(b"rsachat/1 safety number", &mut okm)
            .expect("60 bytes are far below the 8,160 that HKDF-SHA-256 can give");
        let mut groups = [0; 12];
        for (group, bytes) in groups.iter_mut().zip(okm.as_chunks::<5>().0) {
            let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            *group = u32::try_from(number % 100_000).unwrap_or(0);
        }
        Self(groups)
    }

    /// The number of these groups; none where they are not twelve, each below 100,000.
    #[must_use]
    pub fn of_groups(groups: &[u32]) -> Option<Self> {
        let groups: [u32; 12] = groups.try_into().ok()?;
        groups.iter().all(|group| *group < 100_000).then_some(Self(groups))
    }

    /// The twelve groups, each below 100,000.
    #[must_use]
    pub fn groups(&self) -> &[u32; 12] {
        &self.0
    }
}

impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<_> = self.0.iter().map(|group| format!("{group:05}")).collect();
        f.write_str(&groups.join(" "))
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

    #[test]
    fn both_sides_see_the_same_sixty_digits() {
        let (alice, bob) = (Fingerprint::of(b"alice"), Fingerprint::of(b"bob"));
        let number = SafetyNumber::between(&alice, &bob).to_string();
        assert_eq!(number, SafetyNumber::between(&bob, &alice).to_string());
        assert_eq!(number.len(), 12 * 5 + 11);
        // Computed apart from this code, from the words of the specification.
        assert_eq!(number, "18471 21449 87870 86050 43925 68542 01742 62718 22098 86647 68854 64746");
        assert_ne!(number, SafetyNumber::between(&alice, &alice).to_string());
        let number = SafetyNumber::between(&alice, &bob);
        assert_eq!(SafetyNumber::of_groups(number.groups()), Some(number));
        assert_eq!(SafetyNumber::of_groups(&number.groups()[1..]), None);
        assert_eq!(SafetyNumber::of_groups(&[100_000; 12]), None);
    }
}
