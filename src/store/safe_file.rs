//! Safe access to a file. Reading: only a regular file of the user's, closed to others, of bounded
//! size. Writing: only the owner can read the file, whatever the umask, and never through a link;
//! or atomic replacement: after a crash at any moment there is the old file or the new one.

use std::fs::{self, File, FileType, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::error::StoreError;
use crate::text::utf8;

/// Rules that a file must keep to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// A secret, with which others may do nothing.
    Secret,
    /// A secret that the user names, perhaps by a link.
    OwnSecret,
    /// Public, but relied upon: others may read it.
    Public,
    /// Settings, which others may read. Many people keep them behind a link, and on some systems
    /// they belong to root.
    Settings,
}

/// The bytes of the file; `None` if there is no such file. Every other difficulty is an error, so
/// that trouble never looks like absence: it is no regular file, another user's, open to others,
/// larger than `limit`, or cannot be read.
pub(super) fn read(
    path: &Path,
    limit: u64,
    access: Access,
) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let failed = || StoreError::io("read", path);
    let Some(file) = open_existing(File::options().read(true), path, access)? else { return Ok(None) };
    let metadata = file.metadata().map_err(failed())?;
    let too_large = || StoreError::TooLarge { path: path.to_owned(), limit };
    if metadata.len() > limit {
        return Err(too_large());
    }
    // Room for the whole from the start: growing would leave copies of a secret behind.
    let room = usize::try_from(metadata.len() + 1).map_err(|_| too_large())?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let read = file.take(limit + 1).read_to_end(&mut bytes).map_err(failed())?;
    if read as u64 > limit { Err(too_large()) } else { Ok(Some(bytes)) }
}

/// Opens a file that stays open, to be read and written, by the rules of [`read`]; `None` if there
/// is none.
pub(super) fn open_secret(path: &Path) -> Result<Option<File>, StoreError> {
    open_existing(File::options().read(true).write(true), path, Access::Secret)
}

fn open_existing(options: &mut OpenOptions, path: &Path, access: Access) -> Result<Option<File>, StoreError> {
    let failed = || StoreError::io("read", path);
    let follows = matches!(access, Access::Settings | Access::OwnSecret);
    // Not blocking: opening a pipe would wait for its writer.
    let flags = if follows { OFlags::NONBLOCK } else { OFlags::NONBLOCK | OFlags::NOFOLLOW };
    let file = match options.custom_flags(flags.bits().cast_signed()).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if !follows && error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(wrong_kind(path, "a symbolic link"));
        }
        other => other.map_err(failed())?,
    };
    let metadata = file.metadata().map_err(failed())?;
    if !metadata.is_file() {
        return Err(wrong_kind(path, kind(metadata.file_type())));
    }
    if !(access == Access::Settings && metadata.uid() == 0) {
        check_owner(path, &metadata)?;
    }
    let refused = match access {
        Access::Secret | Access::OwnSecret => 0o077,
        Access::Public | Access::Settings => 0o022,
    };
    check_mode(path, &metadata, refused, FILE_MODE)?;
    Ok(Some(file))
}

/// As [`read`], but what is not UTF-8 text is an error too. A byte order mark is no part of it.
pub(crate) fn read_text(
    path: &Path,
    limit: u64,
    access: Access,
) -> Result<Option<Zeroizing<String>>, StoreError> {
    let Some(bytes) = read(path, limit, access)? else { return Ok(None) };
    let text = utf8::decode(&bytes).map_err(|why| StoreError::NotText { path: path.to_owned(), why })?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

pub(super) fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    if metadata.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(StoreError::WrongOwner { path: path.to_owned(), owner: metadata.uid() })
}

/// Refuses the permission bits `refused`; `wanted` are the bits that the user is told to set.
pub(super) fn check_mode(
    path: &Path,
    metadata: &Metadata,
    refused: u32,
    wanted: u32,
) -> Result<(), StoreError> {
    let mode = metadata.mode() & 0o7777;
    if mode & refused == 0 {
        return Ok(());
    }
    Err(StoreError::OpenToOthers { path: path.to_owned(), mode, wanted })
}

fn wrong_kind(path: &Path, kind: &'static str) -> StoreError {
    StoreError::WrongKind { path: path.to_owned(), kind, wanted: "a file" }
}

fn kind(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "a folder"
    } else if file_type.is_symlink() {
        "a symbolic link"
    } else if file_type.is_fifo() {
        "a pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// Whether files survive a loss of power.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Durability {
    /// A file is on disk (fsync) before it counts.
    Synced,
    /// The home is removed at the end of the process.
    Temporary,
}

/// Prefix of unfinished files.
const UNFINISHED: &str = ".unfinished-";

/// Writes a file of a home, readable by the user alone whatever the umask, and makes it durable. A
/// link in its place is replaced, never written through. The caller holds the lock of the home.
pub(super) fn write(path: &Path, bytes: &[u8], durability: Durability) -> Result<(), StoreError> {
    let write = || {
        remove_unfinished(folder(path))?;
        put_in_place(path, bytes, durability, |file| file.set_permissions(private_permissions()))?;
        match durability {
            Durability::Synced => sync_folder(folder(path)),
            Durability::Temporary => Ok(()),
        }
    };
    write().map_err(StoreError::io("write", path))
}

/// Replaces a file: temporary file (`O_EXCL`), fsync, rename. Mode, owner and group are those of
/// `like`. After an error the old file is untouched.
pub(crate) fn replace(path: &Path, bytes: &[u8], like: &Metadata) -> io::Result<()> {
    put_in_place(path, bytes, Durability::Synced, |file| {
        let made = file.metadata()?;
        let changed = |new: u32, old: u32| (new != old).then_some(old);
        let (owner, group) = (changed(made.uid(), like.uid()), changed(made.gid(), like.gid()));
        if owner.is_some() || group.is_some() {
            fchown(file, owner, group).map_err(|error| {
                let why = "its owner and group could not be restored";
                io::Error::new(error.kind(), why)
            })?;
        }
        file.set_permissions(like.permissions())
    })
}

fn put_in_place(
    path: &Path,
    bytes: &[u8],
    durability: Durability,
    set_rights: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder(path))?;
    file.write_all(bytes)?;
    set_rights(file.as_file())?;
    if durability == Durability::Synced {
        file.as_file().sync_all()?;
    }
    file.persist(path)?;
    Ok(())
}

/// Writes a file that does not exist yet, readable by the user alone, whole and durable or not at
/// all. What is there of that name is never touched or followed.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder(path))?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(private_permissions())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    sync_folder(folder(path)).or_else(|error| fs::remove_file(path).and(Err(error)))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Makes renames and links in the folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes what killed writers left, which may be a key: nobody else is writing while we hold the
/// lock.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes())
            && entry.file_type()?.is_file()
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Permission bits of a private file.
pub(crate) const FILE_MODE: u32 = 0o600;
/// Permission bits of a new folder: its owner's alone.
pub(crate) const FOLDER_MODE: u32 = 0o700;

/// Permissions of a private file.
fn private_permissions() -> Permissions {
    Permissions::from_mode(FILE_MODE)
}

/// Opens a file to append to, and creates it if need be.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    open(File::options().append(true).create(true), path)
}

/// Creates a file that does not exist yet.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    open(File::options().read(true).write(true).create_new(true), path)
}

fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // Not blocking: opening a pipe would wait for its reader.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let file = options.mode(FILE_MODE).custom_flags(flags.cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    // The umask may have taken bits that the owner needs, and an older file may be open to others.
    file.set_permissions(private_permissions())?;
    Ok(file)
}
