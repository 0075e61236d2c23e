//! Processes at the socket of the home, as the event loop sees them: it is bound once the store is
//! open here, and what comes there waits for the server of the faces.

use std::collections::{BTreeSet, VecDeque};

use super::owner::HomeSocket;
use crate::ids::ConnId;
use crate::net::NetEvent;

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
    Bound(#[expect(dead_code, reason = "the file goes with it")] HomeSocket),
    /// It cannot be, which was told.
    Failed,
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

    /// The next event, if there is one.
    pub(super) fn next(&mut self) -> Option<LocalEvent> {
        self.events.pop_front()
    }

    /// Serves nobody any more: before the store is closed, since the next owner binds its own.
    pub(super) fn end(&mut self) {
        self.stage = ServingStage::Unused;
    }
}
