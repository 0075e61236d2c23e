//! Safety number: sixty digits that two people compare by voice, the same on both sides.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;

use super::Fingerprint;

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
    fn both_sides_see_the_same_sixty_digits() {
        let (alice, bob) = (Fingerprint::of(b"alice"), Fingerprint::of(b"bob"));
        let number = SafetyNumber::between(&alice, &bob).to_string();
        assert_eq!(number, SafetyNumber::between(&bob, &alice).to_string());
        assert_eq!(number.len(), 12 * 5 + 11);
        // Computed apart from this code, from the words of the specification.
        assert_eq!(number, "18471 21449 87870 86050 43925 68542 01742 62718 22098 86647 68854 64746");
        assert_ne!(number, SafetyNumber::between(&alice, &alice).to_string());
    }
}
