//! The owner of every socket: what can be asked of connections and listeners. How a turn of the loop goes is in
//! `turn`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};

use super::dial::Dial;
use super::link::Link;
use super::source_limiter::Sources;
use super::{LinkId, ListenerId, Reading, Stack, listener};
use crate::limits::{HANGUP_MS, LINK_TURN_BYTES};

/// Sockets, their queues and deadlines. See [`Net::wait`], which makes all of it move.
#[expect(missing_debug_implementations, reason = "the state of the machine: nothing to read there")]
pub struct Net {
    pub(super) poll: Poll,
    pub(super) happened: Events,
    pub(super) waker: Arc<Waker>,
    /// The number of the next link or listener.
    next: u64,
    pub(super) listeners: BTreeMap<u64, TcpListener>,
    pub(super) slots: BTreeMap<u64, Slot>,
    /// Those with something to do, or of which the kernel said so.
    pub(super) ready: BTreeSet<u64>,
    /// Where the next turn begins, after one that was cut short.
    pub(super) cursor: u64,
    pub(super) timers: BTreeSet<(Instant, u64)>,
    /// Listeners that wait for descriptors, and until when.
    pub(super) starved: BTreeSet<u64>,
    pub(super) starved_until: Option<Instant>,
    pub(super) famine_told: Option<Instant>,
    pub(super) refusals_told: Option<Instant>,
    pub(super) refusals: u64,
    pub(super) sources: Sources,
    /// Bytes that the kernel had not taken of links that are gone.
    lost: usize,
    pub(super) ceiling: usize,
    pub(super) scratch: Vec<u8>,
}

pub(super) struct Slot {
    pub(super) state: State,
    pub(super) deadline: Option<Instant>,
    /// Where an accepted link came from, until it is proven.
    pub(super) unproven: Option<IpAddr>,
}

pub(super) enum State {
    Dialling(Dial),
    Open(Link),
}

impl Slot {
    fn untaken(&self) -> usize {
        match &self.state {
            State::Dialling(dial) => dial.early.iter().map(Vec::len).sum(),
            State::Open(link) => link.untaken(),
        }
    }
}

/// The token of the waker; links and listeners are numbered from the next.
pub(super) const WAKER: u64 = 0;

impl Net {
    /// A loop without any socket yet, with the limits of [`Sources::limited`].
    ///
    /// # Errors
    /// The system's, when it has no descriptors left for the loop's own.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), token(WAKER))?);
        Ok(Self {
            poll,
            happened: Events::with_capacity(1_024),
            waker,
            next: WAKER + 1,
            listeners: BTreeMap::new(),
            slots: BTreeMap::new(),
            ready: BTreeSet::new(),
            cursor: 0,
            timers: BTreeSet::new(),
            starved: BTreeSet::new(),
            starved_until: None,
            famine_told: None,
            refusals_told: None,
            refusals: 0,
            sources: Sources::limited(),
            lost: 0,
            ceiling: usize::MAX,
            scratch: vec![0; LINK_TURN_BYTES],
        })
    }

    /// What other threads use to end a [`Net::wait`], after putting something into a channel.
    #[must_use]
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Replaces the limits by source. To be called before the first [`Net::listen`]: calls counted by the old
    /// limits are not known to the new ones.
    pub fn set_sources(&mut self, sources: Sources) {
        self.sources = sources;
    }

    /// Callers are refused while this many links exist, dialled ones and those still leaving included.
    pub fn set_ceiling(&mut self, links: usize) {
        self.ceiling = links;
    }

    /// Listens, and says on which address: with port 0 the system chooses a free one.
    ///
    /// # Errors
    /// The system's: the port is taken, needs rights, or the address is not one of this machine.
    pub fn listen(&mut self, addr: SocketAddr, stack: Stack) -> io::Result<(ListenerId, SocketAddr)> {
        let mut listener = listener::open(addr, stack)?;
        let addr = listener.local_addr()?;
        let id = self.number();
        self.poll.registry().register(&mut listener, token(id), Interest::READABLE)?;
        self.listeners.insert(id, listener);
        Ok((ListenerId(id), addr))
    }

    /// Stops listening; links that came by this listener stay, callers in the kernel's queue are refused.
    pub fn unlisten(&mut self, id: ListenerId) {
        self.listeners.remove(&id.0);
        self.ready.remove(&id.0);
        self.starved.remove(&id.0);
    }

    /// Begins to dial: each address in turn, for [`CONNECT_TIMEOUT_MS`](crate::limits::CONNECT_TIMEOUT_MS)
    /// each. What is sent before one answers waits for it. [`Net::hangup`] cancels.
    pub fn connect(&mut self, addrs: Vec<SocketAddr>) -> LinkId {
        let id = self.number();
        let state = State::Dialling(Dial::new(addrs));
        self.slots.insert(id, Slot { state, deadline: None, unproven: None });
        self.ready.insert(id);
        LinkId(id)
    }

    /// Queues bytes and writes at once what the kernel takes. Bytes for a link that is gone are dropped, as
    /// they would be if it went a moment later. What may be queued is the caller's to bound.
    pub fn send(&mut self, id: LinkId, bytes: Vec<u8>) {
        let Some(slot) = self.slots.get_mut(&id.0) else {
            self.lost += bytes.len();
            return;
        };
        match &mut slot.state {
            State::Dialling(dial) => dial.early.push(bytes),
            State::Open(link) => {
                link.send(bytes);
                if link.wants_turn() {
                    self.ready.insert(id.0);
                }
            }
        }
    }

    /// Bytes not yet taken by the kernel.
    #[must_use]
    pub fn queued(&self, id: LinkId) -> usize {
        match self.slots.get(&id.0).map(|slot| &slot.state) {
            Some(State::Dialling(dial)) => dial.early.iter().map(Vec::len).sum(),
            Some(State::Open(link)) => link.queued(),
            None => 0,
        }
    }

    /// Bytes of all links since the beginning that the kernel has not taken: those that wait, and those that were
    /// lost with their links. While it stays the same, everything that was sent has been taken.
    #[must_use]
    pub fn untaken(&self) -> usize {
        self.lost + self.slots.values().map(Slot::untaken).sum::<usize>()
    }

    /// Reads the link or leaves it unread. While it is unread its end is not seen either, unless something
    /// is written to it.
    pub fn set_reading(&mut self, id: LinkId, reading: Reading) {
        let Some(slot) = self.slots.get_mut(&id.0) else { return };
        match &mut slot.state {
            State::Dialling(dial) => dial.reading = reading,
            State::Open(link) => {
                link.set_reading(reading);
                self.ready.insert(id.0);
            }
        }
    }

    /// The link has proved a key: it no longer counts against the limits of [`Sources`].
    pub fn proven(&mut self, id: LinkId) {
        if let Some(ip) = self.slots.get_mut(&id.0).and_then(|slot| slot.unproven.take()) {
            self.sources.settled(ip);
        }
    }

    /// Who owns the link finds out whether the peer lives: the kernel gives it up no more because the peer leaves
    /// what was sent unread.
    pub fn be_patient(&mut self, id: LinkId) {
        if let Some(Slot { state: State::Open(link), .. }) = self.slots.get(&id.0) {
            link.be_patient();
        }
    }

    /// Says goodbye: nothing more is read or reported; what is queued goes out, for at most
    /// [`HANGUP_MS`]; then the end of stream, and when the peer's own end has come or
    /// [`LINGER_MS`](crate::limits::LINGER_MS) later, the socket is closed. A link still dialling is
    /// cancelled.
    pub fn hangup(&mut self, id: LinkId) {
        let Some(slot) = self.slots.get_mut(&id.0) else { return };
        match &mut slot.state {
            State::Dialling(_) => self.close(id.0),
            State::Open(link) if link.is_leaving() => {}
            State::Open(link) => {
                link.hang_up();
                self.ready.insert(id.0);
                self.set_deadline(id.0, Some(Instant::now() + Duration::from_millis(HANGUP_MS)));
            }
        }
    }

    /// Closes the socket now, as a machine that crashed: the peer is told by a reset (RST).
    pub fn reset(&mut self, id: LinkId) {
        if let Some(Slot { state: State::Open(link), .. }) = self.slots.get(&id.0) {
            link.will_reset();
        }
        self.close(id.0);
    }

    /// Closes the socket now and forgets what was queued for it.
    pub fn drop_now(&mut self, id: LinkId) {
        self.close(id.0);
    }

    /// Gives an open connection away, as a socket that blocks, with what was queued for it and is not sent yet.
    /// Nothing is reported of it any more.
    ///
    /// # Errors
    /// When the link is gone or the system refuses; then it is closed.
    pub fn release(&mut self, id: LinkId) -> io::Result<(TcpStream, Vec<u8>)> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        self.proven(id);
        self.set_deadline(id.0, None);
        self.ready.remove(&id.0);
        let slot = self.slots.remove(&id.0).ok_or_else(gone)?;
        let State::Open(link) = slot.state else { return Err(gone()) };
        let (mut stream, unsent) = link.into_parts();
        self.poll.registry().deregister(&mut stream)?;
        let stream = TcpStream::from(OwnedFd::from(stream));
        stream.set_nonblocking(false)?;
        Ok((stream, unsent))
    }

    /// Closes every link and listener at once. What remains is a place to wait at for other threads.
    pub fn close_all(&mut self) {
        self.listeners.clear();
        self.starved.clear();
        self.starved_until = None;
        for id in self.slots.keys().copied().collect::<Vec<_>>() {
            self.close(id);
        }
        self.ready.clear();
    }

    /// Links that exist: dialling, open, and those that still flush after a [`Net::hangup`].
    #[must_use]
    pub fn links(&self) -> usize {
        self.slots.len()
    }

    /// Frees everything of a link. A descriptor is free from now on, so starved listeners try at once.
    pub(super) fn close(&mut self, id: u64) {
        self.set_deadline(id, None);
        self.proven(LinkId(id));
        self.lost += self.slots.remove(&id).as_ref().map_or(0, Slot::untaken);
        self.ready.remove(&id);
        self.feed_starved();
    }

    pub(super) fn feed_starved(&mut self) {
        self.starved_until = None;
        self.ready.append(&mut self.starved);
    }

    pub(super) fn set_deadline(&mut self, id: u64, deadline: Option<Instant>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if let Some(old) = std::mem::replace(&mut slot.deadline, deadline) {
            self.timers.remove(&(old, id));
        }
        self.timers.extend(deadline.map(|at| (at, id)));
    }

    pub(super) fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}

pub(super) fn token(id: u64) -> Token {
    Token(usize::try_from(id).unwrap_or(usize::MAX))
}
