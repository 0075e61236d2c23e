//! Virtual network of a closed run. Real sockets get whatever ports are free, but actors see the
//! addresses of [`Ports`], so that nothing of the machine reaches a transcript and two runs never
//! meet. [`Links`] counts bytes, so that a run knows when none is in flight, and injects faults at
//! an exact byte.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::ids::{ConnId, ListenerId};
use crate::net::SocketId;
use crate::peers::address::{Family, ListenAt, Target};
use crate::script::FaultInjection;

/// First virtual port for `:listen 0`.
const FIRST_PORT: u16 = 40_001;
/// First virtual port of a caller.
const FIRST_CALLER: u16 = 50_001;

/// Listening socket of an actor.
pub(crate) struct VirtualListener {
    pub(crate) actor: usize,
    pub(crate) socket: SocketId,
    pub(crate) listener: ListenerId,
    /// Address that actors see.
    pub(crate) addr: SocketAddr,
    /// Family asked for: a wildcard of IPv6 accepts IPv4 if it is any.
    pub(crate) family: Family,
    /// Address of the socket.
    pub(crate) real: SocketAddr,
}

/// Listening sockets and callers of a run.
#[derive(Default)]
pub(crate) struct Ports {
    pub(crate) listeners: Vec<VirtualListener>,
    /// Offset of the next virtual port.
    next: u16,
    /// Addresses of callers, with their actors.
    pub(crate) callers: Vec<(SocketAddr, usize)>,
}

impl Ports {
    /// The virtual address for a listener. Numbers in the script are not assigned for port 0.
    ///
    /// # Errors
    /// The reason, in the words of the system.
    pub(crate) fn assign(
        &mut self,
        at: &ListenAt,
        family: Family,
        script: &str,
    ) -> Result<SocketAddr, String> {
        let ip = match &at.host {
            None if family == Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            Some(host) => loopback(host, family).ok_or("a replay listens on loopback addresses only")?,
        };
        let port = if at.port == 0 { self.free_port(script) } else { at.port };
        let overlaps = |other: IpAddr| other == ip || other.is_unspecified() || ip.is_unspecified();
        if self.listeners.iter().any(|one| one.addr.port() == port && overlaps(one.addr.ip())) {
            return Err("address already in use".to_owned());
        }
        Ok(SocketAddr::new(ip, port))
    }

    /// Removes the listeners of an actor, and returns their sockets.
    pub(crate) fn remove(&mut self, actor: usize) -> Vec<SocketId> {
        self.listeners.extract_if(.., |one| one.actor == actor).map(|one| one.socket).collect()
    }

    /// Removes one listener of an actor, and returns its socket.
    pub(crate) fn remove_listener(&mut self, actor: usize, listener: ListenerId) -> Option<SocketId> {
        let is_it = |one: &mut VirtualListener| one.actor == actor && one.listener == listener;
        self.listeners.extract_if(.., is_it).map(|one| one.socket).next()
    }

    /// The listener at a target.
    ///
    /// # Errors
    /// The reason, in the words of the system.
    pub(crate) fn find(&self, target: &Target, family: Family) -> Result<&VirtualListener, String> {
        let ip = loopback(&target.host, family).ok_or_else(|| {
            let reason = match loopback(&target.host, Family::Any) {
                Some(_) => "the name has no address of that family",
                None => "a replay reaches loopback addresses only",
            };
            reason.to_owned()
        })?;
        let to = SocketAddr::new(ip, target.port);
        let found = self.listeners.iter().find(|one| one.addr.port() == to.port() && one.accepts(ip));
        found.ok_or_else(|| format!("{to}: connection refused"))
    }

    /// Assigns an address to a call of an actor.
    pub(crate) fn assign_caller(&mut self, actor: usize) -> SocketAddr {
        let number = u16::try_from(self.callers.len()).unwrap_or(0);
        let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), FIRST_CALLER.wrapping_add(number));
        self.callers.push((from, actor));
        from
    }

    fn free_port(&mut self, script: &str) -> u16 {
        loop {
            let port = FIRST_PORT + self.next;
            self.next = (self.next + 1) % (FIRST_CALLER - FIRST_PORT);
            let is_taken = self.listeners.iter().any(|one| one.addr.port() == port);
            if !is_taken && !script.contains(&port.to_string()) {
                return port;
            }
        }
    }
}

impl VirtualListener {
    fn accepts(&self, ip: IpAddr) -> bool {
        let own = self.addr.ip();
        let is_family = own.is_ipv4() == ip.is_ipv4() || self.family == Family::Any;
        own == ip || (own.is_unspecified() && is_family)
    }
}

/// The loopback address of a host, if it is one.
fn loopback(host: &str, family: Family) -> Option<IpAddr> {
    let ip = match host {
        "localhost" if family == Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        // Names that exist nowhere else (RFC 6761).
        host if host.strip_suffix(".test").is_some() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host.parse().ok()?,
    };
    let fits = match family {
        Family::Any => true,
        Family::V4 => ip.is_ipv4(),
        Family::V6 => ip.is_ipv6(),
    };
    (ip.is_loopback() && fits).then_some(ip)
}

/// One end of a connection.
struct LinkEnd {
    actor: usize,
    peer: ConnId,
    /// Actor at the peer.
    to: usize,
    /// Bytes handed to the kernel for the peer.
    sent: u64,
    /// Bytes that came from the kernel.
    received: u64,
    /// Bytes that were not delivered yet.
    inbox: Vec<u8>,
    eof: Eof,
    /// Whether this end is closed or cut: nothing more is sent or delivered here.
    is_closed: bool,
    held: Option<HeldBytes>,
}

/// End of the stream from the peer.
enum Eof {
    /// Not reached.
    Open,
    /// Reached, with an error or without; not delivered yet.
    Pending(Option<String>),
    Delivered,
}

/// Bytes in flight that `@hold` keeps, and whether the end closes behind them.
#[derive(Default)]
struct HeldBytes {
    bytes: Vec<u8>,
    close: bool,
}

/// Fault in the bytes from one actor to another, or to any.
struct FaultInjector {
    from: usize,
    to: Option<usize>,
    fault: FaultInjection,
    /// Number of the injection.
    number: usize,
    /// Bytes since the injection.
    passed: u64,
}

/// What a fault does to some bytes.
enum AppliedFault {
    /// They pass, perhaps changed.
    None,
    /// The connection is cut behind what is left of them.
    Cut,
    /// They are held from this one on.
    HeldFrom(usize),
}

/// All connections between actors.
#[derive(Default)]
pub(crate) struct Links {
    ends: BTreeMap<ConnId, LinkEnd>,
    injectors: Vec<FaultInjector>,
    /// Number of the next injection.
    next_fault: usize,
    /// Numbers of the releases before which nothing was held.
    pub(crate) idle_releases: Vec<usize>,
}

/// Bytes to hand to the kernel now, and what happens to the connection behind them.
pub(crate) struct Transmission {
    pub(crate) conn: ConnId,
    pub(crate) bytes: Vec<u8>,
    pub(crate) then: Option<LinkEnding>,
}

/// End of a connection by one of its ends.
pub(crate) enum LinkEnding {
    Cut,
    Close,
}

impl Links {
    /// Adds a connection by its two ends, each with its actor.
    pub(crate) fn connect(&mut self, dialled: (ConnId, usize), accepted: (ConnId, usize)) {
        for ((conn, actor), (peer, to)) in [(dialled, accepted), (accepted, dialled)] {
            let is_held = |one: &FaultInjector| one.is_holding() && one.concerns(actor, to);
            let held = self.injectors.iter().any(is_held).then(HeldBytes::default);
            let (inbox, eof, is_closed) = (Vec::new(), Eof::Open, false);
            let end = LinkEnd { actor, peer, to, sent: 0, received: 0, inbox, eof, is_closed, held };
            self.ends.insert(conn, end);
        }
    }

    /// Faults that wait for their byte: the number of each, that byte, and the bytes that passed.
    pub(crate) fn waiting_faults(&self) -> Vec<(usize, u64, u64)> {
        let waiting = self.injectors.iter().filter_map(|one| match one.fault {
            FaultInjection::Cut(byte) | FaultInjection::Corrupt(byte) => Some((one.number, byte, one.passed)),
            FaultInjection::Hold(byte) if one.passed < byte => Some((one.number, byte, one.passed)),
            FaultInjection::Hold(_) | FaultInjection::Release => None,
        });
        waiting.collect()
    }

    /// Open ends of an actor.
    pub(crate) fn ends_of(&self, actor: usize) -> Vec<ConnId> {
        let own = self.ends.iter().filter(|(_, end)| end.actor == actor && !end.is_closed);
        own.map(|(conn, _)| *conn).collect()
    }

    /// All ends, in the order of opening.
    pub(crate) fn ends(&self) -> Vec<ConnId> {
        self.ends.keys().copied().collect()
    }

    fn open_end(&mut self, conn: ConnId) -> Option<&mut LinkEnd> {
        self.ends.get_mut(&conn).filter(|end| !end.is_closed)
    }

    /// Sends bytes through the faults of their way, if the end is open.
    pub(crate) fn send(&mut self, conn: ConnId, mut bytes: Vec<u8>) -> Option<Transmission> {
        let end = self.ends.get_mut(&conn).filter(|end| !end.is_closed)?;
        let mut is_cut = false;
        let mut held_from = end.held.is_some().then_some(0);
        for injector in self.injectors.iter_mut().filter(|one| one.concerns(end.actor, end.to)) {
            match injector.apply(&mut bytes) {
                AppliedFault::None => {}
                AppliedFault::Cut => is_cut = true,
                AppliedFault::HeldFrom(at) => held_from = Some(held_from.map_or(at, |from| at.min(from))),
            }
        }
        self.injectors.retain(|injector| !injector.is_done());
        if let Some(from) = held_from {
            let held = bytes.split_off(from.min(bytes.len()));
            end.held.get_or_insert_default().bytes.extend(held);
        }
        end.sent += bytes.len() as u64;
        Some(Transmission { conn, bytes, then: is_cut.then_some(LinkEnding::Cut) })
    }

    /// Closes an end. Returns whether its socket is closed now, and not behind held bytes.
    pub(crate) fn close(&mut self, conn: ConnId) -> bool {
        let Some(end) = self.open_end(conn) else { return false };
        if let Some(held) = &mut end.held {
            held.close = true;
            return false;
        }
        end.is_closed = true;
        true
    }

    /// Cuts a connection at this end. Returns the actor, if the end was open.
    pub(crate) fn cut(&mut self, conn: ConnId) -> Option<usize> {
        let end = self.open_end(conn)?;
        end.is_closed = true;
        Some(end.actor)
    }

    /// Records bytes from the kernel.
    pub(crate) fn receive(&mut self, conn: ConnId, bytes: &[u8]) {
        if let Some(end) = self.ends.get_mut(&conn) {
            end.received += bytes.len() as u64;
            end.inbox.extend_from_slice(bytes);
        }
    }

    /// Records the end of the stream from the peer.
    pub(crate) fn receive_eof(&mut self, conn: ConnId, error: Option<String>) {
        if let Some(end) = self.ends.get_mut(&conn)
            && matches!(end.eof, Eof::Open)
        {
            end.eof = Eof::Pending(error);
        }
    }

    /// Takes the received bytes of an open end, with its actor.
    pub(crate) fn take_bytes(&mut self, conn: ConnId) -> Option<(usize, Vec<u8>)> {
        let end = self.open_end(conn).filter(|end| !end.inbox.is_empty())?;
        Some((end.actor, std::mem::take(&mut end.inbox)))
    }

    /// Takes the end of the stream from an open end, with its actor and its error.
    pub(crate) fn take_eof(&mut self, conn: ConnId) -> Option<(usize, Option<String>)> {
        let end = self.open_end(conn)?;
        let Eof::Pending(error) = &mut end.eof else { return None };
        let error = error.take();
        end.eof = Eof::Delivered;
        Some((end.actor, error))
    }

    /// Whether bytes or an end of stream are still to come out of the kernel.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.ends.values().filter(|end| !end.is_closed && matches!(end.eof, Eof::Open)).any(|end| {
            self.ends.get(&end.peer).is_some_and(|peer| end.received < peer.sent || peer.is_closed)
        })
    }

    /// Bytes that are still in the kernel, with their sender and receiver.
    pub(crate) fn bytes_in_flight(&self) -> Vec<(usize, usize, u64)> {
        let open = self.ends.values().filter(|end| !end.is_closed);
        let pairs = open.filter_map(|end| Some((self.ends.get(&end.peer)?, end)));
        let flights = pairs.filter(|(peer, end)| peer.sent > end.received);
        flights.map(|(peer, end)| (peer.actor, end.actor, peer.sent - end.received)).collect()
    }

    /// Sender, receiver and number of the bytes that are held, where there are any.
    pub(crate) fn held_bytes(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.ends.values().filter_map(|end| {
            let bytes = end.held.as_ref()?.bytes.len();
            (bytes > 0).then_some((end.actor, end.to, bytes))
        })
    }

    /// Injects a fault from now on, and returns its immediate effects.
    pub(crate) fn inject(
        &mut self,
        from: usize,
        to: Option<usize>,
        fault: FaultInjection,
    ) -> Vec<Transmission> {
        let ends = self.ends.iter_mut().filter(|(_, end)| end.actor == from && !end.is_closed);
        let ends = ends.filter(|(_, end)| to.is_none_or(|to| end.to == to));
        let (mut effects, mut is_idle) = (Vec::new(), true);
        for (&conn, end) in ends {
            match fault {
                FaultInjection::Cut(0) => {
                    let then = Some(LinkEnding::Cut);
                    effects.push(Transmission { conn, bytes: Vec::new(), then });
                }
                FaultInjection::Cut(_) | FaultInjection::Corrupt(_) | FaultInjection::Hold(1..) => {}
                FaultInjection::Hold(0) => {
                    end.held.get_or_insert_default();
                }
                FaultInjection::Release => {
                    let Some(HeldBytes { bytes, close }) = end.held.take() else { continue };
                    is_idle = false;
                    end.sent += bytes.len() as u64;
                    effects.push(Transmission { conn, bytes, then: close.then_some(LinkEnding::Close) });
                }
            }
        }
        match fault {
            FaultInjection::Release => {
                let is_held = |one: &FaultInjector| matches!(one.fault, FaultInjection::Hold(_));
                let before = self.injectors.len();
                self.injectors.retain(|one| !is_held(one) || one.from != from || one.to != to);
                if is_idle && self.injectors.len() == before {
                    self.idle_releases.push(self.next_fault);
                }
            }
            FaultInjection::Cut(0) if !effects.is_empty() => {}
            _ => self.injectors.push(FaultInjector { from, to, fault, number: self.next_fault, passed: 0 }),
        }
        self.next_fault += 1;
        effects
    }
}

impl FaultInjector {
    fn concerns(&self, from: usize, to: usize) -> bool {
        self.from == from && self.to.is_none_or(|only| only == to)
    }

    /// Whether all bytes are held from here on.
    fn is_holding(&self) -> bool {
        matches!(self.fault, FaultInjection::Hold(after) if self.passed >= after)
    }

    /// Applies the fault to bytes.
    fn apply(&mut self, bytes: &mut Vec<u8>) -> AppliedFault {
        let before = self.passed;
        self.passed += bytes.len() as u64;
        let offset = |at: u64| usize::try_from(at - before).unwrap_or(usize::MAX);
        match self.fault {
            FaultInjection::Cut(after) if after >= before && after <= self.passed => {
                bytes.truncate(offset(after));
                AppliedFault::Cut
            }
            FaultInjection::Corrupt(at) if at >= before => {
                if let Some(byte) = bytes.get_mut(offset(at)) {
                    *byte ^= 1;
                }
                AppliedFault::None
            }
            FaultInjection::Hold(after) if self.passed >= after => {
                AppliedFault::HeldFrom(offset(after.max(before)))
            }
            _ => AppliedFault::None,
        }
    }

    fn is_done(&self) -> bool {
        match self.fault {
            FaultInjection::Cut(after) => self.passed >= after,
            FaultInjection::Corrupt(at) => self.passed > at,
            FaultInjection::Hold(_) | FaultInjection::Release => false,
        }
    }
}
