//! Passphrases of the keys, from a terminal, a file or a descriptor, and from nowhere else.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::{AppError, code, describe};
use crate::crypto::Passphrase;
use crate::limits::PASSPHRASE_BYTES;

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
                let path = Path::new("/dev/fd").join(number.to_string());
                first_line(&path, &format!("descriptor {number} of --passphrase-fd"))
                    .map_err(|error| error.hint(format!("open it for the program: {number}< FILE")))
            }
        }
    }
}

/// Asks at the terminal, without echo.
pub(crate) fn ask(prompt: &str) -> Result<Passphrase, AppError> {
    let text = rpassword::prompt_password(prompt).map_err(|error| {
        AppError::new(code::MACHINE, format!("cannot ask for the passphrase: {error}"))
            .hint("--passphrase-file FILE")
    })?;
    Ok(Passphrase::new(text))
}

/// Reads the first line of a file.
pub(crate) fn read_file(path: &Path) -> Result<Passphrase, AppError> {
    first_line(path, &path.display().to_string())
}

/// Reads the first line without waiting for more: the writer may keep the other end open.
fn first_line(path: &Path, name: &str) -> Result<Passphrase, AppError> {
    let failed = |why: String| AppError::new(code::MACHINE, format!("cannot read {name}: {why}"));
    let file = File::open(path).map_err(|error| failed(describe(&error)))?;
    // Of full capacity from the start: a buffer that grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES + 2));
    let mut input = BufReader::with_capacity(1, file).take(PASSPHRASE_BYTES as u64 + 2);
    input.read_until(b'\n', &mut line).map_err(|error| failed(describe(&error)))?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > PASSPHRASE_BYTES {
        return Err(failed(format!("its first line has more than {PASSPHRASE_BYTES} bytes")));
    }
    let text = str::from_utf8(line).map_err(|_| failed("its first line is not UTF-8".to_owned()))?;
    Ok(Passphrase::new(text.to_owned()))
}
