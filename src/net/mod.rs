//! The machine below the conversation: sockets, lines of input, signals, background work and the one place
//! where all of them are awaited. It moves bytes and keeps deadlines, and knows nothing of what they mean.
//!
//! One thread owns a [`Net`] and calls [`Net::wait`]. Everything else (a reader of stdin, a worker, a signal)
//! is a thread that puts a value into a channel and then wakes that call, so nothing is ever polled and an
//! idle program costs no processor time.

use std::io;

use std::net::SocketAddr;

use crate::ids::ConnId;
pub use reactor::Net;
pub use source_limiter::{LimitExceeded, SourceLimiter};

pub mod background;
mod dial;
pub mod lines;
mod link;
mod listener;
pub mod process;
mod reactor;
pub mod signals;
pub mod source_limiter;
mod turn;
pub mod worker;

/// One listening socket. Shares its numbers with [`ConnId`], so these are never used again either.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketId(pub u64);

/// Whether a link is read. Not reading is the back pressure of this program: the kernel's buffer fills, the
/// peer's window closes, and the peer has to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadInterest {
    /// What arrives is handed on, and so is what already waits.
    On,
    /// What arrives stays in the kernel.
    Off,
}

/// Which families an IPv6 listener serves. IPv4 listeners are not concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stack {
    /// The address's own family only, so that `0.0.0.0:8000` and `[::]:8000` may both be listened on.
    AsGiven,
    /// IPv4 as well, for the wildcard `[::]`; callers from there are shown by their IPv4 address.
    Dual,
}

/// What [`Net::wait`] reports. Within one call the events come in the order of the link's number, except that
/// a turn cut short by [`TURN_BYTES`](crate::limits::TURN_BYTES) goes on where it stopped.
#[derive(Debug)]
pub enum NetEvent {
    /// Somebody called. The link counts as unproven until [`Net::mark_authenticated`] or its end.
    Accepted {
        /// The new connection.
        conn: ConnId,
        /// The listener it came to.
        listener: SocketId,
        /// Where it comes from; IPv4 callers of a dual listener by their IPv4 address.
        from: SocketAddr,
    },
    /// A dialled connection stands. What was sent before is already on its way.
    Connected {
        /// The number that [`Net::connect`] gave.
        conn: ConnId,
        /// The address that answered.
        to: SocketAddr,
        /// Our own address on it: what the other side sees us call from.
        from: SocketAddr,
    },
    /// No address answered; the link is gone.
    Unreachable {
        /// The number that [`Net::connect`] gave.
        conn: ConnId,
        /// Every address in the order tried, and why it failed.
        tried: Vec<(SocketAddr, io::Error)>,
    },
    /// Bytes from the peer, never empty.
    Bytes {
        /// Where they came from.
        conn: ConnId,
        /// At most [`LINK_TURN_BYTES`](crate::limits::LINK_TURN_BYTES).
        bytes: Vec<u8>,
    },
    /// The peer sends no more (FIN). The link can still be written to and is there until its owner calls
    /// [`Net::close`] or [`Net::abort`].
    Ended {
        /// The half-closed connection.
        conn: ConnId,
    },
    /// The connection broke; the link is gone, with what was queued for it.
    Lost {
        /// The number that is no longer valid.
        conn: ConnId,
        /// What the system said.
        error: io::Error,
    },
    /// The kernel has taken everything, after some of it had to wait at the end of a [`Net::send`].
    Drained {
        /// The link that can take more.
        conn: ConnId,
    },
    /// The [`Waker`](mio::Waker) was used: look into the channels.
    Woken,
    /// A caller could not be accepted because the machine or the process has no descriptors left. Told at
    /// most once in [`REPORT_EVERY_MS`](crate::limits::REPORT_EVERY_MS); callers wait in the kernel meanwhile.
    OutOfFds {
        /// Links open at this moment.
        open: usize,
    },
    /// A caller was closed at once by a limit. Told at most once in
    /// [`REPORT_EVERY_MS`](crate::limits::REPORT_EVERY_MS).
    Refused {
        /// The latest such caller.
        from: SocketAddr,
        /// The limit it met.
        why: LimitExceeded,
        /// Callers refused since the last report, this one included.
        callers: u64,
    },
}
