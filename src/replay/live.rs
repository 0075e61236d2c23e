//! Live run, with a foreign program at one end. Addresses, randomness and clock are the system's;
//! input is delivered as it comes, and expectations wait for it.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Instant;

use super::actors::Actors;
use super::simulation::{PendingDial, Simulation};
use crate::app::error::describe;
use crate::app::error::describe_attempts;
use crate::app::resolve::of_family;
use crate::chat::Input;
use crate::ids::ConnId;
use crate::net::NetEvent;
use crate::net::process::Signals;

impl Simulation {
    /// Dials on the real network. The resolver blocks: a script does one thing after another.
    fn dial(&mut self, pending: &PendingDial) {
        let found = (pending.target.host.as_str(), pending.target.port).to_socket_addrs();
        let addrs: io::Result<Vec<SocketAddr>> =
            found.map(|found| found.filter(|addr| of_family(*addr, pending.family)).collect());
        let why = match addrs {
            Ok(addrs) if !addrs.is_empty() => {
                let conn = self.net.connect(addrs);
                self.dials.insert(conn, (pending.actor, pending.dial));
                return;
            }
            Ok(_) => "the name has no address of that kind".to_owned(),
            Err(error) => describe(&error),
        };
        self.inputs.push_back((pending.actor, Input::Unreachable { dial: pending.dial, why }));
    }
}

impl Actors {
    /// Runs until something happens, or until this moment.
    pub(crate) fn poll(&mut self, until: Instant) -> io::Result<()> {
        self.drain_inputs();
        let due = self.poll_timeout().and_then(|due| self.simulation.clock.instant(due));
        let mut events = Vec::new();
        self.simulation.net.wait(Some(due.map_or(until, |due| due.min(until))), &mut events)?;
        // Signals have ended the wait, and `interrupt` remembers them.
        while self.simulation.signals.as_ref().and_then(Signals::next).is_some() {}
        for event in events {
            self.live_event(event);
        }
        self.tick();
        self.drain_inputs();
        Ok(())
    }

    fn drain_inputs(&mut self) {
        loop {
            if self.next_input() {
                continue;
            }
            match self.simulation.pending_dials.pop_front() {
                Some(pending) => self.simulation.dial(&pending),
                None => return,
            }
        }
    }

    fn live_event(&mut self, event: NetEvent) {
        match event {
            NetEvent::Accepted { conn, listener, from } => {
                let Some(&(actor, listener)) = self.simulation.listeners.get(&listener) else { return };
                self.simulation.owners.insert(conn, actor);
                let seed = self.simulation.next_seed(actor, "called");
                self.input(actor, Input::Accepted { conn, listener, from, seed });
            }
            NetEvent::Connected { conn, to, .. } => {
                let Some((actor, dial)) = self.simulation.dials.remove(&conn) else { return };
                self.simulation.owners.insert(conn, actor);
                let seed = self.simulation.next_seed(actor, "dialled");
                self.input(actor, Input::Connected { dial, conn, to, seed });
            }
            NetEvent::Unreachable { conn, tried } => {
                let Some((actor, dial)) = self.simulation.dials.remove(&conn) else { return };
                self.input(actor, Input::Unreachable { dial, why: describe_attempts(&tried) });
            }
            NetEvent::Bytes { conn, bytes } => self.owner_input(conn, Input::Bytes { conn, bytes: &bytes }),
            NetEvent::Drained { conn } => self.owner_input(conn, Input::Drained { conn }),
            NetEvent::Ended { conn } => self.live_eof(conn, None),
            NetEvent::Lost { conn, error } => self.live_eof(conn, Some(describe(&error))),
            NetEvent::Woken | NetEvent::OutOfFds { .. } | NetEvent::Refused { .. } => {}
        }
    }

    fn owner_input(&mut self, conn: ConnId, input: Input<'_>) {
        if let Some(actor) = self.simulation.owners.get(&conn).copied() {
            self.input(actor, input);
        }
    }

    fn live_eof(&mut self, conn: ConnId, error: Option<String>) {
        if let Some(actor) = self.simulation.owners.remove(&conn) {
            self.input(actor, Input::Ended { conn, error });
        }
    }
}
