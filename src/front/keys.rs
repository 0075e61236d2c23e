//! `rsachat key` and `rsachat peers`, and everybody's way to the identity on disk.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use rand::TryRng as _;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::cli::{Common, KeyTask, PeerTask};
use super::fault::{Fault, code};
use super::screen::answer;
use crate::chat::OwnKey;
use crate::chat::book::{Change, Trust};
use crate::chat::name::Name;
use crate::crypto::{Identity, KeyFileFault, Passphrase, Seed};
use crate::store::keyfile::{self, Replacing};
use crate::store::{Home, bookfile};

/// Tries at the passphrase.
const TRIES: u32 = 3;

/// An identity and the text that keeps it.
#[derive(Clone)]
pub(super) struct Own {
    pub(super) identity: Arc<Identity>,
    pub(super) pem: Zeroizing<String>,
}

impl Own {
    /// The key as the chat may show it.
    pub(super) fn as_shown(&self, home: &Home) -> OwnKey {
        let file = keyfile::path(home).display().to_string();
        OwnKey { public: self.identity.public().clone(), file }
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
pub(super) fn make(bits: u32, passphrase: Option<&Passphrase>, seed: &Seed) -> Result<Own, Fault> {
    let identity = Identity::generate(bits, &mut seed.rng("key"))
        .map_err(|fault| Fault::new(code::USAGE, fault.to_string()))?;
    let pem = identity
        .to_pem(passphrase, &mut seed.rng("salt"))
        .map_err(|fault| Fault::new(code::FAILED, fault.to_string()))?;
    Ok(Own { identity: Arc::new(identity), pem })
}

/// The identity on disk, if there is one.
pub(super) fn load(home: &Home, passphrase: Option<&Passphrase>) -> Result<Option<Own>, Fault> {
    let (path, text) = (keyfile::path(home), keyfile::load_key_text(home)?);
    let Some(pem) = text else { return Ok(None) };
    match Identity::from_pem(&pem, passphrase) {
        Ok(identity) => Ok(Some(Own { identity: Arc::new(identity), pem })),
        Err(fault) => Err(unreadable(&path, fault)),
    }
}

/// The identity on disk, asking for its passphrase where there is a terminal to ask at.
pub(super) fn unlock(home: &Home, common: &Common) -> Result<(Option<Own>, Option<Passphrase>), Fault> {
    let given = given(common)?;
    let (path, text) = (keyfile::path(home), keyfile::load_key_text(home)?);
    let Some(pem) = text else { return Ok((None, given)) };
    if Identity::is_test_key(&pem) {
        let what = format!("cannot use {}: it is a test key, which anybody can make again", path.display());
        return Err(
            Fault::new(code::MACHINE, what).hint("put it aside and make a new key with rsachat key new")
        );
    }
    match Identity::from_pem(&pem, given.as_ref()) {
        Ok(identity) => return Ok((Some(Own { identity: Arc::new(identity), pem }), given)),
        Err(KeyFileFault::NeedsPassphrase) if std::io::stdin().is_terminal() => {}
        Err(fault) => return Err(unreadable(&path, fault)),
    }
    for _ in 0..TRIES {
        let passphrase = ask("passphrase of your key: ")?;
        match Identity::from_pem(&pem, Some(&passphrase)) {
            Ok(identity) => return Ok((Some(Own { identity: Arc::new(identity), pem }), Some(passphrase))),
            Err(KeyFileFault::WrongPassphrase) => super::screen::complain("rsachat: wrong passphrase"),
            Err(fault) => return Err(unreadable(&path, fault)),
        }
    }
    Err(unreadable(&path, KeyFileFault::WrongPassphrase))
}

/// Today, as it may stand in a file name.
pub(super) fn today() -> String {
    jiff::ZonedDateTime::now().strftime("%Y-%m-%d").to_string()
}

/// `rsachat key …`
pub(super) fn key(home: &Home, common: &Common, task: &KeyTask) -> Result<u8, Fault> {
    if let KeyTask::New { bits, replace } = task {
        return new(home, common, *bits, *replace);
    }
    let (own, _) = unlock(home, common)?;
    let own = own.ok_or_else(|| {
        Fault::new(code::MACHINE, format!("there is no key in {}", home.path().display()))
            .hint("rsachat key new makes one")
    })?;
    let public = own.identity.public();
    let name = super::cli::own_name(None)?;
    match task {
        KeyTask::New { .. } => {}
        KeyTask::Show { pem: true } => answer(public.to_spki_pem().trim_end())?,
        KeyTask::Show { pem: false } => {
            answer(&format!("fingerprint {}", public.fingerprint()))?;
            answer(&format!("bits        {}", public.bits()))?;
            answer(&format!("file        {}", keyfile::path(home).display()))?;
            answer(&public.to_openssh(name.as_str()))?;
        }
        KeyTask::Export => answer(&public.to_openssh(name.as_str()))?,
        KeyTask::Passphrase { new_passphrase_file } => {
            protect(home, &own, new_passphrase_file.as_deref())?;
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

fn new(home: &Home, common: &Common, bits: u32, replace: bool) -> Result<u8, Fault> {
    let passphrase = given(common)?;
    let (path, text) = (keyfile::path(home), keyfile::load_key_text(home)?);
    if text.is_some() && !replace {
        return Err(Fault::new(code::FAILED, format!("there is a key in {} already", path.display()))
            .hint("--replace makes a new one and keeps the old file beside it"));
    }
    let own = make(bits, passphrase.as_ref(), &seed())?;
    let date = today();
    let replacing = if replace { Replacing::KeepOld { date: &date } } else { Replacing::Refuse };
    let saved = keyfile::save_key_text(home, &own.pem, replacing)?;
    let public = own.identity.public();
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

fn protect(home: &Home, own: &Own, file: Option<&Path>) -> Result<(), Fault> {
    let passphrase = file.map_or_else(ask_twice, first_line)?;
    let passphrase = Some(passphrase).filter(|passphrase| !passphrase.is_empty());
    let pem = own
        .identity
        .to_pem(passphrase.as_ref(), &mut seed().rng("salt"))
        .map_err(|fault| Fault::new(code::FAILED, fault.to_string()))?;
    let path = keyfile::save_key_text(home, &pem, Replacing::Rewrite)?.path;
    let what = if passphrase.is_some() { "is protected by a passphrase" } else { "has no passphrase" };
    Ok(answer(&format!("the key in {} {what} now", path.display()))?)
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
    match common.passphrase_fd {
        Some(number) => first_line(&Path::new("/dev/fd").join(number.to_string())).map(Some),
        None => common.passphrase_file.as_deref().map(first_line).transpose(),
    }
}

fn first_line(path: &Path) -> Result<Passphrase, Fault> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| Fault::new(code::MACHINE, format!("cannot read {}: {error}", path.display())))?;
    Ok(Passphrase::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn unreadable(path: &Path, fault: KeyFileFault) -> Fault {
    let hint = match fault {
        KeyFileFault::NeedsPassphrase => "--passphrase-file FILE",
        _ => "mend the file, or put it aside and make a new key with rsachat key new",
    };
    Fault::new(code::MACHINE, format!("cannot use {}: {fault}", path.display())).hint(hint)
}
