//! Line reader on a thread of its own, for input without an editor: pipe, file, null device, dumb
//! terminal. A thread, since files and the null device cannot be awaited together with sockets.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use mio::Waker;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
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
    /// Input, if it has a descriptor.
    input: Option<AwaitedInput>,
}

impl Lines {
    /// Reads a descriptor through a reader of the caller's, as [`Lines::of`] does; what lies in it
    /// at the end is known ([`Lines::rest`]).
    ///
    /// # Errors
    /// When it cannot be duplicated, or no thread can be started.
    pub fn of_descriptor<R: Read + Send + 'static>(
        descriptor: OwnedFd,
        reader: impl FnOnce(DescriptorReader) -> R,
        waker: Arc<Waker>,
    ) -> io::Result<Self> {
        let input = AwaitedInput { descriptor: descriptor.try_clone()?, is_awaited: Arc::default() };
        let is_awaited = Arc::clone(&input.is_awaited);
        let own = DescriptorReader { input: BlockingReader(File::from(descriptor)), is_awaited };
        Ok(Self { input: Some(input), ..Self::of(reader(own), waker)? })
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
        Ok(Self { events, input: None })
    }

    /// The next event, if there is one; never waits.
    #[must_use]
    pub fn next(&self) -> Option<LineEvent> {
        self.events.try_recv().ok()
    }

    /// The lines that have been read and those that lie in the input, at most a few more than
    /// [`LINES_AHEAD`]: the thread may not have come to read them yet, which is waited for so long.
    #[must_use]
    pub fn rest(&self, patience: Duration) -> Vec<Vec<u8>> {
        let deadline = Instant::now() + patience;
        let mut lines = Vec::new();
        while lines.len() <= LINES_AHEAD {
            // Looked at before the events, which are complete then.
            let is_dry = self.input.as_ref().is_none_or(AwaitedInput::is_dry);
            match self.events.try_recv() {
                Ok(LineEvent::Line(line)) => lines.push(line),
                Ok(LineEvent::TooLong { .. }) => {}
                Err(TryRecvError::Empty) if !is_dry && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(1));
                }
                Ok(LineEvent::End | LineEvent::Broken(_)) | Err(_) => break,
            }
        }
        lines
    }
}

/// Input, and whether its reader waits for something to read.
#[derive(Debug)]
struct AwaitedInput {
    descriptor: OwnedFd,
    is_awaited: Arc<AtomicBool>,
}

impl AwaitedInput {
    /// Whether nothing lies there, and the reader has handed on what it has read.
    fn is_dry(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let ready = poll(&mut [PollFd::new(&self.descriptor, PollFlags::IN)], Some(&now));
        // In this order: what is read between the two was handed on before the reader waits again.
        ready == Ok(0) && self.is_awaited.load(Ordering::SeqCst)
    }
}

/// Reader of a descriptor that tells when it waits.
#[derive(Debug)]
pub struct DescriptorReader {
    input: BlockingReader<File>,
    is_awaited: Arc<AtomicBool>,
}

impl Read for DescriptorReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_awaited.store(true, Ordering::SeqCst);
        // Where it fails, the read tells why.
        while poll(&mut [PollFd::new(&self.input, PollFlags::IN)], None) == Err(Errno::INTR) {}
        self.is_awaited.store(false, Ordering::SeqCst);
        self.input.read(buffer)
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

/// Reads one line.
pub(crate) fn read_line(input: &mut impl BufRead) -> LineEvent {
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

/// Splitter of lines out of bytes as they come, as [`Lines`] reads them.
#[derive(Debug, Default)]
pub struct LineSplitter {
    line: Vec<u8>,
    /// Bytes of the line so far, kept or not.
    bytes: u64,
    last: Option<u8>,
}

impl LineSplitter {
    /// Takes bytes and returns the lines that end in them.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<LineEvent> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let chunk = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = (LINE_BYTES + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
            self.bytes += chunk.len() as u64;
            self.last = chunk.last().copied().or(self.last);
            if chunk.len() == piece.len() {
                continue;
            }
            let Self { mut line, mut bytes, last } = std::mem::take(self);
            if last == Some(b'\r') {
                bytes -= 1;
                line.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
            }
            lines.push(finish(line, bytes));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every event of an input that arrives in chunks of `size` bytes, as text.
    fn read_in_chunks(input: &[u8], size: usize) -> Vec<String> {
        let mut input = BufReader::with_capacity(size, input);
        let mut seen = Vec::new();
        for _ in 0..100 {
            let event = read_line(&mut input);
            seen.push(match &event {
                LineEvent::Line(line) if line.len() > 100 => format!("{} bytes", line.len()),
                LineEvent::Line(line) => line.escape_ascii().to_string(),
                LineEvent::TooLong { bytes } => format!("too long: {bytes}"),
                LineEvent::End => "end".into(),
                LineEvent::Broken(error) => error.to_string(),
            });
            if matches!(event, LineEvent::End | LineEvent::Broken(_)) {
                return seen;
            }
        }
        panic!("more than 100 events");
    }

    fn check(input: &[u8], expected: &[&str]) {
        for size in [1, 2, 7, 8_192, 1 << 20] {
            assert_eq!(read_in_chunks(input, size), expected, "in chunks of {size}");
            // The same as they come, where the last line has its newline.
            if input.last() == Some(&b'\n') {
                let mut splitter = LineSplitter::default();
                let lines = input.chunks(size).flat_map(|chunk| splitter.take(chunk)).count();
                assert_eq!(lines + 1, expected.len(), "in chunks of {size}");
            }
        }
    }

    #[test]
    fn lines_end_with_lf_or_crlf_and_the_last_one_needs_neither() {
        check(b"", &["end"]);
        check(b"\n", &["", "end"]);
        check(b"one\ntwo\r\n\r\nthree", &["one", "two", "", "three", "end"]);
        check(b"a\rb\n", &[r"a\rb", "end"]);
        check(b"kept\r", &[r"kept\r", "end"]);
    }

    #[test]
    fn every_byte_passes_whether_or_not_it_is_text() {
        check(b"\xff\xfe\x00ab\x08c\x1b[2J\n\xea\xb0", &[r"\xff\xfe\x00ab\x08c\x1b[2J", r"\xea\xb0", "end"]);
    }

    #[test]
    fn a_line_too_long_is_counted_whole_and_the_next_one_is_whole() {
        let line = |length: usize, end: &str| [&vec![b'x'; length][..], end.as_bytes(), b"next\n"].concat();
        for end in ["\n", "\r\n"] {
            check(&line(LINE_BYTES, end), &["65536 bytes", "next", "end"]);
            check(&line(LINE_BYTES + 1, end), &["too long: 65537", "next", "end"]);
        }
        check(&line(1_000_000, "\n"), &["too long: 1000000", "next", "end"]);
        check(&vec![b'x'; 70_000], &["too long: 70000", "end"]);
    }

    #[test]
    fn a_line_too_long_is_not_kept_in_memory() {
        let mut endless = BufReader::new(io::repeat(b'x').take(1 << 24));
        assert!(matches!(read_line(&mut endless), LineEvent::TooLong { bytes } if bytes == 1 << 24));
    }

    /// A reader that fails with each of these errors in turn, after one half line.
    struct Failing(Vec<Errno>, &'static [u8]);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.1.is_empty() {
                return self.0.pop().map_or(Ok(0), |errno| Err(errno.into()));
            }
            self.1.read(buffer)
        }
    }

    #[test]
    fn interruption_is_not_seen_a_hung_up_terminal_is_the_end_and_a_failure_ends_half_a_line() {
        let mut interrupted = BufReader::new(Failing(vec![Errno::INTR, Errno::INTR], b"whole"));
        assert!(matches!(read_line(&mut interrupted), LineEvent::Line(line) if line == b"whole"));
        let mut hung_up = BufReader::new(Failing(vec![Errno::IO], b"half"));
        assert!(matches!(read_line(&mut hung_up), LineEvent::End));
        let mut directory = BufReader::new(Failing(vec![Errno::ISDIR], b"half"));
        let LineEvent::Broken(error) = read_line(&mut directory) else { panic!("half a line") };
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }
}
