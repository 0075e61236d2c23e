//! Our keys: how they are made, kept and read, and who may work with them.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use rand::TryRng as _;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::error::{AppError, code};
use super::global_args::GlobalArgs;
use super::passphrase::{ask, given};
use super::print::eprint_line;
use crate::chat::{KeyFor, OwnKey};
use crate::crypto::{Identity, KeyFileError, OaepKeyPair, Passphrase, PrivateKeys, PublicKey, Seed};
use crate::store::{Home, key_file};

/// Tries at the passphrase.
const TRIES: u32 = 3;

/// One of our keys and the text that keeps it.
#[derive(Clone)]
pub(crate) struct StoredKey {
    pub(crate) key: PrivateKey,
    pub(crate) pem: Zeroizing<String>,
}

/// A private key, by what it is for.
#[derive(Clone)]
pub(crate) enum PrivateKey {
    Identity(Arc<Identity>),
    Raw(Arc<OaepKeyPair>),
}

/// The private keys at hand, for whoever works with them.
#[derive(Clone, Default)]
pub(crate) struct KeyRing {
    identity: Option<Arc<Identity>>,
    raw: Option<Arc<OaepKeyPair>>,
}

impl KeyRing {
    /// Takes a key in the place of the one for the same purpose.
    pub(crate) fn put(&mut self, key: PrivateKey) {
        match key {
            PrivateKey::Identity(key) => self.identity = Some(key),
            PrivateKey::Raw(key) => self.raw = Some(key),
        }
    }

    pub(crate) fn keys(&self) -> PrivateKeys<'_> {
        PrivateKeys { identity: self.identity.as_deref(), oaep: self.raw.as_deref() }
    }
}

impl StoredKey {
    /// The key as the chat may show it.
    pub(crate) fn as_shown(&self, home: &Home) -> OwnKey {
        let of = match self.key {
            PrivateKey::Identity(_) => KeyFor::Identity,
            PrivateKey::Raw(_) => KeyFor::RawWire,
        };
        let file = key_file::path(home, of).display().to_string();
        OwnKey { public: self.public().clone(), file }
    }

    /// The key, if it is the identity.
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        match &self.key {
            PrivateKey::Identity(key) => Some(Arc::clone(key)),
            PrivateKey::Raw(_) => None,
        }
    }

    pub(crate) fn public(&self) -> &PublicKey {
        match &self.key {
            PrivateKey::Identity(key) => key.public(),
            PrivateKey::Raw(key) => key.public(),
        }
    }

    /// The text of the key under a passphrase, or under none.
    pub(crate) fn protected(
        &self,
        passphrase: Option<&Passphrase>,
        salt: &Seed,
    ) -> Result<Zeroizing<String>, AppError> {
        let mut rng = salt.rng("salt");
        let pem = match &self.key {
            PrivateKey::Identity(key) => key.to_pem(passphrase, &mut rng),
            PrivateKey::Raw(key) => key.to_pem(passphrase, &mut rng),
        };
        pem.map_err(|error| AppError::new(code::FAILED, error.to_string()))
    }
}

/// Thirty-two fresh bytes.
///
/// # Panics
/// When the system has no randomness: nothing can be done safely then.
pub(crate) fn seed() -> Seed {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).expect("no secure random numbers; stopping");
    Seed::new(bytes)
}

/// Makes a key from 32 random bytes; takes a while.
pub(crate) fn make(
    of: KeyFor,
    bits: u32,
    passphrase: Option<&Passphrase>,
    seed: &Seed,
) -> Result<StoredKey, AppError> {
    let mut rng = seed.rng("key");
    let made = match of {
        KeyFor::Identity => Identity::generate(bits, &mut rng).map(|key| PrivateKey::Identity(Arc::new(key))),
        KeyFor::RawWire => OaepKeyPair::generate(bits, &mut rng).map(|key| PrivateKey::Raw(Arc::new(key))),
    };
    let key = made.map_err(|error| AppError::new(code::USAGE, error.to_string()))?;
    let mut own = StoredKey { key, pem: Zeroizing::default() };
    own.pem = own.protected(passphrase, seed)?;
    Ok(own)
}

/// A key on disk, if there is one.
pub(crate) fn load(
    home: &Home,
    of: KeyFor,
    passphrase: Option<&Passphrase>,
) -> Result<Option<StoredKey>, AppError> {
    let (path, text) = (key_file::path(home, of), key_file::load_key_text(home, of)?);
    let Some(pem) = text else { return Ok(None) };
    match read(of, &pem, passphrase) {
        Ok(key) => Ok(Some(StoredKey { key, pem })),
        Err(error) => Err(unreadable(&path, error)),
    }
}

fn read(of: KeyFor, pem: &str, passphrase: Option<&Passphrase>) -> Result<PrivateKey, KeyFileError> {
    match of {
        KeyFor::Identity => {
            Identity::from_pem(pem, passphrase).map(|key| PrivateKey::Identity(Arc::new(key)))
        }
        KeyFor::RawWire => OaepKeyPair::from_pem(pem, passphrase).map(|key| PrivateKey::Raw(Arc::new(key))),
    }
}

/// Keys that a replay made are for replays: anybody can make them again.
fn refuse_test_keys(home: &Home) -> Result<(), AppError> {
    for of in [KeyFor::Identity, KeyFor::RawWire] {
        // What cannot be read is told where it is wanted.
        if let Ok(Some(text)) = key_file::load_key_text(home, of)
            && Identity::is_test_key(&text)
        {
            let path = key_file::path(home, of);
            let what =
                format!("cannot use {}: it is a test key, which anybody can make again", path.display());
            return Err(AppError::new(code::MACHINE, what)
                .hint("put it aside and make a new key with rsachat key new"));
        }
    }
    Ok(())
}

/// The identity on disk, asking for its passphrase where there is a terminal to ask at.
pub(crate) fn unlock(
    home: &Home,
    common: &GlobalArgs,
) -> Result<(Option<StoredKey>, Option<Passphrase>), AppError> {
    refuse_test_keys(home)?;
    let given = given(common)?;
    let (path, text) =
        (key_file::path(home, KeyFor::Identity), key_file::load_key_text(home, KeyFor::Identity)?);
    let Some(pem) = text else { return Ok((None, given)) };
    match read(KeyFor::Identity, &pem, given.as_ref()) {
        Ok(key) => return Ok((Some(StoredKey { key, pem }), given)),
        Err(KeyFileError::NeedsPassphrase) if std::io::stdin().is_terminal() => {}
        Err(error) => return Err(unreadable(&path, error)),
    }
    for _ in 0..TRIES {
        let passphrase = ask("passphrase of your key: ")?;
        match read(KeyFor::Identity, &pem, Some(&passphrase)) {
            Ok(key) => return Ok((Some(StoredKey { key, pem }), Some(passphrase))),
            Err(KeyFileError::WrongPassphrase) => eprint_line("rsachat: wrong passphrase"),
            Err(error) => return Err(unreadable(&path, error)),
        }
    }
    Err(unreadable(&path, KeyFileError::WrongPassphrase))
}

fn unreadable(path: &Path, error: KeyFileError) -> AppError {
    let hint = match error {
        KeyFileError::NeedsPassphrase => "--passphrase-file FILE",
        _ => "mend the file, or put it aside and make a new key with rsachat key new",
    };
    AppError::new(code::MACHINE, format!("cannot use {}: {error}", path.display())).hint(hint)
}
