//! Messages that are taken out of the chat: new files, and the clipboard of a terminal.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::broker;
use super::error::{describe, naming_folder};
use super::os;
use crate::chat::{Export, ExportError, ExportTarget};
use crate::limits::{CLIPBOARD_BYTES, MESSAGE_BYTES};
use crate::store::safe_file;

/// Every message fits into a clipboard, so that none is refused for its length.
const _: () = assert!(MESSAGE_BYTES.div_ceil(3) * 4 <= CLIPBOARD_BYTES);

/// Takes a message out of the chat where no terminal with a clipboard is.
pub(crate) fn without_terminal(export: &Export) -> Result<(), ExportError> {
    match &export.to {
        ExportTarget::Clipboard => Err(ExportError::NoTerminal),
        ExportTarget::File(file) => {
            let saved = match broker::of_process() {
                Some(broker) => broker.save(file, &export.text),
                None => save(&os::named_path(file), &export.text),
            };
            saved.map_err(|why| ExportError::NotWritten { file: file.clone(), why })
        }
    }
}

/// Saves a text as a new file; it is on disk when this returns.
pub(crate) fn save(path: &Path, text: &[u8]) -> Result<(), String> {
    safe_file::write_new(path, text).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => "that file exists already; choose another name".to_owned(),
        _ => describe(&naming_folder(error, path)),
    })
}

/// Sequence that puts a text on the clipboard of a terminal (OSC 52).
pub(crate) fn clipboard_sequence(text: &[u8]) -> String {
    format!("\x1b]52;c;{}\x1b\\", BASE64_STANDARD.encode(text))
}
