//! Administration of key, peer book and settings: `rsachat key`, `rsachat peers`, `rsachat config`.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};
use rand::Rng as _;
use zeroize::Zeroizing;

use super::args::{self, GlobalArgs};
use super::forget::{Forgotten, forget};
use crate::app::error::{AppError, code, describe, hint_at_home, naming_folder};
use crate::app::keyring::{PassphraseSource, StoredKey, ask, import, load, make, read_file, seed, unlock};
use crate::app::os::{print_line, today};
use crate::app::owner;
use crate::chat::display::history_stays;
use crate::chat::{KeyFor, KeyReplacement};
use crate::config::{Layer, SettingSources};
use crate::crypto::{Fingerprint, NKEY_SEED_BYTES, Nkey, Passphrase};
use crate::peers::book::{Book, Change, ChangeOutcome, ChangedBook};
use crate::peers::met::MetChange;
use crate::peers::name::Name;
use crate::store::key_file::{self, OverwritePolicy, SavedKey};
use crate::store::{Home, MessageStore, StoreError, book_file, met_file, safe_file, shown};

#[derive(Subcommand, Debug)]
pub(crate) enum KeyCommand {
    /// Generate a key
    #[command(after_help = "Examples:
  rsachat key new
  rsachat key new 4096 --passphrase-file FILE
  rsachat key new --replace")]
    New {
        /// Bits of the key, 2048 to 8192 [default: 3072; 2048 with --raw]
        bits: Option<u32>,
        /// Generate the key for the raw wire, which is never your identity
        #[arg(long)]
        raw: bool,
        /// Replace an existing key, and keep its file
        #[arg(long)]
        replace: bool,
    },
    /// Import a key from another program, converting its format
    #[command(after_help = "\
Accepts PKCS#8, plain or with a supported encryption, and plain PKCS#1. A key in any other form is refused with the \
command that converts it. The key keeps the passphrase of the file; \
--passphrase-file also gives one to a key that had none.

Examples:
  rsachat key import ~/.ssh/id_rsa
  rsachat key import old.pem --passphrase-file FILE
  rsachat key import --raw tutorial.pem")]
    Import {
        /// PEM file of the private key
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Import it as the key for the raw wire, which is never your identity
        #[arg(long)]
        raw: bool,
        /// Replace an existing key, and keep its file
        #[arg(long)]
        replace: bool,
    },
    /// Show fingerprint, bits, file and public key
    #[command(after_help = "Examples:
  rsachat key show
  rsachat key show --pem > public.pem")]
    Show {
        /// Show the public key as SPKI PEM
        #[arg(long)]
        pem: bool,
    },
    /// Set, change or (with an empty one) remove the passphrase
    #[command(after_help = "Examples:
  rsachat key passphrase
  rsachat key passphrase --new-passphrase-file NEW")]
    Passphrase {
        /// File whose first line is the new passphrase [default: ask for it]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        new_passphrase_file: Option<PathBuf>,
    },
    /// Make the key of a log-in at a relay, and print its public half for the operator
    #[command(after_help = "\
The key is one of NATS (Ed25519), and has nothing to do with the one that peers know. relay-key in the settings names \
its file.

Examples:
  rsachat key relay ~/.config/rsachat/relay.nk")]
    Relay {
        /// File of the key, which must not exist
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print the public key as one line, ready to be pasted
    #[command(after_help = "Examples:
  rsachat key export > minji.pub
  rsachat key export | ssh-keygen -lf -")]
    Export,
}

pub(crate) fn run_key(home: &Home, common: &GlobalArgs, task: &KeyCommand) -> Result<u8, AppError> {
    let purpose = |raw| if raw { KeyFor::Oaep } else { KeyFor::Identity };
    let replacing = |replace| if replace { KeyReplacement::KeepOld } else { KeyReplacement::Never };
    match task {
        KeyCommand::New { bits, raw, replace } => {
            let of = purpose(*raw);
            let bits = bits.unwrap_or(of.default_bits());
            return generate(home, common, of, bits, replacing(*replace));
        }
        KeyCommand::Import { file, raw, replace } => {
            return take(home, common, purpose(*raw), file, replacing(*replace));
        }
        KeyCommand::Relay { file } => return make_relay_key(file),
        _ => {}
    }
    let (own, passphrase) = unlock(home, common.passphrase_source().as_ref())?;
    let own = own.ok_or_else(|| {
        AppError::new(code::MACHINE, format!("there is no key in {}", shown(home.path())))
            .hint("rsachat key new generates one, and rsachat key import FILE imports one")
    })?;
    let public = own.public();
    let name = SettingSources::read(common.config.as_deref(), Layer::default())?.resolve().own_name().name;
    match task {
        KeyCommand::New { .. } | KeyCommand::Import { .. } | KeyCommand::Relay { .. } => {}
        KeyCommand::Show { pem: true } => print_line(public.to_spki_pem().trim_end())?,
        KeyCommand::Show { pem: false } => {
            print_line(&format!("fingerprint {}", public.fingerprint()))?;
            print_line(&format!("bits        {}", public.bits()))?;
            print_line(&format!("file        {}", key_file::path(home, KeyFor::Identity).display()))?;
            print_line(&public.to_openssh(name.as_str()))?;
        }
        KeyCommand::Export => print_line(&public.to_openssh(name.as_str()))?,
        KeyCommand::Passphrase { new_passphrase_file } => {
            let raw = load(home, KeyFor::Oaep, passphrase.as_ref())?;
            change_passphrase(home, &own, raw.as_ref(), new_passphrase_file.as_deref())?;
        }
    }
    Ok(0)
}

fn make_relay_key(file: &Path) -> Result<u8, AppError> {
    let failed = |why: String| AppError::new(code::MACHINE, why);
    let mut bytes = Zeroizing::new([0; NKEY_SEED_BYTES]);
    seed().rng("relay key").fill_bytes(&mut *bytes);
    let (key, text) = Nkey::generate(&*bytes).map_err(|error| failed(error.to_string()))?;
    let line = Zeroizing::new(format!("{}\n", *text));
    safe_file::write_new(file, line.as_bytes()).map_err(|error| {
        let error = naming_folder(error, file);
        failed(format!("cannot write {}: {}", shown(file), describe(&error)))
            .hint("name a file that does not exist, in a folder that does")
    })?;
    print_line(key.public())?;
    Ok(0)
}

fn generate(
    home: &Home,
    common: &GlobalArgs,
    of: KeyFor,
    bits: u32,
    replacing: KeyReplacement,
) -> Result<u8, AppError> {
    let passphrase = common.passphrase_source().as_ref().map(PassphraseSource::read).transpose()?;
    let path = free_place(home, of, replacing)?;
    let own = make(of, bits, passphrase.as_ref(), &seed())?;
    let saved = save(home, of, &own, replacing, passphrase.as_ref())?;
    let public = own.public();
    let (bits, fingerprint) = (public.bits(), public.fingerprint());
    print_line(&format!("new {bits}-bit key, {fingerprint}, kept in {}", shown(path)))?;
    say_what_is_kept(&saved)
}

/// `rsachat key import`.
fn take(
    home: &Home,
    common: &GlobalArgs,
    of: KeyFor,
    file: &Path,
    replacing: KeyReplacement,
) -> Result<u8, AppError> {
    let path = free_place(home, of, replacing)?;
    let passphrase = common.passphrase_source();
    let own = import(of, file, passphrase.as_ref())?;
    let other = match of {
        KeyFor::Identity => KeyFor::Oaep,
        KeyFor::Oaep => KeyFor::Identity,
    };
    // One that cannot be read here is compared where it is used.
    let other = load(home, other, None).ok().flatten();
    if other.is_some_and(|other| other.public() == own.public()) {
        let what = format!("{} is your other key; identity and raw wire never share one", shown(file));
        return Err(AppError::new(code::REFUSED, what).hint("nothing was changed"));
    }
    let passphrase = passphrase.as_ref().map(PassphraseSource::read).transpose()?;
    let saved = save(home, of, &own, replacing, passphrase.as_ref())?;
    let public = own.public();
    let (bits, fingerprint) = (public.bits(), public.fingerprint());
    let (from, kept) = (shown(file), shown(path));
    print_line(&format!("key of {bits} bits, {fingerprint}, taken from {from} and kept in {kept}"))?;
    say_what_is_kept(&saved)
}

/// Path of a key, unless there is one that is not to be replaced.
fn free_place(home: &Home, of: KeyFor, replacing: KeyReplacement) -> Result<PathBuf, AppError> {
    let (path, text) = (key_file::path(home, of), key_file::load_key_text(home, of)?);
    if text.is_some() && replacing == KeyReplacement::Never {
        return Err(AppError::new(code::FAILED, format!("there is already a key in {}", shown(path)))
            .hint("--replace installs a new one and keeps the old file beside it"));
    }
    Ok(path)
}

fn save(
    home: &Home,
    of: KeyFor,
    own: &StoredKey,
    replacing: KeyReplacement,
    passphrase: Option<&Passphrase>,
) -> Result<SavedKey, AppError> {
    let date = today();
    let store = match (of, replacing) {
        (KeyFor::Identity, KeyReplacement::KeepOld) => open_store(home, own, passphrase)?,
        _ => None,
    };
    let policy = match replacing {
        KeyReplacement::KeepOld => OverwritePolicy::KeepOld { date: &date },
        KeyReplacement::Never => OverwritePolicy::Refuse,
    };
    let saved = key_file::save_key_text(home, of, &own.pem, policy)?;
    if let Some(mut store) = store {
        store.drop_wraps_but(&own.public().fingerprint()).map_err(|failed| AppError::from(failed.why))?;
    }
    Ok(saved)
}

/// Store of messages of the identity that is replaced, which the new one opens as well from here
/// on.
fn open_store(
    home: &Home,
    own: &StoredKey,
    passphrase: Option<&Passphrase>,
) -> Result<Option<MessageStore>, AppError> {
    if !MessageStore::exists(home) {
        return Ok(None);
    }
    // A key that cannot be read opens nothing; its file is kept, and the store says which it needs.
    let old = load(home, KeyFor::Identity, passphrase).ok().flatten();
    let Some(old) = old.and_then(|old| old.identity()) else { return Ok(None) };
    let mut store = match MessageStore::open(home, &old) {
        Ok(opened) => opened.store,
        // It is not of the key that is replaced.
        Err(StoreError::OtherIdentity { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    store.add_wrap(own.public()).map_err(|failed| AppError::from(failed.why))?;
    Ok(Some(store))
}

fn say_what_is_kept(saved: &SavedKey) -> Result<u8, AppError> {
    if let Some(old) = &saved.old {
        print_line(&format!("the old key is kept as {}", shown(old)))?;
    }
    Ok(0)
}

/// Rewrites both keys under one new passphrase: a home has only one.
fn change_passphrase(
    home: &Home,
    own: &StoredKey,
    raw: Option<&StoredKey>,
    file: Option<&Path>,
) -> Result<(), AppError> {
    let passphrase = file.map_or_else(ask_new_passphrase, read_file)?;
    let passphrase = Some(passphrase).filter(|passphrase| !passphrase.is_empty());
    let what = if passphrase.is_some() { "is protected by a passphrase" } else { "has no passphrase" };
    for (of, key) in [(KeyFor::Identity, Some(own)), (KeyFor::Oaep, raw)] {
        let Some(key) = key else { continue };
        let pem = key.protected(passphrase.as_ref(), &seed())?;
        let path = key_file::save_key_text(home, of, &pem, OverwritePolicy::Rewrite)?.path;
        print_line(&format!("the key in {} {what} now", shown(path)))?;
    }
    Ok(())
}

fn ask_new_passphrase() -> Result<Passphrase, AppError> {
    let instead = "--new-passphrase-file FILE";
    let first = ask("new passphrase (empty for none): ", instead)?;
    let second = ask("once more: ", instead)?;
    if first.same_as(&second) {
        Ok(first)
    } else {
        Err(AppError::new(code::FAILED, "the two passphrases differ; nothing was changed"))
    }
}

#[derive(Subcommand, Debug)]
pub(crate) enum PeersCommand {
    /// List the known peers
    #[command(after_help = "Examples:
  rsachat peers list
  rsachat peers list | grep unverified")]
    List,
    /// Mark a peer verified
    #[command(after_help = "\
A fingerprint given after the name must be that of the peer in your book.

Examples:
  rsachat peers trust bob
  rsachat peers trust bob SHA256:…")]
    Trust {
        /// The peer's name in your book
        name: String,
        /// Its fingerprint, as the peer gave it to you
        #[arg(value_name = "SHA256:…", value_parser = args::fingerprint)]
        fingerprint: Option<Fingerprint>,
    },
    /// Add a peer by its fingerprint, as verified
    #[command(after_help = "Examples:
  rsachat peers add bob SHA256:…")]
    Add {
        /// Your name for the peer
        name: String,
        /// Its fingerprint, as the peer gave it to you
        #[arg(value_name = "SHA256:…", value_parser = args::fingerprint)]
        fingerprint: Fingerprint,
    },
    /// Rename a peer
    #[command(after_help = "Examples:
  rsachat peers name bob robert")]
    Name {
        /// The peer's name in your book
        name: String,
        /// Your new name for it
        #[arg(value_name = "NEWNAME")]
        new: String,
    },
    /// Refuse a peer's key from now on
    #[command(after_help = "Examples:
  rsachat peers block bob")]
    Block {
        /// The peer's name in your book
        name: String,
    },
    /// Accept a blocked peer's key again, with its previous trust
    #[command(after_help = "Examples:
  rsachat peers unblock bob")]
    Unblock {
        /// The peer's name in your book
        name: String,
    },
    /// Remove a peer from the book
    #[command(after_help = "Examples:
  rsachat peers forget bob")]
    Forget {
        /// The peer's name in your book
        name: String,
    },
}

/// Runs `rsachat peers …`.
pub(crate) fn run_peers(home: &Home, common: &GlobalArgs, task: &PeersCommand) -> Result<u8, AppError> {
    let book = book_file::read(home)?;
    let callers = met_file::read(home);
    let unknown = |name: &str| args::unknown_peer(name, "rsachat peers list shows your book");
    let peer = |name: &str| book.find(name).ok_or_else(|| unknown(name));
    // Also who only called.
    let key = |name: &str| {
        let called = || match name.parse() {
            Ok(key) => callers.by_fingerprint(&key),
            Err(_) => callers.by_name(&Name::parse(name).ok()?),
        };
        let called = || Some(called()?.fingerprint);
        book.find(name).map(|peer| peer.fingerprint).or_else(called).ok_or_else(|| unknown(name))
    };
    // Whom a fingerprint names has a name of its own.
    let name_of = |written: &str| {
        let known = written.parse().ok().and_then(|key| {
            let called = || callers.by_fingerprint(&key).map(|peer| &peer.claimed);
            book.by_fingerprint(&key).map(|peer| &peer.name).or_else(called)
        });
        known.map_or_else(|| written.to_owned(), ToString::to_string)
    };
    let meet = |name: &str, fingerprint| {
        let name = Name::parse_local(name).unwrap_or_else(|_| Name::claimed(name.as_bytes()));
        Change::Meet { fingerprint, name, address: None }
    };
    let said = match task {
        PeersCommand::List => {
            for peer in book.peers() {
                let addresses = peer.shown_addresses().join(",");
                let (name, trust) = (&peer.name, peer.trust.standing());
                print_line(format!("{name} {} {trust} {addresses}", peer.fingerprint).trim_end())?;
            }
            return Ok(0);
        }
        PeersCommand::Trust { name, fingerprint } => {
            let given = *fingerprint;
            // Several that called may claim one name.
            let called =
                given.filter(|given| book.find(name).is_none() && callers.by_fingerprint(given).is_some());
            let known = called.map_or_else(|| key(name), Ok)?;
            let name = &name_of(name);
            if let Some(given) = given
                && given != known
            {
                let message = format!("the key of {name} is {known}, not {given}; nothing was changed");
                return Err(AppError::new(code::REFUSED, message)
                    .hint(format!("connect, and accept a changed key there: :trust {name} {given}")));
            }
            let called = change(home, name, &[meet(name, known), Change::Verify { fingerprint: known }])?;
            format!("{} is marked verified, {known}{}", called.name, called.why)
        }
        PeersCommand::Add { name, fingerprint } => {
            let fingerprint = *fingerprint;
            if let Some(peer) = book.by_fingerprint(&fingerprint) {
                let message = format!("that is the key of {}, which is already in your book", peer.name);
                return Err(AppError::new(code::FAILED, message)
                    .hint(format!("rsachat peers trust {} {fingerprint}", peer.name)));
            }
            let free = free_name(&book, name, &fingerprint)?;
            let meet = Change::Meet { fingerprint, name: free, address: None };
            let called = change(home, name, &[meet, Change::Verify { fingerprint }])?;
            format!("{} is in your book, verified, {fingerprint}{}", called.name, called.why)
        }
        PeersCommand::Name { name, new } => {
            let fingerprint = key(name)?;
            let name = &name_of(name);
            let renamed = Change::Rename { fingerprint, name: free_name(&book, new, &fingerprint)? };
            let called = change(home, name, &[meet(name, fingerprint), renamed])?;
            format!("{name} is now called {}, {fingerprint}{}", called.name, called.why)
        }
        PeersCommand::Block { name } => {
            let fingerprint = key(name)?;
            let name = &name_of(name);
            let called = change(home, name, &[meet(name, fingerprint), Change::Block { fingerprint }])?;
            format!("{} is blocked, {fingerprint}{}", called.name, called.why)
        }
        PeersCommand::Unblock { name } => {
            let peer = peer(name)?;
            let name = &name_of(name);
            if !peer.trust.is_blocked() {
                let message = format!("{name} is not blocked; nothing was changed");
                return Err(AppError::new(code::FAILED, message));
            }
            let (fingerprint, trust) = (peer.fingerprint, peer.trust.unblocked().word());
            change(home, name, &[Change::Unblock { fingerprint }])?;
            format!("{name} is no longer blocked, and is {trust} again, {fingerprint}")
        }
        PeersCommand::Forget { name } => {
            let fingerprint = key(name)?;
            let name = &name_of(name);
            if let Forgotten::NotYet = forget(home, common, name, &fingerprint)? {
                change(home, name, &[Change::Forget { fingerprint }])?;
            }
            // The store may be open elsewhere, and needs the key.
            if MessageStore::exists(home) {
                let stays = history_stays(name, fingerprint);
                print_line(&hint_at_home(&stays, common.home.as_deref()))?;
            }
            format!("{name} is forgotten, {fingerprint}")
        }
    };
    print_line(&said)?;
    Ok(0)
}

/// Name of a peer in the book.
struct Called {
    name: String,
    /// Why it is not the wanted one, behind a semicolon; empty where it is.
    why: String,
}

/// Name that the book has for a key, for which another was wanted: one that is, or looks like, that
/// of somebody else gets a number.
fn called_in(book: &Book, wanted: &str, key: Option<Fingerprint>) -> Called {
    let Some(peer) = key.and_then(|key| book.by_fingerprint(&key)) else {
        return Called { name: wanted.to_owned(), why: String::new() };
    };
    let wanted = Name::parse_local(wanted).ok().filter(|wanted| *wanted != peer.name);
    let why = wanted.and_then(|wanted| {
        let other = book.lookalikes(&wanted).find(|other| other.fingerprint != peer.fingerprint)?;
        Some(format!("; {wanted} looks like {}", other.name_like(&wanted)))
    });
    Called { name: peer.name.to_string(), why: why.unwrap_or_default() }
}

/// Writes changes about a peer, and returns the name that the book has for it now; an error says
/// why nothing was changed.
fn change(home: &Home, name: &str, changes: &[Change]) -> Result<Called, AppError> {
    let error = |message: String| AppError::new(code::FAILED, message);
    let ChangedBook { book, outcome } = book_file::change(home, changes)?.0;
    match outcome {
        ChangeOutcome::Changed | ChangeOutcome::Same => {
            for key in changes.iter().filter_map(Change::fingerprint) {
                // Who stands in two lists does no harm.
                let _ = met_file::change(home, &[MetChange::Drop(key)]);
            }
            // A process that serves the home looks at the book when it is called; any other does so
            // within a second.
            let _ = owner::connect(home);
            let renamed = changes.iter().find_map(|change| match change {
                Change::Rename { name, .. } => Some(name.as_str()),
                _ => None,
            });
            let key = changes.first().and_then(Change::fingerprint);
            Ok(called_in(&book, renamed.unwrap_or(name), key))
        }
        ChangeOutcome::Blocked => Err(error(format!("{name} is blocked; nothing was changed"))
            .hint(format!("rsachat peers unblock {name}"))),
        ChangeOutcome::Unknown => Err(error("the book was changed in the meantime; try again".to_owned())),
    }
}

/// A name that nobody but `owner` has in the book.
fn free_name(book: &Book, name: &str, owner: &Fingerprint) -> Result<Name, AppError> {
    let parsed =
        Name::parse(name).map_err(|error| AppError::new(code::USAGE, format!("the name {name}: {error}")))?;
    match book.by_name(&parsed).filter(|other| other.fingerprint != *owner) {
        Some(other) => {
            Err(AppError::new(code::FAILED, format!("a peer named {} already exists", other.name))
                .hint("choose another name"))
        }
        None => Ok(parsed),
    }
}

#[derive(Subcommand, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ConfigCommand {
    /// Check that the configuration file can be used
    #[command(after_help = "Examples:
  rsachat config check
  rsachat --config FILE config check")]
    Check,
    /// Show the settings in effect and where they come from, in the format of the file
    #[command(after_help = "Examples:
  rsachat config show
  rsachat --name bob config show")]
    Show,
}

/// Runs `rsachat config`; the file has been read, so it can be used.
pub(crate) fn run_config(sources: &SettingSources, task: ConfigCommand) -> Result<u8, AppError> {
    let rows = match task {
        ConfigCommand::Check => vec![sources.describe_file()],
        ConfigCommand::Show => sources.rows(),
    };
    for row in rows {
        print_line(&row)?;
    }
    Ok(0)
}
