//! A closed world comes to rest: every byte that one actor sent has been read by the other, in an order that
//! does not depend on the kernel. No time passes, and nothing is waited for but what is known to come.

use crate::ids::ConnId;
use std::time::{Duration, Instant};

use super::actors::Actors;
use super::interrupt;
use super::links::EndState;
use super::simulation::Call;
use crate::app::error::describe;
use crate::app::error::describe_attempts;
use crate::chat::Input;
use crate::net::NetEvent;
use crate::script::FaultInjection;

/// Real time in which something that is on its way must have come. Loopback takes microseconds; a machine that is busy
/// with something else may let this process wait for seconds.
/// The tests of this file let it pass.
const GUARD: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 30 });
/// Rounds of delivery after one step; two actors that answer each other for ever are a fault.
const ROUNDS: u32 = 1_000_000;

/// The world did not come to rest: a fault of ours. Says what was in flight.
#[derive(Debug)]
pub(crate) struct NotQuiescent(pub(crate) String);

impl Actors {
    /// Delivers until nothing is in flight.
    pub(crate) fn settle(&mut self) -> Result<(), NotQuiescent> {
        for _ in 0..ROUNDS {
            if self.next_input() {
                continue;
            }
            if let Some(call) = self.simulation.calls.pop_front() {
                self.put_through(&call)?;
                continue;
            }
            self.gather()?;
            if !self.deliver() {
                return Ok(());
            }
        }
        Err(NotQuiescent("the actors never stop answering each other".to_owned()))
    }

    /// The virtual clock moves; timers fire in their order, and what follows from each settles first.
    pub(crate) fn pass_time(&mut self, ms: u64) -> Result<(), NotQuiescent> {
        let until = self.simulation.clock.now().mono.0.saturating_add(ms);
        // Years have many timers, and somebody may not want to wait for all of them.
        while !interrupt::came() {
            let now = self.simulation.clock.now().mono.0;
            let next = self.poll_timeout().map_or(until, |due| due.max(now + 1)).min(until);
            self.simulation.clock.move_to(next);
            self.tick();
            self.settle()?;
            if next >= until {
                break;
            }
        }
        Ok(())
    }

    /// Something happens to the bytes of an actor.
    pub(crate) fn meddle(&mut self, from: usize, to: Option<usize>, what: FaultInjection) {
        let freed = self.simulation.links.meddle(from, to, what);
        for conn in freed.cut {
            self.simulation.cut(conn);
        }
        for (conn, bytes) in freed.sent {
            self.simulation.net.send(conn, bytes);
        }
        for conn in freed.hung_up {
            if self.simulation.links.hang_up(conn) {
                self.simulation.net.close(conn);
            }
        }
    }

    /// One connection is made from end to end before anything else happens.
    fn put_through(&mut self, call: &Call) -> Result<(), NotQuiescent> {
        let unreachable = |why: String| (call.who, Input::Unreachable { dial: call.dial, why });
        let (real, listener, called) = match self.simulation.ports.find(&call.target, call.family) {
            Ok(bound) => (bound.real, bound.listener, bound.who),
            Err(why) => {
                self.simulation.inputs.push_back(unreachable(why));
                return Ok(());
            }
        };
        let ours = self.simulation.net.connect(vec![real]);
        let (mut from, mut arrived) = (None, Vec::new());
        let theirs = loop {
            if let Some(from) = from
                && let Some((conn, _)) = arrived.iter().find(|(_, caller)| *caller == from)
            {
                break *conn;
            }
            let before = (from.is_some(), arrived.len());
            for event in self.wait()? {
                match event {
                    NetEvent::Connected { conn, from: at, .. } if conn == ours => from = Some(at),
                    NetEvent::Unreachable { conn, tried } if conn == ours => {
                        let why = describe_attempts(&tried);
                        self.simulation.inputs.push_back(unreachable(why));
                        return Ok(());
                    }
                    NetEvent::Accepted { conn, from, .. } => arrived.push((conn, from)),
                    other => self.take(other),
                }
            }
            if before == (from.is_some(), arrived.len()) {
                return if interrupt::came() { Ok(()) } else { Err(self.restless()) };
            }
        };
        // Whoever else found the port is nobody of the script.
        for (conn, _) in arrived.iter().filter(|(conn, _)| *conn != theirs) {
            self.simulation.net.abort(*conn);
        }
        self.simulation.links.join((ours, call.who), (theirs, called));
        let label = |cast: &Self, who| cast.simulation.label(who).to_owned();
        let (dials, answers) = (label(self, call.who), label(self, called));
        let seed = self.simulation.seeds.next(&dials, "dialled");
        let to = std::net::SocketAddr::new(real.ip(), call.target.port);
        self.simulation
            .inputs
            .push_back((call.who, Input::Connected { dial: call.dial, conn: ours, to, seed }));
        let from = self.simulation.ports.caller(call.who);
        let seed = self.simulation.seeds.next(&answers, "called");
        let now_ms = self.simulation.clock.now().mono.0;
        let admitted = self.simulation.source_limiter.as_mut().map_or(Ok(()), |(sources, since)| {
            sources.admit(std::net::Ipv4Addr::LOCALHOST.into(), *since + Duration::from_millis(now_ms))
        });
        match admitted {
            Ok(()) => {
                let input = Input::Accepted { conn: theirs, listener, from, seed };
                self.simulation.inputs.push_back((called, input));
            }
            Err(why) => {
                self.simulation.links.hang_up(theirs);
                self.simulation.net.abort(theirs);
                self.simulation.inputs.push_back((called, Input::TurnedAway { from, why: why.to_string() }));
            }
        }
        Ok(())
    }

    /// Waits until everything that is in flight has come out of the kernel.
    fn gather(&mut self) -> Result<(), NotQuiescent> {
        loop {
            let connections = self.simulation.links.connections();
            if !connections.iter().any(|conn| self.simulation.links.is_due(*conn)) {
                return Ok(());
            }
            let events = self.wait()?;
            if events.is_empty() {
                return if interrupt::came() { Ok(()) } else { Err(self.restless()) };
            }
            for event in events {
                self.take(event);
            }
        }
    }

    /// Hands over what has come, connection by connection in the order of their opening.
    fn deliver(&mut self) -> bool {
        let mut delivered = false;
        for conn in self.simulation.links.connections() {
            let Some(end) = self.simulation.links.get_mut(conn).filter(|end| !end.gone) else { continue };
            let who = end.who;
            let bytes = std::mem::take(&mut end.inbox);
            if !bytes.is_empty() {
                delivered = true;
                self.input(who, Input::Bytes { conn, bytes: &bytes });
            }
            let Some(end) = self.simulation.links.get_mut(conn).filter(|end| !end.gone) else { continue };
            if let EndState::Due(error) = &mut end.over {
                let error = error.take();
                end.over = EndState::RunEvent;
                delivered = true;
                self.input(who, Input::Ended { conn, error });
            }
        }
        delivered
    }

    fn take(&mut self, event: NetEvent) {
        match event {
            NetEvent::Bytes { conn, bytes } => self.simulation.links.came(conn, &bytes),
            NetEvent::Ended { conn } => self.over(conn, None),
            NetEvent::Lost { conn, error } => self.over(conn, Some(describe(&error))),
            NetEvent::Accepted { conn, .. } => self.simulation.net.abort(conn),
            _ => {}
        }
    }

    fn over(&mut self, conn: ConnId, error: Option<String>) {
        if let Some(end) = self.simulation.links.get_mut(conn)
            && matches!(end.over, EndState::No)
        {
            end.over = EndState::Due(error);
        }
    }

    fn wait(&mut self) -> Result<Vec<NetEvent>, NotQuiescent> {
        let (until, mut events) = (Instant::now() + GUARD, Vec::new());
        // Any signal ends a wait before its time, also one that is nothing to us, as after Ctrl-Z.
        while events.is_empty() && Instant::now() < until && !interrupt::came() {
            let waited = self.simulation.net.wait(Some(until), &mut events);
            waited.map_err(|error| NotQuiescent(describe(&error)))?;
        }
        Ok(events)
    }

    fn restless(&self) -> NotQuiescent {
        let flights = self.simulation.links.in_flight().into_iter().map(|(from, to, bytes)| {
            format!("{bytes} bytes from {} to {}", self.simulation.label(from), self.simulation.label(to))
        });
        let flights: Vec<_> = flights.collect();
        NotQuiescent(if flights.is_empty() {
            "an end or a call is missing".to_owned()
        } else {
            flights.join(", ")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::error::code;
    use crate::replay::clock::RunClock;
    use crate::replay::diagnostics;
    use crate::replay::runner::RunStop;
    use crate::replay::seeds::Seeds;
    use crate::replay::trouble::{placed, restless};
    use crate::script::{Parser, Source};

    /// Alice waits for Bob's call, which has been made.
    fn connected() -> Actors {
        let labels = ["alice", "bob"].map(str::to_owned);
        let mut cast = Actors::new(&labels, RunClock::closed(), Seeds::script(7), String::new()).unwrap();
        let keys = [include_str!("../../tests/keys/test-1.pem"), include_str!("../../tests/keys/test-2.pem")];
        for (who, key) in keys.into_iter().enumerate() {
            let file = cast.simulation.home(who).join("identity.pem");
            crate::replay::files::write(cast.folder(), &file, key).unwrap();
        }
        cast.start_all().unwrap();
        for (who, line) in [(0, ":listen 127.0.0.1:8000"), (1, ":connect 127.0.0.1:8000")] {
            cast.type_line(who, line);
            cast.settle().unwrap();
        }
        cast
    }

    #[test]
    fn bytes_that_never_come_are_named_and_are_a_fault_of_the_program() {
        let mut cast = connected();
        let conn = cast.simulation.links.links_of(1)[0];
        // Counted as sent, and not sent.
        cast.simulation.links.pass(conn, vec![0; 5]);
        let NotQuiescent(what) = cast.settle().unwrap_err();
        assert_eq!(what, "5 bytes from bob to alice");
        let RunStop::Failed(error) = restless(&what) else { panic!("it is a failure") };
        assert_eq!(error.code, code::MACHINE);
        let source = Source { name: "story.chat".to_owned(), text: "# 쉬지 않는다\nhello\n".to_owned() };
        let script = Parser::new(&mut |_, _| Err(String::new())).parse(&source).unwrap();
        let told = diagnostics::drawn(&placed(&script.lines[1], &error), &script.sources);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("replay-restless", format!("{told}\n")));
    }

    #[test]
    fn an_end_that_never_comes_is_named_too() {
        let mut cast = connected();
        let conn = cast.simulation.links.links_of(1)[0];
        cast.simulation.links.hang_up(conn);
        assert_eq!(cast.settle().unwrap_err().0, "an end or a call is missing");
    }
}
