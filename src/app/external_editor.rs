//! External editor of the person, on a text in a private temporary file.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::BorrowedFd;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use super::broker;
use super::error::describe;
use crate::limits;

/// External editor that every system has.
const FALLBACK_EDITOR: &str = "vi";
/// Interval at which the external editor's exit is polled, in milliseconds.
const EXIT_POLL_MS: u64 = 30;

/// The command of the person's editor, with its arguments.
pub(crate) fn command() -> String {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    var("VISUAL").or_else(|| var("EDITOR")).unwrap_or_else(|| FALLBACK_EDITOR.to_owned())
}

/// Edits a text at a terminal, and returns it without its last newlines. The editor is killed once
/// the program ends.
///
/// # Errors
/// The reason in words: the editor did not start, it failed, or the text cannot be sent.
pub(crate) fn edit(
    text: &str,
    terminal: [BorrowedFd<'_>; 3],
    is_closing: impl Fn() -> bool,
) -> Result<String, String> {
    match broker::of_process() {
        Some(broker) => broker.edit(text, is_closing),
        None => edit_here(text, terminal, is_closing),
    }
}

/// The same in this process.
pub(crate) fn edit_here(
    text: &str,
    terminal: [BorrowedFd<'_>; 3],
    is_closing: impl Fn() -> bool,
) -> Result<String, String> {
    let reason = |error: io::Error| describe(&error);
    let mut file = tempfile::Builder::new().prefix("rsachat-").suffix(".txt").tempfile().map_err(reason)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(reason)?;
    // By a shell, as git does it: the variable may hold arguments and quotes.
    let command = command();
    let mut editor = Command::new("/bin/sh");
    editor.args(["-c", &format!("{command} \"$@\""), &command]).arg(file.path());
    let [input, output, errors] = terminal.map(|one| one.try_clone_to_owned());
    editor.stdin(input.map_err(reason)?).stdout(output.map_err(reason)?).stderr(errors.map_err(reason)?);
    let status = wait(spawn_resized(&mut editor).map_err(reason)?, is_closing).map_err(reason)?;
    if !status.success() {
        return Err(status.to_string());
    }
    // By its name: editors replace the file rather than write into it.
    let mut edited = Vec::new();
    let reader = File::open(file.path()).map_err(reason)?;
    reader.take(limits::EDITED_BYTES + 1).read_to_end(&mut edited).map_err(reason)?;
    if edited.len() as u64 > limits::EDITED_BYTES {
        return Err("the text is too large".to_owned());
    }
    let edited = String::from_utf8(edited).map_err(|_| "the text is not UTF-8".to_owned())?;
    Ok(edited.replace("\r\n", "\n").trim_end_matches('\n').to_owned())
}

/// Starts another program from this thread, with SIGWINCH unblocked there.
fn spawn_resized(program: &mut Command) -> io::Result<Child> {
    let resized = SigSet::from(Signal::SIGWINCH);
    resized.thread_unblock()?;
    let spawned = program.spawn();
    resized.thread_block()?;
    spawned
}

/// Waits for the editor's exit, and kills it when the program ends first.
fn wait(mut child: Child, is_closing: impl Fn() -> bool) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if is_closing() {
            child.kill()?;
            return child.wait();
        }
        thread::sleep(Duration::from_millis(EXIT_POLL_MS));
    }
}
