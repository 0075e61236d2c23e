//! The owner of every socket: what can be asked of connections and listeners. How a turn of the loop goes is in
//! `turn`.

use crate::ids::ConnId;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};

use super::dial::Dialer;
use super::link::Link;
use super::source_limiter::SourceLimiter;
use super::{ReadInterest, SocketId, Stack, listener};
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
    pub(super) accept_paused: BTreeSet<u64>,
    pub(super) starved_until: Option<Instant>,
    pub(super) famine_told: Option<Instant>,
    pub(super) refusals_told: Option<Instant>,
    pub(super) refusals: u64,
    pub(super) sources: SourceLimiter,
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
    Dialling(Dialer),
    Open(Link),
}

impl Slot {
    fn unsent_bytes(&self) -> usize {
        match &self.state {
            State::Dialling(dial) => dial.early.iter().map(Vec::len).sum(),
            State::Open(link) => link.unsent_bytes(),
        }
    }
}

/// The token of the waker; links and listeners are numbered from the next.
pub(super) const WAKER: u64 = 0;

impl Net {
    /// A loop without any socket yet, with the limits of [`SourceLimiter::limited`].
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
            accept_paused: BTreeSet::new(),
            starved_until: None,
            famine_told: None,
            refusals_told: None,
            refusals: 0,
            sources: SourceLimiter::limited(),
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
    pub fn set_sources(&mut self, sources: SourceLimiter) {
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
    pub fn listen(&mut self, addr: SocketAddr, stack: Stack) -> io::Result<(SocketId, SocketAddr)> {
        let mut listener = listener::open(addr, stack)?;
        let addr = listener.local_addr()?;
        let id = self.number();
        self.poll.registry().register(&mut listener, token(id), Interest::READABLE)?;
        self.listeners.insert(id, listener);
        Ok((SocketId(id), addr))
    }

    /// Stops listening; links that came by this listener stay, callers in the kernel's queue are refused.
    pub fn unlisten(&mut self, id: SocketId) {
        self.listeners.remove(&id.0);
        self.ready.remove(&id.0);
        self.accept_paused.remove(&id.0);
    }

    /// Begins to dial: each address in turn, for [`CONNECT_TIMEOUT_MS`](crate::limits::CONNECT_TIMEOUT_MS)
    /// each. What is sent before one answers waits for it. [`Net::close`] cancels.
    pub fn connect(&mut self, addrs: Vec<SocketAddr>) -> ConnId {
        let id = self.number();
        let state = State::Dialling(Dialer::new(addrs));
        self.slots.insert(id, Slot { state, deadline: None, unproven: None });
        self.ready.insert(id);
        ConnId(id)
    }

    /// Queues bytes and writes at once what the kernel takes. Bytes for a link that is gone are dropped, as
    /// they would be if it went a moment later. What may be queued is the caller's to bound.
    pub fn send(&mut self, id: ConnId, bytes: Vec<u8>) {
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
    pub fn queued(&self, id: ConnId) -> usize {
        match self.slots.get(&id.0).map(|slot| &slot.state) {
            Some(State::Dialling(dial)) => dial.early.iter().map(Vec::len).sum(),
            Some(State::Open(link)) => link.queued(),
            None => 0,
        }
    }

    /// Bytes of all links since the beginning that the kernel has not taken: those that wait, and those that were
    /// lost with their links. While it stays the same, everything that was sent has been taken.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.lost + self.slots.values().map(Slot::unsent_bytes).sum::<usize>()
    }

    /// Reads the link or leaves it unread. While it is unread its end is not seen either, unless something
    /// is written to it.
    pub fn set_reading(&mut self, id: ConnId, reading: ReadInterest) {
        let Some(slot) = self.slots.get_mut(&id.0) else { return };
        match &mut slot.state {
            State::Dialling(dial) => dial.reading = reading,
            State::Open(link) => {
                link.set_reading(reading);
                self.ready.insert(id.0);
            }
        }
    }

    /// The link has proved a key: it no longer counts against the limits of [`SourceLimiter`].
    pub fn mark_authenticated(&mut self, id: ConnId) {
        if let Some(ip) = self.slots.get_mut(&id.0).and_then(|slot| slot.unproven.take()) {
            self.sources.release(ip);
        }
    }

    /// Who owns the link finds out whether the peer lives: the kernel gives it up no more because the peer leaves
    /// what was sent unread.
    pub fn disable_user_timeout(&mut self, id: ConnId) {
        if let Some(Slot { state: State::Open(link), .. }) = self.slots.get(&id.0) {
            link.disable_user_timeout();
        }
    }

    /// Says goodbye: nothing more is read or reported; what is queued goes out, for at most
    /// [`HANGUP_MS`]; then the end of stream, and when the peer's own end has come or
    /// [`LINGER_MS`](crate::limits::LINGER_MS) later, the socket is closed. A link still dialling is
    /// cancelled.
    pub fn close(&mut self, id: ConnId) {
        let Some(slot) = self.slots.get_mut(&id.0) else { return };
        match &mut slot.state {
            State::Dialling(_) => self.drop_slot(id.0),
            State::Open(link) if link.is_leaving() => {}
            State::Open(link) => {
                link.hang_up();
                self.ready.insert(id.0);
                self.set_deadline(id.0, Some(Instant::now() + Duration::from_millis(HANGUP_MS)));
            }
        }
    }

    /// Closes the socket now, as a machine that crashed: the peer is told by a reset (RST).
    pub fn reset(&mut self, id: ConnId) {
        if let Some(Slot { state: State::Open(link), .. }) = self.slots.get(&id.0) {
            link.will_reset();
        }
        self.drop_slot(id.0);
    }

    /// Closes the socket now and forgets what was queued for it.
    pub fn abort(&mut self, id: ConnId) {
        self.drop_slot(id.0);
    }

    /// Gives an open connection away, as a socket that blocks, with what was queued for it and is not sent yet.
    /// Nothing is reported of it any more.
    ///
    /// # Errors
    /// When the link is gone or the system refuses; then it is closed.
    pub fn release(&mut self, id: ConnId) -> io::Result<(TcpStream, Vec<u8>)> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        self.mark_authenticated(id);
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
        self.accept_paused.clear();
        self.starved_until = None;
        for id in self.slots.keys().copied().collect::<Vec<_>>() {
            self.drop_slot(id);
        }
        self.ready.clear();
    }

    /// Links that exist: dialling, open, and those that still flush after a [`Net::close`].
    #[must_use]
    pub fn links(&self) -> usize {
        self.slots.len()
    }

    /// Frees everything of a link. A descriptor is free from now on, so starved listeners try at once.
    pub(super) fn drop_slot(&mut self, id: u64) {
        self.set_deadline(id, None);
        self.mark_authenticated(ConnId(id));
        self.lost += self.slots.remove(&id).as_ref().map_or(0, Slot::unsent_bytes);
        self.ready.remove(&id);
        self.resume_accept();
    }

    pub(super) fn resume_accept(&mut self) {
        self.starved_until = None;
        self.ready.append(&mut self.accept_paused);
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
