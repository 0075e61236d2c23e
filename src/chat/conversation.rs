//! One connection of a chat: its session, who is at the other end, and what it still owes us.

use crate::ids::{ConnId, DialId, ListenerId};
use std::collections::VecDeque;
use std::net::SocketAddr;

use super::io::TrustLevel;
use crate::crypto::{Fingerprint, PublicKey};
use crate::limits;
use crate::peers::address::Target;
use crate::session::AnySession;
use crate::text::safe::SafeText;

/// How a connection came to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// We dialled.
    Outbound { dial: DialId, target: Target, pin: Option<Fingerprint>, callers: AcceptPolicy },
    /// Somebody called.
    Inbound { listener: ListenerId, from: SocketAddr, callers: AcceptPolicy },
}

/// Whom a listener takes, or who may be at the other end of a call of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AcceptPolicy {
    /// Everybody.
    Anyone,
    /// Keys in the book only.
    KnownOnly,
    /// The holder of this key, whom somebody chose by name.
    Key(Fingerprint),
    /// The holder of this key, which somebody typed or pasted: it is verified by that.
    Pinned(Fingerprint),
}

/// Who is at the other end, once both sides have confirmed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) id: PeerId,
    pub(crate) trust_level: TrustLevel,
    pub(crate) since_ms: u64,
    /// When it last said something, or joined, in milliseconds since 1970.
    pub(crate) seen_ms: u64,
}

impl Peer {
    /// The key that it has proved, if it has.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        match self.id {
            PeerId::Key(fingerprint) => Some(fingerprint),
            PeerId::Raw(_) => None,
        }
    }
}

/// What tells a partner from all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PeerId {
    /// The key that it has proved.
    Key(Fingerprint),
    /// Nothing but its connection: the raw wire proves no key.
    Raw(ConnId),
}

/// A message of ours that the peer has not shown yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unacked {
    seq: u64,
    text: String,
    since_ms: u64,
}

/// How far a person knows the raw wire's ways on this connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HintsShown {
    Nothing,
    NoReceipts,
}

/// Time after which a message that has no receipt is counted in the prompt, in milliseconds. A receipt on a
/// good line takes two or three: a number that only flickers says nothing.
const LATE_MS: u64 = 1_000;

pub(crate) struct Conversation {
    pub(crate) session: AnySession,
    pub(crate) way: Origin,
    /// The key, from the moment that it is known.
    pub(crate) key: Option<PublicKey>,
    pub(crate) peer: Option<Peer>,
    /// When a goodbye that waits for receipts is said all the same, in monotonic milliseconds.
    pub(crate) leaving: Option<u64>,
    /// The newer connection with the same peer that takes its place.
    pub(crate) successor: Option<ConnId>,
    /// Messages that came while somebody else was addressed.
    pub(crate) unread: usize,
    /// The system's words for the end of the stream, if it was an error.
    pub(crate) broken: Option<String>,
    /// What the raw wire has been said not to give, so that it is said once.
    pub(crate) told: HintsShown,
    waiting: VecDeque<Unacked>,
    waiting_bytes: usize,
}

impl Conversation {
    pub(crate) fn new(session: AnySession, way: Origin) -> Self {
        Self {
            session,
            way,
            key: None,
            peer: None,
            leaving: None,
            successor: None,
            unread: 0,
            broken: None,
            told: HintsShown::Nothing,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    /// The other end as it can be named before anybody is known.
    pub(crate) fn whom(&self) -> String {
        match &self.way {
            Origin::Outbound { target, .. } => target.to_string(),
            Origin::Inbound { from, .. } => from.to_string(),
        }
    }

    /// Whether it speaks the raw wire.
    pub(crate) fn is_raw(&self) -> bool {
        matches!(self.session, AnySession::Oaep(_))
    }

    /// The name, once known.
    pub(crate) fn name(&self) -> Option<&str> {
        self.peer.as_ref().map(|peer| peer.name.as_str())
    }

    /// Whether text can be said and nobody has begun to leave.
    pub(crate) fn open(&self) -> bool {
        self.peer.is_some() && self.leaving.is_none()
    }

    /// Messages that the peer has not shown yet.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Messages that have waited so long that the person should know.
    pub(crate) fn late(&self, now_ms: u64) -> usize {
        self.waiting.iter().filter(|waiting| now_ms >= waiting.since_ms + LATE_MS).count()
    }

    /// When the next message becomes late, in monotonic milliseconds.
    pub(crate) fn late_at_ms(&self, now_ms: u64) -> Option<u64> {
        self.waiting.iter().map(|waiting| waiting.since_ms + LATE_MS).find(|late| *late > now_ms)
    }

    /// Whether one more message may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < limits::QUEUE_MESSAGES && self.waiting_bytes < limits::QUEUE_BYTES
    }

    pub(crate) fn remember(&mut self, seq: u64, text: &str, since_ms: u64) {
        self.waiting_bytes += text.len();
        self.waiting.push_back(Unacked { seq, text: text.to_owned(), since_ms });
    }

    /// Forgets what the peer has shown, and gives how many messages that were.
    pub(crate) fn receipted(&mut self, upto: u64) -> u64 {
        let before = self.waiting.len();
        while self.waiting.front().is_some_and(|waiting| waiting.seq <= upto) {
            if let Some(done) = self.waiting.pop_front() {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(done.text.len());
            }
        }
        (before - self.waiting.len()) as u64
    }

    /// The first `count` waiting messages as they may be shown, one row each, and how many more there are.
    pub(crate) fn waiting_rows(&self, count: usize) -> (Vec<SafeText>, usize) {
        let rows: Vec<_> = self.waiting.iter().take(count).map(|one| SafeText::line(&one.text)).collect();
        let more = self.waiting.len() - rows.len();
        (rows, more)
    }
}
