//! A live world: a program that is not ours is at one end. Addresses, randomness and the clock are the
//! system's; what has come is handed over as it comes, and expectations wait for it.

use crate::ids::ListenerId;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Instant;

use super::actors::Actors;
use super::simulation::{Call, Simulation};
use crate::app::error::describe;
use crate::app::error::describe_attempts;
use crate::app::resolve::{bind, of_family};
use crate::chat::Input;
use crate::net::NetEvent;
use crate::net::signals::Signals;
use crate::peers::address::{Family, ListenAt};

impl Simulation {
    pub(crate) fn listen_live(
        &mut self,
        who: usize,
        listener: ListenerId,
        at: &ListenAt,
        family: Family,
    ) -> Result<SocketAddr, String> {
        let (id, addr) = bind(&mut self.net, at, family).map_err(|error| describe(&error))?;
        self.listeners.insert(id, (who, listener));
        if at.port == 0 {
            self.assigned_ports.push((who, addr.port()));
        }
        Ok(addr)
    }

    /// Dials for real. The resolver is waited for: a script does one thing after another.
    fn dial(&mut self, call: &Call) {
        let found = (call.target.host.as_str(), call.target.port).to_socket_addrs();
        let why = match found.map(|found| found.filter(|addr| of_family(*addr, call.family)).collect()) {
            Ok(addrs) => {
                let addrs: Vec<SocketAddr> = addrs;
                if !addrs.is_empty() {
                    let conn = self.net.connect(addrs);
                    self.dials.insert(conn, (call.who, call.dial));
                    return;
                }
                "the name has no address of that kind".to_owned()
            }
            Err(error) => describe(&error),
        };
        self.inputs.push_back((call.who, Input::Unreachable { dial: call.dial, why }));
    }
}

impl Actors {
    /// Lets the world go on until something happens, or until this moment.
    pub(crate) fn go_on(&mut self, until: Instant) -> io::Result<()> {
        self.catch_up();
        let due = self.poll_timeout().and_then(|due| self.simulation.clock.instant(due));
        let mut events = Vec::new();
        self.simulation.net.wait(Some(due.map_or(until, |due| due.min(until))), &mut events)?;
        // They are remembered already; that they end the wait is all that is needed of them here.
        while self.simulation.signals.as_ref().and_then(Signals::next).is_some() {}
        for event in events {
            self.happened(event);
        }
        self.tick();
        self.catch_up();
        Ok(())
    }

    fn catch_up(&mut self) {
        loop {
            if self.next_input() {
                continue;
            }
            match self.simulation.calls.pop_front() {
                Some(call) => self.simulation.dial(&call),
                None => return,
            }
        }
    }

    fn happened(&mut self, event: NetEvent) {
        match event {
            NetEvent::Accepted { conn, listener, from } => {
                let Some((who, listener)) = self.simulation.listeners.get(&listener).copied() else { return };
                self.simulation.owners.insert(conn, who);
                let label = self.simulation.label(who).to_owned();
                let seed = self.simulation.seeds.next(&label, "called");
                self.input(who, Input::Accepted { conn, listener, from, seed });
            }
            NetEvent::Connected { conn, to, .. } => {
                let Some((who, dial)) = self.simulation.dials.remove(&conn) else { return };
                self.simulation.owners.insert(conn, who);
                let label = self.simulation.label(who).to_owned();
                let seed = self.simulation.seeds.next(&label, "dialled");
                self.input(who, Input::Connected { dial, conn, to, seed });
            }
            NetEvent::Unreachable { conn, tried } => {
                let Some((who, dial)) = self.simulation.dials.remove(&conn) else { return };
                self.input(who, Input::Unreachable { dial, why: describe_attempts(&tried) });
            }
            NetEvent::Bytes { conn, bytes } => {
                let Some(who) = self.simulation.owners.get(&conn).copied() else { return };
                self.input(who, Input::Bytes { conn, bytes: &bytes });
            }
            NetEvent::Ended { conn } => self.ended(conn, None),
            NetEvent::Lost { conn, error } => self.ended(conn, Some(describe(&error))),
            NetEvent::Drained { conn } => {
                let Some(who) = self.simulation.owners.get(&conn).copied() else { return };
                self.input(who, Input::Drained { conn });
            }
            NetEvent::Woken | NetEvent::OutOfFds { .. } | NetEvent::Refused { .. } => {}
        }
    }

    fn ended(&mut self, conn: crate::ids::ConnId, error: Option<String>) {
        let Some(who) = self.simulation.owners.remove(&conn) else { return };
        self.input(who, Input::Ended { conn, error });
    }
}
