//! Content of an exported home: a time, then the files one behind the other. Which names there are
//! and how long each may be is fixed, so that nothing is written elsewhere.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use super::SETTINGS;
use crate::limits::{BOOK_BYTES, CONFIG_BYTES, KEY_FILE_BYTES};
use crate::store::met_file::MET_BYTES;
use crate::store::{book_file, key_file, message_store, met_file};
use crate::time::UnixMs;

/// Files of a home, at most: keys that were replaced are kept.
const FILES: usize = 512;
/// Bytes of the time that stands first.
pub(super) const TIME_BYTES: u64 = 8;
/// Bytes of a name, at most.
const NAME_BYTES: usize = 64;

/// A file of a home, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FileKind {
    Key,
    Book,
    Met,
    Store,
    Settings,
}

impl FileKind {
    /// Kind of the file of that name; `None` for what is no file of a home, or stays where it is.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            book_file::NAME => Some(Self::Book),
            met_file::NAME => Some(Self::Met),
            message_store::NAME => Some(Self::Store),
            SETTINGS => Some(Self::Settings),
            _ => key_file::is_name(name).then_some(Self::Key),
        }
    }

    /// Bytes that it may have; of a store any number.
    pub(super) fn limit(self) -> u64 {
        match self {
            Self::Key => KEY_FILE_BYTES,
            Self::Book => BOOK_BYTES,
            Self::Met => MET_BYTES,
            Self::Settings => CONFIG_BYTES,
            Self::Store => u64::MAX,
        }
    }
}

/// Short file of a home.
pub(super) struct ShortFile {
    pub(super) name: String,
    pub(super) kind: FileKind,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// Bytes of the content before a file's own.
pub(super) fn head(name: &str, bytes: u64) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    [&[length], name.as_bytes(), &bytes.to_be_bytes()].concat()
}

/// Content that was read.
pub(super) struct ReadContent {
    pub(super) exported_at: UnixMs,
    pub(super) files: Vec<ShortFile>,
    /// Names of all files, in their order.
    pub(super) names: Vec<String>,
}

/// Reads the content up to its end; the store goes to `store`.
///
/// # Errors
/// `InvalidData` for what is no home, and those of reader and writer.
pub(super) fn read(content: &mut impl Read, store: &mut impl Write) -> io::Result<ReadContent> {
    let exported_at = UnixMs(u64::from_be_bytes(array(content)?));
    let (mut files, mut names) = (Vec::new(), Vec::new());
    loop {
        let mut length = [0];
        if content.read(&mut length)? == 0 {
            return Ok(ReadContent { exported_at, files, names });
        }
        let mut name = vec![0; usize::from(length[0])];
        content.read_exact(&mut name)?;
        let name = String::from_utf8(name).ok().filter(|name| name.len() <= NAME_BYTES);
        let known = name.and_then(|name| Some((FileKind::of(&name)?, name)));
        let (kind, name) = known.ok_or_else(|| wrong("it contains a file that does not belong in a home"))?;
        let bytes = u64::from_be_bytes(array(content)?);
        if names.contains(&name) || names.len() == FILES || bytes > kind.limit() {
            return Err(wrong(&format!("{name} is not valid in a home")));
        }
        if kind == FileKind::Store {
            if io::copy(&mut content.take(bytes), store)? != bytes {
                return Err(wrong("it ends in the middle of a file"));
            }
        } else {
            let length = usize::try_from(bytes).map_err(io::Error::other)?;
            let mut read = Zeroizing::new(vec![0; length]);
            content.read_exact(&mut read)?;
            files.push(ShortFile { name: name.clone(), kind, bytes: read });
        }
        names.push(name);
    }
}

/// The error of content that is no home.
pub(super) fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn array<const N: usize>(content: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    content.read_exact(&mut bytes)?;
    Ok(bytes)
}
