//! Standard output and standard error, in whatever mode another program has left them: ssh, node
//! and others make shared descriptors non-blocking. What cannot be written now waits for the
//! descriptor; standard error is written by a thread of its own, so that a reader that has stopped
//! holds up nobody.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::{stderr, stdout};

use crate::limits::OUTPUT_BACKLOG_BYTES;

/// Time for a text on standard error to be written before its writer goes on, in milliseconds.
const TEXT_WAIT_MS: u64 = 100;
/// Interval at which a writer looks whether it is to give up, in milliseconds.
const GIVE_UP_POLL_MS: i64 = 50;
/// Bytes that a pipe takes at once or not at all, where it is reported as writable (POSIX,
/// `PIPE_BUF`).
const PIECE_BYTES: usize = 4_096;

/// Writer that waits also on a non-blocking descriptor. It has no buffer.
#[derive(Debug)]
pub(crate) struct BlockingWriter<W>(pub(crate) W);

impl<W: AsFd> Write for BlockingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(&self.0, bytes) {
                Ok(written) => return Ok(written),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait_writable(&self.0)?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until a descriptor takes bytes, or has failed.
pub(crate) fn wait_writable(output: &impl AsFd) -> io::Result<()> {
    match poll(&mut [PollFd::new(output, PollFlags::OUT)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether a descriptor takes bytes now, or within this time.
pub(crate) fn is_writable(output: &impl AsFd, within_ms: i64) -> bool {
    is_ready(output, PollFlags::OUT, within_ms)
}

/// Whether a descriptor is ready now, or within this time.
pub(crate) fn is_ready(descriptor: &impl AsFd, what: PollFlags, within_ms: i64) -> bool {
    let within = Timespec { tv_sec: 0, tv_nsec: within_ms * 1_000_000 };
    poll(&mut [PollFd::new(descriptor, what)], Some(&within)).is_ok_and(|ready| ready > 0)
}

/// Question whether to give up what cannot be written, for a program without an event loop.
static GIVES_UP: OnceLock<fn() -> bool> = OnceLock::new();

/// Has writers to standard output give up with [`io::ErrorKind::Interrupted`] once this is so.
pub(crate) fn give_up_when(is_over: fn() -> bool) {
    // Set once, by the subcommand that runs.
    let _ = GIVES_UP.set(is_over);
}

/// Writes all of a text to standard output.
pub(crate) fn write_stdout(text: &str) -> io::Result<()> {
    let mut out = BlockingWriter(stdout());
    let Some(is_over) = GIVES_UP.get() else { return out.write_all(text.as_bytes()) };
    for piece in text.as_bytes().chunks(PIECE_BYTES) {
        while !is_writable(&stdout(), GIVE_UP_POLL_MS) {
            if is_over() {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        out.write_all(piece)?;
    }
    Ok(())
}

/// Text for standard error, and its thread.
#[derive(Default)]
struct ErrorOutput {
    pending: Mutex<Pending>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Pending {
    text: Vec<u8>,
    /// Bytes that are being written.
    writing: usize,
    /// The first failure since a writer asked for one.
    failure: Option<io::Error>,
    reader: Reader,
    writer: Writer,
}

/// Thread that writes to standard error.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Writer {
    #[default]
    Runs,
    /// It is to end.
    Ends,
}

/// Reader of standard error.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Reader {
    #[default]
    Reads,
    /// It has not taken what was written in [`TEXT_WAIT_MS`], and nobody waits for it any more.
    Stopped,
}

impl Pending {
    fn bytes(&self) -> usize {
        self.text.len() + self.writing
    }
}

static ERRORS: LazyLock<ErrorOutput> = LazyLock::new(ErrorOutput::default);

impl ErrorOutput {
    /// Starts the thread, unless it runs. Returns whether it does.
    fn start(&'static self) -> bool {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            *thread = thread::Builder::new().name("stderr".into()).spawn(|| self.run()).ok();
        }
        thread.is_some()
    }

    /// Ends the thread, unless its reader has stopped; the next text starts another.
    fn end(&self) {
        let mut pending = self.wait_written(self.lock(), Duration::from_millis(TEXT_WAIT_MS));
        if pending.bytes() > 0 {
            return;
        }
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        pending.writer = Writer::Ends;
        drop(pending);
        self.changed.notify_all();
        // It writes nothing any more, so that it does not fail.
        let _ = thread.join();
        self.lock().writer = Writer::Runs;
    }

    fn run(&self) {
        // The line editor stops the process itself; see `ui/terminal/terminal_guard.rs`. Should
        // that fail, Ctrl-Z stops it a moment earlier.
        let _ = SigSet::from(Signal::SIGTSTP).thread_block();
        loop {
            let waits = |pending: &mut Pending| pending.text.is_empty() && pending.writer == Writer::Runs;
            let waited = self.changed.wait_while(self.lock(), waits);
            let mut pending = waited.unwrap_or_else(PoisonError::into_inner);
            if pending.writer == Writer::Ends {
                return;
            }
            let text = std::mem::take(&mut pending.text);
            pending.writing = text.len();
            drop(pending);
            let failure = BlockingWriter(stderr()).write_all(&text).err();
            let mut pending = self.lock();
            (pending.writing, pending.reader) = (0, Reader::Reads);
            pending.failure = pending.failure.take().or(failure);
            drop(pending);
            self.changed.notify_all();
        }
    }

    /// Hands a text to the thread, and waits a moment until it is written. What a reader that has
    /// stopped leaves is bounded: more is dropped.
    fn write(&self, text: &str) {
        let mut pending = self.lock();
        if pending.bytes() > 0 && pending.bytes() + text.len() > OUTPUT_BACKLOG_BYTES {
            return;
        }
        pending.text.extend_from_slice(text.as_bytes());
        self.changed.notify_all();
        if pending.reader == Reader::Reads {
            let mut pending = self.wait_written(pending, Duration::from_millis(TEXT_WAIT_MS));
            if pending.bytes() > 0 {
                pending.reader = Reader::Stopped;
            }
        }
    }

    /// Hands a text to the thread, and waits until it is written, however long that takes.
    fn deliver(&self, text: &str) -> io::Result<()> {
        let mut pending = self.lock();
        pending.text.extend_from_slice(text.as_bytes());
        self.changed.notify_all();
        let waited = self.changed.wait_while(pending, |pending| pending.bytes() > 0);
        let failure = waited.unwrap_or_else(PoisonError::into_inner).failure.take();
        failure.map_or(Ok(()), Err)
    }

    fn wait_written<'a>(&self, pending: MutexGuard<'a, Pending>, limit: Duration) -> MutexGuard<'a, Pending> {
        let waited = self.changed.wait_timeout_while(pending, limit, |pending| pending.bytes() > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a text to standard error, in the order of the calls.
pub(crate) fn write_stderr(text: &str) {
    if ERRORS.start() {
        ERRORS.write(text);
    } else {
        // Without a thread there is nothing better. An error has nowhere to go.
        let _ = BlockingWriter(stderr()).write_all(text.as_bytes());
    }
}

/// Writes a text that is acknowledged once it is written to standard error: this waits for it, and
/// fails if that has failed since the last call.
pub(crate) fn deliver_stderr(text: &str) -> io::Result<()> {
    if ERRORS.start() { ERRORS.deliver(text) } else { BlockingWriter(stderr()).write_all(text.as_bytes()) }
}

/// Ends the thread, for the sandbox: rules for files hold for threads that start later.
pub(crate) fn end_stderr_thread() {
    ERRORS.end();
}

/// End of the wait for a reader of standard error that has stopped.
static ENDS_WITH: OnceLock<Duration> = OnceLock::new();

/// Has the program end this long after everything else, whatever standard error has not taken.
pub(crate) fn end_with(limit: Duration) {
    // Set once, by the subcommand that runs.
    let _ = ENDS_WITH.set(limit);
}

/// Waits until everything is written to standard error: for as long as [`end_with`] says, else
/// until it is, or is to be given up.
pub(crate) fn finish_stderr() {
    if let Some(limit) = ENDS_WITH.get() {
        drop(ERRORS.wait_written(ERRORS.lock(), *limit));
        return;
    }
    let is_over = || GIVES_UP.get().is_some_and(|is_over| is_over());
    while !is_over() && ERRORS.wait_written(ERRORS.lock(), Duration::from_millis(TEXT_WAIT_MS)).bytes() > 0 {}
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_pipe_that_another_program_made_non_blocking_gets_everything() {
        let (mut reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let text = vec![b'x'; 1 << 20];
        let written = text.clone();
        let writing = thread::spawn(move || BlockingWriter(writer).write_all(&written).unwrap());
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        writing.join().unwrap();
        assert!(read == text, "{} bytes", read.len());
    }

    #[test]
    fn a_reader_that_has_gone_is_an_error_and_no_wait() {
        let (reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        drop(reader);
        let error = BlockingWriter(writer).write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
