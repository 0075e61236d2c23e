//! Files of the user that other programs read: where they stand, and how they come there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::app::error::{AppError, code, describe, shown};

/// Folders of the user (XDG Base Directory Specification: relative paths there count as unset).
pub(crate) struct Place {
    pub(crate) data: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) zsh: PathBuf,
}

impl Place {
    pub(crate) fn of_user() -> Result<Self, AppError> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute("HOME").ok_or_else(|| {
            AppError::new(code::MACHINE, "HOME is not set, or not an absolute path")
                .hint("print it, and put it where it belongs")
        })?;
        Ok(Self {
            data: absolute("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share")),
            config: absolute("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
            zsh: absolute("ZDOTDIR").unwrap_or(home),
        })
    }
}

/// Writes a file, and the folders above it.
pub(crate) fn install(path: &Path, bytes: &[u8]) -> Result<(), AppError> {
    let cannot = |path: &Path, error: &io::Error| {
        AppError::new(code::MACHINE, format!("cannot write {}: {}", shown(path), describe(error)))
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
    }
    fs::write(path, bytes).map_err(|error| cannot(path, &error))
}
