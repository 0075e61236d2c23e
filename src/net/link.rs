//! One open socket: the bytes queued for it, what the kernel last said of it, and how its end is told. The
//! kernel speaks only of changes (edge-triggered), so what it said is remembered here until it is used up.

use crate::ids::ConnId;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use super::{NetEvent, ReadInterest};
use crate::limits::{KEEPALIVE_MS, LINK_TURN_BYTES, UNACKNOWLEDGED_MS};

pub(super) struct Link {
    stream: TcpStream,
    queue: Queue,
    phase: Phase,
    reading: ReadInterest,
    /// The kernel may have bytes, an end or an error for us.
    readable: bool,
    /// The kernel may take bytes.
    writable: bool,
    /// The owner has been left with a queue that was not empty and is told when it is.
    owes_drained: bool,
    /// Bytes that were given to this link and that the kernel never took.
    lost: usize,
    /// Writing failed; told as the link's end after what the peer had sent before.
    failure: Option<io::Error>,
}

/// What a turn leaves behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LinkStatus {
    /// Nothing to do until the kernel or the owner says something.
    Idle,
    /// There is more to do at once.
    More,
    /// All that was queued is with the kernel and the end of stream behind it; the peer's is awaited.
    Flushed,
    /// To be closed now.
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    /// The peer has ended its direction; ours is open.
    HalfClosed,
    /// Hung up: nobody listens any more, the queue is on its way.
    Shutdown(RemoteEnd),
    /// Hung up and flushed: the peer's end is awaited.
    Lingering,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RemoteEnd {
    MayStillSend,
    HasEnded,
}

impl Link {
    /// Takes a connected stream that is already registered.
    pub(super) fn new(stream: TcpStream) -> Self {
        prepare(&stream);
        Self {
            stream,
            queue: Queue::default(),
            phase: Phase::Open,
            reading: ReadInterest::On,
            readable: true,
            writable: true,
            owes_drained: false,
            lost: 0,
            failure: None,
        }
    }

    pub(super) fn notice(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    pub(super) fn send(&mut self, bytes: Vec<u8>) {
        if self.failure.is_some() || self.is_leaving() {
            self.lost += bytes.len();
            return;
        }
        self.queue.push(bytes);
        self.flush();
        self.owes_drained |= !self.queue.is_empty();
    }

    /// Whether there is something to do before the kernel speaks again.
    pub(super) fn wants_turn(&self) -> bool {
        self.failure.is_some() || self.can_flush() || (self.owes_drained && self.queue.is_empty())
    }

    /// From now on the peer may leave it unread for as long as it likes: to the kernel a window that stays shut is
    /// data without acknowledgement.
    pub(super) fn disable_user_timeout(&self) {
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(&self.stream).set_tcp_user_timeout(None);
    }

    /// The socket and what it has not taken yet. The peer may leave it unread from now on.
    pub(super) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        self.disable_user_timeout();
        let unsent: Vec<u8> = self.queue.pieces.into_iter().flatten().skip(self.queue.gone).collect();
        (self.stream, unsent)
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.bytes
    }

    /// Bytes that the kernel has not taken, and will not if the link ends now.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.queue.bytes + self.lost
    }

    pub(super) fn set_reading(&mut self, reading: ReadInterest) {
        self.reading = reading;
    }

    pub(super) fn hang_up(&mut self) {
        self.phase = match self.phase {
            Phase::Open => Phase::Shutdown(RemoteEnd::MayStillSend),
            Phase::HalfClosed => Phase::Shutdown(RemoteEnd::HasEnded),
            leaving => leaving,
        };
    }

    /// When this socket is closed, nothing is sent any more but a reset.
    pub(super) fn will_reset(&self) {
        // Without it the end is an orderly one, which is the worst that can come of it.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Shutdown(_) | Phase::Lingering)
    }

    /// Writes and reads what one turn allows, and says how things stand.
    pub(super) fn turn(&mut self, id: ConnId, scratch: &mut [u8], events: &mut Vec<NetEvent>) -> LinkStatus {
        self.flush();
        match self.phase {
            Phase::Open | Phase::HalfClosed => self.turn_open(id, scratch, events),
            Phase::Shutdown(_) | Phase::Lingering => self.turn_leaving(scratch),
        }
    }

    fn turn_open(&mut self, link: ConnId, scratch: &mut [u8], events: &mut Vec<NetEvent>) -> LinkStatus {
        if self.owes_drained && self.queue.is_empty() && self.failure.is_none() {
            self.owes_drained = false;
            events.push(NetEvent::Drained { conn: link });
        }
        let mut after = if self.can_flush() { LinkStatus::More } else { LinkStatus::Idle };
        let mut broken = None;
        let is_read = self.phase == Phase::Open && self.reading == ReadInterest::On;
        if is_read && self.readable {
            let (filled, end) = fill(&mut self.stream, scratch);
            if let Some(bytes) = scratch.get(..filled).filter(|bytes| !bytes.is_empty()) {
                events.push(NetEvent::Bytes { conn: link, bytes: bytes.to_vec() });
            }
            match end {
                Fill::Full => return LinkStatus::More,
                Fill::Dry => self.readable = false,
                Fill::End if self.failure.is_none() => {
                    self.phase = Phase::HalfClosed;
                    events.push(NetEvent::Ended { conn: link });
                }
                Fill::End => {}
                Fill::Broken(error) => broken = Some(error),
            }
        }
        // A write to a connection that was reset takes the reason with it: it is the better one of the two.
        if let Some(error) = self.failure.take().or(broken) {
            events.push(NetEvent::Lost { conn: link, error });
            after = LinkStatus::Gone;
        }
        after
    }

    fn turn_leaving(&mut self, scratch: &mut [u8]) -> LinkStatus {
        if self.failure.is_some() {
            return LinkStatus::Gone;
        }
        // A peer that is itself waiting to be read would never read us, so what it sends is thrown away.
        let mut after = if self.can_flush() { LinkStatus::More } else { LinkStatus::Idle };
        if self.readable && self.phase != Phase::Shutdown(RemoteEnd::HasEnded) {
            match fill(&mut self.stream, scratch).1 {
                Fill::Full => after = LinkStatus::More,
                Fill::Dry => self.readable = false,
                Fill::End if self.phase == Phase::Lingering => return LinkStatus::Gone,
                Fill::End => self.phase = Phase::Shutdown(RemoteEnd::HasEnded),
                Fill::Broken(_) => return LinkStatus::Gone,
            }
        }
        match self.phase {
            Phase::Shutdown(RemoteEnd::HasEnded) if self.queue.is_empty() => LinkStatus::Gone,
            Phase::Shutdown(RemoteEnd::MayStillSend) if self.queue.is_empty() => {
                self.phase = Phase::Lingering;
                if self.stream.shutdown(Shutdown::Write).is_ok() {
                    LinkStatus::Flushed
                } else {
                    LinkStatus::Gone
                }
            }
            _ => after,
        }
    }

    fn can_flush(&self) -> bool {
        self.writable && !self.queue.is_empty()
    }

    /// Writes until the kernel takes no more, the queue is empty or the turn's share is used.
    fn flush(&mut self) {
        let mut left = LINK_TURN_BYTES;
        while left > 0 && self.writable && self.failure.is_none() {
            let Some(front) = self.queue.front() else { return };
            match self.stream.write(front) {
                Ok(0) => self.fail(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    self.queue.consume(taken);
                    left = left.saturating_sub(taken);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.fail(error),
            }
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.failure = Some(error);
        self.lost += std::mem::take(&mut self.queue).bytes;
        // What the peer sent before may have come since the kernel last said so.
        self.readable = true;
    }
}

/// Bytes not yet taken by the kernel, in the pieces they were given in.
#[derive(Default)]
struct Queue {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the first piece that are already gone.
    gone: usize,
    bytes: usize,
}

impl Queue {
    fn push(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.pieces.push_back(bytes);
        }
    }

    fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    fn front(&self) -> Option<&[u8]> {
        self.pieces.front()?.get(self.gone..)
    }

    fn consume(&mut self, taken: usize) {
        self.bytes -= taken;
        self.gone += taken;
        if self.pieces.front().is_some_and(|front| front.len() <= self.gone) {
            self.pieces.pop_front();
            self.gone = 0;
        }
        if self.pieces.is_empty() {
            // An idle link keeps no memory of a busy hour.
            self.pieces = VecDeque::new();
        }
    }
}

enum Fill {
    /// The room is used up and there may be more.
    Full,
    Dry,
    End,
    Broken(io::Error),
}

/// Reads until the room is full or the kernel has no more to say.
fn fill(stream: &mut TcpStream, room: &mut [u8]) -> (usize, Fill) {
    let mut filled = 0;
    loop {
        let Some(free) = room.get_mut(filled..).filter(|free| !free.is_empty()) else {
            return (filled, Fill::Full);
        };
        match stream.read(free) {
            Ok(0) => return (filled, Fill::End),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (filled, Fill::Dry),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Fill::Broken(error)),
        }
    }
}

/// Options every connection has. None of them is worth refusing a connection that cannot have it.
fn prepare(stream: &TcpStream) {
    let every = Duration::from_millis(KEEPALIVE_MS);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(every).with_interval(every));
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(Duration::from_millis(UNACKNOWLEDGED_MS)));
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_must_take_what_is_sent_in_half_a_minute_and_who_shows_that_it_lives_need_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let link = Link::new(TcpStream::from_std(stream));
        let limit = || SockRef::from(&link.stream).tcp_user_timeout().unwrap();
        assert_eq!(limit(), Some(Duration::from_millis(UNACKNOWLEDGED_MS)));
        link.disable_user_timeout();
        assert_eq!(limit(), None);
    }
}
