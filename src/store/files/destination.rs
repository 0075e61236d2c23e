//! Place where a transfer lands: the folder, and the name in it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fstatvfs};

use super::error::FileError;
use super::naming::FinalName;
use super::source::open;
use crate::limits::CONFIG_BYTES;
use crate::store::safe_file::FOLDER_MODE;
use crate::transfer::FileName;

/// Folder that exists, and a name if the user chose one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Destination {
    folder: PathBuf,
    name: Option<OsString>,
}

impl Destination {
    /// A place that was found before.
    #[must_use]
    pub fn new(folder: PathBuf, name: Option<OsString>) -> Self {
        Self { folder, name }
    }

    /// The place of a path that the user names: a folder means into it, a new name that name.
    ///
    /// # Errors
    /// [`FileError::Taken`] for a file, [`FileError::NoFolder`] when the new name is in no folder.
    pub fn of_path(path: &Path) -> Result<Self, FileError> {
        let failed = FileError::read(path);
        let path = std::path::absolute(path).map_err(&failed)?;
        if path.is_dir() {
            return Ok(Self { folder: path, name: None });
        }
        if path.symlink_metadata().is_ok() {
            return Err(FileError::Taken { path });
        }
        let is_folder = path.as_os_str().as_bytes().ends_with(b"/");
        match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) if folder.is_dir() && !is_folder => {
                Ok(Self { folder: folder.to_owned(), name: Some(name.to_owned()) })
            }
            (Some(folder), Some(_)) if !is_folder => Err(FileError::NoFolder { path: folder.to_owned() }),
            _ => Err(FileError::NoFolder { path }),
        }
    }

    /// The place where nothing is named: the folder of the settings, else the one for downloads
    /// (`XDG_DOWNLOAD_DIR`, in the environment or in `user-dirs.dirs`), else `~/Downloads`. It is
    /// made if there is none, for the user alone.
    ///
    /// # Errors
    /// [`FileError::Write`] when it cannot be made.
    pub fn of_settings(
        inbox: Option<&Path>,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, FileError> {
        let folder = Self::inbox(inbox, env);
        let folder = folder.ok_or_else(|| FileError::NoFolder { path: "~/Downloads".into() })?;
        let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&folder);
        made.map_err(FileError::write(&folder, &folder))?;
        Ok(Self { folder, name: None })
    }

    /// The folder of a place where nothing is named.
    #[must_use]
    pub fn inbox(inbox: Option<&Path>, env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        inbox.map(Path::to_owned).or_else(|| downloads(env))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name that the user chose.
    #[must_use]
    pub fn name(&self) -> Option<&OsStr> {
        self.name.as_deref()
    }

    /// Refuses what needs more bytes than are free. A file system that does not say how large it
    /// is has room.
    ///
    /// # Errors
    /// [`FileError::NoRoom`], and others when there is no such folder.
    pub fn check_room(&self, needed: u64) -> Result<(), FileError> {
        let folder = self.open()?;
        let room = fstatvfs(&folder).map_err(|error| FileError::read(&self.folder)(error.into()))?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        if room.f_blocks == 0 || needed <= free {
            return Ok(());
        }
        Err(FileError::NoRoom { path: self.folder.clone(), needed, free })
    }

    pub(super) fn open(&self) -> Result<File, FileError> {
        open(&self.folder, OFlags::DIRECTORY).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                FileError::NoFolder { path: self.folder.clone() }
            }
            _ => FileError::read(&self.folder)(error),
        })
    }

    pub(super) fn final_name(&self, offered: &[u8]) -> FinalName {
        FinalName(match &self.name {
            Some(name) => name.as_bytes().to_vec(),
            None => FileName::of_peer(offered).as_str().into(),
        })
    }
}

/// The folder for downloads of the desktop, else the usual one.
fn downloads(env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("HOME");
    absolute("XDG_DOWNLOAD_DIR")
        .or_else(|| {
            let home = home.as_deref()?;
            let config = absolute("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
            let file = config.join("user-dirs.dirs");
            let is_small = fs::metadata(&file).is_ok_and(|file| file.len() <= CONFIG_BYTES);
            let text = fs::read_to_string(file).ok().filter(|_| is_small)?;
            download_folder(&text, home)
        })
        .or_else(|| Some(home?.join("Downloads")))
}

/// The folder in the text of a `user-dirs.dirs`. The home itself stands there for none.
fn download_folder(text: &str, home: &Path) -> Option<PathBuf> {
    let value = text.lines().rev().find_map(|line| line.trim().strip_prefix("XDG_DOWNLOAD_DIR="))?;
    let value = shell_words::split(value).ok()?.into_iter().next()?;
    let folder = match value.strip_prefix("$HOME") {
        Some(rest) => home.join(rest.trim_start_matches('/')),
        None => PathBuf::from(value),
    };
    (folder.is_absolute() && folder.components().ne(home.components())).then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_for_downloads_is_read_as_desktops_write_it() {
        let of = |text: &str| download_folder(text, Path::new("/home/minji"));
        let folder = |path: &str| Some(PathBuf::from(path));
        assert_eq!(of("XDG_DOWNLOAD_DIR=\"$HOME/다운로드\"\n"), folder("/home/minji/다운로드"));
        assert_eq!(
            of("# x\nXDG_DESKTOP_DIR=\"$HOME/D\"\n  XDG_DOWNLOAD_DIR=\"/srv/in box\""),
            folder("/srv/in box")
        );
        assert_eq!(of("XDG_DOWNLOAD_DIR=\"$HOME/a\"\nXDG_DOWNLOAD_DIR=\"$HOME/b\""), folder("/home/minji/b"));
        for none in ["", "XDG_DOWNLOAD_DIR=\"$HOME/\"", "XDG_DOWNLOAD_DIR=\"x\"", "#XDG_DOWNLOAD_DIR=\"/a\""]
        {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn received_files_go_where_the_settings_say_else_to_the_downloads() {
        let outside = tempfile::tempdir().unwrap();
        let home = outside.path().to_owned();
        let place = |inbox: Option<&Path>, downloads: Option<&str>| {
            let env = |name: &str| match name {
                "HOME" => Some(home.clone().into_os_string()),
                "XDG_DOWNLOAD_DIR" => downloads.map(|name| home.join(name).into_os_string()),
                _ => None,
            };
            let found = Destination::of_settings(inbox, &env).unwrap();
            assert!(found.folder().is_dir());
            found.folder().strip_prefix(&home).unwrap().to_owned()
        };
        assert_eq!(place(None, None), Path::new("Downloads"));
        fs::create_dir(home.join(".config")).unwrap();
        fs::write(home.join(".config/user-dirs.dirs"), "XDG_DOWNLOAD_DIR=\"$HOME/받은 것\"").unwrap();
        assert_eq!(place(None, None), Path::new("받은 것"));
        assert_eq!(place(None, Some("env")), Path::new("env"));
        assert_eq!(place(Some(&home.join("a/inbox")), Some("env")), Path::new("a/inbox"));
    }
}
