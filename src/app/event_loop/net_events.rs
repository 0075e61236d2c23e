//! Events of the sockets, as inputs of the chat.

use std::net::SocketAddr;

use super::App;
use crate::app::error::describe;
use crate::app::host::NoticeSink;
use crate::app::keyring::seed;
use crate::chat::Input;
use crate::ids::ConnId;
use crate::net::NetEvent;

impl<S: NoticeSink> App<S> {
    fn connected(&mut self, conn: ConnId, to: Option<SocketAddr>) {
        match self.host.dialler.take(conn) {
            Some(dial) => self.handle(Input::Connected { dial, conn, to, seed: seed() }),
            None => self.host.net.abort(conn),
        }
    }

    fn ended(&mut self, conn: ConnId, error: Option<String>) {
        if let Some(ended) = self.host.dialler.end(conn, error) {
            self.handle(ended);
        }
    }

    pub(super) fn net_event(&mut self, event: NetEvent) {
        let input = match event {
            NetEvent::Accepted { conn, listener, from } => {
                match self.host.listeners.get(&listener).copied() {
                    Some(listener) => Input::Accepted { conn, listener, from, seed: seed() },
                    // It was closed meanwhile.
                    None => return self.host.net.abort(conn),
                }
            }
            NetEvent::Connected { conn, to, .. } => return self.connected(conn, Some(to)),
            NetEvent::ConnectedByProxy { conn } => return self.connected(conn, None),
            NetEvent::Unreachable { conn, tried } => {
                let Some(failed) = self.host.dialler.take_failed(conn, &tried) else { return };
                failed
            }
            NetEvent::Bytes { conn, bytes } => {
                return self.handle(Input::Bytes { conn, bytes: &bytes });
            }
            NetEvent::Ended { conn } => return self.ended(conn, None),
            NetEvent::Lost { conn, error } => return self.ended(conn, Some(describe(&error))),
            NetEvent::OutOfFds { open } => Input::OutOfFds { open },
            NetEvent::Refused { from, why, callers } => {
                Input::TurnedAway { from, why: why.to_string(), callers }
            }
            NetEvent::Evicted { conn } => Input::Evicted { conn },
            NetEvent::Drained { conn } => Input::Drained { conn },
            NetEvent::AcceptedLocal { .. } | NetEvent::Woken => return,
        };
        self.handle(input);
    }
}
