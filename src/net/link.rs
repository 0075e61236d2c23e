//! Open connection: its write queue, readiness and shutdown. Readiness is edge-triggered, so what
//! the kernel reported is remembered here until it is used up.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Shutdown};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use super::stream::Stream;
use super::{NetEvent, ReadInterest};
use crate::ids::ConnId;
use crate::limits::{KEEPALIVE_MS, LINK_TURN_BYTES, LINK_WRITE_BYTES, UNACKNOWLEDGED_MS, UNSENT_BYTES};

pub(super) struct Link {
    stream: Stream,
    queue: WriteQueue,
    phase: Phase,
    pub(super) reading: ReadInterest,
    /// The kernel may have bytes, an end or an error for us.
    readable: bool,
    /// The kernel may take bytes.
    writable: bool,
    /// A send left bytes in the queue, so the owner is told when it is empty.
    owes_drained: bool,
    /// When the kernel last took bytes, or the queue was last empty.
    last_progress: Instant,
    /// Bytes that were given to this link and that the kernel never took.
    dropped_bytes: usize,
    /// Error of a write; reported as the link's end, after what the peer had sent before.
    write_error: Option<io::Error>,
    closing: Closing,
}

/// How a link is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Closing {
    /// Once what is queued is written, and the peer's end has come.
    InOrder,
    /// It makes room for another: behind what the kernel takes.
    AtOnce,
}

/// State of a link after its share of a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LinkStatus {
    /// Nothing to do until the kernel or the owner acts.
    Idle,
    /// There is more to do at once.
    Ready,
    /// The queue and our end of stream are with the kernel; the peer's end is awaited.
    Flushed,
    /// Failed and reported; to be closed by the owner.
    Lost,
    /// To be closed now.
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    /// The peer has ended its direction; ours is open.
    HalfClosed,
    /// Failed, and that was reported: the owner has the socket until it closes it.
    Lost,
    /// Closed by the owner: nothing is reported any more, and the queue is being written.
    Flushing(RemoteEnd),
    /// Closed by the owner and flushed: the peer's end is awaited.
    Lingering,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RemoteEnd {
    Awaited,
    Seen,
}

impl Link {
    /// Takes a connected stream that is already registered.
    pub(super) fn new(stream: Stream) -> Self {
        if let Stream::Tcp(stream) = &stream {
            set_options(stream);
        }
        Self {
            stream,
            queue: WriteQueue::default(),
            phase: Phase::Open,
            reading: ReadInterest::On,
            readable: true,
            writable: true,
            owes_drained: false,
            last_progress: Instant::now(),
            dropped_bytes: 0,
            write_error: None,
            closing: Closing::InOrder,
        }
    }

    pub(super) fn evict(&mut self) {
        self.closing = Closing::AtOnce;
    }

    /// Writes what the kernel takes, if this link makes room for another, and returns whether it
    /// does.
    pub(super) fn flush_evicted(&mut self) -> bool {
        let is_evicted = self.closing == Closing::AtOnce;
        if is_evicted {
            self.flush();
        }
        is_evicted
    }

    pub(super) fn handle_readiness(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    pub(super) fn send(&mut self, pieces: impl IntoIterator<Item = Vec<u8>>) {
        if self.write_error.is_some() || self.is_lost() || self.is_closing() {
            self.dropped_bytes += pieces.into_iter().map(|piece| piece.len()).sum::<usize>();
            return;
        }
        if self.queue.is_empty() {
            self.last_progress = Instant::now();
        }
        for piece in pieces {
            self.queue.push(piece);
        }
        self.flush();
        self.owes_drained |= !self.queue.is_empty();
    }

    /// Whether there is something to do before the kernel reports anything.
    pub(super) fn is_ready(&self) -> bool {
        self.write_error.is_some() || self.can_flush() || (self.owes_drained && self.queue.is_empty())
    }

    /// Lets the peer leave our bytes unread for as long as it likes: the kernel treats a closed
    /// receive window like unacknowledged data.
    pub(super) fn disable_user_timeout(&self) {
        #[cfg(target_os = "linux")]
        if let Stream::Tcp(stream) = &self.stream {
            let _ = SockRef::from(stream).set_tcp_user_timeout(None);
        }
    }

    /// The socket, for bytes alone: with its user timeout and its bound on unsent bytes disabled,
    /// and the bytes that it has not taken yet.
    pub(super) fn into_parts(self) -> (Stream, Vec<u8>) {
        self.disable_user_timeout();
        #[cfg(target_os = "linux")]
        if let Stream::Tcp(stream) = &self.stream {
            let _ = SockRef::from(stream).set_tcp_notsent_lowat(u32::MAX);
        }
        let unsent: Vec<u8> = self.queue.chunks.into_iter().flatten().skip(self.queue.written).collect();
        (self.stream, unsent)
    }

    /// Whether the other end is a process of this machine.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.stream, Stream::Local(_))
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.bytes
    }

    /// Whether nothing can happen here until the peer sends something, or it is closing anyway.
    pub(super) fn awaits_peer(&self) -> bool {
        let has_sent_nothing = || {
            // The kernel may have more than it has reported.
            let waiting = self.stream.peek();
            waiting.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        self.is_closing() || self.reading == ReadInterest::On && (!self.readable || has_sent_nothing())
    }

    /// Address of the peer.
    pub(super) fn peer_ip(&self) -> Option<IpAddr> {
        self.stream.peer_ip()
    }

    /// Since when bytes wait of which the kernel takes none.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        (!self.queue.is_empty()).then_some(self.last_progress)
    }

    /// Bytes that the kernel has not taken, and will not if the link ends now.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.queue.bytes + self.dropped_bytes
    }

    pub(super) fn close(&mut self) {
        self.phase = match self.phase {
            Phase::Open => Phase::Flushing(RemoteEnd::Awaited),
            Phase::HalfClosed | Phase::Lost => Phase::Flushing(RemoteEnd::Seen),
            closing => closing,
        };
    }

    /// Makes the closing of this socket send a reset instead of what is still queued.
    pub(super) fn reset_on_close(&self) {
        // Without it the end is an orderly one, which is the worst that can come of it.
        if let Stream::Tcp(stream) = &self.stream {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Whether it has failed and waits for its owner.
    pub(super) fn is_lost(&self) -> bool {
        self.phase == Phase::Lost
    }

    pub(super) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Flushing(_) | Phase::Lingering)
    }

    /// Writes and reads as much as one turn allows.
    pub(super) fn drive(
        &mut self,
        conn: ConnId,
        buffer: &mut Vec<u8>,
        events: &mut Vec<NetEvent>,
    ) -> LinkStatus {
        if self.is_lost() {
            return LinkStatus::Lost;
        }
        self.flush();
        if self.is_closing() { self.drive_closing(buffer) } else { self.drive_open(conn, buffer, events) }
    }

    fn drive_open(&mut self, conn: ConnId, buffer: &mut Vec<u8>, events: &mut Vec<NetEvent>) -> LinkStatus {
        if self.owes_drained && self.queue.is_empty() && self.write_error.is_none() {
            self.owes_drained = false;
            events.push(NetEvent::Drained { conn });
        }
        let mut read_error = None;
        if self.phase == Phase::Open && self.reading == ReadInterest::On && self.readable {
            let end = fill(&self.stream, buffer);
            if !buffer.is_empty() {
                events.push(NetEvent::Bytes { conn, bytes: take_filled(buffer) });
            }
            match end {
                ReadEnd::BufferFull => return LinkStatus::Ready,
                ReadEnd::WouldBlock => self.readable = false,
                ReadEnd::Eof if self.write_error.is_none() => {
                    self.phase = Phase::HalfClosed;
                    events.push(NetEvent::Ended { conn });
                }
                ReadEnd::Eof => {}
                ReadEnd::Error(error) => read_error = Some(error),
            }
        }
        // What came before a write failed is read first, once the owner wants it.
        if self.phase == Phase::Open && self.reading == ReadInterest::Off && self.holds_bytes() {
            return LinkStatus::Idle;
        }
        // A write to a connection that was reset takes the reason with it: it is the better one of
        // the two.
        if let Some(error) = self.write_error.take().or(read_error) {
            events.push(NetEvent::Lost { conn, error });
            self.phase = Phase::Lost;
            return LinkStatus::Lost;
        }
        self.flush_status()
    }

    fn drive_closing(&mut self, buffer: &mut Vec<u8>) -> LinkStatus {
        if self.write_error.is_some() {
            return LinkStatus::Closed;
        }
        let mut status = self.flush_status();
        // A peer that is itself waiting to be read would never read us, so what it sends is
        // dropped.
        if self.readable && self.phase != Phase::Flushing(RemoteEnd::Seen) {
            let end = fill(&self.stream, buffer);
            buffer.clear();
            match end {
                ReadEnd::BufferFull => status = LinkStatus::Ready,
                ReadEnd::WouldBlock => self.readable = false,
                ReadEnd::Eof if self.phase == Phase::Lingering => return LinkStatus::Closed,
                ReadEnd::Eof => self.phase = Phase::Flushing(RemoteEnd::Seen),
                ReadEnd::Error(_) => return LinkStatus::Closed,
            }
        }
        match self.phase {
            Phase::Flushing(RemoteEnd::Seen) if self.queue.is_empty() => LinkStatus::Closed,
            Phase::Flushing(RemoteEnd::Awaited) if self.queue.is_empty() => {
                self.phase = Phase::Lingering;
                let shut = self.stream.shutdown(Shutdown::Write);
                if shut.is_ok() { LinkStatus::Flushed } else { LinkStatus::Closed }
            }
            _ => status,
        }
    }

    /// Whether a write has failed while the kernel holds bytes of the peer.
    fn holds_bytes(&self) -> bool {
        self.write_error.is_some() && self.stream.peek().is_ok_and(|count| count > 0)
    }

    fn can_flush(&self) -> bool {
        self.writable && !self.queue.is_empty()
    }

    fn flush_status(&self) -> LinkStatus {
        if self.can_flush() { LinkStatus::Ready } else { LinkStatus::Idle }
    }

    /// Writes until the kernel takes no more, the queue is empty or the turn's share is used.
    fn flush(&mut self) {
        let mut left = LINK_WRITE_BYTES;
        while left > 0 && self.writable && self.write_error.is_none() {
            if self.queue.is_empty() {
                return;
            }
            match self.stream.write(&self.queue.front()) {
                Ok(0) => self.fail(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    self.queue.consume(taken);
                    self.last_progress = Instant::now();
                    left = left.saturating_sub(taken);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.fail(error),
            }
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.write_error = Some(error);
        self.dropped_bytes += std::mem::take(&mut self.queue).bytes;
        // What the peer sent before may have come since the kernel last reported.
        self.readable = true;
    }
}

/// Chunks that the kernel is given at once.
const CHUNKS_A_WRITE: usize = 16;

/// Bytes not yet taken by the kernel, in the chunks they were given in.
#[derive(Default)]
struct WriteQueue {
    chunks: VecDeque<Vec<u8>>,
    /// Bytes of the first chunk that are already written.
    written: usize,
    bytes: usize,
}

impl WriteQueue {
    fn push(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.chunks.push_back(bytes);
        }
    }

    fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// What is written next, by one call.
    fn front(&self) -> Vec<IoSlice<'_>> {
        let begun = self.chunks.front().and_then(|chunk| chunk.get(self.written..));
        let others = self.chunks.iter().skip(1).map(Vec::as_slice);
        begun.into_iter().chain(others).take(CHUNKS_A_WRITE).map(IoSlice::new).collect()
    }

    fn consume(&mut self, taken: usize) {
        self.bytes -= taken;
        self.written += taken;
        while let Some(front) = self.chunks.front().filter(|front| front.len() <= self.written) {
            self.written -= front.len();
            self.chunks.pop_front();
        }
        if self.chunks.is_empty() {
            // An idle link keeps no memory of a busy hour.
            self.chunks = VecDeque::new();
        }
    }
}

/// Why reading stopped.
enum ReadEnd {
    /// The share of a turn is used, and there may be more.
    BufferFull,
    WouldBlock,
    Eof,
    Error(io::Error),
}

/// Fills an empty buffer, until the share of a turn is used or the kernel has no more.
fn fill(stream: &Stream, buffer: &mut Vec<u8>) -> ReadEnd {
    buffer.reserve_exact(LINK_TURN_BYTES);
    while buffer.len() < LINK_TURN_BYTES {
        match stream.read(buffer) {
            Ok(0) => return ReadEnd::Eof,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ReadEnd::WouldBlock,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return ReadEnd::Error(error),
        }
    }
    ReadEnd::BufferFull
}

/// What was read: the buffer itself if most of it is used, so that much is not copied, and else a
/// smaller one.
fn take_filled(buffer: &mut Vec<u8>) -> Vec<u8> {
    if buffer.len() >= LINK_TURN_BYTES / 2 {
        return std::mem::take(buffer);
    }
    let bytes = buffer.clone();
    buffer.clear();
    bytes
}

/// Sets the options of every connection. A connection is kept even if an option cannot be set.
fn set_options(stream: &TcpStream) {
    let every = Duration::from_millis(KEEPALIVE_MS);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(every).with_interval(every));
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(Duration::from_millis(UNACKNOWLEDGED_MS)));
    // A text that is typed while a file is sent waits for no more of it than this.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_unauthenticated_peer_must_take_what_is_sent_in_half_a_minute_and_one_that_shows_life_need_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let link = Link::new(Stream::Tcp(TcpStream::from_std(stream)));
        let Stream::Tcp(stream) = &link.stream else { unreachable!() };
        let limit = || SockRef::from(stream).tcp_user_timeout().unwrap();
        assert_eq!(limit(), Some(Duration::from_millis(UNACKNOWLEDGED_MS)));
        link.disable_user_timeout();
        assert_eq!(limit(), None);
    }

    #[test]
    fn of_what_is_sent_a_peer_waits_for_little_and_a_pipe_for_as_much_as_the_kernel_takes() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let link = Link::new(Stream::Tcp(TcpStream::from_std(stream)));
        let unsent = |stream: &Stream| match stream {
            Stream::Tcp(stream) => SockRef::from(stream).tcp_notsent_lowat().unwrap(),
            Stream::Local(_) | Stream::Command(..) => unreachable!(),
        };
        assert_eq!(unsent(&link.stream), UNSENT_BYTES);
        assert_eq!(unsent(&link.into_parts().0), u32::MAX);
    }
}
