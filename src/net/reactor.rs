//! Reactor: the owner of every socket and timer, and its turn (wait, expire timers, give each ready
//! socket its bounded share).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, UnixListener};
use mio::{Events, Interest, Poll, Token, Waker};

use super::dial::{DialStep, Dialer};
use super::link::{Link, LinkStatus};
use super::listener::{self, AcceptError};
use super::slot::{Slot, SlotState};
use super::socks::SocksRequest;
use super::source_limiter::{SourceLimiter, SourcePrefix};
use super::stream::Stream;
use super::{LimitExceeded, NetEvent, ReadInterest, SocketId, Stack};
use crate::ids::ConnId;
use crate::limits::{
    ACCEPT_RETRY_MS, CALLS_A_TURN, FLUSH_TIMEOUT_MS, LINGER_MS, REPORT_EVERY_MS, TURN_BYTES,
};

/// Sockets, their queues and deadlines. All reading, writing and timers happen in [`Net::wait`];
/// writing also in [`Net::send`].
#[expect(missing_debug_implementations, reason = "the state of the machine: nothing to read there")]
pub struct Net {
    pub(super) poll: Poll,
    readiness: Events,
    waker: Arc<Waker>,
    /// Number of the next connection or listener.
    next_id: u64,
    listeners: BTreeMap<u64, TcpListener>,
    pub(super) local_listeners: BTreeMap<u64, UnixListener>,
    pub(super) slots: BTreeMap<u64, Slot>,
    /// Connections and listeners that have something to do, or that the kernel reported.
    pub(super) ready: BTreeSet<u64>,
    /// Where the next turn begins, after one that was cut short.
    cursor: u64,
    timers: BTreeSet<(Instant, u64)>,
    /// Listeners that wait for descriptors, and until when.
    accept_paused: BTreeSet<u64>,
    accept_resumes: Option<Instant>,
    last_fd_report: Option<Instant>,
    last_refusal_report: Option<Instant>,
    unreported_refusals: u64,
    sources: SourceLimiter,
    /// Callers that have not proved a key.
    unproven: BTreeSet<u64>,
    /// Connections that were lost and are not closed by their owner yet.
    pub(super) lost: BTreeSet<u64>,
    /// Unsent bytes of connections that no longer exist.
    dropped_bytes: usize,
    max_links: Option<usize>,
    /// Empty between two reads.
    read_buffer: Vec<u8>,
}

/// Token of the waker; connections and listeners are numbered from the next.
const WAKER: u64 = 0;

impl Net {
    /// A reactor without any socket yet, with the limits of [`SourceLimiter::limited`].
    ///
    /// # Errors
    /// The system's, when it has no descriptors left for the reactor's own.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), token(WAKER))?);
        Ok(Self {
            poll,
            readiness: Events::with_capacity(1_024),
            waker,
            next_id: WAKER + 1,
            listeners: BTreeMap::new(),
            local_listeners: BTreeMap::new(),
            slots: BTreeMap::new(),
            ready: BTreeSet::new(),
            cursor: 0,
            timers: BTreeSet::new(),
            accept_paused: BTreeSet::new(),
            accept_resumes: None,
            last_fd_report: None,
            last_refusal_report: None,
            unreported_refusals: 0,
            unproven: BTreeSet::new(),
            sources: SourceLimiter::limited(),
            lost: BTreeSet::new(),
            dropped_bytes: 0,
            max_links: None,
            read_buffer: Vec::new(),
        })
    }

    /// Handle with which other threads end a [`Net::wait`], after putting a value into a channel.
    #[must_use]
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Replaces the limits by source. Only before the first [`Net::listen`]: calls counted by the
    /// old limits are not known to the new ones.
    pub fn set_sources(&mut self, sources: SourceLimiter) {
        self.sources = sources;
    }

    /// Refuses callers while this many connections exist, including dialled and closing ones.
    pub fn set_max_links(&mut self, links: usize) {
        self.max_links = Some(links);
    }

    /// Listens, and returns the address: with port 0 the system chooses a free one.
    ///
    /// # Errors
    /// The system's: the port is taken, needs rights, or the address is not one of this machine.
    pub fn listen(&mut self, addr: SocketAddr, stack: Stack) -> io::Result<(SocketId, SocketAddr)> {
        let mut listener = listener::bind(addr, stack)?;
        let addr = listener.local_addr()?;
        let id = self.allocate_id();
        self.poll.registry().register(&mut listener, token(id), Interest::READABLE)?;
        self.listeners.insert(id, listener);
        Ok((SocketId(id), addr))
    }

    /// Stops listening. Connections accepted here stay; callers in the kernel's backlog are
    /// refused.
    pub fn unlisten(&mut self, id: SocketId) {
        self.listeners.remove(&id.0);
        self.local_listeners.remove(&id.0);
        self.ready.remove(&id.0);
        self.accept_paused.remove(&id.0);
    }

    /// Begins to dial: each address in turn, for
    /// [`CONNECT_TIMEOUT_MS`](crate::limits::CONNECT_TIMEOUT_MS) each. Bytes sent before one
    /// answers wait for it. [`Net::close`] cancels.
    pub fn connect(&mut self, addrs: Vec<SocketAddr>) -> ConnId {
        self.dial(Dialer::new(addrs))
    }

    /// The same by a SOCKS proxy, each of whose addresses is tried; all of it ends at a moment.
    pub fn connect_by_proxy(
        &mut self,
        addrs: Vec<SocketAddr>,
        request: SocksRequest,
        until: Instant,
    ) -> ConnId {
        self.dial(Dialer::new(addrs).by_proxy(request, until))
    }

    fn dial(&mut self, dialer: Dialer) -> ConnId {
        let (id, state) = (self.allocate_id(), SlotState::Dialling(Box::new(dialer)));
        self.slots.insert(id, Slot { state, deadline: None, unauthenticated: None });
        self.ready.insert(id);
        ConnId(id)
    }

    /// Queues bytes and writes at once what the kernel takes. Bytes for a connection that is gone
    /// are dropped, as they would be if it went a moment later. The caller bounds what is queued.
    pub fn send(&mut self, id: ConnId, bytes: Vec<u8>) {
        self.send_pieces(id, [bytes]);
    }

    /// The same with pieces that follow each other: the kernel is given them together.
    pub fn send_pieces(&mut self, id: ConnId, pieces: impl IntoIterator<Item = Vec<u8>>) {
        match self.slots.get_mut(&id.0).map(|slot| &mut slot.state) {
            None => self.dropped_bytes += pieces.into_iter().map(|piece| piece.len()).sum::<usize>(),
            Some(SlotState::Dialling(dialer)) => dialer.early.extend(pieces),
            Some(SlotState::Open(link)) => {
                link.send(pieces);
                if link.is_ready() {
                    self.ready.insert(id.0);
                }
            }
        }
    }

    /// Bytes not yet taken by the kernel.
    #[must_use]
    pub fn queued(&self, id: ConnId) -> usize {
        match self.slots.get(&id.0).map(|slot| &slot.state) {
            Some(SlotState::Dialling(dialer)) => dialer.early_bytes(),
            Some(SlotState::Open(link)) => link.queued(),
            None => 0,
        }
    }

    /// Whether bytes wait of which the kernel has taken none for so long: the peer does not read.
    #[must_use]
    pub fn is_stalled(&self, id: ConnId, time: Duration) -> bool {
        let since = match self.slots.get(&id.0).map(|slot| &slot.state) {
            Some(SlotState::Open(link)) => link.stalled_since(),
            Some(SlotState::Dialling(_)) | None => None,
        };
        since.is_some_and(|since| since.elapsed() >= time)
    }

    /// Bytes of all connections since the beginning that the kernel has not taken: those that wait,
    /// and those that were dropped. While it stays the same, everything that was sent has been
    /// taken.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.dropped_bytes + self.slots.values().map(Slot::unsent_bytes).sum::<usize>()
    }

    /// Sets whether the connection is read. While it is not, its end is not seen either, unless
    /// something is written to it and nothing that the peer sent waits.
    pub fn set_reading(&mut self, id: ConnId, reading: ReadInterest) {
        match self.slots.get_mut(&id.0).map(|slot| &mut slot.state) {
            None => {}
            Some(SlotState::Dialling(dialer)) => dialer.reading = reading,
            Some(SlotState::Open(link)) => {
                link.reading = reading;
                self.ready.insert(id.0);
            }
        }
    }

    /// The peer has proved a key: its connection no longer counts against [`SourceLimiter`].
    pub fn mark_authenticated(&mut self, id: ConnId) {
        if let Some(ip) = self.slots.get_mut(&id.0).and_then(|slot| slot.unauthenticated.take()) {
            self.unproven.remove(&id.0);
            self.sources.release(ip);
        }
    }

    /// Keeps the kernel from giving the connection up because the peer leaves what was sent unread:
    /// its owner finds out whether the peer lives.
    pub fn disable_user_timeout(&mut self, id: ConnId) {
        if let Some(link) = self.open_link(id) {
            link.disable_user_timeout();
        }
    }

    /// Closes in order. Nothing more is read or reported; what is queued is written, for at most
    /// [`FLUSH_TIMEOUT_MS`]; then our end of stream, and when the peer's own end has come or
    /// [`LINGER_MS`] later, the socket is closed. A dial is cancelled. A connection that was
    /// evicted is closed at once, behind what the kernel takes.
    pub fn close(&mut self, id: ConnId) {
        if self.open_link(id).is_some_and(Link::flush_evicted) {
            return self.abort(id);
        }
        match self.slots.get_mut(&id.0).map(|slot| &mut slot.state) {
            Some(SlotState::Dialling(_)) => self.abort(id),
            Some(SlotState::Open(link)) if link.is_lost() => self.abort(id),
            Some(SlotState::Open(link)) if !link.is_closing() => {
                link.close();
                self.ready.insert(id.0);
                self.set_deadline(id.0, Some(Instant::now() + Duration::from_millis(FLUSH_TIMEOUT_MS)));
            }
            _ => {}
        }
    }

    /// Closes the socket now, as a machine that crashed: the peer gets a reset (RST).
    pub fn reset(&mut self, id: ConnId) {
        if let Some(link) = self.open_link(id) {
            link.reset_on_close();
        }
        self.abort(id);
    }

    /// Closes the socket now and drops what was queued for it. A descriptor is free from now on, so
    /// paused listeners accept again at once.
    pub fn abort(&mut self, id: ConnId) {
        self.set_deadline(id.0, None);
        self.mark_authenticated(id);
        self.dropped_bytes += self.slots.remove(&id.0).as_ref().map_or(0, Slot::unsent_bytes);
        self.ready.remove(&id.0);
        self.lost.remove(&id.0);
        self.resume_accept();
    }

    /// Closes every connection and listener at once. The waker keeps working.
    pub fn close_all(&mut self) {
        self.listeners.clear();
        self.local_listeners.clear();
        self.accept_paused.clear();
        for id in self.slots.keys().copied().collect::<Vec<_>>() {
            self.abort(ConnId(id));
        }
        self.accept_resumes = None;
        self.ready.clear();
    }

    /// Number of connections: dialling, open, and those that still flush after a [`Net::close`];
    /// not those that were lost and wait for that.
    #[must_use]
    pub fn links(&self) -> usize {
        self.slots.len() - self.lost.len()
    }

    /// Sleeps until there is something to report or the deadline has come, and puts the reports
    /// into `events`, which is emptied first. Between two calls nothing is done but what
    /// [`Net::send`] writes.
    ///
    /// # Errors
    /// Those of the system's own waiting call, which are not to be expected; interruption
    /// by a signal is not an error.
    pub fn wait(&mut self, deadline: Option<Instant>, events: &mut Vec<NetEvent>) -> io::Result<()> {
        events.clear();
        loop {
            self.step(deadline, events)?;
            if !events.is_empty() || deadline.is_some_and(|at| at <= Instant::now()) {
                return Ok(());
            }
        }
    }

    /// Waits until every connection is closed, or the moment has come. Events are dropped.
    ///
    /// # Errors
    /// As for [`Net::wait`].
    pub fn wait_closed(&mut self, until: Instant) -> io::Result<()> {
        while self.links() > 0 && Instant::now() < until {
            self.step(Some(until), &mut Vec::new())?;
        }
        Ok(())
    }

    fn step(&mut self, deadline: Option<Instant>, events: &mut Vec<NetEvent>) -> io::Result<()> {
        self.poll_readiness(deadline, events)?;
        self.expire(Instant::now());
        self.drive_ready(events);
        Ok(())
    }

    fn poll_readiness(&mut self, deadline: Option<Instant>, events: &mut Vec<NetEvent>) -> io::Result<()> {
        let timeout = if self.ready.is_empty() {
            let first_timer = self.timers.first().map(|(at, _)| *at);
            let until = [deadline, first_timer, self.accept_resumes].into_iter().flatten().min();
            until.map(|at| at.saturating_duration_since(Instant::now()))
        } else {
            Some(Duration::ZERO)
        };
        if let Err(error) = self.poll.poll(&mut self.readiness, timeout) {
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        for event in &self.readiness {
            let id = event.token().0 as u64;
            if id == WAKER {
                events.push(NetEvent::Woken);
                continue;
            }
            if let Some(Slot { state: SlotState::Open(link), .. }) = self.slots.get_mut(&id) {
                link.handle_readiness(event);
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
                Some(SlotState::Dialling(_)) => self.ready.extend([id]),
                _ => self.abort(ConnId(id)),
            }
        }
        if self.accept_resumes.is_some_and(|at| at <= now) {
            self.resume_accept();
        }
    }

    fn drive_ready(&mut self, events: &mut Vec<NetEvent>) {
        let from = std::mem::take(&mut self.cursor);
        let order: Vec<u64> = self.ready.range(from..).chain(self.ready.range(..from)).copied().collect();
        let mut bytes = 0;
        for id in order {
            if bytes >= TURN_BYTES {
                self.cursor = id;
                return;
            }
            let reported = events.len();
            self.ready.remove(&id);
            if self.listeners.contains_key(&id) {
                self.accept_callers(id, events);
            } else if self.local_listeners.contains_key(&id) {
                self.accept_local(id, events);
            } else {
                self.drive_slot(id, events);
            }
            bytes += events.iter().skip(reported).map(byte_count).sum::<usize>();
        }
    }

    fn drive_slot(&mut self, id: u64, events: &mut Vec<NetEvent>) {
        let conn = ConnId(id);
        let Some(slot) = self.slots.get_mut(&id) else { return };
        match &mut slot.state {
            SlotState::Open(link) => match link.drive(conn, &mut self.read_buffer, events) {
                LinkStatus::Idle => {}
                LinkStatus::Ready => self.ready.extend([id]),
                LinkStatus::Lost => {
                    self.lost.insert(id);
                    self.set_deadline(id, None);
                    self.mark_authenticated(conn);
                }
                LinkStatus::Closed => self.abort(conn),
                LinkStatus::Flushed => {
                    self.set_deadline(id, Some(Instant::now() + Duration::from_millis(LINGER_MS)));
                    self.ready.insert(id);
                }
            },
            SlotState::Dialling(dialer) => {
                match dialer.step(self.poll.registry(), token(id), Instant::now()) {
                    DialStep::Waits { until } => self.set_deadline(id, Some(until)),
                    DialStep::Unreachable { tried } => {
                        self.abort(conn);
                        events.push(NetEvent::Unreachable { conn, tried });
                    }
                    DialStep::Connected { ends, stream } => {
                        let mut link = Link::new(Stream::Tcp(stream));
                        link.reading = dialer.reading;
                        link.send(std::mem::take(&mut dialer.early));
                        slot.state = SlotState::Open(link);
                        self.set_deadline(id, None);
                        self.ready.insert(id);
                        events.push(match ends {
                            Some((to, from)) => NetEvent::Connected { conn, to, from },
                            None => NetEvent::ConnectedByProxy { conn },
                        });
                    }
                }
            }
        }
    }

    /// Accepts a bounded number of callers.
    fn accept_callers(&mut self, id: u64, events: &mut Vec<NetEvent>) {
        for _ in 0..CALLS_A_TURN {
            let Some(listener) = self.listeners.get(&id) else { return };
            match listener::accept(listener) {
                Ok((stream, from)) => self.admit(SocketId(id), stream, from, events),
                Err(AcceptError::WouldBlock) => return,
                Err(error) => {
                    let now = Instant::now();
                    // The kernel does not report callers twice, so a listener that could not accept
                    // them tries again after a while.
                    self.accept_paused.insert(id);
                    self.accept_resumes = Some(now + Duration::from_millis(ACCEPT_RETRY_MS));
                    if error == AcceptError::OutOfFds && is_due(&mut self.last_fd_report, now) {
                        events.push(NetEvent::OutOfFds { open: self.links() });
                    }
                    return;
                }
            }
        }
        self.ready.insert(id);
    }

    fn resume_accept(&mut self) {
        self.accept_resumes = None;
        self.ready.append(&mut self.accept_paused);
    }

    fn admit(
        &mut self,
        listener: SocketId,
        mut stream: mio::net::TcpStream,
        from: SocketAddr,
        events: &mut Vec<NetEvent>,
    ) {
        let now = Instant::now();
        let admitted = if self.max_links.is_some_and(|max| self.links() >= max) {
            Err(LimitExceeded::Links)
        } else {
            match self.sources.admit(from.ip(), now) {
                Err(LimitExceeded::Unauthenticated) if self.evict_caller(events).is_some() => {
                    self.sources.count(from.ip());
                    Ok(())
                }
                admitted => admitted,
            }
        };
        if let Err(why) = admitted {
            self.unreported_refusals += 1;
            if is_due(&mut self.last_refusal_report, now) {
                let callers = std::mem::take(&mut self.unreported_refusals);
                events.push(NetEvent::Refused { from, why, callers });
            }
            return;
        }
        let id = self.allocate_id();
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut stream, token(id), interest).is_err() {
            // The kernel's limit of watched descriptors; the caller finds its connection closed.
            self.sources.release(from.ip());
            return;
        }
        let state = SlotState::Open(Link::new(Stream::Tcp(stream)));
        self.slots.insert(id, Slot { state, deadline: None, unauthenticated: Some(from.ip()) });
        self.unproven.insert(id);
        self.ready.insert(id);
        events.push(NetEvent::Accepted { conn: ConnId(id), listener, from });
    }

    /// Closes a caller that has not proved a key, so that there is room for another: the oldest
    /// that we wait for, of the source with most of them; of equal sources one by chance. Never one
    /// that waits for us.
    fn evict_caller(&mut self, events: &mut Vec<NetEvent>) -> Option<ConnId> {
        let mut sources: HashMap<SourcePrefix, Vec<u64>> = HashMap::new();
        for &id in &self.unproven {
            if let Some(ip) = self.slots.get(&id).and_then(|slot| slot.unauthenticated) {
                sources.entry(SourcePrefix::of(ip)).or_default().push(id);
            }
        }
        let chance = RandomState::new();
        let mut sources: Vec<_> = sources.into_iter().collect();
        sources.sort_by_cached_key(|(source, ids)| Reverse((ids.len(), chance.hash_one(source))));
        let awaits_peer = |id: &u64| match self.slots.get(id).map(|slot| &slot.state) {
            Some(SlotState::Open(link)) => {
                link.awaits_peer() && !events.iter().any(|event| is_bytes_of(event, *id))
            }
            _ => false,
        };
        let conn = ConnId(sources.into_iter().flat_map(|(_, ids)| ids).find(awaits_peer)?);
        match self.open_link(conn).filter(|link| !link.is_closing()) {
            // Its owner may tell it why, and closes it.
            Some(link) => link.evict(),
            None => self.abort(conn),
        }
        self.mark_authenticated(conn);
        events.push(NetEvent::Evicted { conn });
        Some(conn)
    }

    /// Keeps room for callers from the address of this connection: a peer that the user chose is
    /// there.
    pub fn remember_source(&mut self, id: ConnId) {
        if let Some(ip) = self.open_link(id).and_then(|link| link.peer_ip()) {
            self.sources.remember(ip, Instant::now());
        }
    }

    fn open_link(&mut self, id: ConnId) -> Option<&mut Link> {
        match &mut self.slots.get_mut(&id.0)?.state {
            SlotState::Open(link) => Some(link),
            SlotState::Dialling(_) => None,
        }
    }

    pub(super) fn set_deadline(&mut self, id: u64, deadline: Option<Instant>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if let Some(old) = std::mem::replace(&mut slot.deadline, deadline) {
            self.timers.remove(&(old, id));
        }
        self.timers.extend(deadline.map(|at| (at, id)));
    }

    pub(super) fn allocate_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}

pub(super) fn token(id: u64) -> Token {
    Token(usize::try_from(id).unwrap_or(usize::MAX))
}

fn is_bytes_of(event: &NetEvent, id: u64) -> bool {
    matches!(event, NetEvent::Bytes { conn, .. } if conn.0 == id)
}

fn byte_count(event: &NetEvent) -> usize {
    if let NetEvent::Bytes { bytes, .. } = event { bytes.len() } else { 0 }
}

/// Whether a report may be made again; if so, notes that it is.
fn is_due(last: &mut Option<Instant>, now: Instant) -> bool {
    let due =
        last.is_none_or(|at| now.saturating_duration_since(at) >= Duration::from_millis(REPORT_EVERY_MS));
    if due {
        *last = Some(now);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reactor, and a caller that never reads nor ends, whose connection we have closed with so
    /// much queued.
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
            net.drive_ready(&mut events);
        }
        (net, peer)
    }

    /// The connection exists until a moment before the limit, and is gone at it.
    fn check(mut net: Net, limit_ms: u64) {
        let (at, _) = *net.timers.first().unwrap();
        assert!(at <= Instant::now() + Duration::from_millis(limit_ms));
        net.expire(at.checked_sub(Duration::from_millis(1)).unwrap());
        assert_eq!(net.links(), 1);
        net.expire(at);
        assert_eq!((net.links(), net.timers.len(), net.ready.len()), (0, 0, 0));
    }

    #[test]
    fn a_peer_that_never_reads_or_never_ends_is_closed_some_time_after_we_close() {
        let (net, _peer) = with_a_stubborn_caller(64 << 20);
        assert!(net.queued(ConnId(2)) > 0);
        check(net, FLUSH_TIMEOUT_MS);
        let (net, _peer) = with_a_stubborn_caller(10);
        assert_eq!(net.queued(ConnId(2)), 0);
        check(net, LINGER_MS);
    }
}
