//! Listening socket: its options, and what each error of `accept` means.

use std::io;
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::Stack;
use crate::limits::{CALLS_A_TURN, LISTEN_BACKLOG};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AcceptError {
    /// Nobody waits; the kernel reports the next caller.
    WouldBlock,
    /// No descriptors or memory. Callers wait, and the kernel does not report them again.
    OutOfFds,
    /// Error of one caller's connection or of the firewall, which uses that caller up.
    CallerGone,
}

pub(super) fn bind(addr: SocketAddr, stack: Stack) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Not on Windows, where it would let two programs listen on one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(!(stack == Stack::Dual && addr.ip().is_unspecified()))?;
    }
    socket.bind(&addr.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Accepts the next caller. One that is already gone, or that the firewall forbids, is no reason to
/// keep the others waiting: [`AcceptError::CallerGone`] means many of them in a row.
pub(super) fn accept(listener: &TcpListener) -> Result<(TcpStream, SocketAddr), AcceptError> {
    for _ in 0..CALLS_A_TURN {
        match listener.accept() {
            Ok((stream, from)) => {
                return Ok((stream, SocketAddr::new(from.ip().to_canonical(), from.port())));
            }
            Err(error) => match classify(&error) {
                AcceptError::CallerGone => {}
                other => return Err(other),
            },
        }
    }
    Err(AcceptError::CallerGone)
}

/// accept(2): every error but shortage is that of one caller's connection or of the firewall.
fn classify(error: &io::Error) -> AcceptError {
    match Errno::from_io_error(error) {
        Some(Errno::AGAIN) => AcceptError::WouldBlock,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => AcceptError::OutOfFds,
        _ => AcceptError::CallerGone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shortage_makes_callers_wait_and_a_caller_gone_wrong_makes_way_for_the_next() {
        for (errno, expected) in [
            (Errno::AGAIN, AcceptError::WouldBlock),
            (Errno::MFILE, AcceptError::OutOfFds),
            (Errno::NFILE, AcceptError::OutOfFds),
            (Errno::NOBUFS, AcceptError::OutOfFds),
            (Errno::NOMEM, AcceptError::OutOfFds),
            (Errno::CONNABORTED, AcceptError::CallerGone),
            (Errno::PROTO, AcceptError::CallerGone),
            (Errno::PERM, AcceptError::CallerGone),
            (Errno::INTR, AcceptError::CallerGone),
            (Errno::HOSTUNREACH, AcceptError::CallerGone),
        ] {
            assert_eq!(classify(&errno.into()), expected, "{errno:?}");
        }
    }
}
