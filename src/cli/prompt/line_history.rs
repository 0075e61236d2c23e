//! History file of typed lines, which the line editor reads and writes: created before the first
//! line, and private.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::app::error::describe;
use crate::app::error::{AppError, code};

/// Permissions of a folder that is created for it, and of the file: the user's alone.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Creates the file, and the folders above it, if they do not exist.
///
/// # Errors
/// It cannot be created, or lines cannot be appended to it: better reported now than lost with the
/// session.
pub(crate) fn prepare(path: &Path) -> Result<(), AppError> {
    let cannot = |why: &str| {
        let what = format!("cannot keep typed lines in {}: {why}", path.display());
        AppError::new(code::MACHINE, what).hint("name another file with --history FILE, or in the settings")
    };
    let failed = |error: io::Error| cannot(&describe(&error));
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(failed)?;
    }
    // Not blocking: opening a pipe would wait for its reader.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut options = File::options();
    let options = options.read(true).append(true).create(true).mode(FILE_MODE).custom_flags(flags);
    let file = options.open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(cannot("not a regular file"));
    }
    match io::read_to_string(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(cannot("it is not UTF-8 text")),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_history_is_made_with_its_folders_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/rsachat/history");
        prepare(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        std::fs::write(&path, "#V2\nhi\n").unwrap();
        prepare(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "#V2\nhi\n", "what is there stays");
    }

    #[test]
    fn a_history_that_cannot_be_kept_says_why_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let text = folder.path().join("text");
        std::fs::write(&text, b"\xff").unwrap();
        for (path, why) in [
            (folder.path(), "is a directory"),
            (&file.join("x"), ""),
            (Path::new("/dev/null"), "not a regular file"),
            (&text, "it is not UTF-8 text"),
        ] {
            let said = prepare(path).unwrap_err().to_string();
            let begins = format!("rsachat: error: cannot keep typed lines in {}: {why}", path.display());
            assert!(
                said.starts_with(&begins) && said.contains("\nrsachat: hint: name another file"),
                "{said}"
            );
        }
    }
}
