//! From the socket to standard output: bytes are opened where they were read to, and written from there.

use std::fs::File;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, poll};

use super::counters::Counters;
use super::progress::ClearOnOutput;
use crate::limits::PIPE_FRAME_BYTES;
use crate::session::pipe::{RecvEvent, RecvHalf};
use crate::time::MonoMs;
use crate::wire::LENGTH_BYTES;

/// Bytes read at once, at most: several frames.
const ROOM_BYTES: usize = 3 * (LENGTH_BYTES + PIPE_FRAME_BYTES);

/// What the owner is told.
#[derive(Debug)]
pub(crate) enum Down {
    /// Something else than bytes came; the bytes before it are written.
    RecvEvent(RecvEvent),
    /// Bytes were written, the first since the owner last confirmed some.
    Written,
    /// The output cannot be written. What comes from now on is thrown away.
    Output(io::Error),
    /// The peer's socket has ended, or broken; nothing follows.
    Ended(Option<io::Error>),
}

/// The receiving end of a connection.
pub(crate) struct Receiver {
    pub(crate) stream: TcpStream,
    pub(crate) incoming: RecvHalf,
    /// Until the peer's stream has ended: who reads our output then sees its end.
    pub(crate) output: Option<File>,
    /// Who is in the way of the first byte.
    pub(crate) yields: ClearOnOutput,
}

impl Receiver {
    /// Receives until the socket ends. `unconfirmed` is set here and cleared by the owner.
    pub(crate) fn run(
        mut self,
        early: &[u8],
        tally: &Counters,
        unconfirmed: &AtomicBool,
        tell: impl Fn(Down),
    ) {
        let mut room = vec![0; ROOM_BYTES.max(early.len())];
        let mut places = Vec::new();
        let mut arrivals = Vec::new();
        room.iter_mut().zip(early).for_each(|(slot, byte)| *slot = *byte);
        let (mut start, mut end) = (0, early.len());
        let ended = loop {
            let arrived = room.get_mut(start..end).unwrap_or_default();
            let used =
                self.incoming.handle_bytes(MonoMs(tally.now_ms()), arrived, &mut places, &mut arrivals);
            if used > 0 {
                tally.hear();
            }
            if let Err(error) = self.write(arrived, &places, tally, unconfirmed, &tell) {
                tell(Down::Output(error));
                break self.throw_away(&mut room);
            }
            places.clear();
            let mut over = false;
            for arrival in arrivals.drain(..) {
                over |= matches!(arrival, RecvEvent::Closed(_));
                if let RecvEvent::Ended { .. } = arrival {
                    self.output = None;
                    leave_stdout();
                }
                tell(Down::RecvEvent(arrival));
            }
            if over {
                break self.throw_away(&mut room);
            }
            start += used;
            if start == end {
                (start, end) = (0, 0);
            } else if room.len() - start < LENGTH_BYTES + PIPE_FRAME_BYTES {
                room.copy_within(start..end, 0);
                (start, end) = (0, end - start);
            }
            match self.stream.read(room.get_mut(end..).unwrap_or_default()) {
                Ok(0) => break self.cut(room.get(start..end), &tell, None),
                Ok(read) => end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break self.cut(room.get(start..end), &tell, Some(error)),
            }
        };
        tell(Down::Ended(ended));
    }

    fn cut(
        &mut self,
        waiting: Option<&[u8]>,
        tell: &impl Fn(Down),
        error: Option<io::Error>,
    ) -> Option<io::Error> {
        if let Some(over) = self.incoming.handle_eof(waiting.unwrap_or_default()) {
            tell(Down::RecvEvent(over));
        }
        error
    }

    fn write(
        &mut self,
        arrived: &[u8],
        places: &[Range<usize>],
        tally: &Counters,
        unconfirmed: &AtomicBool,
        tell: &impl Fn(Down),
    ) -> io::Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let mut slices: Vec<_> =
            places.iter().filter_map(|place| arrived.get(place.clone())).map(IoSlice::new).collect();
        let bytes = places.iter().map(Range::len).sum();
        let Some(output) = &mut self.output else { return Ok(()) };
        self.yields.make_room();
        tally.while_writing(bytes, || write_all(output, &mut slices))?;
        if !unconfirmed.swap(true, Ordering::AcqRel) {
            tell(Down::Written);
        }
        Ok(())
    }

    /// A peer that is waiting to be read would never read us: until it ends, what it sends is read and dropped.
    fn throw_away(&mut self, room: &mut [u8]) -> Option<io::Error> {
        loop {
            match self.stream.read(room) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(error),
            }
        }
    }
}

/// Lets go of standard output, so that whoever reads it sees the end while the other direction goes on.
fn leave_stdout() {
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        // If that fails, the end is seen when the program ends.
        let _ = rustix::stdio::dup2_stdout(null);
    }
}

/// Writes all of it. Where the output would have us come back later (another program may have left it in
/// that mode) this waits.
fn write_all(output: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match output.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&output.as_fd(), PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
