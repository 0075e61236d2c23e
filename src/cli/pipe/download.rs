//! Thread from the socket to standard output: frames are opened in the buffer that they were read
//! into, and written from there.

use std::fs::File;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Range;

use super::progress::{ClearOnOutput, Counters};
use crate::app::output::wait_writable;
use crate::limits::PIPE_FRAME_BYTES;
use crate::session::pipe::{RecvEvent, RecvHalf};
use crate::wire::LENGTH_BYTES;

/// Bytes of one frame, at most.
const FRAME_BYTES: usize = LENGTH_BYTES + PIPE_FRAME_BYTES;
/// Bytes of the read buffer: several frames are read at once.
const BUFFER_BYTES: usize = 3 * FRAME_BYTES;

#[derive(Debug)]
pub(crate) enum DownloadEvent {
    /// Something else than bytes came; the bytes before it are written.
    RecvEvent(RecvEvent),
    /// Bytes were written, the first since the last confirmation.
    Written,
    /// The output cannot be written. Later bytes are dropped.
    OutputFailed(io::Error),
    /// The peer's socket has ended, or broken; nothing follows.
    SocketEnded(Option<io::Error>),
}

/// Receiving side of the connection, and its output.
pub(crate) struct Download {
    pub(crate) stream: TcpStream,
    pub(crate) incoming: RecvHalf,
    /// `None` once the peer's stream has ended: the reader of our output then sees its end.
    pub(crate) output: Option<File>,
    pub(crate) progress_row: ClearOnOutput,
}

impl Download {
    /// Receives until the socket ends. `early` are the bytes that came with the handshake.
    pub(crate) fn run(mut self, early: &[u8], counters: &Counters, report: impl Fn(DownloadEvent)) {
        let mut buffer = vec![0; BUFFER_BYTES.max(early.len())];
        let (mut ranges, mut events) = (Vec::new(), Vec::new());
        buffer.iter_mut().zip(early).for_each(|(slot, byte)| *slot = *byte);
        let (mut start, mut end) = (0, early.len());
        let error = loop {
            let arrived = buffer.get_mut(start..end).unwrap_or_default();
            let used = self.incoming.handle_bytes(counters.now(), arrived, &mut ranges, &mut events);
            if used > 0 {
                counters.mark_read();
            }
            if let Err(error) = self.write(arrived, &ranges, counters, &report) {
                report(DownloadEvent::OutputFailed(error));
                break self.discard();
            }
            ranges.clear();
            let mut over = false;
            for event in events.drain(..) {
                over |= matches!(event, RecvEvent::Closed(_));
                if let RecvEvent::Ended { .. } = event {
                    self.output = None;
                    release_stdout();
                }
                report(DownloadEvent::RecvEvent(event));
            }
            if over {
                break self.discard();
            }
            start += used;
            if start == end {
                (start, end) = (0, 0);
            } else if buffer.len() - start < FRAME_BYTES {
                buffer.copy_within(start..end, 0);
                (start, end) = (0, end - start);
            }
            match self.stream.read(buffer.get_mut(end..).unwrap_or_default()) {
                Ok(read) if read > 0 => end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                ended => {
                    let partial = buffer.get(start..end).unwrap_or_default();
                    if let Some(event) = self.incoming.handle_eof(partial) {
                        report(DownloadEvent::RecvEvent(event));
                    }
                    break ended.err();
                }
            }
        };
        report(DownloadEvent::SocketEnded(error));
    }

    fn write(
        &mut self,
        arrived: &[u8],
        ranges: &[Range<usize>],
        counters: &Counters,
        report: &impl Fn(DownloadEvent),
    ) -> io::Result<()> {
        let Some(output) = self.output.as_mut().filter(|_| !ranges.is_empty()) else { return Ok(()) };
        let mut slices: Vec<_> =
            ranges.iter().filter_map(|range| arrived.get(range.clone())).map(IoSlice::new).collect();
        let bytes = ranges.iter().map(Range::len).sum();
        self.progress_row.clear();
        counters.while_writing(bytes, || write_all(output, &mut slices))?;
        if counters.mark_unconfirmed() {
            report(DownloadEvent::Written);
        }
        Ok(())
    }

    /// Reads and drops until the socket ends: a peer that waits to be read would never read us.
    fn discard(&mut self) -> Option<io::Error> {
        io::copy(&mut self.stream, &mut io::sink()).err()
    }
}

/// Replaces standard output, so that its reader sees the end while the other direction goes on.
fn release_stdout() {
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        // If that fails, the end is seen when the program ends.
        let _ = rustix::stdio::dup2_stdout(null);
    }
}

/// Writes all slices, and waits where the output is non-blocking: another program may have left it
/// in that mode.
fn write_all(output: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match output.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait_writable(output)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
