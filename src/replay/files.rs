//! Files of a run: scripts and what they include, updated scripts, and files that a script writes.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use crate::app::error::{AppError, code, describe, shown};
use crate::script::markdown::{self, ChatBlock};
use crate::script::{Script, SourceFile};
use crate::store::safe_file;
use crate::text::utf8::{self, DecodeError};
use crate::text::{cp949, shell};

/// Most bytes of a script.
const SCRIPT_BYTES: u64 = 64 * 1024 * 1024;
/// Extension of scripts.
const EXTENSION: &str = "chat";
/// Extension of Markdown pages.
const MARKDOWN: &str = "md";

/// Script to play: standard input, a file, or a code block of a Markdown page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ScriptFile {
    Stdin,
    File(PathBuf),
    Block { path: PathBuf, page: Arc<str>, block: ChatBlock },
}

/// Whether a file is a page with scripts in it.
pub(crate) fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == MARKDOWN)
}

/// The scripts of a page.
fn blocks_of(path: &Path) -> Result<Vec<ScriptFile>, AppError> {
    let page: Arc<str> = ScriptFile::File(path.to_owned()).read()?.text.into();
    let played = markdown::blocks(&page).into_iter().filter(|block| block.is_played);
    let block = |block| ScriptFile::Block { path: path.to_owned(), page: Arc::clone(&page), block };
    let blocks: Vec<ScriptFile> = played.map(block).collect();
    if blocks.is_empty() {
        let what = format!("no code block marked `chat` in {}", shown(path));
        return Err(AppError::new(code::MACHINE, what));
    }
    Ok(blocks)
}

/// The scripts that an argument names: itself, those of a folder by name, or those of a page.
pub(crate) fn find(argument: &Path) -> Result<Vec<ScriptFile>, AppError> {
    if argument.as_os_str() == "-" {
        return Ok(vec![ScriptFile::Stdin]);
    }
    let failed = |error: io::Error| io_error("read", argument, &error);
    if !fs::metadata(argument).map_err(failed)?.is_dir() {
        return if is_markdown(argument) {
            blocks_of(argument)
        } else {
            Ok(vec![ScriptFile::File(argument.to_owned())])
        };
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(argument).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        let what = format!("no *.{EXTENSION} file in {}", shown(argument));
        return Err(AppError::new(code::MACHINE, what));
    }
    found.sort();
    Ok(found.into_iter().map(ScriptFile::File).collect())
}

impl ScriptFile {
    fn path(&self) -> &Path {
        match self {
            Self::Stdin => Path::new("-"),
            Self::File(path) | Self::Block { path, .. } => path,
        }
    }

    /// Name for transcripts and reports.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin | Self::File(_) => self.path().display().to_string(),
            Self::Block { path, block, .. } => format!("{}:{}", path.display(), block.lines.start),
        }
    }

    /// Reads a file that the script includes. A block includes those of its page by their names.
    pub(crate) fn include(&self, name: &str, includer: &str) -> Result<SourceFile, String> {
        if let Self::Block { path, page, .. } = self {
            let blocks = markdown::blocks(page);
            if let Some(block) = blocks.iter().find(|block| block.name.as_deref() == Some(name)) {
                let name = format!("{}#{name}", path.display());
                return Ok(SourceFile { name, text: block.alone(page) });
            }
        }
        read_included(name, includer)
    }

    /// Reads the script. Bytes that are not UTF-8 are a mistake in it, with their line.
    pub(crate) fn read(&self) -> Result<SourceFile, AppError> {
        let bytes = match self {
            Self::Stdin => read_bounded(io::stdin().lock()),
            Self::File(path) => File::open(path).and_then(read_bounded),
            Self::Block { path, page, block } => {
                return Ok(SourceFile { name: path.display().to_string(), text: block.alone(page) });
            }
        };
        let bytes = bytes.map_err(|error| io_error("read", self.path(), &error))?;
        let name = self.name();
        match utf8::decode(&bytes) {
            Ok(text) => Ok(SourceFile { name, text: text.to_owned() }),
            Err(error) => {
                let what = match error {
                    DecodeError::Utf16 => format!("{name} is {error}"),
                    DecodeError::NotUtf8 { line } => {
                        format!("{name}:{line}: a script is UTF-8, and this line is not")
                    }
                };
                let encoding = match error {
                    DecodeError::Utf16 => Some("UTF-16"),
                    DecodeError::NotUtf8 { .. } => cp949::is_likely(&bytes).then_some("CP949"),
                };
                let error = AppError::new(code::USAGE, what);
                Err(match encoding {
                    Some(encoding) => {
                        let file = shell::quoted(&name);
                        error.hint(format!("iconv -f {encoding} -t UTF-8 {file} > NEW"))
                    }
                    None => error,
                })
            }
        }
    }
}

/// Reads an included file; its name is relative to the file that includes it, and the file is in
/// that folder or below it. Links are followed, but not out of it.
fn read_included(name: &str, includer: &str) -> Result<SourceFile, String> {
    let reason = |error: io::Error| describe(&error);
    let folder = Path::new(includer).parent().unwrap_or_else(|| Path::new(""));
    let is_named = |part: &Component<'_>| *part != Component::CurDir;
    let path: PathBuf = folder.join(name).components().filter(is_named).collect();
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let real = fs::canonicalize(&path).map_err(reason)?;
    if !real.starts_with(fs::canonicalize(here).map_err(reason)?) {
        return Err("it is outside the folder of the script".to_owned());
    }
    // Not blocking: opening a pipe would wait for its writer.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(&real).map_err(reason)?;
    if !file.metadata().map_err(reason)?.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let bytes = read_bounded(file).map_err(reason)?;
    let text = utf8::decode(&bytes).map_err(|error| format!("it is {error}"))?;
    Ok(SourceFile { name: path.display().to_string(), text: text.to_owned() })
}

/// The folder of a script, from the root on.
pub(crate) fn folder_of(script: &Script) -> String {
    let file = script.sources.first().map_or("", |source| source.name.as_str());
    let folder = Path::new(file).parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    // A name that leads nowhere is told as such by who uses it.
    fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()).display().to_string()
}

/// Replaces the content of a file atomically; its mode and its owner stay. A file of several names
/// is refused: the others would keep the old text.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), AppError> {
    let put = || -> io::Result<()> {
        // A link is followed: the file behind it is the one under version control.
        let path = fs::canonicalize(path)?;
        let metadata = fs::metadata(&path)?;
        if metadata.nlink() > 1 {
            let why = format!("it has {} names (hard links); copy it to a name of its own", metadata.nlink());
            return Err(io::Error::other(why));
        }
        safe_file::replace(&path, text.as_bytes(), &metadata)
    };
    put().map_err(|error| io_error("write", path, &error))
}

/// Writes a file below the folder of a run, readable by the user alone, and the folders above it.
pub(crate) fn write(folder: &Path, path: &Path, text: &str) -> Result<(), AppError> {
    let put = || -> io::Result<()> {
        if let Some(parent) = path.parent().filter(|parent| parent.starts_with(folder)) {
            DirBuilder::new().recursive(true).mode(safe_file::FOLDER_MODE).create(parent)?;
        }
        fs::write(path, text)?;
        fs::set_permissions(path, Permissions::from_mode(safe_file::FILE_MODE))
    };
    put().map_err(|error| io_error("write", path.strip_prefix(folder).unwrap_or(path), &error))
}

fn read_bounded(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(SCRIPT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SCRIPT_BYTES {
        return Err(io::Error::other(format!("a script has at most {SCRIPT_BYTES} bytes")));
    }
    Ok(bytes)
}

fn io_error(verb: &str, path: &Path, error: &io::Error) -> AppError {
    AppError::new(code::MACHINE, format!("cannot {verb} {}: {}", shown(path), describe(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_included_file_is_a_regular_one_in_the_folder_of_the_script_or_below() {
        let folder = tempfile::tempdir().unwrap();
        let scripts = folder.path().join("scripts");
        fs::create_dir_all(scripts.join("keys")).unwrap();
        for path in ["secret", "scripts/one.chat", "scripts/keys/two.inc"] {
            fs::write(folder.path().join(path), "text").unwrap();
        }
        std::os::unix::fs::symlink("../secret", scripts.join("link")).unwrap();
        std::os::unix::fs::symlink("keys/two.inc", scripts.join("inside")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, scripts.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
        let includer = scripts.join("one.chat").display().to_string();
        let read = |name: &str| read_included(name, &includer).map(|file| file.text);
        for name in ["keys/two.inc", "inside", "./one.chat"] {
            assert_eq!(read(name), Ok("text".to_owned()), "{name}");
        }
        let secret = folder.path().join("secret").display().to_string();
        for name in ["../secret", "link", &secret] {
            assert_eq!(read(name), Err("it is outside the folder of the script".to_owned()), "{name}");
        }
        assert_eq!(read("pipe"), Err("it is not a regular file".to_owned()));
    }
}
