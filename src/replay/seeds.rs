//! Randomness of a replay: everything an actor draws comes from the seed of the script, its name, what it is
//! for and how often that was asked for. One draw more in one place shifts nothing elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::app::error::AppError;
use crate::app::keyring::{self, StoredKey};
use crate::chat::KeyFor;
use crate::crypto::{Identity, Seed};

/// Where randomness comes from.
pub(crate) enum Seeds {
    /// From the number in the script.
    Script { seed: u64, drawn: BTreeMap<(String, &'static str), u64> },
    /// From the system: a program that is not ours takes part.
    System,
}

/// Which key: seed, actor, what for, how many such it had before, bits. Making one takes a second, so each is
/// made once in a process.
type KeyName = (u64, String, &'static str, u64, u32);

static MADE: Mutex<BTreeMap<KeyName, StoredKey>> = Mutex::new(BTreeMap::new());

impl Seeds {
    pub(crate) fn script(seed: u64) -> Self {
        Self::Script { seed, drawn: BTreeMap::new() }
    }

    /// The next seed of an actor for a purpose.
    pub(crate) fn next(&mut self, actor: &str, purpose: &'static str) -> Seed {
        match self {
            Self::System => keyring::seed(),
            Self::Script { seed, drawn } => {
                let count = drawn.entry((actor.to_owned(), purpose)).or_default();
                *count += 1;
                derived(*seed, actor, purpose, *count)
            }
        }
    }

    /// The next key of an actor.
    pub(crate) fn key(&mut self, actor: &str, of: KeyFor, bits: u32) -> Result<StoredKey, AppError> {
        let purpose = match of {
            KeyFor::Identity => "key",
            KeyFor::RawWire => "raw key",
        };
        let (seed, count) = match self {
            Self::System => return keyring::make(of, bits, None, &keyring::seed()),
            Self::Script { seed, drawn } => {
                let count = drawn.entry((actor.to_owned(), purpose)).or_default();
                *count += 1;
                (*seed, *count)
            }
        };
        let name = (seed, actor.to_owned(), purpose, count, bits);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = made.get(&name) {
            return Ok(own.clone());
        }
        let mut own = keyring::make(of, bits, None, &derived(seed, actor, purpose, count))?;
        own.pem = Identity::marked_as_test(&own.pem);
        made.insert(name, own.clone());
        Ok(own)
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
