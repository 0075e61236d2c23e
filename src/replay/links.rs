//! What is on the way between two actors: counted, so that a run knows when nothing is, and open to being
//! cut, held and damaged at an exact byte.

use std::collections::BTreeMap;

use crate::net::LinkId;
use crate::script::Meddling;

/// One end of a connection between two actors.
pub(crate) struct End {
    pub(crate) who: usize,
    pub(crate) peer: LinkId,
    /// Bytes given to the kernel for the peer.
    sent: u64,
    /// Bytes that came from the kernel.
    received: u64,
    pub(crate) inbox: Vec<u8>,
    pub(crate) over: Over,
    /// Closed by this side, or cut: nothing more is sent or delivered here.
    pub(crate) gone: bool,
    held: Option<Held>,
}

/// How the peer's stream ended here.
pub(crate) enum Over {
    /// It did not.
    No,
    /// So, with the error in words if it was one; not delivered yet.
    Due(Option<String>),
    /// Delivered.
    Told,
}

/// What waits on the way while it is held.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    hangup: bool,
}

/// Something that happens to the bytes of one actor.
struct Meddler {
    from: usize,
    to: Option<usize>,
    what: Meddling,
    passed: u64,
}

/// Every connection between actors.
#[derive(Default)]
pub(crate) struct Wires {
    ends: BTreeMap<LinkId, End>,
    meddlers: Vec<Meddler>,
}

/// What becomes of bytes that are to be sent.
#[derive(Default)]
pub(crate) struct Passed {
    /// Goes to the kernel now.
    pub(crate) bytes: Vec<u8>,
    /// Then the connection is cut.
    pub(crate) cut: bool,
}

impl Wires {
    /// A connection stands: the dialling end and the called one.
    pub(crate) fn join(&mut self, dialled: (LinkId, usize), called: (LinkId, usize)) {
        for ((link, who), (peer, to)) in [(dialled, called), (called, dialled)] {
            let held = self.is_held(who, to).then(Held::default);
            let end =
                End { who, peer, sent: 0, received: 0, inbox: Vec::new(), over: Over::No, gone: false, held };
            self.ends.insert(link, end);
        }
    }

    pub(crate) fn get_mut(&mut self, link: LinkId) -> Option<&mut End> {
        self.ends.get_mut(&link)
    }

    pub(crate) fn links_of(&self, who: usize) -> Vec<LinkId> {
        let of = self.ends.iter().filter(|(_, end)| end.who == who && !end.gone);
        of.map(|(link, _)| *link).collect()
    }

    /// Every end, in the order of opening.
    pub(crate) fn links(&self) -> Vec<LinkId> {
        self.ends.keys().copied().collect()
    }

    /// Bytes are to be sent.
    pub(crate) fn pass(&mut self, link: LinkId, mut bytes: Vec<u8>) -> Passed {
        let Some((from, peer)) = self.ends.get(&link).filter(|end| !end.gone).map(|end| (end.who, end.peer))
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
        let Some(end) = self.ends.get_mut(&link) else { return Passed::default() };
        if let Some(held) = &mut end.held {
            held.bytes.append(&mut bytes);
        }
        end.sent += bytes.len() as u64;
        Passed { bytes, cut }
    }

    /// This side closes. Whether it may do so now; what is held goes first.
    pub(crate) fn hang_up(&mut self, link: LinkId) -> bool {
        let Some(end) = self.ends.get_mut(&link).filter(|end| !end.gone) else { return false };
        if let Some(held) = &mut end.held {
            held.hangup = true;
            return false;
        }
        end.gone = true;
        true
    }

    /// Bytes have come from the kernel.
    pub(crate) fn came(&mut self, link: LinkId, bytes: &[u8]) {
        if let Some(end) = self.ends.get_mut(&link) {
            end.received += bytes.len() as u64;
            end.inbox.extend_from_slice(bytes);
        }
    }

    /// Whether something is still between the two kernels for this end.
    pub(crate) fn is_due(&self, link: LinkId) -> bool {
        let Some(end) = self.ends.get(&link).filter(|end| !end.gone) else { return false };
        let Some(peer) = self.ends.get(&end.peer) else { return false };
        matches!(end.over, Over::No) && (end.received < peer.sent || peer.gone)
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
    pub(crate) fn meddle(&mut self, from: usize, to: Option<usize>, what: Meddling) -> Freed {
        let mut freed = Freed::default();
        let concerned: Vec<LinkId> =
            self.links_of(from).into_iter().filter(|link| self.goes_to(*link, to)).collect();
        match what {
            Meddling::Cut(0) if !concerned.is_empty() => freed.cut = concerned,
            Meddling::Cut(_) | Meddling::Corrupt(_) => {
                self.meddlers.push(Meddler { from, to, what, passed: 0 });
            }
            Meddling::Hold => {
                self.meddlers.push(Meddler { from, to, what, passed: 0 });
                for link in concerned {
                    if let Some(end) = self.ends.get_mut(&link) {
                        end.held.get_or_insert_default();
                    }
                }
            }
            Meddling::Release => {
                self.meddlers.retain(|one| one.what != Meddling::Hold || one.from != from || one.to != to);
                for link in concerned {
                    let Some(end) = self.ends.get_mut(&link) else { continue };
                    let Some(held) = end.held.take() else { continue };
                    end.sent += held.bytes.len() as u64;
                    freed.sent.push((link, held.bytes));
                    if held.hangup {
                        freed.hung_up.push(link);
                    }
                }
            }
        }
        freed
    }

    fn goes_to(&self, link: LinkId, to: Option<usize>) -> bool {
        let peer = self.ends.get(&link).and_then(|end| self.ends.get(&end.peer));
        to.is_none() || peer.map(|peer| peer.who) == to
    }

    fn is_held(&self, from: usize, to: usize) -> bool {
        self.meddlers
            .iter()
            .any(|one| one.what == Meddling::Hold && one.from == from && one.to.is_none_or(|only| only == to))
    }
}

/// What follows from meddling at once.
#[derive(Default)]
pub(crate) struct Freed {
    pub(crate) cut: Vec<LinkId>,
    pub(crate) sent: Vec<(LinkId, Vec<u8>)>,
    pub(crate) hung_up: Vec<LinkId>,
}

impl Meddler {
    /// Lets bytes pass; says whether the connection is cut behind what is left of them.
    fn touch(&mut self, bytes: &mut Vec<u8>) -> bool {
        let before = self.passed;
        self.passed += bytes.len() as u64;
        let offset = |at: u64| usize::try_from(at - before).unwrap_or(usize::MAX);
        match self.what {
            Meddling::Cut(after) if after >= before && after <= self.passed => {
                bytes.truncate(offset(after));
                true
            }
            Meddling::Corrupt(at) if at >= before => {
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
            Meddling::Cut(after) => self.passed >= after,
            Meddling::Corrupt(at) => self.passed > at,
            Meddling::Hold | Meddling::Release => false,
        }
    }
}
