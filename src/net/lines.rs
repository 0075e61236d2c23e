//! Line reader on a thread of its own, for input without an editor: pipe, file, null device, dumb
//! terminal. A thread, since files and the null device cannot be awaited together with sockets.

use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use mio::Waker;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::limits::{LINE_BYTES, LINES_AHEAD};

/// Event of a [`Lines`] reader.
#[derive(Debug)]
pub enum LineEvent {
    /// One line without its newline (and without a CR before it): at most [`LINE_BYTES`] bytes of
    /// any value. The last line needs no newline.
    Line(Vec<u8>),
    /// A longer line, of which nothing is kept.
    TooLong {
        /// Its length in bytes.
        bytes: u64,
    },
    /// End of the input, or of its terminal. Nothing follows.
    End,
    /// The input cannot be read (a directory, a failing disk). Nothing follows; an unfinished line
    /// is dropped, so that half a command is never executed.
    Broken(io::Error),
}

/// Receiving end of the reader thread. Dropping it stops the thread at the next line it reads.
#[derive(Debug)]
pub struct Lines {
    events: Receiver<LineEvent>,
}

impl Lines {
    /// Reads standard input.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn of_stdin(waker: Arc<Waker>) -> io::Result<Self> {
        Self::of(BlockingReader(io::stdin()), waker)
    }

    /// Reads any input, at most [`LINES_AHEAD`] lines ahead.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn of(input: impl Read + Send + 'static, waker: Arc<Waker>) -> io::Result<Self> {
        let (sender, events) = sync_channel(LINES_AHEAD);
        thread::Builder::new().name("lines".into()).spawn(move || {
            let mut input = BufReader::new(input);
            while forward(read_line(&mut input), &sender, &waker) {}
        })?;
        Ok(Self { events })
    }

    /// The next event, if there is one; never waits.
    #[must_use]
    pub fn next(&self) -> Option<LineEvent> {
        self.events.try_recv().ok()
    }
}

/// Reader that waits also on a non-blocking descriptor: another program may have left the input in
/// that mode, and shares the mode, so it is not ours to change.
#[derive(Debug)]
pub struct BlockingReader<R>(pub R);

impl<R: AsFd> AsFd for BlockingReader<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<R: Read + AsFd> Read for BlockingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                done => return done,
            }
        }
    }
}

/// Sends an event, and returns whether more can follow.
fn forward(event: LineEvent, sender: &SyncSender<LineEvent>, waker: &Waker) -> bool {
    let is_last = matches!(event, LineEvent::End | LineEvent::Broken(_));
    // A reactor that cannot be woken is gone.
    sender.send(event).is_ok() && waker.wake().is_ok() && !is_last
}

fn read_line(input: &mut impl BufRead) -> LineEvent {
    let (mut line, mut bytes, mut last) = (Vec::new(), 0, None);
    loop {
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) => return LineEvent::End,
            Err(error) => return LineEvent::Broken(error),
        };
        if available.is_empty() {
            return if bytes == 0 { LineEvent::End } else { finish(line, bytes) };
        }
        let newline = available.iter().position(|&byte| byte == b'\n');
        let chunk = available.get(..newline.unwrap_or(available.len())).unwrap_or_default();
        // One byte more than a line may have, for a CR that is not part of it.
        let room = (LINE_BYTES + 1).saturating_sub(line.len());
        line.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        bytes += chunk.len() as u64;
        last = chunk.last().copied().or(last);
        let used = chunk.len() + usize::from(newline.is_some());
        input.consume(used);
        if newline.is_some() {
            if last == Some(b'\r') {
                bytes -= 1;
                line.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
            }
            return finish(line, bytes);
        }
    }
}

fn finish(line: Vec<u8>, bytes: u64) -> LineEvent {
    if bytes > LINE_BYTES as u64 { LineEvent::TooLong { bytes } } else { LineEvent::Line(line) }
}

#[cfg(test)]
mod tests;
