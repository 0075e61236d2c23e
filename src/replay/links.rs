//! Connections between the actors of a closed run. Bytes are counted, so that a run knows when none
//! is in flight, and faults are injected at an exact byte.

use std::collections::BTreeMap;

use crate::ids::ConnId;
use crate::script::FaultInjection;

/// One end of a connection.
struct LinkEnd {
    actor: usize,
    peer: ConnId,
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
    /// Bytes since the injection.
    passed: u64,
}

/// All connections between actors.
#[derive(Default)]
pub(crate) struct Links {
    ends: BTreeMap<ConnId, LinkEnd>,
    injectors: Vec<FaultInjector>,
}

/// Bytes to hand to the kernel now.
#[derive(Default)]
pub(crate) struct Transmission {
    pub(crate) bytes: Vec<u8>,
    /// Whether the connection is cut behind them.
    pub(crate) is_cut: bool,
}

/// Immediate effects of a fault.
#[derive(Default)]
pub(crate) struct FaultEffects {
    pub(crate) cut: Vec<ConnId>,
    /// Bytes that were held.
    pub(crate) sent: Vec<(ConnId, Vec<u8>)>,
    pub(crate) closed: Vec<ConnId>,
}

impl Links {
    /// Adds a connection by its two ends, each with its actor.
    pub(crate) fn connect(&mut self, dialled: (ConnId, usize), accepted: (ConnId, usize)) {
        for ((conn, actor), (peer, to)) in [(dialled, accepted), (accepted, dialled)] {
            let is_held = |one: &FaultInjector| one.fault == FaultInjection::Hold && one.concerns(actor, to);
            let held = self.injectors.iter().any(is_held).then(HeldBytes::default);
            let inbox = Vec::new();
            let end =
                LinkEnd { actor, peer, sent: 0, received: 0, inbox, eof: Eof::Open, is_closed: false, held };
            self.ends.insert(conn, end);
        }
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

    /// Sends bytes through the faults of their way.
    pub(crate) fn send(&mut self, conn: ConnId, mut bytes: Vec<u8>) -> Transmission {
        let Some((from, peer)) = self.open_end(conn).map(|end| (end.actor, end.peer)) else {
            return Transmission::default();
        };
        let to = self.ends.get(&peer).map(|end| end.actor);
        let mut is_cut = false;
        for injector in &mut self.injectors {
            if to.is_some_and(|to| injector.concerns(from, to)) {
                is_cut |= injector.apply(&mut bytes);
            }
        }
        self.injectors.retain(|injector| !injector.is_done());
        let Some(end) = self.open_end(conn) else { return Transmission::default() };
        if let Some(held) = &mut end.held {
            held.bytes.append(&mut bytes);
        }
        end.sent += bytes.len() as u64;
        Transmission { bytes, is_cut }
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

    /// Closes all ends of an actor at once, and returns them.
    pub(crate) fn kill(&mut self, actor: usize) -> Vec<ConnId> {
        let conns = self.ends_of(actor);
        for conn in &conns {
            if let Some(end) = self.open_end(*conn) {
                end.is_closed = true;
            }
        }
        conns
    }

    /// Cuts a connection at this end. Returns the actor, if the end was open.
    pub(crate) fn cut(&mut self, conn: ConnId) -> Option<usize> {
        let end = self.open_end(conn)?;
        end.is_closed = true;
        end.eof = Eof::Delivered;
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

    /// Injects a fault from now on, and returns its immediate effects.
    pub(crate) fn inject(&mut self, from: usize, to: Option<usize>, fault: FaultInjection) -> FaultEffects {
        let mut effects = FaultEffects::default();
        let goes_to = |conn: &ConnId| {
            let peer = self.ends.get(conn).and_then(|end| self.ends.get(&end.peer));
            to.is_none() || peer.map(|peer| peer.actor) == to
        };
        let conns: Vec<ConnId> = self.ends_of(from).into_iter().filter(goes_to).collect();
        match fault {
            FaultInjection::Cut(0) if !conns.is_empty() => effects.cut = conns,
            FaultInjection::Cut(_) | FaultInjection::Corrupt(_) => {
                self.injectors.push(FaultInjector { from, to, fault, passed: 0 });
            }
            FaultInjection::Hold => {
                self.injectors.push(FaultInjector { from, to, fault, passed: 0 });
                for conn in conns {
                    if let Some(end) = self.open_end(conn) {
                        end.held.get_or_insert_default();
                    }
                }
            }
            FaultInjection::Release => {
                self.injectors
                    .retain(|one| one.fault != FaultInjection::Hold || one.from != from || one.to != to);
                for conn in conns {
                    let Some(end) = self.open_end(conn) else { continue };
                    let Some(held) = end.held.take() else { continue };
                    end.sent += held.bytes.len() as u64;
                    effects.sent.push((conn, held.bytes));
                    if held.close {
                        effects.closed.push(conn);
                    }
                }
            }
        }
        effects
    }
}

impl FaultInjector {
    fn concerns(&self, from: usize, to: usize) -> bool {
        self.from == from && self.to.is_none_or(|only| only == to)
    }

    /// Applies the fault to bytes. Returns whether the connection is cut behind what is left of
    /// them.
    fn apply(&mut self, bytes: &mut Vec<u8>) -> bool {
        let before = self.passed;
        self.passed += bytes.len() as u64;
        let offset = |at: u64| usize::try_from(at - before).unwrap_or(usize::MAX);
        match self.fault {
            FaultInjection::Cut(after) if after >= before && after <= self.passed => {
                bytes.truncate(offset(after));
                true
            }
            FaultInjection::Corrupt(at) if at >= before => {
                if let Some(byte) = bytes.get_mut(offset(at)) {
                    *byte ^= 1;
                }
                false
            }
            _ => false,
        }
    }

    fn is_done(&self) -> bool {
        match self.fault {
            FaultInjection::Cut(after) => self.passed >= after,
            FaultInjection::Corrupt(at) => self.passed > at,
            FaultInjection::Hold | FaultInjection::Release => false,
        }
    }
}
