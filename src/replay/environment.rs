//! Environment of a run: clock and randomness, virtual in a closed run and of the system in a live
//! one, and interruption by signals.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng as _;
use sha2::{Digest as _, Sha256};

use crate::app::error::AppError;
use crate::app::keyring::{self, AnyPrivateKey, StoredKey};
use crate::app::os::unix_ms;
use crate::chat::{KeyFor, KeygenCause};
use crate::crypto::{Identity, Seed, test_keys};
use crate::net::process::{SecondSignal, SignalFlag};
use crate::time::{MonoMs, Now, UnixMs};

/// 2000-01-01 00:00 UTC, when a closed run begins where nothing is said.
const START: UnixMs = UnixMs(946_684_800_000);

/// Source of time and randomness.
pub(crate) enum Environment {
    /// Clock that `@tick` alone advances. Each seed is derived from the seed of the script, the
    /// actor, the purpose and a count, so that one more draw in one place shifts nothing elsewhere.
    Closed {
        start: UnixMs,
        elapsed: MonoMs,
        seed: u64,
        /// Number of draws for each actor and purpose.
        drawn: BTreeMap<(String, &'static str), u64>,
        /// Test keys of the pool that actors have, by the purpose and the place in the pool.
        taken: BTreeSet<(&'static str, usize)>,
    },
    /// Clock and randomness of the system, where a foreign program takes part.
    Live { start: Instant },
}

/// Source of the key of an actor in a closed run.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum KeySource {
    /// PEM text of a key of the pool.
    Pool(&'static str),
    /// Seed of the script, actor, purpose, count and bits of a generated key.
    Generator(u64, String, &'static str, u64, u32),
}

/// Keys of closed runs. One takes milliseconds to read and a second to generate, so each is made
/// once in a process; runs that need another do not wait for it.
static KEYS: Mutex<BTreeMap<KeySource, Arc<Mutex<Option<StoredKey>>>>> = Mutex::new(BTreeMap::new());

/// Identity of a closed run whose file has this text.
pub(crate) fn known_key(pem: &str) -> Option<StoredKey> {
    let known = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    // One that is being made is in no file yet.
    let mut made = known.values().filter_map(|slot| slot.try_lock().ok()?.clone());
    made.find(|stored| matches!(stored.key, AnyPrivateKey::Identity(_)) && *stored.pem == pem)
}

impl Environment {
    pub(crate) fn closed(seed: u64, start: Option<UnixMs>) -> Self {
        let start = start.unwrap_or(START);
        Self::Closed { start, elapsed: MonoMs(0), seed, drawn: BTreeMap::new(), taken: BTreeSet::new() }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Live { .. })
    }

    pub(crate) fn now(&self) -> Now {
        match self {
            Self::Closed { start, elapsed, .. } => {
                Now { mono: *elapsed, unix: UnixMs(start.0.saturating_add(elapsed.0)) }
            }
            Self::Live { start } => {
                let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                Now { mono: MonoMs(elapsed_ms), unix: UnixMs(unix_ms()) }
            }
        }
    }

    /// Advances the virtual clock to a moment.
    pub(crate) fn advance_to(&mut self, moment: MonoMs) {
        if let Self::Closed { elapsed, .. } = self {
            *elapsed = moment.max(*elapsed);
        }
    }

    /// The instant of a moment, on the real clock.
    pub(crate) fn instant(&self, moment: MonoMs) -> Option<Instant> {
        match self {
            Self::Closed { .. } => None,
            Self::Live { start } => start.checked_add(Duration::from_millis(moment.0)),
        }
    }

    /// The next seed of an actor for a purpose.
    pub(crate) fn next_seed(&mut self, actor: &str, purpose: &'static str) -> Seed {
        match self.draw(actor, purpose) {
            None => keyring::seed(),
            Some((seed, count)) => derived_seed(seed, actor, purpose, count),
        }
    }

    /// The next key of an actor. In a closed run one that a command lacked comes from the pool of
    /// test keys, as long as there are any, since making one takes a second.
    pub(crate) fn next_key(
        &mut self,
        actor: &str,
        of: KeyFor,
        bits: u32,
        cause: KeygenCause,
    ) -> Result<StoredKey, AppError> {
        let purpose = match of {
            KeyFor::Identity => "key",
            KeyFor::Oaep => "raw key",
        };
        let Some((seed, count)) = self.draw(actor, purpose) else {
            return keyring::make(of, bits, None, &keyring::seed());
        };
        let key_seed = derived_seed(seed, actor, purpose, count);
        let pooled = match cause {
            KeygenCause::MissingKey => self.take_test_key(&key_seed, purpose, bits),
            KeygenCause::Command => None,
        };
        let source = match pooled {
            Some(pem) => KeySource::Pool(pem),
            None => KeySource::Generator(seed, actor.to_owned(), purpose, count, bits),
        };
        let mut known = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = Arc::clone(known.entry(source).or_default());
        drop(known);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*slot {
            return Ok(key.clone());
        }
        let key = if let Some(pem) = pooled {
            keyring::test_key(of, pem)?
        } else {
            let mut key = keyring::make(of, bits, None, &key_seed)?;
            key.pem = Identity::marked_as_test(&key.pem);
            key
        };
        Ok(slot.insert(key).clone())
    }

    /// The first key of the pool that no actor has, from a place on that the seed chooses.
    fn take_test_key(&mut self, seed: &Seed, purpose: &'static str, bits: u32) -> Option<&'static str> {
        let Self::Closed { taken, .. } = self else { return None };
        let pool = test_keys(bits);
        let start = seed.rng("pool").next_u32() as usize % pool.len().max(1);
        let place = (0..pool.len())
            .map(|step| (start + step) % pool.len())
            .find(|place| !taken.contains(&(purpose, *place)))?;
        taken.insert((purpose, place));
        pool.get(place).copied()
    }

    /// Counts a draw. Returns the seed of the script and the count, if there is such a seed.
    fn draw(&mut self, actor: &str, purpose: &'static str) -> Option<(u64, u64)> {
        let Self::Closed { seed, drawn, .. } = self else { return None };
        let count = drawn.entry((actor.to_owned(), purpose)).or_default();
        *count += 1;
        Some((*seed, *count))
    }
}

fn derived_seed(seed: u64, actor: &str, purpose: &str, count: u64) -> Seed {
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

static SIGNAL: OnceLock<SignalFlag> = OnceLock::new();

/// Remembers signals from now on, instead of ending the process. The first stops a run at its next
/// line or out of its wait, so that its homes are removed.
pub(crate) fn catch_signals(second: SecondSignal) -> io::Result<()> {
    if SIGNAL.get().is_none() {
        // Scripts are played one after the other, so no other thread sets it.
        let _ = SIGNAL.set(SignalFlag::start(second)?);
    }
    Ok(())
}

/// Exit code for the signal that came.
pub(crate) fn interruption() -> Option<u8> {
    SIGNAL.get().and_then(SignalFlag::number).map(|number| number.saturating_add(128))
}

/// Whether a signal came.
pub(crate) fn is_interrupted() -> bool {
    interruption().is_some()
}
