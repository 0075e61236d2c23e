//! A text in the person's own editor. It has the terminal to itself meanwhile: nothing is shown until it is
//! done.

use std::io::{self, Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::app::error;
use crate::limits;

/// The editor that everybody has.
const FALLBACK: &str = "vi";
/// Time between two looks at whether it has ended, in milliseconds.
const LOOK_EVERY_MS: u64 = 30;

/// The command of the person's editor, with its arguments.
pub(crate) fn command() -> String {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    var("VISUAL").or_else(|| var("EDITOR")).unwrap_or_else(|| FALLBACK.to_owned())
}

/// Lets a text be edited, and gives it without its last newlines. The file is the owner's only and is removed.
///
/// # Errors
/// In words: it could not be started, ended with a failure, or left what cannot be sent.
pub(crate) fn edited(command: &str, text: &str, leaving: &AtomicBool) -> Result<String, String> {
    let told = |error: io::Error| error::describe(&error);
    let mut file = tempfile::Builder::new().prefix("rsachat-").suffix(".txt").tempfile().map_err(told)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(told)?;
    // By a shell, as git does it: the variable may hold arguments and quotes.
    let script = format!("{command} \"$@\"");
    let child = Command::new("/bin/sh").args(["-c", &script, command]).arg(file.path()).spawn();
    let status = watched(child.map_err(told)?, leaving).map_err(told)?;
    if !status.success() {
        return Err(status.to_string());
    }
    // By its name: editors replace the file rather than write into it.
    let mut edited = Vec::new();
    let reader = std::fs::File::open(file.path()).map_err(told)?;
    reader.take(limits::EDITED_BYTES + 1).read_to_end(&mut edited).map_err(told)?;
    if edited.len() as u64 > limits::EDITED_BYTES {
        return Err("the text is too large".to_owned());
    }
    let edited = String::from_utf8(edited).map_err(|_| "the text is not UTF-8".to_owned())?;
    Ok(edited.replace("\r\n", "\n").trim_end_matches('\n').to_owned())
}

/// Waits for its end; when the program ends first, so does it.
fn watched(mut child: Child, leaving: &AtomicBool) -> io::Result<std::process::ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if leaving.load(Ordering::SeqCst) {
            child.kill()?;
            return child.wait();
        }
        thread::sleep(Duration::from_millis(LOOK_EVERY_MS));
    }
}
