//! Seed of a connection's randomness, with one generator for each purpose: a new draw in one place
//! does not shift the others, and a replay draws the same.

use rand::SeedableRng;
use rand::rngs::ChaCha20Rng;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Thirty-two secret random bytes from which a connection's randomness comes. Zeroised on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
#[expect(missing_debug_implementations, reason = "a secret has no printed form")]
pub struct Seed([u8; 32]);

impl Seed {
    /// Takes 32 bytes of good randomness.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A generator for one purpose. The same seed and purpose give the same bytes.
    #[must_use]
    pub fn rng(&self, purpose: &str) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.derive(purpose).0)
    }

    /// A seed of its own for one purpose: SHA-256 of a label, the purpose and this seed.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(b"rsachat/1 random")
            .chain_update(purpose.as_bytes())
            .chain_update([0])
            .chain_update(self.0);
        Self(hash.finalize().into())
    }
}
