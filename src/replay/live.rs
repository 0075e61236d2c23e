//! A live world: a program that is not ours is at one end. Addresses, randomness and the clock are the
//! system's; what has come is handed over as it comes, and expectations wait for it.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Instant;

use super::actors::Cast;
use super::simulation::{Call, Stage};
use crate::app::error::words;
use crate::app::event_loop::tried_words;
use crate::app::resolve::{bind, of_family};
use crate::chat::{Input, Link, Listener};
use crate::net::NetEvent;
use crate::net::signals::Signals;
use crate::peers::address::{Family, ListenAt};

impl Stage {
    pub(crate) fn listen_live(
        &mut self,
        who: usize,
        listener: Listener,
        at: &ListenAt,
        family: Family,
    ) -> Result<SocketAddr, String> {
        let (id, addr) = bind(&mut self.net, at, family).map_err(|error| words(&error))?;
        self.listeners.insert(id, (who, listener));
        if at.port == 0 {
            self.given.push((who, addr.port()));
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
                    let link = self.net.connect(addrs);
                    self.dials.insert(link, (call.who, call.dial));
                    return;
                }
                "the name has no address of that kind".to_owned()
            }
            Err(error) => words(&error),
        };
        self.waiting.push_back((call.who, Input::Unreachable { dial: call.dial, why }));
    }
}

impl Cast {
    /// Lets the world go on until something happens, or until this moment.
    pub(crate) fn go_on(&mut self, until: Instant) -> io::Result<()> {
        self.catch_up();
        let due = self.deadline_ms().and_then(|due| self.stage.world.instant(due));
        let mut events = Vec::new();
        self.stage.net.wait(Some(due.map_or(until, |due| due.min(until))), &mut events)?;
        // They are remembered already; that they end the wait is all that is needed of them here.
        while self.stage.signals.as_ref().and_then(Signals::next).is_some() {}
        for event in events {
            self.happened(event);
        }
        self.tick();
        self.catch_up();
        Ok(())
    }

    fn catch_up(&mut self) {
        loop {
            if self.take_waiting() {
                continue;
            }
            match self.stage.calls.pop_front() {
                Some(call) => self.stage.dial(&call),
                None => return,
            }
        }
    }

    fn happened(&mut self, event: NetEvent) {
        match event {
            NetEvent::Accepted { link, listener, from } => {
                let Some((who, listener)) = self.stage.listeners.get(&listener).copied() else { return };
                self.stage.owners.insert(link, who);
                let label = self.stage.label(who).to_owned();
                let seed = self.stage.seeds.next(&label, "called");
                self.input(who, Input::Accepted { link: Link(link.0), listener, from, seed });
            }
            NetEvent::Connected { link, to, .. } => {
                let Some((who, dial)) = self.stage.dials.remove(&link) else { return };
                self.stage.owners.insert(link, who);
                let label = self.stage.label(who).to_owned();
                let seed = self.stage.seeds.next(&label, "dialled");
                self.input(who, Input::Connected { dial, link: Link(link.0), to, seed });
            }
            NetEvent::Unreachable { link, tried } => {
                let Some((who, dial)) = self.stage.dials.remove(&link) else { return };
                self.input(who, Input::Unreachable { dial, why: tried_words(&tried) });
            }
            NetEvent::Bytes { link, bytes } => {
                let Some(who) = self.stage.owners.get(&link).copied() else { return };
                self.input(who, Input::Bytes { link: Link(link.0), bytes: &bytes });
            }
            NetEvent::Ended { link } => self.ended(link, None),
            NetEvent::Lost { link, error } => self.ended(link, Some(words(&error))),
            NetEvent::Drained { link } => {
                let Some(who) = self.stage.owners.get(&link).copied() else { return };
                self.input(who, Input::Drained { link: Link(link.0) });
            }
            NetEvent::Woken | NetEvent::Famine { .. } | NetEvent::Refused { .. } => {}
        }
    }

    fn ended(&mut self, link: crate::net::LinkId, error: Option<String>) {
        let Some(who) = self.stage.owners.remove(&link) else { return };
        self.input(who, Input::Ended { link: Link(link.0), error });
    }
}
