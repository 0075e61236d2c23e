//! The files of scripts: finding them, reading them with what they include, writing them back.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::app::error::describe;
use crate::app::error::{AppError, code};
use crate::script::Source;
use crate::store::atomic_write;

/// Bytes of a script that is still read.
const SCRIPT_BYTES: u64 = 64 * 1024 * 1024;
/// How scripts end.
const ENDING: &str = "chat";

/// What is to be played: standard input or a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Given {
    Stdin,
    File(PathBuf),
}

/// The scripts that an argument names: itself, or those of a folder by name.
pub(crate) fn find(argument: &Path) -> Result<Vec<Given>, AppError> {
    if argument.as_os_str() == "-" {
        return Ok(vec![Given::Stdin]);
    }
    let failed = |error: io::Error| cannot_read(argument, &error);
    if !fs::metadata(argument).map_err(failed)?.is_dir() {
        return Ok(vec![Given::File(argument.to_owned())]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(argument).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) && path.is_file() {
            found.push(Given::File(path));
        }
    }
    found.sort_by(|a, b| a.path().cmp(b.path()));
    if found.is_empty() {
        let what = format!("no *.{ENDING} file in {}", argument.display());
        return Err(AppError::new(code::MACHINE, what));
    }
    Ok(found)
}

impl Given {
    fn path(&self) -> &Path {
        match self {
            Self::Stdin => Path::new("-"),
            Self::File(path) => path,
        }
    }

    /// As it is to be named.
    pub(crate) fn name(&self) -> String {
        self.path().display().to_string()
    }

    /// Its text. Bytes that are not UTF-8 are a fault of the script, with their line.
    pub(crate) fn read(&self) -> Result<Source, AppError> {
        let bytes = match self {
            Self::Stdin => bounded(io::stdin().lock()),
            Self::File(path) => File::open(path).and_then(bounded),
        };
        let bytes = bytes.map_err(|error| cannot_read(self.path(), &error))?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Source { name: self.name(), text }),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let before = error.as_bytes().get(..valid).unwrap_or_default();
                let line = before.split(|byte| *byte == b'\n').count();
                let what = format!("{}:{line}: a script is UTF-8, and this line is not", self.name());
                Err(AppError::new(code::USAGE, what))
            }
        }
    }
}

/// A file that a script includes, beside the script.
pub(crate) fn included(name: &str, by: &str) -> Result<Source, String> {
    let folder = Path::new(by).parent().unwrap_or_else(|| Path::new(""));
    let path = folder.join(name);
    let bytes = File::open(&path).and_then(bounded).map_err(|error| describe(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Source { name: path.display().to_string(), text })
}

/// Puts a text in the place of a file, whole or not at all; its mode stays.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), AppError> {
    let put = || -> io::Result<()> {
        // A link is followed: it is the file behind it that is kept under version control.
        let path = fs::canonicalize(path)?;
        let permissions = fs::metadata(&path)?.permissions();
        atomic_write::replace(&path, text.as_bytes(), permissions)
    };
    put().map_err(|error| {
        AppError::new(code::MACHINE, format!("cannot write {}: {}", path.display(), describe(&error)))
    })
}

/// Writes a file of a run, for the user alone, and the folders above it.
pub(crate) fn write(folder: &Path, path: &Path, text: &str) -> Result<(), AppError> {
    let put = || -> io::Result<()> {
        if let Some(parent) = path.parent().filter(|parent| parent.starts_with(folder)) {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        fs::write(path, text)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))
    };
    put().map_err(|error| {
        let inside = path.strip_prefix(folder).unwrap_or(path);
        AppError::new(code::MACHINE, format!("cannot write {}: {}", inside.display(), describe(&error)))
    })
}

fn bounded(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(SCRIPT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SCRIPT_BYTES {
        return Err(io::Error::other(format!("a script has at most {SCRIPT_BYTES} bytes")));
    }
    Ok(bytes)
}

fn cannot_read(path: &Path, error: &io::Error) -> AppError {
    AppError::new(code::MACHINE, format!("cannot read {}: {}", path.display(), describe(error)))
}
