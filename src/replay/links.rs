//! What is on the way between two actors: counted, so that a run knows when nothing is, and open to being
//! cut, held and damaged at an exact byte.

use crate::ids::ConnId;
use std::collections::BTreeMap;

use crate::script::FaultInjection;

/// One end of a connection between two actors.
pub(crate) struct LinkEnd {
    pub(crate) who: usize,
    pub(crate) peer: ConnId,
    /// Bytes given to the kernel for the peer.
    sent: u64,
    /// Bytes that came from the kernel.
    received: u64,
    pub(crate) inbox: Vec<u8>,
    pub(crate) over: EndState,
    /// Closed by this side, or cut: nothing more is sent or delivered here.
    pub(crate) gone: bool,
    held: Option<Held>,
}

/// How the peer's stream ended here.
pub(crate) enum EndState {
    /// It did not.
    No,
    /// So, with the error in words if it was one; not delivered yet.
    Due(Option<String>),
    /// Delivered.
    RunEvent,
}

/// What waits on the way while it is held.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    close: bool,
}

/// Something that happens to the bytes of one actor.
struct FaultInjector {
    from: usize,
    to: Option<usize>,
    what: FaultInjection,
    passed: u64,
}

/// Every connection between actors.
#[derive(Default)]
pub(crate) struct Links {
    ends: BTreeMap<ConnId, LinkEnd>,
    meddlers: Vec<FaultInjector>,
}

/// What becomes of bytes that are to be sent.
#[derive(Default)]
pub(crate) struct Passed {
    /// Goes to the kernel now.
    pub(crate) bytes: Vec<u8>,
    /// Then the connection is cut.
    pub(crate) cut: bool,
}

impl Links {
    /// A connection stands: the dialling end and the called one.
    pub(crate) fn join(&mut self, dialled: (ConnId, usize), called: (ConnId, usize)) {
        for ((conn, who), (peer, to)) in [(dialled, called), (called, dialled)] {
            let held = self.is_held(who, to).then(Held::default);
            let end = LinkEnd {
                who,
                peer,
                sent: 0,
                received: 0,
                inbox: Vec::new(),
                over: EndState::No,
                gone: false,
                held,
            };
            self.ends.insert(conn, end);
        }
    }

    pub(crate) fn get_mut(&mut self, conn: ConnId) -> Option<&mut LinkEnd> {
        self.ends.get_mut(&conn)
    }

    pub(crate) fn links_of(&self, who: usize) -> Vec<ConnId> {
        let of = self.ends.iter().filter(|(_, end)| end.who == who && !end.gone);
        of.map(|(conn, _)| *conn).collect()
    }

    /// Every end, in the order of opening.
    pub(crate) fn connections(&self) -> Vec<ConnId> {
        self.ends.keys().copied().collect()
    }

    /// Bytes are to be sent.
    pub(crate) fn pass(&mut self, conn: ConnId, mut bytes: Vec<u8>) -> Passed {
        let Some((from, peer)) = self.ends.get(&conn).filter(|end| !end.gone).map(|end| (end.who, end.peer))
        else {
            return Passed::default();
        };
        let to = self.ends.get(&peer).map(|end| end.who);
        let mut cut = false;
        for meddler in &mut self.meddlers {
            if meddler.from == from && (meddler.to.is_none() || meddler.to == to) {
                cut |= meddler.touch(&mut bytes);
            }
        }
        self.meddlers.retain(|meddler| !meddler.is_done());
        let Some(end) = self.ends.get_mut(&conn) else { return Passed::default() };
        if let Some(held) = &mut end.held {
            held.bytes.append(&mut bytes);
        }
        end.sent += bytes.len() as u64;
        Passed { bytes, cut }
    }

    /// This side closes. Whether it may do so now; what is held goes first.
    pub(crate) fn hang_up(&mut self, conn: ConnId) -> bool {
        let Some(end) = self.ends.get_mut(&conn).filter(|end| !end.gone) else { return false };
        if let Some(held) = &mut end.held {
            held.close = true;
            return false;
        }
        end.gone = true;
        true
    }

    /// Bytes have come from the kernel.
    pub(crate) fn came(&mut self, conn: ConnId, bytes: &[u8]) {
        if let Some(end) = self.ends.get_mut(&conn) {
            end.received += bytes.len() as u64;
            end.inbox.extend_from_slice(bytes);
        }
    }

    /// Whether something is still between the two kernels for this end.
    pub(crate) fn is_due(&self, conn: ConnId) -> bool {
        let Some(end) = self.ends.get(&conn).filter(|end| !end.gone) else { return false };
        let Some(peer) = self.ends.get(&end.peer) else { return false };
        matches!(end.over, EndState::No) && (end.received < peer.sent || peer.gone)
    }

    /// Bytes that the kernels have not handed over, for the report of a world that does not rest.
    pub(crate) fn in_flight(&self) -> Vec<(usize, usize, u64)> {
        let mut flights = Vec::new();
        for end in self.ends.values() {
            if let Some(peer) = self.ends.get(&end.peer)
                && peer.sent > end.received
                && !end.gone
            {
                flights.push((peer.who, end.who, peer.sent - end.received));
            }
        }
        flights
    }

    /// Something is to happen to bytes from now on. Gives the ends to cut at once, and what was held and
    /// now goes, with whether the end closes then.
    pub(crate) fn meddle(&mut self, from: usize, to: Option<usize>, what: FaultInjection) -> Freed {
        let mut freed = Freed::default();
        let concerned: Vec<ConnId> =
            self.links_of(from).into_iter().filter(|conn| self.goes_to(*conn, to)).collect();
        match what {
            FaultInjection::Cut(0) if !concerned.is_empty() => freed.cut = concerned,
            FaultInjection::Cut(_) | FaultInjection::Corrupt(_) => {
                self.meddlers.push(FaultInjector { from, to, what, passed: 0 });
            }
            FaultInjection::Hold => {
                self.meddlers.push(FaultInjector { from, to, what, passed: 0 });
                for conn in concerned {
                    if let Some(end) = self.ends.get_mut(&conn) {
                        end.held.get_or_insert_default();
                    }
                }
            }
            FaultInjection::Release => {
                self.meddlers
                    .retain(|one| one.what != FaultInjection::Hold || one.from != from || one.to != to);
                for conn in concerned {
                    let Some(end) = self.ends.get_mut(&conn) else { continue };
                    let Some(held) = end.held.take() else { continue };
                    end.sent += held.bytes.len() as u64;
                    freed.sent.push((conn, held.bytes));
                    if held.close {
                        freed.hung_up.push(conn);
                    }
                }
            }
        }
        freed
    }

    fn goes_to(&self, conn: ConnId, to: Option<usize>) -> bool {
        let peer = self.ends.get(&conn).and_then(|end| self.ends.get(&end.peer));
        to.is_none() || peer.map(|peer| peer.who) == to
    }

    fn is_held(&self, from: usize, to: usize) -> bool {
        self.meddlers.iter().any(|one| {
            one.what == FaultInjection::Hold && one.from == from && one.to.is_none_or(|only| only == to)
        })
    }
}

/// What follows from meddling at once.
#[derive(Default)]
pub(crate) struct Freed {
    pub(crate) cut: Vec<ConnId>,
    pub(crate) sent: Vec<(ConnId, Vec<u8>)>,
    pub(crate) hung_up: Vec<ConnId>,
}

impl FaultInjector {
    /// Lets bytes pass; says whether the connection is cut behind what is left of them.
    fn touch(&mut self, bytes: &mut Vec<u8>) -> bool {
        let before = self.passed;
        self.passed += bytes.len() as u64;
        let offset = |at: u64| usize::try_from(at - before).unwrap_or(usize::MAX);
        match self.what {
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
        match self.what {
            FaultInjection::Cut(after) => self.passed >= after,
            FaultInjection::Corrupt(at) => self.passed > at,
            FaultInjection::Hold | FaultInjection::Release => false,
        }
    }
}
