//! Keys of closed replays: a pool in the binary, since making a key takes a second. Anybody can
//! read their private halves, so whoever talks for real refuses them, as his own and as a peer's.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::Fingerprint;

/// Paragraphs: a heading of the bits and the fingerprint, and the PEM block of the private key.
const POOL: &str = include_str!("test_keys.pem");

/// Fingerprints of the headings.
static FINGERPRINTS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let headings = POOL.split("\n\n").filter_map(|paragraph| paragraph.lines().next());
    headings.filter_map(|heading| Some(heading.split_once(' ')?.1)).collect()
});

/// PEM texts of the test keys of so many bits: 64 of 3,072 bits and 16 of 2,048.
#[must_use]
pub fn test_keys(bits: u32) -> Vec<&'static str> {
    let heading = format!("{bits} ");
    let keys = POOL.split("\n\n").filter(|paragraph| paragraph.starts_with(&heading));
    keys.filter_map(|paragraph| paragraph.split_once('\n')).map(|(_, pem)| pem).collect()
}

/// Whether the key with this fingerprint is a test key.
#[must_use]
pub fn is_test_key(fingerprint: Fingerprint) -> bool {
    FINGERPRINTS.contains(fingerprint.to_string().as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::crypto::Identity;

    #[test]
    fn every_test_key_has_the_bits_and_the_fingerprint_of_its_heading_and_none_stands_twice() {
        let mut seen = BTreeSet::new();
        for (bits, count) in [(3072, 64), (2048, 16)] {
            let keys = test_keys(bits);
            assert_eq!(keys.len(), count);
            for pem in keys {
                let key = Identity::from_pem(pem, None).expect("a key");
                assert_eq!(key.public().bits(), bits);
                assert!(POOL.contains(&format!("\n\n{bits} {}\n{pem}", key.public().fingerprint())));
                assert!(seen.insert(key.public().fingerprint()));
            }
        }
    }
}
