//! One turn of the loop: wait, see whose time is over, then give each that is ready its bounded share.

use crate::ids::ConnId;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::dial::DialStep;
use super::link::{Link, LinkStatus};
use super::listener::{self, Accepted};
use super::reactor::{Slot, State, WAKER, token};
use super::{LimitExceeded, Net, NetEvent, SocketId};
use crate::limits::{CALLS_A_TURN, FAMINE_RETRY_MS, LINGER_MS, REPORT_EVERY_MS, TURN_BYTES};

impl Net {
    /// Sleeps until something is to be told or the deadline has come, and puts what is to be told into
    /// `events`, which is emptied first. Nothing is done between two calls but what [`Net::send`] writes.
    ///
    /// # Errors
    /// Only what the system's own waiting call answers, which is not to be expected; interruption by a signal
    /// is not an error.
    pub fn wait(&mut self, deadline: Option<Instant>, events: &mut Vec<NetEvent>) -> io::Result<()> {
        events.clear();
        loop {
            self.sleep(deadline, events)?;
            self.expire(Instant::now());
            self.turn(events);
            if !events.is_empty() || deadline.is_some_and(|at| at <= Instant::now()) {
                return Ok(());
            }
        }
    }

    /// Lets the links that were hung up leave, and returns when no link is there any more or the moment has come.
    /// What else happens is not told.
    ///
    /// # Errors
    /// As for [`Net::wait`].
    pub fn settle(&mut self, until: Instant) -> io::Result<()> {
        let mut events = Vec::new();
        while self.links() > 0 && Instant::now() < until {
            events.clear();
            self.sleep(Some(until), &mut events)?;
            self.expire(Instant::now());
            self.turn(&mut events);
        }
        Ok(())
    }

    fn sleep(&mut self, deadline: Option<Instant>, events: &mut Vec<NetEvent>) -> io::Result<()> {
        let timeout = if self.ready.is_empty() {
            let first_timer = self.timers.first().map(|(at, _)| *at);
            let until = [deadline, first_timer, self.starved_until].into_iter().flatten().min();
            until.map(|at| at.saturating_duration_since(Instant::now()))
        } else {
            Some(Duration::ZERO)
        };
        if let Err(error) = self.poll.poll(&mut self.happened, timeout) {
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        for event in &self.happened {
            let id = event.token().0 as u64;
            if id == WAKER {
                events.push(NetEvent::Woken);
                continue;
            }
            if let Some(Slot { state: State::Open(link), .. }) = self.slots.get_mut(&id) {
                link.notice(event);
            }
            self.ready.insert(id);
        }
        Ok(())
    }

    fn expire(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.timers.first()
            && at <= now
        {
            self.set_deadline(id, None);
            match self.slots.get(&id).map(|slot| &slot.state) {
                Some(State::Dialling(_)) => self.ready.extend([id]),
                _ => self.drop_slot(id),
            }
        }
        if self.starved_until.is_some_and(|at| at <= now) {
            self.resume_accept();
        }
    }

    fn turn(&mut self, events: &mut Vec<NetEvent>) {
        let from = std::mem::take(&mut self.cursor);
        let order: Vec<u64> = self.ready.range(from..).chain(self.ready.range(..from)).copied().collect();
        let mut bytes = 0;
        for id in order {
            if bytes >= TURN_BYTES {
                self.cursor = id;
                return;
            }
            let told = events.len();
            self.ready.remove(&id);
            self.take_calls(id, events);
            self.move_link(id, events);
            bytes += events.iter().skip(told).map(size).sum::<usize>();
        }
    }

    fn move_link(&mut self, id: u64, events: &mut Vec<NetEvent>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        match &mut slot.state {
            State::Open(link) => match link.turn(ConnId(id), &mut self.scratch, events) {
                LinkStatus::Idle => {}
                LinkStatus::More => self.ready.extend([id]),
                LinkStatus::Gone => self.drop_slot(id),
                LinkStatus::Flushed => {
                    self.set_deadline(id, Some(Instant::now() + Duration::from_millis(LINGER_MS)));
                    self.ready.insert(id);
                }
            },
            State::Dialling(dial) => match dial.step(self.poll.registry(), token(id), Instant::now()) {
                DialStep::Waits { until } => self.set_deadline(id, Some(until)),
                DialStep::Unreachable { tried } => {
                    self.drop_slot(id);
                    events.push(NetEvent::Unreachable { conn: ConnId(id), tried });
                }
                DialStep::Connected { to, from, stream } => {
                    let mut link = Link::new(stream);
                    link.set_reading(dial.reading);
                    for early in std::mem::take(&mut dial.early) {
                        link.send(early);
                    }
                    slot.state = State::Open(link);
                    self.set_deadline(id, None);
                    self.ready.insert(id);
                    events.push(NetEvent::Connected { conn: ConnId(id), to, from });
                }
            },
        }
    }

    /// Accepts a bounded number of callers, if this is a listener.
    fn take_calls(&mut self, id: u64, events: &mut Vec<NetEvent>) {
        for _ in 0..CALLS_A_TURN {
            let Some(listener) = self.listeners.get(&id) else { return };
            match listener::accept(listener) {
                Accepted::Nobody => return,
                Accepted::Taken(stream, from) => self.admit(SocketId(id), stream, from, events),
                Accepted::Trouble => {
                    self.pause_accept(id);
                    return;
                }
                Accepted::OutOfFds => {
                    self.pause_accept(id);
                    let now = Instant::now();
                    if is_due(&mut self.famine_told, now) {
                        events.push(NetEvent::OutOfFds { open: self.links() });
                    }
                    return;
                }
            }
        }
        self.ready.insert(id);
    }

    /// The kernel does not speak again of callers it has spoken of, so a listener that could not take them is
    /// asked again after a while.
    fn pause_accept(&mut self, listener: u64) {
        self.accept_paused.insert(listener);
        self.starved_until = Some(Instant::now() + Duration::from_millis(FAMINE_RETRY_MS));
    }

    fn admit(
        &mut self,
        listener: SocketId,
        mut stream: mio::net::TcpStream,
        from: SocketAddr,
        events: &mut Vec<NetEvent>,
    ) {
        let now = Instant::now();
        let admitted = if self.links() >= self.ceiling {
            Err(LimitExceeded::Links)
        } else {
            self.sources.admit(from.ip(), now)
        };
        if let Err(why) = admitted {
            self.refusals += 1;
            if is_due(&mut self.refusals_told, now) {
                let callers = std::mem::take(&mut self.refusals);
                events.push(NetEvent::Refused { from, why, callers });
            }
            return;
        }
        let id = self.number();
        if listener::register(&mut stream, self.poll.registry(), token(id)).is_err() {
            // The kernel's limit of watched descriptors; the caller finds its connection closed.
            self.sources.release(from.ip());
            return;
        }
        let state = State::Open(Link::new(stream));
        self.slots.insert(id, Slot { state, deadline: None, unproven: Some(from.ip()) });
        self.ready.insert(id);
        events.push(NetEvent::Accepted { conn: ConnId(id), listener, from });
    }
}

fn size(event: &NetEvent) -> usize {
    if let NetEvent::Bytes { bytes, .. } = event { bytes.len() } else { 0 }
}

/// Whether something may be told again, and if so, remembers that it is.
fn is_due(told: &mut Option<Instant>, now: Instant) -> bool {
    let due =
        told.is_none_or(|at| now.saturating_duration_since(at) >= Duration::from_millis(REPORT_EVERY_MS));
    if due {
        *told = Some(now);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::HANGUP_MS;
    use crate::net::{SourceLimiter, Stack};

    /// A loop, a caller that never reads nor ends, and our link to it, with more queued than the kernel takes.
    fn with_a_stubborn_caller(queued: usize) -> (Net, std::net::TcpStream) {
        let mut net = Net::new().unwrap();
        net.set_sources(SourceLimiter::unlimited());
        let (_, addr) = net.listen("127.0.0.1:0".parse().unwrap(), Stack::AsGiven).unwrap();
        let peer = std::net::TcpStream::connect(addr).unwrap();
        let mut events = Vec::new();
        net.wait(Some(Instant::now() + Duration::from_secs(10)), &mut events).unwrap();
        let [NetEvent::Accepted { conn: link, .. }] = events[..] else { panic!("{events:?}") };
        net.send(link, vec![0; queued]);
        net.close(link);
        for _ in 0..1_000 {
            net.turn(&mut events);
        }
        (net, peer)
    }

    /// The link is there a moment before the limit and gone at it.
    fn check(mut net: Net, limit_ms: u64) {
        let (at, _) = *net.timers.first().unwrap();
        assert!(at <= Instant::now() + Duration::from_millis(limit_ms));
        net.expire(at.checked_sub(Duration::from_millis(1)).unwrap());
        assert_eq!(net.links(), 1);
        net.expire(at);
        assert_eq!((net.links(), net.timers.len(), net.ready.len()), (0, 0, 0));
    }

    #[test]
    fn a_peer_that_never_reads_is_closed_some_time_after_we_hang_up() {
        let (net, _peer) = with_a_stubborn_caller(64 << 20);
        assert!(net.queued(ConnId(2)) > 0);
        check(net, HANGUP_MS);
    }

    #[test]
    fn a_peer_that_never_ends_is_closed_soon_after_all_is_sent() {
        let (net, _peer) = with_a_stubborn_caller(10);
        assert_eq!(net.queued(ConnId(2)), 0);
        check(net, LINGER_MS);
    }
}
