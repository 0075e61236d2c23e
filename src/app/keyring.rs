//! Our keys: how they are made, kept and read, and who may work with them.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use rand::TryRng as _;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::error::{Fault, code};
use super::global_args::Common;
use super::passphrase::{ask, given};
use super::print::complain;
use crate::chat::{KeyFor, OwnKey};
use crate::crypto::{Identity, KeyFileFault, Keys, Passphrase, PublicKey, RawPair, Seed};
use crate::store::{Home, key_file};

/// Tries at the passphrase.
const TRIES: u32 = 3;

/// One of our keys and the text that keeps it.
#[derive(Clone)]
pub(crate) struct Own {
    pub(crate) key: Private,
    pub(crate) pem: Zeroizing<String>,
}

/// A private key, by what it is for.
#[derive(Clone)]
pub(crate) enum Private {
    Identity(Arc<Identity>),
    Raw(Arc<RawPair>),
}

/// The private keys at hand, for whoever works with them.
#[derive(Clone, Default)]
pub(crate) struct KeyRing {
    identity: Option<Arc<Identity>>,
    raw: Option<Arc<RawPair>>,
}

impl KeyRing {
    /// Takes a key in the place of the one for the same purpose.
    pub(crate) fn put(&mut self, key: Private) {
        match key {
            Private::Identity(key) => self.identity = Some(key),
            Private::Raw(key) => self.raw = Some(key),
        }
    }

    pub(crate) fn keys(&self) -> Keys<'_> {
        Keys { identity: self.identity.as_deref(), raw: self.raw.as_deref() }
    }
}

impl Own {
    /// The key as the chat may show it.
    pub(crate) fn as_shown(&self, home: &Home) -> OwnKey {
        let of = match self.key {
            Private::Identity(_) => KeyFor::Identity,
            Private::Raw(_) => KeyFor::RawWire,
        };
        let file = key_file::path(home, of).display().to_string();
        OwnKey { public: self.public().clone(), file }
    }

    /// The key, if it is the identity.
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        match &self.key {
            Private::Identity(key) => Some(Arc::clone(key)),
            Private::Raw(_) => None,
        }
    }

    pub(crate) fn public(&self) -> &PublicKey {
        match &self.key {
            Private::Identity(key) => key.public(),
            Private::Raw(key) => key.public(),
        }
    }

    /// The text of the key under a passphrase, or under none.
    pub(crate) fn protected(
        &self,
        passphrase: Option<&Passphrase>,
        salt: &Seed,
    ) -> Result<Zeroizing<String>, Fault> {
        let mut rng = salt.rng("salt");
        let pem = match &self.key {
            Private::Identity(key) => key.to_pem(passphrase, &mut rng),
            Private::Raw(key) => key.to_pem(passphrase, &mut rng),
        };
        pem.map_err(|fault| Fault::new(code::FAILED, fault.to_string()))
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
) -> Result<Own, Fault> {
    let mut rng = seed.rng("key");
    let made = match of {
        KeyFor::Identity => Identity::generate(bits, &mut rng).map(|key| Private::Identity(Arc::new(key))),
        KeyFor::RawWire => RawPair::generate(bits, &mut rng).map(|key| Private::Raw(Arc::new(key))),
    };
    let key = made.map_err(|fault| Fault::new(code::USAGE, fault.to_string()))?;
    let mut own = Own { key, pem: Zeroizing::default() };
    own.pem = own.protected(passphrase, seed)?;
    Ok(own)
}

/// A key on disk, if there is one.
pub(crate) fn load(home: &Home, of: KeyFor, passphrase: Option<&Passphrase>) -> Result<Option<Own>, Fault> {
    let (path, text) = (key_file::path(home, of), key_file::load_key_text(home, of)?);
    let Some(pem) = text else { return Ok(None) };
    match read(of, &pem, passphrase) {
        Ok(key) => Ok(Some(Own { key, pem })),
        Err(fault) => Err(unreadable(&path, fault)),
    }
}

fn read(of: KeyFor, pem: &str, passphrase: Option<&Passphrase>) -> Result<Private, KeyFileFault> {
    match of {
        KeyFor::Identity => Identity::from_pem(pem, passphrase).map(|key| Private::Identity(Arc::new(key))),
        KeyFor::RawWire => RawPair::from_pem(pem, passphrase).map(|key| Private::Raw(Arc::new(key))),
    }
}

/// Keys that a replay made are for replays: anybody can make them again.
fn refuse_test_keys(home: &Home) -> Result<(), Fault> {
    for of in [KeyFor::Identity, KeyFor::RawWire] {
        // What cannot be read is told where it is wanted.
        if let Ok(Some(text)) = key_file::load_key_text(home, of)
            && Identity::is_test_key(&text)
        {
            let path = key_file::path(home, of);
            let what =
                format!("cannot use {}: it is a test key, which anybody can make again", path.display());
            return Err(
                Fault::new(code::MACHINE, what).hint("put it aside and make a new key with rsachat key new")
            );
        }
    }
    Ok(())
}

/// The identity on disk, asking for its passphrase where there is a terminal to ask at.
pub(crate) fn unlock(home: &Home, common: &Common) -> Result<(Option<Own>, Option<Passphrase>), Fault> {
    refuse_test_keys(home)?;
    let given = given(common)?;
    let (path, text) =
        (key_file::path(home, KeyFor::Identity), key_file::load_key_text(home, KeyFor::Identity)?);
    let Some(pem) = text else { return Ok((None, given)) };
    match read(KeyFor::Identity, &pem, given.as_ref()) {
        Ok(key) => return Ok((Some(Own { key, pem }), given)),
        Err(KeyFileFault::NeedsPassphrase) if std::io::stdin().is_terminal() => {}
        Err(fault) => return Err(unreadable(&path, fault)),
    }
    for _ in 0..TRIES {
        let passphrase = ask("passphrase of your key: ")?;
        match read(KeyFor::Identity, &pem, Some(&passphrase)) {
            Ok(key) => return Ok((Some(Own { key, pem }), Some(passphrase))),
            Err(KeyFileFault::WrongPassphrase) => complain("rsachat: wrong passphrase"),
            Err(fault) => return Err(unreadable(&path, fault)),
        }
    }
    Err(unreadable(&path, KeyFileFault::WrongPassphrase))
}

fn unreadable(path: &Path, fault: KeyFileFault) -> Fault {
    let hint = match fault {
        KeyFileFault::NeedsPassphrase => "--passphrase-file FILE",
        _ => "mend the file, or put it aside and make a new key with rsachat key new",
    };
    Fault::new(code::MACHINE, format!("cannot use {}: {fault}", path.display())).hint(hint)
}
