//! Deterministic randomness of a run: each seed is derived from the seed of the script, the actor,
//! the purpose and a count, so that one more draw in one place shifts nothing elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::app::error::AppError;
use crate::app::keyring::{self, StoredKey};
use crate::chat::KeyFor;
use crate::crypto::{Identity, Seed};

/// Source of randomness.
pub(crate) enum Seeds {
    /// Seed of the script, and the number of draws for each actor and purpose.
    Script { seed: u64, drawn: BTreeMap<(String, &'static str), u64> },
    /// Randomness of the system, where a foreign program takes part.
    System,
}

/// Seed of the script, actor, purpose, count and bits of a generated key.
type KeyId = (u64, String, &'static str, u64, u32);

/// Generated keys. One takes a second, so each is generated once in a process.
static GENERATED: Mutex<BTreeMap<KeyId, StoredKey>> = Mutex::new(BTreeMap::new());

impl Seeds {
    pub(crate) fn script(seed: u64) -> Self {
        Self::Script { seed, drawn: BTreeMap::new() }
    }

    /// The next seed of an actor for a purpose.
    pub(crate) fn next(&mut self, actor: &str, purpose: &'static str) -> Seed {
        match self.draw(actor, purpose) {
            None => keyring::seed(),
            Some((seed, count)) => derived(seed, actor, purpose, count),
        }
    }

    /// The next key of an actor.
    pub(crate) fn key(&mut self, actor: &str, of: KeyFor, bits: u32) -> Result<StoredKey, AppError> {
        let purpose = match of {
            KeyFor::Identity => "key",
            KeyFor::RawWire => "raw key",
        };
        let Some((seed, count)) = self.draw(actor, purpose) else {
            return keyring::make(of, bits, None, &keyring::seed());
        };
        let id = (seed, actor.to_owned(), purpose, count, bits);
        let mut generated = GENERATED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = generated.get(&id) {
            return Ok(key.clone());
        }
        let mut key = keyring::make(of, bits, None, &derived(seed, actor, purpose, count))?;
        key.pem = Identity::marked_as_test(&key.pem);
        generated.insert(id, key.clone());
        Ok(key)
    }

    /// Counts a draw. Returns the seed of the script and the count, if there is such a seed.
    fn draw(&mut self, actor: &str, purpose: &'static str) -> Option<(u64, u64)> {
        let Self::Script { seed, drawn } = self else { return None };
        let count = drawn.entry((actor.to_owned(), purpose)).or_default();
        *count += 1;
        Some((*seed, *count))
    }
}

fn derived(seed: u64, actor: &str, purpose: &str, count: u64) -> Seed {
    let hash = Sha256::new()
        .chain_update(b"rsachat replay")
        .chain_update(seed.to_be_bytes())
        .chain_update((actor.len() as u64).to_be_bytes())
        .chain_update(actor)
        .chain_update((purpose.len() as u64).to_be_bytes())
        .chain_update(purpose)
        .chain_update(count.to_be_bytes());
    Seed::new(hash.finalize().into())
}
