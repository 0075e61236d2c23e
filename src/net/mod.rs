//! Network runtime: the reactor of sockets and timers, and threads for lines, signals and jobs.
//!
//! One thread owns a [`Net`] and calls [`Net::wait`]. Every other thread (reader of stdin, worker,
//! signals) puts a value into a channel and wakes that call, so nothing is ever polled and an idle
//! program costs no processor time.

use std::io;
use std::net::SocketAddr;

use crate::ids::ConnId;
pub use reactor::Net;
pub use release::Released;
pub use socks::{SocksError, SocksRequest};
pub use source_limiter::{LimitExceeded, SourceLimiter};

mod dial;
pub mod lines;
mod link;
mod listener;
mod local;
pub mod process;
mod reactor;
mod release;
mod slot;
mod socks;
mod source_limiter;
mod stream;
pub(crate) mod worker;

/// One listening socket, numbered from the same sequence as [`ConnId`], so never used twice either.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketId(pub u64);

/// Whether a connection is read. Not reading is the back pressure of this program: the kernel's
/// buffer fills, the peer's window closes, and the peer has to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadInterest {
    /// Bytes are read and reported, also those that wait already.
    On,
    /// Bytes stay in the kernel.
    Off,
}

/// Address families that an IPv6 listener serves. IPv4 listeners are not concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stack {
    /// The address's own family only, so that `0.0.0.0:8000` and `[::]:8000` may both be listened
    /// on.
    AsGiven,
    /// IPv4 as well, for the wildcard `[::]`; such callers are reported by their IPv4 address.
    Dual,
}

/// Report of [`Net::wait`]. Within one call the events come in the order of the connections'
/// numbers, except that a turn cut short by [`TURN_BYTES`](crate::limits::TURN_BYTES) goes on where
/// it stopped.
#[derive(Debug)]
pub enum NetEvent {
    /// A caller was accepted. Its connection counts as unauthenticated until
    /// [`Net::mark_authenticated`] or its end.
    Accepted {
        /// The new connection.
        conn: ConnId,
        /// The listener that it came to.
        listener: SocketId,
        /// The caller's address; an IPv4 one for IPv4 callers of a dual listener.
        from: SocketAddr,
    },
    /// A process of the same user has come to a socket of this machine.
    AcceptedLocal {
        /// The new connection.
        conn: ConnId,
        /// The listener that it came to.
        listener: SocketId,
    },
    /// A dialled connection is established. What was sent before is already on its way.
    Connected {
        /// The number that [`Net::connect`] gave.
        conn: ConnId,
        /// The address that answered.
        to: SocketAddr,
        /// Our own address on it, from which the other side sees us call.
        from: SocketAddr,
    },
    /// A proxy has connected. What was sent before is already on its way.
    ConnectedByProxy {
        /// The number that [`Net::connect_by_proxy`] gave.
        conn: ConnId,
    },
    /// No address answered; the connection is gone.
    Unreachable {
        /// The number that [`Net::connect`] gave.
        conn: ConnId,
        /// Every address in the order tried, and why it failed: of a proxy, [`SocksError`] where it
        /// has answered.
        tried: Vec<(SocketAddr, io::Error)>,
    },
    /// Bytes from the peer, never empty.
    Bytes {
        /// The connection that they came on.
        conn: ConnId,
        /// At most [`LINK_TURN_BYTES`](crate::limits::LINK_TURN_BYTES).
        bytes: Vec<u8>,
    },
    /// End of the peer's stream (FIN). The connection can still be written to, and exists until its
    /// owner calls [`Net::close`] or [`Net::abort`].
    Ended {
        /// The half-closed connection.
        conn: ConnId,
    },
    /// The connection broke; it is gone, with what was queued for it.
    Lost {
        /// The number that is no longer valid.
        conn: ConnId,
        /// The system's reason.
        error: io::Error,
    },
    /// The kernel has taken everything, after some of it had to wait at the end of a [`Net::send`].
    Drained {
        /// The connection that can take more.
        conn: ConnId,
    },
    /// The [`Waker`](mio::Waker) was used: values wait in the channels.
    Woken,
    /// A caller could not be accepted because the machine or the process has no descriptors left.
    /// Reported at most once in [`REPORT_EVERY_MS`](crate::limits::REPORT_EVERY_MS); callers wait
    /// in the kernel meanwhile.
    OutOfFds {
        /// Connections open at this moment.
        open: usize,
    },
    /// A caller that had not proved a key makes room for another. It is counted no more, and its
    /// owner closes it.
    Evicted {
        /// The connection to close.
        conn: ConnId,
    },
    /// A caller was closed at once by a limit. Reported at most once in
    /// [`REPORT_EVERY_MS`](crate::limits::REPORT_EVERY_MS).
    Refused {
        /// The latest such caller.
        from: SocketAddr,
        /// The limit that it exceeded.
        why: LimitExceeded,
        /// Callers refused since the last report, this one included.
        callers: u64,
    },
}
