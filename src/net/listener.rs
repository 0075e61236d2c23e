//! A listening socket, and what each way in which `accept` can fail means. It knows nothing of who may come in.

use std::io;
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::Stack;
use crate::limits::{CALLERS_AHEAD, CALLS_A_TURN};

/// One attempt to take a caller.
pub(super) enum Accepted {
    Taken(TcpStream, SocketAddr),
    /// Nobody waits; the kernel will say when somebody does.
    Nobody,
    /// No descriptors or memory; callers wait, and the kernel will not speak of them again.
    OutOfFds,
    /// Callers give up, or something of the machine's fails, faster than it can be looked at.
    Trouble,
}

pub(super) fn open(addr: SocketAddr, stack: Stack) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Not on Windows, where it would let two programs listen on one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(!(stack == Stack::Dual && addr.ip().is_unspecified()))?;
    }
    socket.bind(&addr.into())?;
    socket.listen(CALLERS_AHEAD)?;
    Ok(TcpListener::from_std(socket.into()))
}

pub(super) fn accept(listener: &TcpListener) -> Accepted {
    // A caller that is already gone, or one the firewall forbids, is no reason to keep the next one waiting.
    for _ in 0..CALLS_A_TURN {
        match listener.accept() {
            Ok((stream, from)) => {
                return Accepted::Taken(stream, SocketAddr::new(from.ip().to_canonical(), from.port()));
            }
            Err(error) => match verdict(&error) {
                AcceptError::Nobody => return Accepted::Nobody,
                AcceptError::OutOfFds => return Accepted::OutOfFds,
                AcceptError::NextCaller => {}
            },
        }
    }
    Accepted::Trouble
}

pub(super) fn register(stream: &mut TcpStream, registry: &Registry, token: Token) -> io::Result<()> {
    registry.register(stream, token, Interest::READABLE | Interest::WRITABLE)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AcceptError {
    Nobody,
    OutOfFds,
    NextCaller,
}

/// accept(2): besides shortage, its errors are those of the caller's connection or of the firewall, and they
/// use that caller up.
fn verdict(error: &io::Error) -> AcceptError {
    match Errno::from_io_error(error) {
        Some(Errno::AGAIN) => AcceptError::Nobody,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => AcceptError::OutOfFds,
        _ => AcceptError::NextCaller,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shortage_makes_callers_wait_and_a_caller_gone_wrong_makes_way_for_the_next() {
        for (errno, expected) in [
            (Errno::AGAIN, AcceptError::Nobody),
            (Errno::MFILE, AcceptError::OutOfFds),
            (Errno::NFILE, AcceptError::OutOfFds),
            (Errno::NOBUFS, AcceptError::OutOfFds),
            (Errno::NOMEM, AcceptError::OutOfFds),
            (Errno::CONNABORTED, AcceptError::NextCaller),
            (Errno::PROTO, AcceptError::NextCaller),
            (Errno::PERM, AcceptError::NextCaller),
            (Errno::INTR, AcceptError::NextCaller),
            (Errno::HOSTUNREACH, AcceptError::NextCaller),
        ] {
            assert_eq!(verdict(&errno.into()), expected, "{errno:?}");
        }
    }
}
