//! Connections that are given away as blocking sockets, and whether one is there.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;

use super::reactor::Net;
use super::slot::SlotState;
use super::stream::Stream;
use crate::ids::ConnId;

/// Connection that was given away.
#[expect(missing_debug_implementations, reason = "a socket: nothing to read there")]
pub struct Released {
    /// The socket.
    pub stream: TcpStream,
    /// Bytes that it has not taken.
    pub unsent: Vec<u8>,
    /// What ends the command at its other end, if there is one.
    pub command: Option<Box<dyn Send>>,
}

impl Net {
    /// Whether a connection is there, perhaps lost.
    #[must_use]
    pub fn has(&self, id: ConnId) -> bool {
        self.slots.contains_key(&id.0)
    }

    /// Whether a connection is established.
    #[must_use]
    pub fn is_connected(&self, id: ConnId) -> bool {
        matches!(self.slots.get(&id.0).map(|slot| &slot.state), Some(SlotState::Open(_)))
    }

    /// Gives a connection away, open or lost, as a blocking socket, with the queued bytes that are
    /// not sent yet, and with what ends its command. Nothing is reported of it any more.
    ///
    /// # Errors
    /// When the connection is gone or the system refuses; then it is closed.
    pub fn release(&mut self, id: ConnId) -> io::Result<Released> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        self.mark_authenticated(id);
        self.set_deadline(id.0, None);
        self.ready.remove(&id.0);
        self.lost.remove(&id.0);
        let slot = self.slots.remove(&id.0).ok_or_else(gone)?;
        let SlotState::Open(link) = slot.state else { return Err(gone()) };
        let (mut stream, unsent) = link.into_parts();
        self.poll.registry().deregister(&mut stream)?;
        let (stream, command) = match stream {
            Stream::Tcp(stream) => (OwnedFd::from(stream), None),
            // It is only read, written and shut down, which is the same for both.
            Stream::Command(stream, command) => (OwnedFd::from(stream), Some(command)),
            Stream::Local(_) => return Err(gone()),
        };
        let stream = TcpStream::from(stream);
        stream.set_nonblocking(false)?;
        Ok(Released { stream, unsent, command })
    }
}
