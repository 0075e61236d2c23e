//! What sessions say and what follows: joining, messages, receipts, and every way to part.

use crate::chat::conversation::{AcceptPolicy, Conversation, Origin, Peer, PeerId};
use crate::chat::io::{DialOutcome, Effect, ReceiptDue, TrustLevel};
use crate::chat::kinds::Protocol;
use crate::chat::notice::{Impersonated, Info, KeyStatus, Message, Notice, Warning};
use crate::chat::state::{Chat, trust_level};
use crate::crypto::{Fingerprint, RsaJob};
use crate::ids::ConnId;
use crate::ids::JobQueue;
use crate::peers::book::Change;
use crate::peers::name::Name;
use crate::session::{CloseReason, Event, OaepCloseReason};
use crate::text::safe::SafeText;
use crate::wire::ByeReason;

/// Messages that are listed when a connection is lost with them on the way.
const LISTED: usize = 20;
/// Two connections of the same two people that began within this time crossed each other, in milliseconds.
const CROSSING_MS: u64 = 5_000;

impl Chat {
    /// Work that a stranger can ask for at no cost to itself waits in the stranger's queue.
    pub(crate) fn need(&mut self, conn: ConnId, job: RsaJob) {
        let conversation = self.conversations.get(&conn);
        let called =
            conversation.is_some_and(|conversation| matches!(conversation.way, Origin::Inbound { .. }));
        let known = conversation.is_some_and(|conversation| conversation.peer.is_some());
        let queue = match job {
            RsaJob::Decapsulate { .. } if called => JobQueue::Unauthenticated,
            // On the raw wire nobody ever proves a key; one who has shown that it knows ours is a stranger no more.
            RsaJob::CheckPem { .. } | RsaJob::OpenBlock { .. } if called && !known => {
                JobQueue::Unauthenticated
            }
            _ => JobQueue::Authenticated,
        };
        self.effects.push_back(Effect::Job { conn, job, queue });
    }

    pub(crate) fn event(&mut self, conn: ConnId, event: Event) {
        match event {
            Event::PeerKey(key) => {
                if let Some(conversation) = self.conversations.get_mut(&conn) {
                    conversation.key = Some(key);
                    self.effects.push_back(Effect::ReadBook { conn });
                }
            }
            Event::Established { name, .. } => self.stands(conn, &name),
            Event::Message { seq, sent, text } => self.said(conn, seq, sent.0, text),
            Event::Acked { upto } => {
                if let Some(conversation) = self.conversations.get_mut(&conn) {
                    self.receipted += conversation.receipted(upto);
                    let name = conversation.name().unwrap_or_default().to_owned();
                    self.effects.push_back(Effect::Received { name, upto });
                }
            }
            Event::Oaep(event) => self.raw_event(conn, event),
            Event::Closed(ending) => self.closed(conn, ending),
        }
    }

    /// The stream ended: if the session did not know yet, it was cut.
    pub(crate) fn ended(&mut self, conn: ConnId, error: Option<&str>) {
        let Some(conversation) = self.conversations.get_mut(&conn) else { return };
        conversation.broken = error.map(str::to_owned);
        self.with_session(conn, |session, _| session.handle_eof());
    }

    fn said(&mut self, conn: ConnId, seq: u64, sent_ms: u64, text: Vec<u8>) {
        if let Some(said) = self.heard(conn, sent_ms, text) {
            self.effects.push_back(Effect::Show(Notice::Message(said), Some(ReceiptDue { conn, upto: seq })));
        }
    }

    /// A peer's message: kept, counted as unread if somebody else is addressed, and announced if it calls us.
    pub(crate) fn heard(&mut self, conn: ConnId, sent_ms: u64, text: Vec<u8>) -> Option<Message> {
        let now_ms = self.now.unix.0;
        let conversation = self.conversations.get_mut(&conn)?;
        let peer = conversation.peer.as_mut()?;
        peer.seen_ms = now_ms;
        let peer_id = peer.id;
        let said = Message {
            name: peer.name.clone(),
            fingerprint: peer.fingerprint(),
            trust_level: peer.trust_level,
            arrived_ms: now_ms,
            sent_ms,
            rows: SafeText::rows_from_bytes(&text),
            text,
        };
        if self.addressed != Some(peer_id) {
            conversation.unread += 1;
        }
        self.alert(&said);
        self.memory.keep(peer_id, &said);
        Some(said)
    }

    /// Both sides have confirmed: the newcomer gets its name here, and is shown as joined.
    fn stands(&mut self, conn: ConnId, claimed: &[u8]) {
        let Some(key) = self.conversations.get(&conn).and_then(|conversation| conversation.key.clone())
        else {
            return;
        };
        let fingerprint = key.fingerprint();
        if !self.outlives_rivals(conn, fingerprint) {
            return;
        }
        let (name, known) = match self.book.by_fingerprint(&fingerprint) {
            Some(peer) => (peer.name.to_string(), KeyStatus::Known(trust_level(peer.trust))),
            None => (self.newcomer(claimed).to_string(), KeyStatus::New),
        };
        let pinned = self.remember(conn, fingerprint, &name);
        let known = if pinned { KeyStatus::Known(TrustLevel::Verified) } else { known };
        let trust_level = match known {
            KeyStatus::Known(trust_level) => trust_level,
            KeyStatus::New => TrustLevel::Unverified,
        };
        let newcomer = known == KeyStatus::New;
        self.effects.push_back(Effect::Authenticated(conn, Protocol::Native));
        self.info(Info::Joined { name: name.clone(), fingerprint, known });
        if newcomer {
            self.unmask(&name, claimed);
        }
        let since_ms = self.now.unix.0;
        if let Some(conversation) = self.conversations.get_mut(&conn) {
            let (peer_id, seen_ms) = (PeerId::Key(fingerprint), since_ms);
            self.roster += 1;
            conversation.peer = Some(Peer { name, id: peer_id, trust_level, since_ms, seen_ms });
        }
        if self.addressed_link().is_none() {
            self.address(PeerId::Key(fingerprint));
        }
    }

    /// A name for a key that was never seen: what it claims, unless that is somebody's already.
    fn newcomer(&self, claimed: &[u8]) -> Name {
        let claimed = Name::claimed(claimed);
        if !self.is_taken(&claimed) {
            return claimed;
        }
        (2..10_000).map(|n| claimed.with_suffix(n)).find(|name| !self.is_taken(name)).unwrap_or(claimed)
    }

    /// Whether a name is somebody's: ours, of the book, or of a peer of the raw wire that is there.
    pub(crate) fn is_taken(&self, name: &Name) -> bool {
        let mut raw = self
            .conversations
            .values()
            .filter(|conversation| conversation.is_raw())
            .filter_map(Conversation::name);
        self.own_name.looks_like(name)
            || self.book.peers().any(|peer| peer.name.looks_like(name))
            || raw.any(|there| Name::parse(there).is_ok_and(|there| there.same_as(name)))
    }

    /// Says so when a newcomer claims a name that is, or looks like, somebody else's.
    fn unmask(&mut self, name: &str, claimed: &[u8]) {
        let wanted = Name::claimed(claimed);
        let others = || self.book.peers().filter(|peer| peer.name.as_str() != name);
        // Whoever has that very name is meant before those with one like it.
        let same = others().find(|peer| peer.name.same_as(&wanted));
        let imitated = same.or_else(|| others().find(|peer| peer.name.looks_like(&wanted)));
        let (of, known) = match imitated {
            _ if self.own_name.looks_like(&wanted) => (Impersonated::Ours, self.own_name.to_string()),
            Some(peer) if peer.trust == crate::peers::book::Trust::Verified => {
                (Impersonated::Verified, peer.name.to_string())
            }
            Some(peer) => (Impersonated::Known, peer.name.to_string()),
            None => return,
        };
        let claimed = SafeText::line(wanted.as_str());
        self.warn(Warning::Impostor { name: name.to_owned(), claimed, known, of });
    }

    /// Writes down whom we met and where; a pinned key is verified. Returns whether it was pinned.
    fn remember(&mut self, conn: ConnId, fingerprint: Fingerprint, name: &str) -> bool {
        let (address, pinned) = match self.conversations.get(&conn).map(|conversation| &conversation.way) {
            Some(Origin::Outbound { target, pin, .. }) => (Some(target.clone()), pin.is_some()),
            Some(Origin::Inbound { callers: AcceptPolicy::Pinned(_), .. }) => (None, true),
            _ => (None, false),
        };
        let mut changes = Vec::new();
        match self.book.by_fingerprint(&fingerprint) {
            None => {
                if let Ok(name) = Name::parse(name) {
                    changes.push(Change::Meet { fingerprint, name, address });
                }
            }
            Some(peer) => {
                if let Some(address) = address.filter(|address| !peer.addresses.contains(address)) {
                    changes.push(Change::Address { fingerprint, address });
                }
            }
        }
        if pinned {
            changes.push(Change::Trust { fingerprint, level: crate::peers::book::Trust::Verified });
        }
        self.change_book(changes);
        pinned
    }

    /// One conversation with one key. When both sides dialled at once the one that the lower fingerprint
    /// began stays, which both can tell; otherwise the newer one stays, since the older may be dead.
    fn outlives_rivals(&mut self, conn: ConnId, fingerprint: Fingerprint) -> bool {
        let Some(rival) = self.link_of(fingerprint).filter(|rival| *rival != conn) else { return true };
        let we_are_lower = self.own_key.as_ref().is_some_and(|own| own.public.fingerprint() < fingerprint);
        let dialled = |conn: &ConnId| {
            self.conversations
                .get(conn)
                .is_some_and(|conversation| matches!(conversation.way, Origin::Outbound { .. }))
        };
        let since = self
            .conversations
            .get(&rival)
            .and_then(|conversation| conversation.peer.as_ref())
            .map_or(0, |p| p.since_ms);
        let crossed =
            dialled(&conn) != dialled(&rival) && self.now.unix.0.saturating_sub(since) < CROSSING_MS;
        let newer_stays = !crossed || dialled(&conn) == we_are_lower;
        let (winner, loser) = if newer_stays { (conn, rival) } else { (rival, conn) };
        if let Some(conversation) = self.conversations.get_mut(&loser) {
            conversation.successor = Some(winner);
        }
        self.with_session(loser, |session, _| session.close(ByeReason::Replaced));
        newer_stays
    }

    /// A connection with the holder of a key, even if it does not stand yet.
    fn with_key(&self, fingerprint: Fingerprint) -> Option<ConnId> {
        let holds = |conversation: &Conversation| {
            conversation.key.as_ref().is_some_and(|key| key.fingerprint() == fingerprint)
        };
        self.conversations.iter().find(|(_, conversation)| holds(conversation)).map(|(conn, _)| *conn)
    }

    /// A session is over, whoever ended it.
    fn closed(&mut self, conn: ConnId, ending: CloseReason) {
        let Some(conversation) = self.conversations.remove(&conn) else { return };
        self.roster += 1;
        let why = conversation.broken.clone();
        self.effects.push_back(Effect::Close(conn));
        let (rows, more) = conversation.waiting_rows(LISTED);
        let whom = conversation.whom();
        if let Some(leaving) = self.leaving.as_mut().filter(|_| !rows.is_empty()) {
            leaving.lost();
        }
        if let Origin::Outbound { .. } = conversation.way {
            let outcome = outcome(conversation.peer.is_some(), &ending, rows.len());
            self.effects.push_back(Effect::DialFinished(outcome));
        }
        let called = matches!(conversation.way, Origin::Inbound { .. });
        match conversation.peer {
            Some(peer) => {
                let name = peer.name;
                if let PeerId::Key(fingerprint) = peer.id
                    && self.book.by_fingerprint(&fingerprint).is_some()
                {
                    self.seen.insert(fingerprint, self.now.unix.0);
                }
                // When both dial at once the peer closes the other of the two connections.
                let successor = match (&ending, peer.id) {
                    (CloseReason::Bye(ByeReason::Replaced), PeerId::Key(fingerprint)) => {
                        self.with_key(fingerprint)
                    }
                    _ => conversation.successor,
                };
                match ending {
                    _ if successor.is_some() => self.info(Info::Replaced { name: name.clone() }),
                    CloseReason::LocalClose => self.info(Info::Closed { name: name.clone() }),
                    CloseReason::Bye(ByeReason::Leaving | ByeReason::Other(_)) => {
                        self.info(Info::Left { name: name.clone() });
                    }
                    ending => self.warn(Warning::Lost { name: name.clone(), ending, why }),
                }
                if !rows.is_empty() {
                    self.warn(match peer.id {
                        PeerId::Key(_) => Warning::NotReceived { name, rows, more },
                        PeerId::Raw(_) => Warning::NotSent { name, rows, more },
                    });
                }
            }
            // Said already, where the judgement was made, or nothing that anybody needs to know.
            None if matches!(ending, CloseReason::LocalReject | CloseReason::LocalClose) => {}
            None if matches!(ending, CloseReason::Bye(ByeReason::Replaced)) => {}
            None if called => self.report(Warning::Early { whom, ending, why }),
            None => self.warn(Warning::Early { whom, ending, why }),
        }
    }
}

fn outcome(stood: bool, ending: &CloseReason, waiting: usize) -> DialOutcome {
    match ending {
        CloseReason::LocalClose if waiting == 0 => DialOutcome::Done,
        CloseReason::Bye(ByeReason::Leaving | ByeReason::Other(_)) if waiting == 0 => DialOutcome::Left,
        CloseReason::Bye(ByeReason::Leaving | ByeReason::Other(_)) if stood => DialOutcome::PeerLeftEarly,
        CloseReason::Bye(ByeReason::OutputGone | ByeReason::OutputFull | ByeReason::OutputFailed) => {
            DialOutcome::Failed
        }
        CloseReason::HandshakeTimeout
        | CloseReason::NoData
        | CloseReason::LostInHandshake
        | CloseReason::Oaep(OaepCloseReason::NoKey) => DialOutcome::Lost,
        _ if stood => DialOutcome::Lost,
        _ => DialOutcome::Refused,
    }
}
