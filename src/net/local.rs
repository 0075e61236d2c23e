//! Unix domain sockets of a home: processes of the same user that talk to the one that serves it.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};

use mio::Interest;
use mio::net::{UnixListener, UnixStream};

use super::link::Link;
use super::reactor::{Net, token};
use super::slot::{Slot, SlotState};
use super::stream::Stream;
use super::{NetEvent, SocketId};
use crate::ids::ConnId;
use crate::limits::{CALLS_A_TURN, LOCAL_CLIENTS, LOCAL_REFUSED};

impl Net {
    /// Listens on a socket of this machine: callers are reported as [`NetEvent::AcceptedLocal`].
    ///
    /// # Errors
    /// The system's, when it has no room for one more.
    pub fn listen_local(&mut self, listener: StdListener) -> io::Result<SocketId> {
        listener.set_nonblocking(true)?;
        let mut listener = UnixListener::from_std(listener);
        let id = self.allocate_id();
        self.poll.registry().register(&mut listener, token(id), Interest::READABLE)?;
        self.local_listeners.insert(id, listener);
        Ok(SocketId(id))
    }

    /// Takes a connected socket of this machine.
    ///
    /// # Errors
    /// The system's, when it has no room for one more.
    pub fn adopt_local(&mut self, stream: StdStream) -> io::Result<ConnId> {
        stream.set_nonblocking(true)?;
        self.add_local(Stream::Local(UnixStream::from_std(stream)))
    }

    /// Takes the connection with a command, and what ends that when it is dropped.
    ///
    /// # Errors
    /// The system's, when it has no room for one more.
    pub fn adopt_command(&mut self, stream: StdStream, command: Box<dyn Send>) -> io::Result<ConnId> {
        stream.set_nonblocking(true)?;
        self.add_local(Stream::Command(UnixStream::from_std(stream), command))
    }

    fn add_local(&mut self, mut stream: Stream) -> io::Result<ConnId> {
        let id = self.allocate_id();
        self.poll.registry().register(&mut stream, token(id), Interest::READABLE | Interest::WRITABLE)?;
        self.slots.insert(id, Slot::open(Link::new(stream)));
        self.ready.insert(id);
        Ok(ConnId(id))
    }

    /// Number of connections with processes of this machine.
    fn local_links(&self) -> usize {
        let is_local = |slot: &&Slot| matches!(&slot.state, SlotState::Open(link) if link.is_local());
        self.slots.values().filter(is_local).count()
    }

    /// Accepts the processes that wait: of the same user, as many as there is room for. Others are
    /// closed at once.
    pub(super) fn accept_local(&mut self, id: u64, events: &mut Vec<NetEvent>) {
        for _ in 0..CALLS_A_TURN {
            let Some(listener) = self.local_listeners.get(&id) else { return };
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Of one caller, or for want of descriptors: whoever waits calls again.
                Err(_) => continue,
            };
            if self.local_links() < LOCAL_CLIENTS + LOCAL_REFUSED
                && is_same_user(&stream)
                && let Ok(conn) = self.add_local(Stream::Local(stream))
            {
                events.push(NetEvent::AcceptedLocal { conn, listener: SocketId(id) });
            }
        }
        self.ready.insert(id);
    }
}

/// Whether the process at the other end is of the user that this one is of.
fn is_same_user(stream: &impl AsFd) -> bool {
    may_talk(peer_user(stream), rustix::process::geteuid().as_raw())
}

/// Whether a process of this user, where the system names it, may talk to one of ours.
fn may_talk(user: Option<u32>, own: u32) -> bool {
    user == Some(own)
}

/// User of the process at the other end of a socket of this machine.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn peer_user(stream: &impl AsFd) -> Option<u32> {
    rustix::net::sockopt::socket_peercred(stream).ok().map(|peer| peer.uid.as_raw())
}

/// Elsewhere the mode of the socket, and that of the home that it is in, keep others out.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn peer_user(_: &impl AsFd) -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_the_same_user_may_talk_to_the_owner_of_a_home() {
        let own = rustix::process::geteuid().as_raw();
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(peer_user(&one), Some(own));
        assert!(may_talk(Some(own), own));
        assert!(!may_talk(Some(own + 1), own) && !may_talk(None, own));
        assert!(!may_talk(Some(0), 1), "not even the superuser");
    }
}
