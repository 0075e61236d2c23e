//! Private keys of a user: generated, read from disk, and at hand for RSA jobs.
//!
//! Their passphrases come from a terminal, a file or a descriptor, and from nowhere else.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use filedescriptor::FileDescriptor;
use rand::TryRng as _;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::error::{AppError, code, describe, shown};
use super::os::eprint_line;
use crate::chat::KeyFor;
use crate::crypto::{
    Identity, KeyFileError, KeyForm, OaepKeyPair, Passphrase, PrivateKeys, PublicKey, Seed, is_test_key,
};
use crate::limits::{KEY_FILE_BYTES, PASSPHRASE_BYTES};
use crate::store::safe_file::{self, Access};
use crate::store::{Home, key_file, quoted};
use crate::text::utf8::{self, DecodeError};

/// Attempts at a passphrase that is asked for.
pub(crate) const PASSPHRASE_ATTEMPTS: u32 = 3;

/// Private key with the text of its file.
#[derive(Clone)]
pub(crate) struct StoredKey {
    pub(crate) key: AnyPrivateKey,
    pub(crate) pem: Zeroizing<String>,
}

/// Private key of one purpose.
#[derive(Clone)]
pub(crate) enum AnyPrivateKey {
    Identity(Arc<Identity>),
    Oaep(Arc<OaepKeyPair>),
}

impl AnyPrivateKey {
    fn public(&self) -> &PublicKey {
        match self {
            Self::Identity(key) => key.public(),
            Self::Oaep(key) => key.public(),
        }
    }
}

/// Private keys at hand, one for each purpose.
#[derive(Clone, Default)]
pub(crate) struct KeyRing {
    identity: Option<Arc<Identity>>,
    oaep: Option<Arc<OaepKeyPair>>,
}

impl KeyRing {
    /// Puts a key in the place of the one for the same purpose.
    pub(crate) fn put(&mut self, key: AnyPrivateKey) {
        match key {
            AnyPrivateKey::Identity(key) => self.identity = Some(key),
            AnyPrivateKey::Oaep(key) => self.oaep = Some(key),
        }
    }

    /// Keys as an RSA job takes them.
    pub(crate) fn keys(&self) -> PrivateKeys<'_> {
        PrivateKeys { identity: self.identity.as_deref(), oaep: self.oaep.as_deref() }
    }

    /// Public half of a key.
    /// The identity, if there is one.
    pub(crate) fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }

    pub(crate) fn public(&self, of: KeyFor) -> Option<&PublicKey> {
        match of {
            KeyFor::Identity => self.identity.as_deref().map(Identity::public),
            KeyFor::Oaep => self.oaep.as_deref().map(OaepKeyPair::public),
        }
    }
}

impl StoredKey {
    /// Identity, if the key is one.
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        match &self.key {
            AnyPrivateKey::Identity(key) => Some(Arc::clone(key)),
            AnyPrivateKey::Oaep(_) => None,
        }
    }

    pub(crate) fn public(&self) -> &PublicKey {
        self.key.public()
    }

    /// Encodes the key as the text of its file, under a passphrase or under none.
    pub(crate) fn protected(
        &self,
        passphrase: Option<&Passphrase>,
        salt: &Seed,
    ) -> Result<Zeroizing<String>, AppError> {
        let mut rng = salt.rng("salt");
        let pem = match &self.key {
            AnyPrivateKey::Identity(key) => key.to_pem(passphrase, &mut rng),
            AnyPrivateKey::Oaep(key) => key.to_pem(passphrase, &mut rng),
        };
        pem.map_err(|error| AppError::new(code::FAILED, error.to_string()))
    }
}

/// Seed of 32 bytes from the system.
///
/// # Panics
/// When the system has no randomness: nothing can be done safely then.
pub(crate) fn seed() -> Seed {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).expect("no secure random numbers; stopping");
    Seed::new(bytes)
}

/// Generates a key; takes a second or more.
pub(crate) fn make(
    of: KeyFor,
    bits: u32,
    passphrase: Option<&Passphrase>,
    seed: &Seed,
) -> Result<StoredKey, AppError> {
    let mut rng = seed.rng("key");
    let made = match of {
        KeyFor::Identity => {
            Identity::generate(bits, &mut rng).map(|key| AnyPrivateKey::Identity(Arc::new(key)))
        }
        KeyFor::Oaep => OaepKeyPair::generate(bits, &mut rng).map(|key| AnyPrivateKey::Oaep(Arc::new(key))),
    };
    let key = made.map_err(|error| AppError::new(code::USAGE, error.to_string()))?;
    let mut own = StoredKey { key, pem: Zeroizing::default() };
    own.pem = own.protected(passphrase, seed)?;
    Ok(own)
}

/// Test key of the pool, with the mark of one.
pub(crate) fn test_key(of: KeyFor, pem: &str) -> Result<StoredKey, AppError> {
    let key = read(of, pem, None).map_err(|error| AppError::new(code::FAILED, error.to_string()))?;
    Ok(StoredKey { key, pem: Identity::marked_as_test(pem) })
}

/// Reads a key from disk, if there is one.
pub(crate) fn load(
    home: &Home,
    of: KeyFor,
    passphrase: Option<&Passphrase>,
) -> Result<Option<StoredKey>, AppError> {
    load_or_share(home, of, passphrase, |_| None)
}

/// Reads a key from disk, if there is one. What `known` has for the text of its file is not parsed
/// again.
pub(crate) fn load_or_share(
    home: &Home,
    of: KeyFor,
    passphrase: Option<&Passphrase>,
    known: impl FnOnce(&str) -> Option<StoredKey>,
) -> Result<Option<StoredKey>, AppError> {
    let Some(pem) = key_file::load_key_text(home, of)? else { return Ok(None) };
    if let Some(key) = known(&pem) {
        return Ok(Some(key));
    }
    let key = read(of, &pem, passphrase).map_err(|error| unreadable(of, &key_file::path(home, of), error))?;
    Ok(Some(StoredKey { key, pem }))
}

fn read(of: KeyFor, pem: &str, passphrase: Option<&Passphrase>) -> Result<AnyPrivateKey, KeyFileError> {
    Ok(match of {
        KeyFor::Identity => AnyPrivateKey::Identity(Arc::new(Identity::from_pem(pem, passphrase)?)),
        KeyFor::Oaep => AnyPrivateKey::Oaep(Arc::new(OaepKeyPair::from_pem(pem, passphrase)?)),
    })
}

/// Refuses a key of the raw wire that is the identity too: on that wire anybody may have blocks
/// opened, and nothing is signed.
pub(crate) fn refuse_copy(
    home: &Home,
    raw: Option<StoredKey>,
    identity: Option<&PublicKey>,
) -> Result<Option<StoredKey>, AppError> {
    if raw.as_ref().is_some_and(|raw| Some(raw.public()) == identity) {
        let path = key_file::path(home, KeyFor::Oaep);
        let what = format!("cannot use {}: it is a copy of your identity key", shown(path));
        return Err(AppError::new(code::MACHINE, what)
            .hint("remove it, and generate a separate key for the raw wire with rsachat key new --raw"));
    }
    Ok(raw)
}

/// Refuses keys that a replay made: anybody can make them again.
fn refuse_test_keys(home: &Home) -> Result<(), AppError> {
    for of in [KeyFor::Identity, KeyFor::Oaep] {
        // A file that cannot be read is reported when its key is asked for.
        if let Ok(Some(text)) = key_file::load_key_text(home, of)
            && Identity::is_test_key(&text)
        {
            return Err(test_key_refused(of, &key_file::path(home, of)));
        }
    }
    let of = KeyFor::Oaep;
    // A locked one opens with the identity's passphrase, which is not known yet.
    if let Ok(Some(stored)) = load(home, of, None) {
        refuse_pooled(&stored.key, of, &key_file::path(home, of))?;
    }
    Ok(())
}

fn test_key_refused(of: KeyFor, path: &Path) -> AppError {
    let what = format!("cannot use {}: it is a test key, which anyone can regenerate", shown(path));
    AppError::new(code::MACHINE, what)
        .hint(format!("move it away and generate a new key with {}", making(of)))
}

/// Refuses a key of the pool, whose mark may have been removed.
fn refuse_pooled(key: &AnyPrivateKey, of: KeyFor, path: &Path) -> Result<(), AppError> {
    if is_test_key(key.public().fingerprint()) { Err(test_key_refused(of, path)) } else { Ok(()) }
}

/// Reads the identity from disk, and asks for its passphrase where there is a terminal.
pub(crate) fn unlock(
    home: &Home,
    source: Option<&PassphraseSource>,
) -> Result<(Option<StoredKey>, Option<Passphrase>), AppError> {
    refuse_test_keys(home)?;
    let given = source.map(PassphraseSource::read).transpose()?;
    let (path, text) =
        (key_file::path(home, KeyFor::Identity), key_file::load_key_text(home, KeyFor::Identity)?);
    let Some(pem) = text else { return Ok((None, given)) };
    let of = KeyFor::Identity;
    let (key, passphrase) = open(of, &path, given, &|passphrase| read(of, &pem, passphrase))?;
    refuse_pooled(&key, of, &path)?;
    Ok((Some(StoredKey { key, pem }), passphrase))
}

/// The error that a home has no identity.
pub(crate) fn no_key(home: &Home) -> AppError {
    AppError::new(code::MACHINE, format!("there is no key in {}", shown(home.path())))
        .hint("rsachat key new generates one")
}

/// Opens a key, and asks for its passphrase where there is a terminal.
fn open(
    of: KeyFor,
    path: &Path,
    given: Option<Passphrase>,
    read: &dyn Fn(Option<&Passphrase>) -> Result<AnyPrivateKey, KeyFileError>,
) -> Result<(AnyPrivateKey, Option<Passphrase>), AppError> {
    match read(given.as_ref()) {
        Ok(key) => return Ok((key, given)),
        Err(KeyFileError::NeedsPassphrase) if std::io::stdin().is_terminal() => {}
        Err(error) => return Err(unreadable(of, path, error)),
    }
    for _ in 0..PASSPHRASE_ATTEMPTS {
        let passphrase = ask("passphrase of your key: ", "--passphrase-file FILE")?;
        match read(Some(&passphrase)) {
            Ok(key) => return Ok((key, Some(passphrase))),
            Err(KeyFileError::WrongPassphrase) => eprint_line("rsachat: wrong passphrase"),
            Err(error) => return Err(unreadable(of, path, error)),
        }
    }
    Err(unreadable(of, path, KeyFileError::WrongPassphrase))
}

/// Command that makes a key.
fn making(of: KeyFor) -> &'static str {
    match of {
        KeyFor::Identity => "rsachat key new",
        KeyFor::Oaep => "rsachat key new --raw",
    }
}

fn unreadable(of: KeyFor, path: &Path, error: KeyFileError) -> AppError {
    let hint = advice(of, &quoted(path), error);
    AppError::new(code::MACHINE, format!("cannot use {}: {error}", shown(path))).hint(hint)
}

/// What to do about a key file; `path` as a shell takes it. Nothing of it makes another identity
/// while the key can be had.
fn advice(of: KeyFor, path: &str, error: KeyFileError) -> String {
    match error {
        KeyFileError::NeedsPassphrase => "--passphrase-file FILE".to_owned(),
        KeyFileError::WrongPassphrase => {
            "the passphrase is the first line of the file, including any blanks; try again".to_owned()
        }
        KeyFileError::Lock(lock) if lock.is_legacy() => format!(
            "openssl pkey -provider legacy -provider default -aes256 -in {path} -out {path}.new && mv {path}.new {path}"
        ),
        KeyFileError::Lock(_) | KeyFileError::TooCostly | KeyFileError::Form(KeyForm::LegacyLock) => {
            format!("openssl pkey -aes256 -in {path} -out {path}.new && mv {path}.new {path}")
        }
        KeyFileError::Form(KeyForm::Pkcs1) => {
            format!("openssl pkey -in {path} -out {path}.new && mv {path}.new {path}")
        }
        KeyFileError::Form(KeyForm::OpenSsh) => format!("ssh-keygen -p -m PKCS8 -f {path}"),
        KeyFileError::SeveralBlocks | KeyFileError::Row { .. } => {
            "repair it with an editor, or restore a copy of the key".to_owned()
        }
        KeyFileError::Empty
        | KeyFileError::NoBlock
        | KeyFileError::Cut
        | KeyFileError::Damaged
        | KeyFileError::PublicKey
        | KeyFileError::NotRsa
        | KeyFileError::Key(_) => {
            let making = making(of);
            format!(
                "restore a copy of the key; without one, move the file away, and {making} generates another"
            )
        }
    }
}

/// Key that another program made, in a file of the user's.
pub(crate) fn import(
    of: KeyFor,
    path: &Path,
    source: Option<&PassphraseSource>,
) -> Result<StoredKey, AppError> {
    let text = safe_file::read_text(path, KEY_FILE_BYTES, Access::OwnSecret)?;
    let text =
        text.ok_or_else(|| AppError::new(code::MACHINE, format!("there is no file {}", shown(path))))?;
    if Identity::is_test_key(&text) {
        return Err(test_key_refused(of, path));
    }
    let given = source.map(PassphraseSource::read).transpose()?;
    let read = |passphrase: Option<&Passphrase>| {
        Ok(match of {
            KeyFor::Identity => {
                AnyPrivateKey::Identity(Arc::new(Identity::from_foreign_pem(&text, passphrase)?))
            }
            KeyFor::Oaep => AnyPrivateKey::Oaep(Arc::new(OaepKeyPair::from_foreign_pem(&text, passphrase)?)),
        })
    };
    let (key, passphrase) = open(of, path, given, &read)?;
    refuse_pooled(&key, of, path)?;
    let mut stored = StoredKey { key, pem: Zeroizing::default() };
    stored.pem = stored.protected(passphrase.as_ref(), &seed())?;
    Ok(stored)
}

/// Source of a passphrase that the command line names.
pub(crate) enum PassphraseSource {
    File(PathBuf),
    Descriptor(u32),
}

impl PassphraseSource {
    pub(crate) fn read(&self) -> Result<Passphrase, AppError> {
        match self {
            Self::File(path) => read_file(path),
            Self::Descriptor(number) => {
                let name = format!("descriptor {number} of --passphrase-fd");
                let file = take_descriptor(*number).map_err(|error| {
                    cannot_read(&name, &describe(&error))
                        .hint(format!("open it in the shell: {number}< FILE"))
                })?;
                first_line_of(file, &name)
            }
        }
    }
}

/// Asks at the terminal, without echo; `instead` is the option that gives it without one.
pub(crate) fn ask(prompt: &str, instead: &str) -> Result<Passphrase, AppError> {
    let text = rpassword::prompt_password(prompt).map_err(|error| {
        AppError::new(code::MACHINE, format!("cannot ask for the passphrase: {}", describe(&error)))
            .hint(instead)
    })?;
    Ok(Passphrase::new(text))
}

/// Reads the first line of a file.
pub(crate) fn read_file(path: &Path) -> Result<Passphrase, AppError> {
    first_line(path, shown(path).as_str())
}

fn cannot_read(name: &str, why: &str) -> AppError {
    AppError::new(code::MACHINE, format!("cannot read {name}: {why}"))
}

/// The descriptor itself, not its file opened anew: that may be no longer allowed, or not possible.
/// The number is closed, so that no command that is started later inherits it.
fn take_descriptor(number: u32) -> io::Result<File> {
    let number = RawFd::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
    std::fs::symlink_metadata(Path::new("/dev/fd").join(number.to_string()))?;
    let own = FileDescriptor::dup(&number).and_then(|own| own.as_file()).map_err(io::Error::other)?;
    if number > 2 {
        nix::unistd::close(number)?;
    }
    Ok(own)
}

fn first_line(path: &Path, name: &str) -> Result<Passphrase, AppError> {
    let file = File::open(path).map_err(|error| cannot_read(name, &describe(&error)))?;
    first_line_of(file, name)
}

/// Reads the first line without waiting for more: the writer may keep the other end open.
fn first_line_of(file: File, name: &str) -> Result<Passphrase, AppError> {
    /// Bytes of a byte order mark before the line, and of its end.
    const ROOM: usize = 5;
    let failed = |why: String| cannot_read(name, &why);
    // Of full capacity from the start: a buffer that grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES + ROOM));
    let mut input = BufReader::with_capacity(1, file).take((PASSPHRASE_BYTES + ROOM) as u64);
    input.read_until(b'\n', &mut line).map_err(|error| failed(describe(&error)))?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if utf8::without_mark(line).len() > PASSPHRASE_BYTES {
        return Err(failed(format!("its first line has more than {PASSPHRASE_BYTES} bytes")));
    }
    let text = utf8::decode(line).map_err(|error| {
        failed(match error {
            DecodeError::Utf16 => format!("it is {error}"),
            DecodeError::NotUtf8 { .. } => "its first line is not UTF-8".to_owned(),
        })
    })?;
    Ok(Passphrase::new(text.to_owned()))
}
