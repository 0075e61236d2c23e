//! Command of a call by `--via`: a process group of this process or of its broker, whose standard
//! input and output are the connection, and which ends with it.

use std::io::{self, BufRead as _, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::broker::Ended;
use super::error::describe;
use super::message_command::RunningCommand;
use crate::limits::{VIA_END_MS, VIA_ROW_BYTES, VIA_ROWS};
use crate::peers::address::Target;
use crate::peers::via::ProxyCommand;
use crate::text::safe::SafeText;

/// Report of a command.
pub(crate) enum CommandReport {
    /// A line of its standard error.
    Said(SafeText),
    /// It has ended, so.
    Ended(String),
}

/// Command that runs; it is ended when this is dropped with the connection.
pub(crate) struct ProxyProcess(Arc<Shared>);

/// The same for who does not end it by being dropped.
pub(crate) struct ProcessHandle(Arc<Shared>);

struct Shared {
    running: RunningCommand,
    life: Mutex<Life>,
    ended: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    /// It was waited for: its number may be another's.
    Ended,
}

/// Threads that end commands.
static ENDING: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// Waits, not for long, until every command whose connection is gone has ended.
pub(crate) fn finish() {
    let threads = std::mem::take(&mut *ENDING.lock().unwrap_or_else(PoisonError::into_inner));
    for thread in threads {
        // A panic there has been reported by its hook.
        let _ = thread.join();
    }
}

/// Starts the command to an address. Returns our end of the connection.
///
/// # Errors
/// In words: the host cannot be put into a command, or the system refuses.
pub(crate) fn start(
    command: &ProxyCommand,
    target: &Target,
    report: impl Fn(CommandReport) + Clone + Send + 'static,
) -> Result<(UnixStream, ProxyProcess), String> {
    let filled = command.filled(&target.host, target.port).map_err(|error| error.to_string())?;
    let failed = |error: io::Error| format!("cannot start the command: {}", describe(&error));
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let (said, errors) = io::pipe().map_err(failed)?;
    let streams = [theirs.try_clone().map_err(failed)?.into(), theirs.into(), OwnedFd::from(errors)];
    let running = RunningCommand::start_via(command.text(), target, &filled, streams)
        .map_err(|why| format!("cannot start the command: {why}"))?;
    let shared = Arc::new(Shared { running, life: Mutex::new(Life::Running), ended: Condvar::new() });
    let process = ProxyProcess(Arc::clone(&shared));
    let (all_said, rest) = channel::<()>();
    let tell = report.clone();
    let read = move || {
        read_rows(said, |row| tell(CommandReport::Said(row)));
        drop(all_said);
    };
    thread::Builder::new().name("via-errors".into()).spawn(read).map_err(failed)?;
    let wait = move || {
        let ended = shared.wait();
        // What it has started may hold its standard error.
        let _ = rest.recv_timeout(Duration::from_millis(VIA_END_MS / 4));
        report(CommandReport::Ended(match ended {
            Ok(Ended::Exited(code)) => format!("the command ended with code {code}"),
            Ok(Ended::Killed) => "the command was killed by a signal".to_owned(),
            Err(why) => why,
        }));
    };
    thread::Builder::new().name("via".into()).spawn(wait).map_err(failed)?;
    Ok((ours, process))
}

/// Reports the first rows of a stream, and reads it to its end.
fn read_rows(stream: impl Read, report: impl Fn(SafeText)) {
    let mut stream = BufReader::new(stream);
    let mut rows = 0;
    loop {
        let mut row = Vec::new();
        let read = stream.by_ref().take(VIA_ROW_BYTES).read_until(b'\n', &mut row);
        if read.is_err() || row.is_empty() {
            return;
        }
        let row = row.trim_ascii();
        if !row.is_empty() && rows < VIA_ROWS {
            rows += 1;
            report(SafeText::line_from_bytes(row));
        }
    }
}

impl ProxyProcess {
    pub(crate) fn handle(&self) -> ProcessHandle {
        ProcessHandle(Arc::clone(&self.0))
    }
}

impl ProcessHandle {
    /// Ends it some time after its end of the connection, if it has not ended by itself.
    pub(crate) fn end_soon(&self) {
        let shared = Arc::clone(&self.0);
        end_in_thread(move || {
            if !shared.ends_within() {
                shared.end();
            }
        });
    }
}

impl Drop for ProxyProcess {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.0);
        if *shared.lock() == Life::Running {
            end_in_thread(move || shared.end());
        }
    }
}

fn end_in_thread(end: impl FnOnce() + Send + 'static) {
    // Without a thread the end of its input is what it has.
    if let Ok(thread) = thread::Builder::new().name("via-end".into()).spawn(end) {
        let mut threads = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) -> Result<Ended, String> {
        let ended = self.running.wait();
        let mut life = self.lock();
        self.running.reap();
        *life = Life::Ended;
        self.ended.notify_all();
        ended
    }

    /// Asks it to end, and kills it when it does not.
    fn end(&self) {
        for signal in [RunningCommand::terminate, RunningCommand::kill] {
            let life = self.lock();
            if *life == Life::Ended {
                return;
            }
            signal(&self.running);
            drop(life);
            if self.ends_within() {
                return;
            }
        }
    }

    /// Waits a moment for its end. Returns whether it came.
    fn ends_within(&self) -> bool {
        let time = Duration::from_millis(VIA_END_MS);
        let waited = self.ended.wait_timeout_while(self.lock(), time, |life| *life == Life::Running);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == Life::Ended
    }
}
