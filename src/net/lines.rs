//! Lines from an input that nobody edits (pipe, file, null device, dumb terminal), read by a thread of their
//! own. It does not know what a line means, nor what kind of input it reads: one way serves all, since neither
//! files nor the null device can be awaited with sockets.

use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use mio::Waker;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::limits::{LINE_BYTES, LINES_AHEAD};

/// What the reader hands on.
#[derive(Debug)]
pub enum LineEvent {
    /// One line without its newline (and without a CR before it): at most
    /// [`LINE_BYTES`] bytes of any value. A last line without newline is one as well.
    Line(Vec<u8>),
    /// A longer line, of which nothing was kept.
    TooLong {
        /// Its length in bytes.
        bytes: u64,
    },
    /// The end of the input, or of the terminal it came from. Nothing follows.
    End,
    /// The input cannot be read (a directory, a failing disk). Nothing follows; an unfinished line is not
    /// handed on, so that half a command is never carried out.
    Broken(io::Error),
}

/// The receiving end of a reader thread. Dropping it stops the thread at the next line it reads.
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

    /// Reads any input. At most [`LINES_AHEAD`] lines are read ahead; then the thread waits.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn of(input: impl Read + Send + 'static, waker: Arc<Waker>) -> io::Result<Self> {
        let (sender, events) = sync_channel(LINES_AHEAD);
        thread::Builder::new().name("lines".into()).spawn(move || {
            let mut input = BufReader::new(input);
            while hand_on(next(&mut input), &sender, &waker) {}
        })?;
        Ok(Self { events })
    }

    /// What has been read, if anything; never waits.
    #[must_use]
    pub fn next(&self) -> Option<LineEvent> {
        self.events.try_recv().ok()
    }
}

/// A reader that waits where its descriptor would have it come back later: another program may have left the
/// input in the mode that does not block, and that mode is shared with it, so it is not ours to change.
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

/// Whether the reader should go on.
fn hand_on(event: LineEvent, sender: &SyncSender<LineEvent>, waker: &Waker) -> bool {
    let is_last = matches!(event, LineEvent::End | LineEvent::Broken(_));
    // A loop that cannot be woken is over.
    sender.send(event).is_ok() && waker.wake().is_ok() && !is_last
}

fn next(input: &mut impl BufRead) -> LineEvent {
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
        let piece = available.get(..newline.unwrap_or(available.len())).unwrap_or_default();
        // One byte more than a line may have, for a CR that is not part of it.
        let room = (LINE_BYTES + 1).saturating_sub(line.len());
        line.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        bytes += piece.len() as u64;
        last = piece.last().copied().or(last);
        let used = piece.len() + usize::from(newline.is_some());
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
