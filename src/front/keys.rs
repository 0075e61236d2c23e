//! `rsachat key` and `rsachat peers`, and everybody's way to the identity on disk.

use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _};
use std::path::Path;
use std::sync::Arc;

use rand::TryRng as _;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::bind::words;
use super::cli::{Common, KeyTask, PeerTask};
use super::config::Config;
use super::fault::{Fault, code};
use super::screen::answer;
use crate::chat::book::{Change, Trust};
use crate::chat::name::Name;
use crate::chat::{KeyFor, OwnKey};
use crate::crypto::{Identity, KeyFileFault, Keys, Passphrase, PublicKey, RawPair, Seed};
use crate::limits::PASSPHRASE_BYTES;
use crate::store::keyfile::{self, Replacing};
use crate::store::{Home, bookfile};

/// Tries at the passphrase.
const TRIES: u32 = 3;

/// One of our keys and the text that keeps it.
#[derive(Clone)]
pub(super) struct Own {
    pub(super) key: Private,
    pub(super) pem: Zeroizing<String>,
}

/// A private key, by what it is for.
#[derive(Clone)]
pub(super) enum Private {
    Identity(Arc<Identity>),
    Raw(Arc<RawPair>),
}

/// The private keys at hand, for whoever works with them.
#[derive(Clone, Default)]
pub(super) struct KeyRing {
    identity: Option<Arc<Identity>>,
    raw: Option<Arc<RawPair>>,
}

impl KeyRing {
    /// Takes a key in the place of the one for the same purpose.
    pub(super) fn put(&mut self, key: Private) {
        match key {
            Private::Identity(key) => self.identity = Some(key),
            Private::Raw(key) => self.raw = Some(key),
        }
    }

    pub(super) fn keys(&self) -> Keys<'_> {
        Keys { identity: self.identity.as_deref(), raw: self.raw.as_deref() }
    }
}

impl Own {
    /// The key as the chat may show it.
    pub(super) fn as_shown(&self, home: &Home) -> OwnKey {
        let of = match self.key {
            Private::Identity(_) => KeyFor::Identity,
            Private::Raw(_) => KeyFor::RawWire,
        };
        let file = keyfile::path(home, of).display().to_string();
        OwnKey { public: self.public().clone(), file }
    }

    /// The key, if it is the identity.
    pub(super) fn identity(&self) -> Option<Arc<Identity>> {
        match &self.key {
            Private::Identity(key) => Some(Arc::clone(key)),
            Private::Raw(_) => None,
        }
    }

    pub(super) fn public(&self) -> &PublicKey {
        match &self.key {
            Private::Identity(key) => key.public(),
            Private::Raw(key) => key.public(),
        }
    }

    /// The text of the key under a passphrase, or under none.
    fn protected(&self, passphrase: Option<&Passphrase>, salt: &Seed) -> Result<Zeroizing<String>, Fault> {
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
pub(super) fn seed() -> Seed {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).expect("no secure random numbers; stopping");
    Seed::new(bytes)
}

/// Makes a key from 32 random bytes; takes a while.
pub(super) fn make(
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
pub(super) fn load(home: &Home, of: KeyFor, passphrase: Option<&Passphrase>) -> Result<Option<Own>, Fault> {
    let (path, text) = (keyfile::path(home, of), keyfile::load_key_text(home, of)?);
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

/// The identity on disk, asking for its passphrase where there is a terminal to ask at.
pub(super) fn unlock(home: &Home, common: &Common) -> Result<(Option<Own>, Option<Passphrase>), Fault> {
    refuse_test_keys(home)?;
    let given = given(common)?;
    let (path, text) =
        (keyfile::path(home, KeyFor::Identity), keyfile::load_key_text(home, KeyFor::Identity)?);
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
            Err(KeyFileFault::WrongPassphrase) => super::screen::complain("rsachat: wrong passphrase"),
            Err(fault) => return Err(unreadable(&path, fault)),
        }
    }
    Err(unreadable(&path, KeyFileFault::WrongPassphrase))
}

/// Keys that a replay made are for replays: anybody can make them again.
fn refuse_test_keys(home: &Home) -> Result<(), Fault> {
    for of in [KeyFor::Identity, KeyFor::RawWire] {
        // What cannot be read is told where it is wanted.
        if let Ok(Some(text)) = keyfile::load_key_text(home, of)
            && Identity::is_test_key(&text)
        {
            let path = keyfile::path(home, of);
            let what =
                format!("cannot use {}: it is a test key, which anybody can make again", path.display());
            return Err(
                Fault::new(code::MACHINE, what).hint("put it aside and make a new key with rsachat key new")
            );
        }
    }
    Ok(())
}

/// Today, as it may stand in a file name.
pub(super) fn today() -> String {
    jiff::ZonedDateTime::now().strftime("%Y-%m-%d").to_string()
}

/// `rsachat key …`
pub(super) fn key(home: &Home, common: &Common, task: &KeyTask) -> Result<u8, Fault> {
    if let KeyTask::New { bits, raw, replace } = task {
        let of = if *raw { KeyFor::RawWire } else { KeyFor::Identity };
        return new(home, common, of, bits.unwrap_or(of.default_bits()), *replace);
    }
    let (own, passphrase) = unlock(home, common)?;
    let own = own.ok_or_else(|| {
        Fault::new(code::MACHINE, format!("there is no key in {}", home.path().display()))
            .hint("rsachat key new makes one")
    })?;
    let public = own.public();
    let name = Config::read(common.config.as_deref())?.own_name();
    match task {
        KeyTask::New { .. } => {}
        KeyTask::Show { pem: true } => answer(public.to_spki_pem().trim_end())?,
        KeyTask::Show { pem: false } => {
            answer(&format!("fingerprint {}", public.fingerprint()))?;
            answer(&format!("bits        {}", public.bits()))?;
            answer(&format!("file        {}", keyfile::path(home, KeyFor::Identity).display()))?;
            answer(&public.to_openssh(name.as_str()))?;
        }
        KeyTask::Export => answer(&public.to_openssh(name.as_str()))?,
        KeyTask::Passphrase { new_passphrase_file } => {
            let raw = load(home, KeyFor::RawWire, passphrase.as_ref())?;
            protect(home, &own, raw.as_ref(), new_passphrase_file.as_deref())?;
        }
    }
    Ok(0)
}

/// `rsachat peers …`
pub(super) fn peers(home: &Home, task: &PeerTask) -> Result<u8, Fault> {
    let book = bookfile::read(home)?;
    let find = |name: &str| {
        let peer = Name::parse(name).ok().and_then(|name| book.by_name(&name));
        peer.map(|peer| peer.fingerprint).ok_or_else(|| {
            Fault::new(code::FAILED, format!("no peer is called {name}")).hint("rsachat peers list")
        })
    };
    match task {
        PeerTask::List => {
            for peer in book.peers() {
                let addresses: Vec<_> = peer.addresses.iter().map(ToString::to_string).collect();
                let row = format!(
                    "{} {} {} {}",
                    peer.name,
                    peer.fingerprint,
                    peer.trust.word(),
                    addresses.join(",")
                );
                answer(row.trim_end())?;
            }
        }
        PeerTask::Trust { name } => {
            let fingerprint = find(name)?;
            bookfile::change(home, &Change::Trust { fingerprint, level: Trust::Verified })?;
            answer(&format!("{name} is marked verified, {fingerprint}"))?;
        }
        PeerTask::Forget { name } => {
            let fingerprint = find(name)?;
            bookfile::change(home, &Change::Forget { fingerprint })?;
            answer(&format!("{name} is forgotten, {fingerprint}"))?;
        }
    }
    Ok(0)
}

fn new(home: &Home, common: &Common, of: KeyFor, bits: u32, replace: bool) -> Result<u8, Fault> {
    let passphrase = given(common)?;
    let (path, text) = (keyfile::path(home, of), keyfile::load_key_text(home, of)?);
    if text.is_some() && !replace {
        return Err(Fault::new(code::FAILED, format!("there is a key in {} already", path.display()))
            .hint("--replace makes a new one and keeps the old file beside it"));
    }
    let own = make(of, bits, passphrase.as_ref(), &seed())?;
    let date = today();
    let replacing = if replace { Replacing::KeepOld { date: &date } } else { Replacing::Refuse };
    let saved = keyfile::save_key_text(home, of, &own.pem, replacing)?;
    let public = own.public();
    answer(&format!(
        "new key of {} bits, {}, kept in {}",
        public.bits(),
        public.fingerprint(),
        path.display()
    ))?;
    if let Some(kept) = saved.old {
        answer(&format!("the old key is kept as {}", kept.display()))?;
    }
    Ok(0)
}

/// The key of the raw wire goes under the same passphrase: there is one for a home.
fn protect(home: &Home, own: &Own, raw: Option<&Own>, file: Option<&Path>) -> Result<(), Fault> {
    let passphrase = file.map_or_else(ask_twice, in_file)?;
    let passphrase = Some(passphrase).filter(|passphrase| !passphrase.is_empty());
    let what = if passphrase.is_some() { "is protected by a passphrase" } else { "has no passphrase" };
    for (of, key) in [(KeyFor::Identity, Some(own)), (KeyFor::RawWire, raw)] {
        let Some(key) = key else { continue };
        let pem = key.protected(passphrase.as_ref(), &seed())?;
        let path = keyfile::save_key_text(home, of, &pem, Replacing::Rewrite)?.path;
        answer(&format!("the key in {} {what} now", path.display()))?;
    }
    Ok(())
}

fn ask_twice() -> Result<Passphrase, Fault> {
    let first = ask("new passphrase (empty for none): ")?;
    let second = ask("once more: ")?;
    if first.same_as(&second) {
        Ok(first)
    } else {
        Err(Fault::new(code::FAILED, "the two passphrases differ; nothing was changed"))
    }
}

fn ask(prompt: &str) -> Result<Passphrase, Fault> {
    let text = rpassword::prompt_password(prompt).map_err(|error| {
        Fault::new(code::MACHINE, format!("cannot ask for the passphrase: {error}"))
            .hint("--passphrase-file FILE")
    })?;
    Ok(Passphrase::new(text))
}

/// The passphrase that the command line names a place for.
fn given(common: &Common) -> Result<Option<Passphrase>, Fault> {
    if let Some(number) = common.passphrase_fd {
        let path = Path::new("/dev/fd").join(number.to_string());
        let line = first_line(&path, &format!("descriptor {number} of --passphrase-fd"));
        return line
            .map(Some)
            .map_err(|fault| fault.hint(format!("open it for the program: {number}< FILE")));
    }
    common.passphrase_file.as_deref().map(in_file).transpose()
}

fn in_file(path: &Path) -> Result<Passphrase, Fault> {
    first_line(path, &path.display().to_string())
}

/// The first line, without waiting for what follows it: whoever gives it may keep the other end open.
fn first_line(path: &Path, name: &str) -> Result<Passphrase, Fault> {
    let failed = |why: String| Fault::new(code::MACHINE, format!("cannot read {name}: {why}"));
    let file = File::open(path).map_err(|error| failed(words(&error)))?;
    // With its room from the start: what grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES + 2));
    let mut input = BufReader::with_capacity(1, file).take(PASSPHRASE_BYTES as u64 + 2);
    input.read_until(b'\n', &mut line).map_err(|error| failed(words(&error)))?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > PASSPHRASE_BYTES {
        return Err(failed(format!("its first line has more than {PASSPHRASE_BYTES} bytes")));
    }
    let text = str::from_utf8(line).map_err(|_| failed("its first line is not UTF-8".to_owned()))?;
    Ok(Passphrase::new(text.to_owned()))
}

fn unreadable(path: &Path, fault: KeyFileFault) -> Fault {
    let hint = match fault {
        KeyFileFault::NeedsPassphrase => "--passphrase-file FILE",
        _ => "mend the file, or put it aside and make a new key with rsachat key new",
    };
    Fault::new(code::MACHINE, format!("cannot use {}: {fault}", path.display())).hint(hint)
}
