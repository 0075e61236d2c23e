//! Connections that are given away as blocking sockets.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;

use super::reactor::Net;
use super::slot::SlotState;
use super::stream::Stream;
use crate::ids::ConnId;

impl Net {
    /// Gives a connection away, open or lost, as a blocking socket, with the queued bytes that are
    /// not sent yet. Nothing is reported of it any more.
    ///
    /// # Errors
    /// When the connection is gone or the system refuses; then it is closed.
    pub fn release(&mut self, id: ConnId) -> io::Result<(TcpStream, Vec<u8>)> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        self.mark_authenticated(id);
        self.set_deadline(id.0, None);
        self.ready.remove(&id.0);
        self.lost.remove(&id.0);
        let slot = self.slots.remove(&id.0).ok_or_else(gone)?;
        let SlotState::Open(link) = slot.state else { return Err(gone()) };
        let (Stream::Tcp(mut stream), unsent) = link.into_parts() else { return Err(gone()) };
        self.poll.registry().deregister(&mut stream)?;
        let stream = TcpStream::from(OwnedFd::from(stream));
        stream.set_nonblocking(false)?;
        Ok((stream, unsent))
    }
}
