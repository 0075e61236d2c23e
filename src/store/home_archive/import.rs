//! Import of a home: all of it, or nothing.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::content::{self, FileKind, ReadContent, ShortFile};
use super::stream::OpeningReader;
use super::{ArchiveError, Contents, SETTINGS, folder};
use crate::chat::KeyFor;
use crate::crypto::{Identity, KeyFileError, Passphrase, SealedFile, SealedFileError};
use crate::limits::CONFIG_BYTES;
use crate::peers::book::Book;
use crate::store::home::LOCK;
use crate::store::safe_file::{self, Access, FOLDER_MODE};
use crate::store::{Home, StoreError, key_file, message_store};

/// A file whose header is right.
#[derive(Debug)]
pub(crate) struct SealedHome {
    path: PathBuf,
    file: File,
    header: Vec<u8>,
}

/// A file that the passphrase opens.
pub(crate) struct OpenHome {
    path: PathBuf,
    file: File,
    sealed: SealedFile,
}

/// A home that is on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Imported {
    pub(crate) contents: Contents,
    /// Where the settings are, if there are any.
    pub(crate) settings: Option<SettingsPlace>,
}

/// Where the imported settings are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SettingsPlace {
    /// At their place, where there were none, or the same.
    Read(PathBuf),
    /// In the home, where they are not read: others are at their place, or nothing is.
    Beside(PathBuf),
}

impl SealedHome {
    /// Reads the header and compares the length.
    pub(crate) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let failed = || StoreError::io("read", path);
        // Not blocking: opening a pipe would wait for its writer. Whoever may read it needs the
        // passphrase still.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let mut file = match File::options().read(true).custom_flags(flags).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ArchiveError::Absent { path: path.to_owned() });
            }
            other => other.map_err(failed())?,
        };
        let metadata = file.metadata().map_err(failed())?;
        let path = path.to_owned();
        if !metadata.is_file() {
            let kind = if metadata.is_dir() { "a folder" } else { "something else" };
            return Err(StoreError::WrongKind { path, kind, wanted: "a file" }.into());
        }
        let mut header = Vec::with_capacity(SealedFile::HEADER_BYTES);
        let limit = SealedFile::HEADER_BYTES as u64;
        (&mut file).take(limit).read_to_end(&mut header).map_err(StoreError::io("read", &path))?;
        let (present, whole) = match SealedFile::file_bytes_of(&header) {
            Ok(whole) => (metadata.len(), whole),
            Err(why) => return Err(ArchiveError::Sealed { path, why }),
        };
        match present.cmp(&whole) {
            std::cmp::Ordering::Less => Err(ArchiveError::Cut { path, present, whole }),
            std::cmp::Ordering::Greater => {
                Err(ArchiveError::Damaged { path, why: "more bytes follow its end".to_owned() })
            }
            std::cmp::Ordering::Equal => Ok(Self { path, file, header }),
        }
    }

    /// Opens it, which takes about a second. A wrong passphrase gives it back, to try another.
    pub(crate) fn unlock(self, passphrase: &Passphrase) -> Result<OpenHome, (Self, ArchiveError)> {
        match SealedFile::open(&self.header, passphrase) {
            Ok(sealed) => Ok(OpenHome { path: self.path, file: self.file, sealed }),
            Err(why) => {
                let error = ArchiveError::Sealed { path: self.path.clone(), why };
                Err((self, error))
            }
        }
    }
}

impl ArchiveError {
    /// Whether another passphrase may do.
    pub(crate) fn is_wrong_passphrase(&self) -> bool {
        matches!(self, Self::Sealed { why: SealedFileError::WrongPassphrase, .. })
    }
}

impl OpenHome {
    /// Makes the home, whole and on disk, after everything was checked. `settings` is the place of
    /// the settings, if any are read.
    pub(crate) fn import(mut self, home: &Home, settings: Option<&Path>) -> Result<Imported, ArchiveError> {
        let place = check_empty(home)?;
        let checked = self.read(&mut io::sink())?;
        self.check(&checked)?;
        let failed = || StoreError::io("write", home.path());
        let parent = folder(&place);
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(parent).map_err(failed())?;
        let mut unfinished = tempfile::Builder::new();
        unfinished.prefix(UNFINISHED).permissions(Permissions::from_mode(FOLDER_MODE));
        remove_unfinished(parent).map_err(failed())?;
        let staging = unfinished.tempdir_in(parent).map_err(failed())?;
        let _is_in_use = claim(staging.path()).map_err(failed())?;
        let content = self.write(&checked, staging.path(), home)?;
        let settings = match content.files.iter().find(|file| file.kind == FileKind::Settings) {
            Some(file) => Some(put_settings(&file.bytes, settings, staging.path())?),
            None => None,
        };
        let placed = safe_file::sync_folder(staging.path()).and_then(|()| put_in_place(staging, &place));
        if let Err(error) = placed {
            if let Some(SettingsWritten::New(path)) = &settings {
                // They came with a home that is not there.
                let _ = fs::remove_file(path);
            }
            return Err(failed()(error).into());
        }
        let settings = settings.map(|settings| match settings {
            SettingsWritten::New(path) | SettingsWritten::Present(path) => SettingsPlace::Read(path),
            SettingsWritten::Beside => SettingsPlace::Beside(home.path().join(SETTINGS)),
        });
        let contents = Contents { exported_at: content.exported_at, names: content.names };
        Ok(Imported { contents, settings })
    }

    /// Reads the whole content; the store goes to `store`.
    fn read(&mut self, store: &mut impl Write) -> Result<ReadContent, ArchiveError> {
        let header = SealedFile::HEADER_BYTES as u64;
        let file = &mut self.file;
        let read = file
            .seek(SeekFrom::Start(header))
            .and_then(|_| content::read(&mut OpeningReader::new(&mut self.sealed, file), store));
        read.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => self.damaged(error.to_string()),
            io::ErrorKind::UnexpectedEof => self.damaged("it ends in the middle of a file"),
            _ => StoreError::io("read", &self.path)(error).into(),
        })
    }

    fn damaged(&self, why: impl Into<String>) -> ArchiveError {
        ArchiveError::Damaged { path: self.path.clone(), why: why.into() }
    }

    /// Checks that the short files are those of a home that can be used.
    fn check(&self, content: &ReadContent) -> Result<(), ArchiveError> {
        let text = |file: &ShortFile| {
            let text = std::str::from_utf8(&file.bytes).map(|text| Zeroizing::new(text.to_owned()));
            text.map_err(|_| self.damaged(format!("{} is no text", file.name)))
        };
        let identity = key_file::name(KeyFor::Identity);
        let key = content.files.iter().find(|file| file.name == identity);
        let key = key.ok_or_else(|| self.damaged("there is no key in it"))?;
        match Identity::from_pem(&text(key)?, None) {
            Ok(_) | Err(KeyFileError::NeedsPassphrase) => {}
            Err(error) => return Err(self.damaged(format!("{identity}: {error}"))),
        }
        for file in content.files.iter().filter(|file| file.kind == FileKind::Book) {
            Book::parse(&text(file)?).map_err(|damage| self.damaged(format!("{}: {damage}", file.name)))?;
        }
        Ok(())
    }

    /// Writes the files into the folder that becomes the home, and checks the store there.
    fn write(
        &mut self,
        checked: &ReadContent,
        staging: &Path,
        home: &Home,
    ) -> Result<ReadContent, ArchiveError> {
        let failed = || StoreError::io("write", home.path());
        let create = |name: &str| safe_file::create_new(&staging.join(name)).map_err(failed());
        let content = if checked.names.iter().any(|name| name == message_store::NAME) {
            let mut store = create(message_store::NAME)?;
            let content = self.read(&mut store)?;
            match message_store::check(&Home::at(staging.to_owned())) {
                Err(StoreError::Damaged { why, .. }) => {
                    return Err(self.damaged(format!("{}: {why}", message_store::NAME)));
                }
                Err(StoreError::NewerFormat { version, .. }) => {
                    return Err(StoreError::NewerFormat { path: self.path.clone(), version }.into());
                }
                other => other?,
            }
            store.sync_all().map_err(failed())?;
            content
        } else {
            self.read(&mut io::sink())?
        };
        for file in content.files.iter().filter(|file| file.kind != FileKind::Settings) {
            let mut created = create(&file.name)?;
            created.write_all(&file.bytes).and_then(|()| created.sync_all()).map_err(failed())?;
        }
        Ok(content)
    }
}

/// Prefix of a folder that becomes a home, and of settings that are being written.
const UNFINISHED: &str = ".rsachat-import-";

/// Removes what killed imports left, which may be a key.
fn remove_unfinished(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let is_unfinished = entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
        // One that is in use is claimed.
        if is_unfinished && entry.file_type()?.is_dir() && claim(&entry.path()).is_ok() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Claims a folder until the end of the process, or until dropped.
fn claim(folder: &Path) -> io::Result<File> {
    let file = File::open(folder)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Refuses a home that has anything in it but its lock, and gives the folder that it is or will be:
/// a link in its place stays one.
pub(crate) fn check_empty(home: &Home) -> Result<PathBuf, ArchiveError> {
    home.check()?;
    let failed = || StoreError::io("look at the folder", home.path());
    let entries = match fs::read_dir(home.path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(home.path().to_owned()),
        other => other.map_err(failed())?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(failed())?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name != LOCK);
    names.sort();
    let is_key = |name: &String| FileKind::of(name) == Some(FileKind::Key);
    if names.iter().any(is_key) {
        return Err(ArchiveError::KeyPresent { home: home.path().to_owned() });
    }
    if let Some(name) = names.into_iter().next() {
        return Err(ArchiveError::NotEmpty { home: home.path().to_owned(), name });
    }
    Ok(fs::canonicalize(home.path()).map_err(failed())?)
}

/// Gives the folder its name. One that is there is replaced if it is empty, and otherwise stays.
fn put_in_place(staging: TempDir, place: &Path) -> io::Result<()> {
    let lock = place.join(LOCK);
    match fs::hard_link(&lock, staging.path().join(LOCK)) {
        // Whoever waits for the lock, or has it, goes on with the same one.
        Ok(()) => fs::remove_file(&lock)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::rename(staging.path(), place)?;
    // It has another name now, under which nothing is to be removed.
    let _ = staging.keep();
    safe_file::sync_folder(folder(place))
}

/// What became of the settings.
enum SettingsWritten {
    New(PathBuf),
    Present(PathBuf),
    Beside,
}

/// Puts the settings where they are read, unless there are others, which stay.
fn put_settings(bytes: &[u8], place: Option<&Path>, staging: &Path) -> Result<SettingsWritten, ArchiveError> {
    let write = |place: &Path| {
        let parent = folder(place);
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(parent)?;
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(parent)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(place) {
            Ok(_) => safe_file::sync_folder(parent).map(|()| true),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.error),
        }
    };
    if let Some(place) = place {
        if write(place).map_err(StoreError::io("write", place))? {
            return Ok(SettingsWritten::New(place.to_owned()));
        }
        let present = safe_file::read(place, CONFIG_BYTES, Access::Settings);
        if present.is_ok_and(|present| present.is_some_and(|present| present.as_slice() == bytes)) {
            return Ok(SettingsWritten::Present(place.to_owned()));
        }
    }
    write(&staging.join(SETTINGS)).map_err(StoreError::io("write", staging))?;
    Ok(SettingsWritten::Beside)
}
