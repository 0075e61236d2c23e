//! Processes at the socket of the home, as the event loop sees them: it is bound once the store is
//! open here, and what comes there waits for the server of the faces.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use super::owner::HomeSocket;
use crate::ids::ConnId;
use crate::limits::SOCKET_LOOK_MS;
use crate::net::{Net, NetEvent, SocketId};
use crate::store::Home;

/// Time between two looks whether the file of the socket is in its place.
const LOOK: Duration = Duration::from_millis(SOCKET_LOOK_MS);

/// What has come at the socket.
#[derive(Debug)]
pub(crate) enum LocalEvent {
    Accepted(ConnId),
    Bytes(ConnId, Vec<u8>),
    /// The process writes no more.
    Ended(ConnId),
    /// The process is gone.
    Lost(ConnId),
}

/// Socket of the home, and what has come there.
#[derive(Default)]
pub(super) struct LocalFaces {
    pub(super) stage: ServingStage,
    pub(super) conns: BTreeSet<ConnId>,
    events: VecDeque<LocalEvent>,
}

#[derive(Default)]
pub(super) enum ServingStage {
    /// The process serves nobody.
    #[default]
    Unused,
    /// The socket is bound as soon as the store is open here.
    Wanted,
    Bound(ServedSocket),
    /// It cannot be, which was told.
    Failed,
}

/// Socket that is bound.
pub(super) struct ServedSocket {
    pub(super) file: HomeSocket,
    pub(super) listener: SocketId,
    /// Moment at which it is looked whether the file is in its place.
    pub(super) look_at: Instant,
}

impl ServedSocket {
    pub(super) fn new((file, listener): (HomeSocket, UnixListener), net: &mut Net) -> io::Result<Self> {
        let listener = net.listen_local(listener)?;
        let look_at = Instant::now() + LOOK;
        Ok(Self { file, listener, look_at })
    }

    /// Makes the file again where it is gone. The processes that are connected stay so.
    pub(super) fn repair(&mut self, home: &Home, net: &mut Net) -> io::Result<()> {
        self.look_at = Instant::now() + LOOK;
        if let Some(bound) = self.file.repair(home)? {
            let before = std::mem::replace(self, Self::new(bound, net)?);
            net.unlisten(before.listener);
        }
        Ok(())
    }
}

impl LocalFaces {
    /// Takes an event that is about the socket; returns any other.
    pub(super) fn take(&mut self, event: NetEvent) -> Option<NetEvent> {
        let local = match event {
            NetEvent::AcceptedLocal { conn, .. } => {
                self.conns.insert(conn);
                Some(LocalEvent::Accepted(conn))
            }
            NetEvent::Bytes { conn, bytes } if self.conns.contains(&conn) => {
                Some(LocalEvent::Bytes(conn, bytes))
            }
            NetEvent::Ended { conn } if self.conns.contains(&conn) => Some(LocalEvent::Ended(conn)),
            NetEvent::Lost { conn, .. } if self.conns.contains(&conn) => Some(LocalEvent::Lost(conn)),
            NetEvent::Drained { conn } if self.conns.contains(&conn) => None,
            event => return Some(event),
        };
        self.events.extend(local);
        None
    }

    /// The socket, once it is bound.
    pub(super) fn socket(&mut self) -> Option<&mut ServedSocket> {
        if let ServingStage::Bound(socket) = &mut self.stage { Some(socket) } else { None }
    }

    /// The next event, if there is one.
    pub(super) fn next(&mut self) -> Option<LocalEvent> {
        self.events.pop_front()
    }

    /// Serves nobody any more: before the store is closed, since the next owner binds its own.
    pub(super) fn end(&mut self) {
        self.stage = ServingStage::Unused;
    }
}
