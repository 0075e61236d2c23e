//! External editor for a message, named by `VISUAL` or `EDITOR`.

use std::io::{self, Read as _, Write as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::app::error::describe;
use crate::limits;

/// The editor that every system has.
const FALLBACK: &str = "vi";
/// Interval at which the editor's exit is polled, in milliseconds.
const POLL_MS: u64 = 30;

/// The command of the user's editor, with its arguments.
pub(crate) fn command() -> String {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    var("VISUAL").or_else(|| var("EDITOR")).unwrap_or_else(|| FALLBACK.to_owned())
}

/// Edits a text in a private temporary file, and returns it without its last newlines.
///
/// # Errors
/// The reason in words: the editor did not start, it failed, or the text cannot be sent.
pub(crate) fn edit(command: &str, text: &str, closing: &AtomicBool) -> Result<String, String> {
    let reason = |error: io::Error| describe(&error);
    let mut file = tempfile::Builder::new().prefix("rsachat-").suffix(".txt").tempfile().map_err(reason)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(reason)?;
    // By a shell, as git does it: the variable may hold arguments and quotes.
    let script = format!("{command} \"$@\"");
    let child = Command::new("/bin/sh").args(["-c", &script, command]).arg(file.path()).spawn();
    let status = wait(child.map_err(reason)?, closing).map_err(reason)?;
    if !status.success() {
        return Err(status.to_string());
    }
    // By its name: editors replace the file rather than write into it.
    let mut edited = Vec::new();
    let reader = std::fs::File::open(file.path()).map_err(reason)?;
    reader.take(limits::EDITED_BYTES + 1).read_to_end(&mut edited).map_err(reason)?;
    if edited.len() as u64 > limits::EDITED_BYTES {
        return Err("the text is too large".to_owned());
    }
    let edited = String::from_utf8(edited).map_err(|_| "the text is not UTF-8".to_owned())?;
    Ok(edited.replace("\r\n", "\n").trim_end_matches('\n').to_owned())
}

/// Waits for the editor's exit, and kills it when the program ends first.
fn wait(mut child: Child, closing: &AtomicBool) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if closing.load(Ordering::SeqCst) {
            child.kill()?;
            return child.wait();
        }
        thread::sleep(Duration::from_millis(POLL_MS));
    }
}
