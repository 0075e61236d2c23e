//! Export of a home.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::content::{FileKind, ShortFile, TIME_BYTES, head};
use super::stream::SealingWriter;
use super::{ArchiveError, Contents, SETTINGS, folder};
use crate::chat::KeyFor;
use crate::crypto::{Identity, Passphrase, SealedFile, Seed};
use crate::store::message_store::{self, StoreCopy};
use crate::store::safe_file::{self, Access};
use crate::store::{Home, StoreError, book_file, key_file};
use crate::time::UnixMs;

/// Prefix of a file that is being written; a killed program leaves it, sealed.
const UNFINISHED: &str = ".rsachat-export-";

/// An export that is on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Exported {
    /// What is in the file.
    pub(crate) contents: Contents,
    /// Bytes of the file.
    pub(crate) bytes: u64,
}

/// All that is exported, as it is at one moment.
struct HomeSnapshot {
    files: Vec<ShortFile>,
    store: Option<StoreCopy>,
}

/// Writes a home and the settings to a new file that only the user can read; it is on disk once
/// this returns.
///
/// # Errors
/// [`ArchiveError`]; there is no file then.
pub(crate) fn export(
    home: &Home,
    settings: Option<&Path>,
    path: &Path,
    passphrase: &Passphrase,
    coins: &Seed,
    now: UnixMs,
) -> Result<Exported, ArchiveError> {
    check_place(path)?;
    let mut snapshot = HomeSnapshot::take(home, settings)?;
    let sealed = SealedFile::create(passphrase, coins, snapshot.bytes());
    let bytes = sealed.file_bytes();
    let failed = || StoreError::io("write", path);
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder(path)).map_err(failed())?;
    snapshot.write(sealed, file.as_file_mut(), now).map_err(failed())?;
    file.as_file().sync_all().map_err(failed())?;
    file.persist_noclobber(path).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => ArchiveError::Present { path: path.to_owned() },
        _ => failed()(error.error).into(),
    })?;
    safe_file::sync_folder(folder(path)).map_err(failed())?;
    Ok(Exported { contents: Contents { exported_at: now, names: snapshot.names() }, bytes })
}

/// Refuses a home without a key, and messages that another process has open, or that the key does
/// not open, before a passphrase is asked for.
pub(crate) fn check_source(home: &Home) -> Result<(), ArchiveError> {
    open_store(home)?;
    Ok(())
}

/// The store, if there is one, which must be the key's: what is sealed to another key opens for
/// nobody who has the file. Of a key under a passphrase that is not known here.
fn open_store(home: &Home) -> Result<Option<StoreCopy>, ArchiveError> {
    let text = key_file::load_key_text(home, KeyFor::Identity)?;
    let text = text.ok_or_else(|| ArchiveError::NoKey { home: home.path().to_owned() })?;
    let store = StoreCopy::begin(home)?;
    if let (Some(store), Ok(identity)) = (&store, Identity::from_pem(&text, None)) {
        store.check_key(home, &identity.public().fingerprint())?;
    }
    Ok(store)
}

/// Refuses a place where there is something, before a passphrase is asked for.
pub(crate) fn check_place(path: &Path) -> Result<(), ArchiveError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(ArchiveError::Present { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io("look at", path)(error).into()),
    }
}

impl HomeSnapshot {
    /// Reads the short files under the lock of the home, and holds the store.
    fn take(home: &Home, settings: Option<&Path>) -> Result<Self, ArchiveError> {
        let _lock = home.lock()?;
        let store = open_store(home)?;
        // A damaged book is no copy to rely on.
        book_file::read(home)?;
        let listed = || StoreError::io("read", home.path());
        let mut files = Vec::new();
        for entry in fs::read_dir(home.path()).map_err(listed())? {
            let name = entry.map_err(listed())?.file_name();
            let Some(name) = name.to_str() else { continue };
            let access = match FileKind::of(name) {
                Some(FileKind::Key) => Access::Secret,
                Some(FileKind::Book | FileKind::Met) => Access::Public,
                Some(FileKind::Store | FileKind::Settings) | None => continue,
            };
            files.extend(short_file(&home.path().join(name), name, access)?);
        }
        files.sort_by(|one, other| one.name.cmp(&other.name));
        if let Some(settings) = settings {
            files.extend(short_file(settings, SETTINGS, Access::Settings)?);
        }
        Ok(Self { files, store })
    }

    /// Bytes of the content.
    fn bytes(&self) -> u64 {
        let short = self.files.iter().map(|file| (file.name.as_str(), file.bytes.len() as u64));
        let store = self.store.iter().map(|store| (message_store::NAME, store.len()));
        short.chain(store).fold(TIME_BYTES, |sum, (name, bytes)| sum + head(name, bytes).len() as u64 + bytes)
    }

    fn names(&self) -> Vec<String> {
        let short = self.files.iter().map(|file| file.name.clone());
        short.chain(self.store.iter().map(|_| message_store::NAME.to_owned())).collect()
    }

    fn write(&mut self, sealed: SealedFile, out: &mut File, now: UnixMs) -> io::Result<()> {
        let mut out = SealingWriter::new(sealed, out)?;
        out.write_all(&now.0.to_be_bytes())?;
        for file in &self.files {
            out.write_all(&head(&file.name, file.bytes.len() as u64))?;
            out.write_all(&file.bytes)?;
        }
        if let Some(store) = &mut self.store {
            out.write_all(&head(message_store::NAME, store.len()))?;
            io::copy(store, &mut out)?;
        }
        out.finish()
    }
}

fn short_file(path: &Path, name: &str, access: Access) -> Result<Option<ShortFile>, StoreError> {
    let Some(kind) = FileKind::of(name) else { return Ok(None) };
    let bytes = safe_file::read(path, kind.limit(), access)?;
    Ok(bytes.map(|bytes| ShortFile { name: name.to_owned(), kind, bytes }))
}
