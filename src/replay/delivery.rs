//! Delivery of input to the actors. A closed run is quiescent before time passes: every byte that
//! an actor sent is read by its peer, in an order that does not depend on the kernel. In a live
//! run, with a foreign program at one end, addresses, randomness and clock are the system's; input
//! is delivered as it comes, and expectations wait for it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use super::actors::Actors;
use super::environment::is_interrupted;
use super::simulation::{PendingDial, Simulation};
use crate::app::error::{AppError, code, describe, describe_attempts};
use crate::app::os::of_family;
use crate::chat::Input;
use crate::ids::ConnId;
use crate::net::NetEvent;
use crate::net::process::Signals;
use crate::script::FaultInjection;

/// Most rounds of delivery after one step: two actors that answer each other for ever are a fault.
const ROUNDS_MAX: u32 = 1_000_000;

impl Actors {
    /// Delivers until nothing is in flight.
    pub(crate) fn settle(&mut self) -> Result<(), AppError> {
        for _ in 0..ROUNDS_MAX {
            if self.next_input() {
                continue;
            }
            if let Some(pending) = self.simulation.pending_dials.pop_front() {
                self.connect(&pending)?;
                continue;
            }
            self.receive()?;
            if !self.deliver() {
                return Ok(());
            }
        }
        Err(not_quiescent("the actors never stop answering each other"))
    }

    /// Advances the virtual clock. Timers fire in their order, and the simulation settles after
    /// each.
    pub(crate) fn advance(&mut self, ms: u64) -> Result<(), AppError> {
        let until = self.simulation.environment.now().mono + ms;
        // Years have many timers, and a person may not want to wait for all of them.
        while !is_interrupted() {
            let now = self.simulation.environment.now().mono;
            let next = self.poll_timeout().map_or(until, |due| due.max(now + 1)).min(until);
            self.simulation.environment.advance_to(next);
            self.input_all(|| Input::Tick);
            self.settle()?;
            if next >= until {
                break;
            }
        }
        Ok(())
    }

    /// Injects a fault into the bytes of an actor.
    pub(crate) fn inject_fault(&mut self, from: usize, to: Option<usize>, fault: FaultInjection) {
        for effect in self.simulation.links.inject(from, to, fault) {
            self.simulation.hand_over(effect);
        }
    }

    /// Makes one connection from end to end before anything else happens.
    fn connect(&mut self, pending: &PendingDial) -> Result<(), AppError> {
        let unreachable = |why: String| (pending.actor, Input::Unreachable { dial: pending.dial, why });
        let (real, listener, callee) = match self.simulation.ports.find(&pending.target, pending.family) {
            Ok(found) => (found.real, found.listener, found.actor),
            Err(why) => {
                self.simulation.inputs.push_back(unreachable(why));
                return Ok(());
            }
        };
        let dialled = self.simulation.net.connect(vec![real]);
        let (mut local, mut incoming) = (None, Vec::new());
        let accepted = loop {
            if let Some((conn, _)) = incoming.iter().find(|(_, from)| Some(*from) == local) {
                break *conn;
            }
            let before = (local.is_some(), incoming.len());
            for event in self.poll_net()? {
                match event {
                    NetEvent::Connected { conn, from, .. } if conn == dialled => local = Some(from),
                    NetEvent::Unreachable { conn, tried } if conn == dialled => {
                        self.simulation.inputs.push_back(unreachable(describe_attempts(&tried)));
                        return Ok(());
                    }
                    NetEvent::Accepted { conn, from, .. } => incoming.push((conn, from)),
                    other => self.net_event(other),
                }
            }
            if before == (local.is_some(), incoming.len()) {
                return self.stalled();
            }
        };
        // Other programs of the machine may find the port.
        for (conn, _) in incoming.iter().filter(|(conn, _)| *conn != accepted) {
            self.simulation.net.abort(*conn);
        }
        self.simulation.links.connect((dialled, pending.actor), (accepted, callee));
        let seed = self.simulation.next_seed(pending.actor, "dialled");
        let to = SocketAddr::new(real.ip(), pending.target.port);
        let input = Input::Connected { dial: pending.dial, conn: dialled, to: Some(to), seed };
        self.simulation.inputs.push_back((pending.actor, input));
        let from = self.simulation.ports.assign_caller(pending.actor);
        let seed = self.simulation.next_seed(callee, "called");
        let elapsed = Duration::from_millis(self.simulation.environment.now().mono.0);
        let admitted =
            self.simulation.source_limiter.as_mut().map_or(Ok(()), |(limiter, start)| {
                limiter.admit(Ipv4Addr::LOCALHOST.into(), *start + elapsed)
            });
        let input = match admitted {
            Ok(()) => Input::Accepted { conn: accepted, listener, from, seed },
            Err(why) => {
                self.simulation.links.close(accepted);
                self.simulation.net.abort(accepted);
                Input::TurnedAway { from, why: why.to_string(), callers: 1 }
            }
        };
        self.simulation.inputs.push_back((callee, input));
        Ok(())
    }

    /// Receives until everything in flight has come out of the kernel.
    fn receive(&mut self) -> Result<(), AppError> {
        while self.simulation.links.is_in_flight() {
            let events = self.poll_net()?;
            if events.is_empty() {
                return self.stalled();
            }
            for event in events {
                self.net_event(event);
            }
        }
        Ok(())
    }

    /// Delivers what was received, connection by connection in the order of their opening.
    fn deliver(&mut self) -> bool {
        let mut delivered = false;
        for conn in self.simulation.links.ends() {
            if let Some((actor, bytes)) = self.simulation.links.take_bytes(conn) {
                delivered = true;
                self.input(actor, Input::Bytes { conn, bytes: &bytes });
            }
            if let Some((actor, error)) = self.simulation.links.take_eof(conn) {
                delivered = true;
                self.input(actor, Input::Ended { conn, error });
            }
        }
        delivered
    }

    fn net_event(&mut self, event: NetEvent) {
        let Simulation { links, net, .. } = &mut self.simulation;
        match event {
            NetEvent::Bytes { conn, bytes } => links.receive(conn, &bytes),
            NetEvent::Ended { conn } => links.receive_eof(conn, None),
            NetEvent::Lost { conn, error } => links.receive_eof(conn, Some(describe(&error))),
            NetEvent::Accepted { conn, .. } => net.abort(conn),
            _ => {}
        }
    }

    /// Events of the reactor; none after the timeout or an interruption.
    fn poll_net(&mut self) -> Result<Vec<NetEvent>, AppError> {
        let (until, mut events) = (Instant::now() + self.simulation.delivery_timeout, Vec::new());
        // Any signal ends a wait before its time, also one that is handled elsewhere, as after
        // Ctrl-Z.
        while events.is_empty() && Instant::now() < until && !is_interrupted() {
            let waited = self.simulation.net.wait(Some(until), &mut events);
            waited.map_err(|error| not_quiescent(&describe(&error)))?;
        }
        Ok(events)
    }

    /// The error that says what is in flight, unless the run was interrupted.
    fn stalled(&self) -> Result<(), AppError> {
        if is_interrupted() {
            return Ok(());
        }
        let label = |actor| self.simulation.label(actor);
        let flights = self.simulation.links.bytes_in_flight().into_iter();
        let flights: Vec<String> = flights
            .map(|(from, to, bytes)| format!("{bytes} bytes from {} to {}", label(from), label(to)))
            .collect();
        Err(match flights.as_slice() {
            [] => not_quiescent("an end or a call is missing"),
            flights => not_quiescent(&flights.join(", ")),
        })
    }
}

/// The simulation did not settle, which is an error of this program.
fn not_quiescent(reason: &str) -> AppError {
    let error = AppError::new(code::MACHINE, format!("the simulation did not settle: {reason}"));
    error.hint("this is a fault of the program; please report it with the script")
}

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
            Ok(_) => "the name has no address of that family".to_owned(),
            Err(error) => describe(&error),
        };
        self.inputs.push_back((pending.actor, Input::Unreachable { dial: pending.dial, why }));
    }
}

impl Actors {
    /// Runs until something happens, or until this moment.
    pub(crate) fn poll(&mut self, until: Instant) -> Result<(), AppError> {
        self.drain_inputs();
        if self.take_program_rows() {
            return Ok(());
        }
        let due = self.poll_timeout().and_then(|due| self.simulation.environment.instant(due));
        let due = due.into_iter().chain(self.programs.poll_timeout()).min();
        let mut events = Vec::new();
        self.simulation.net.wait(Some(due.map_or(until, |due| due.min(until))), &mut events)?;
        // Signals have ended the wait, and [`is_interrupted`] remembers them.
        while self.simulation.signals.as_ref().and_then(Signals::next).is_some() {}
        for event in events {
            self.live_event(event);
        }
        self.input_all(|| Input::Tick);
        self.drain_inputs();
        self.take_program_rows();
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
                let Some(&(actor, listener)) = self.simulation.listeners.get(&listener) else {
                    return self.simulation.net.abort(conn);
                };
                self.simulation.owners.insert(conn, actor);
                let seed = self.simulation.next_seed(actor, "called");
                self.input(actor, Input::Accepted { conn, listener, from, seed });
            }
            NetEvent::Connected { conn, to, .. } => {
                let Some((actor, dial)) = self.simulation.dials.remove(&conn) else { return };
                self.simulation.owners.insert(conn, actor);
                let seed = self.simulation.next_seed(actor, "dialled");
                self.input(actor, Input::Connected { dial, conn, to: Some(to), seed });
            }
            NetEvent::Unreachable { conn, tried } => {
                let Some((actor, dial)) = self.simulation.dials.remove(&conn) else { return };
                self.input(actor, Input::Unreachable { dial, why: describe_attempts(&tried) });
            }
            NetEvent::Bytes { conn, bytes } => self.owner_input(conn, Input::Bytes { conn, bytes: &bytes }),
            NetEvent::Drained { conn } => self.owner_input(conn, Input::Drained { conn }),
            NetEvent::Ended { conn } => self.live_eof(conn, None),
            NetEvent::Lost { conn, error } => self.live_eof(conn, Some(describe(&error))),
            NetEvent::Evicted { conn } => self.owner_input(conn, Input::Evicted { conn }),
            // A script has no proxies.
            NetEvent::ConnectedByProxy { .. }
            | NetEvent::Woken
            | NetEvent::OutOfFds { .. }
            | NetEvent::Refused { .. }
            | NetEvent::AcceptedLocal { .. } => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::environment::Environment;
    use crate::replay::{reporter, runner};
    use crate::script::{Parser, SourceFile};

    /// Bob has called Alice, and a test waits two seconds for what does not come.
    fn connected() -> Actors {
        let labels = ["alice", "bob"].map(str::to_owned);
        let mut actors = Actors::new(&labels, Environment::closed(7, None), String::new()).unwrap();
        actors.simulation.delivery_timeout = Duration::from_secs(2);
        let keys = [include_str!("../../tests/keys/test-1.pem"), include_str!("../../tests/keys/test-2.pem")];
        for (actor, key) in keys.into_iter().enumerate() {
            let file = actors.simulation.home(actor).join("identity.pem");
            crate::replay::files::write(actors.simulation.folder.path(), &file, key).unwrap();
        }
        actors.start_all().unwrap();
        for (actor, line) in [(0, ":listen 127.0.0.1:8000"), (1, ":connect 127.0.0.1:8000")] {
            actors.type_line(actor, line);
            actors.settle().unwrap();
        }
        actors
    }

    #[test]
    fn bytes_that_never_come_are_named_and_are_a_fault_of_the_program() {
        let mut actors = connected();
        let conn = actors.simulation.links.ends_of(1)[0];
        // Counted as sent, and not sent.
        actors.simulation.links.send(conn, vec![0; 5]);
        let error = actors.settle().unwrap_err();
        assert_eq!(error.message, "the simulation did not settle: 5 bytes from bob to alice");
        assert_eq!(error.code, code::MACHINE);
        let source =
            SourceFile { name: "story.chat".to_owned(), text: "# 쉬지 않는다\nhello\n".to_owned() };
        let script = Parser::new(&mut |_, _| Err(String::new())).parse(&source).unwrap();
        let drawn = reporter::draw(&runner::at_line(&script.lines[1], &error), &script.sources);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("replay-restless", format!("{drawn}\n")));
    }

    #[test]
    fn an_end_that_never_comes_is_named_too() {
        let mut actors = connected();
        let conn = actors.simulation.links.ends_of(1)[0];
        actors.simulation.links.close(conn);
        let error = actors.settle().unwrap_err();
        assert_eq!(error.message, "the simulation did not settle: an end or a call is missing");
    }
}
