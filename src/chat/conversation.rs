//! Conversations: one for each connection, with its session, its peer and its unacknowledged
//! messages.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::addressee::WaitingTexts;
use super::faces::Faces;
use super::history::Acquaintance;
use super::kept::PairLink;
use super::notice::Notice;
use super::redial::Redial;
use super::types::{DialOptions, Origin, PeerId, TrustLevel};
use crate::crypto::Fingerprint;
use crate::ids::{ConnId, ListenerId};
use crate::limits;
use crate::peers::name::Name;
use crate::session::AnySession;
use crate::text::safe::SafeText;
use crate::time::{MonoMs, UnixMs};
use crate::wire::{ByeReason, Lifetime};

/// Unacknowledged messages of one peer that are listed at most.
const UNACKED_ROWS: usize = 20;
/// Time after which a message without a receipt is counted in the prompt, in milliseconds. A
/// receipt normally takes a few milliseconds, so that a shorter delay would only make the count
/// flicker.
const LATE_MS: u64 = 1_000;

/// Peer of an established connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    pub(crate) name: Name,
    pub(crate) id: PeerId,
    pub(crate) trust_level: TrustLevel,
    pub(crate) since: UnixMs,
    /// [`super::Chat::roster`] as it joined.
    pub(crate) joined: u64,
    /// Moment of its last message, or of its joining.
    pub(crate) last_seen: UnixMs,
}

impl Peer {
    pub(crate) fn new(name: Name, id: PeerId, trust_level: TrustLevel, now: UnixMs, joined: u64) -> Self {
        Self { name, id, trust_level, since: now, joined, last_seen: now }
    }

    /// The key that it has proved, if it has.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        match self.id {
            PeerId::Key(fingerprint) => Some(fingerprint),
            PeerId::Conn(_) => None,
        }
    }
}

/// Hints about texts of ours that were shown on a connection, each once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HintsShown {
    None,
    NoReceipts,
    KeepsNothing,
}

/// One connection of a chat.
pub(crate) struct Conversation {
    pub(crate) session: AnySession,
    pub(crate) origin: Origin,
    /// Key of the peer, from the moment that it is known.
    pub(crate) key: Option<Fingerprint>,
    pub(crate) peer: Option<Peer>,
    /// Name that the peer claims, while the second judgement of its key waits for the book.
    pub(crate) claim: Option<Vec<u8>>,
    /// Fingerprint of the key that the peer will have next, as it says.
    pub(crate) next_key: Option<Fingerprint>,
    /// Whether the user chose the peer, as it was when it joined.
    pub(crate) acquaintance: Acquaintance,
    /// Rows that tell of its joining, while they are held back: they come before its first text.
    pub(crate) withheld: Vec<Notice>,
    /// Lifetime that a caller asked for.
    pub(crate) lifetime: Lifetime,
    /// Moment at which a short-lived connection closes, unless a message comes before.
    idle_deadline: Option<MonoMs>,
    /// Newer connection with the same peer, which takes the place of this one.
    pub(crate) successor: Option<ConnId>,
    /// Error that ended the stream, in the words of the system.
    pub(crate) stream_error: Option<String>,
    pub(crate) hints: HintsShown,
    pub(crate) unacked: UnackedQueue,
    /// Agreement about the messages that are kept.
    pub(crate) pair: PairLink,
    /// Texts for the peer that was dialled, until it is known.
    pub(crate) waiting: WaitingTexts,
    /// Calls before this one that the listener has answered with being busy.
    pub(crate) busy_calls: u32,
    /// The series of calls that it belongs to, if its peer was called again after a loss.
    pub(crate) redial: Option<Redial>,
    /// What the peer was told as we closed it without hearing more.
    pub(crate) closed_for: Option<ByeReason>,
    /// Listener that it called.
    pub(crate) listener: Option<ListenerId>,
    /// Transfers that were refused since the kernel has taken everything.
    pub(crate) refused: usize,
    closing: Option<OrderlyClose>,
    indexed: IndexedFacts,
}

/// Orderly close that waits until every message is acknowledged, those of the peer for a short time
/// only: nobody may be there to whom they are shown.
#[derive(Clone, Copy)]
struct OrderlyClose {
    /// Moment at which the connection closes all the same, if there is one.
    at_latest: Option<MonoMs>,
    /// Moment until which it waits for our own receipts.
    receipts_until: MonoMs,
}

impl Conversation {
    pub(crate) fn new(session: AnySession, origin: Origin) -> Self {
        Self {
            session,
            origin,
            key: None,
            peer: None,
            claim: None,
            next_key: None,
            acquaintance: Acquaintance::Met,
            withheld: Vec::new(),
            lifetime: Lifetime::Lasting,
            idle_deadline: None,
            successor: None,
            stream_error: None,
            hints: HintsShown::None,
            unacked: UnackedQueue::default(),
            pair: PairLink::default(),
            waiting: WaitingTexts::default(),
            busy_calls: 0,
            redial: None,
            closed_for: None,
            listener: None,
            refused: 0,
            closing: None,
            indexed: IndexedFacts::default(),
        }
    }

    pub(crate) fn is_oaep(&self) -> bool {
        matches!(self.session, AnySession::Oaep(_))
    }

    /// Whether the user has dialled it, and the peer is not known yet.
    pub(crate) fn is_connecting(&self) -> bool {
        self.peer.is_none() && !self.origin.is_inbound() && self.redial.is_none()
    }

    /// Whether we have begun to close it.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether it takes text: the peer is known and there, and neither side has begun to close.
    pub(crate) fn is_open(&self) -> bool {
        self.peer.is_some() && self.is_lasting() && self.closing.is_none() && !self.session.is_ending()
    }

    /// Whether somebody is there to be written to.
    pub(crate) fn is_lasting(&self) -> bool {
        self.lifetime == Lifetime::Lasting
    }

    /// Records that a message came, or that none could come: a short-lived connection stays.
    pub(crate) fn extend_idle(&mut self, now: MonoMs) {
        if !self.is_lasting() {
            self.idle_deadline = Some(now + limits::SHORT_IDLE_MS);
        }
    }

    /// Name of the peer; empty before it is known.
    pub(crate) fn name(&self) -> String {
        self.peer.as_ref().map(|peer| peer.name.to_string()).unwrap_or_default()
    }

    /// Whether the user chose the peer.
    pub(crate) fn acquaintance(&self) -> Acquaintance {
        match self.peer.as_ref().map(|peer| peer.trust_level) {
            Some(TrustLevel::Unverified | TrustLevel::Verified | TrustLevel::Blocked) => Acquaintance::Chosen,
            _ => self.acquaintance,
        }
    }

    /// Forgets texts of the pair that were taken back: nobody waits for their receipts.
    pub(crate) fn forget_taken_back(&mut self, is_taken_back: impl Fn(u64) -> bool) {
        let pair = &self.pair;
        let is_numbered = pair.stage.is_sending();
        self.unacked.forget(|number| match pair.on_connection.iter().find(|(sent, _)| *sent == number) {
            Some((_, seq)) => is_taken_back(*seq),
            None => is_numbered && is_taken_back(number),
        });
    }

    /// Begins an orderly close. Of several deadlines the earliest holds.
    pub(crate) fn begin_close(&mut self, now: MonoMs, at_latest: Option<MonoMs>) {
        let before = self.closing;
        let earlier = before.and_then(|closing| closing.at_latest);
        self.closing = Some(OrderlyClose {
            at_latest: earlier.into_iter().chain(at_latest).min(),
            receipts_until: before.map_or(now + limits::OUTPUT_GRACE_MS, |closing| closing.receipts_until),
        });
    }

    pub(crate) fn close_deadline(&self) -> Option<MonoMs> {
        let at_latest = self.closing.and_then(|closing| closing.at_latest);
        let receipts_until =
            self.closing.filter(|_| self.unacked.len() == 0).map(|closing| closing.receipts_until);
        [at_latest, receipts_until, self.idle_deadline].into_iter().flatten().min()
    }

    /// Whether an orderly close need not wait any longer: neither side owes a receipt.
    pub(crate) fn can_close(&self) -> bool {
        self.closing.is_some() && self.unacked.len() == 0 && !self.session.awaits_ack()
    }
}

/// Messages of ours without a receipt, bounded by [`limits::QUEUE_MESSAGES`] and
/// [`limits::QUEUE_BYTES`].
#[derive(Default)]
pub(crate) struct UnackedQueue {
    messages: VecDeque<Unacked>,
    bytes: usize,
}

struct Unacked {
    seq: u64,
    text: String,
    since: MonoMs,
}

impl UnackedQueue {
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.messages.len() < limits::QUEUE_MESSAGES && self.bytes < limits::QUEUE_BYTES
    }

    pub(crate) fn push(&mut self, seq: u64, text: &str, since: MonoMs) {
        self.bytes += text.len();
        self.messages.push_back(Unacked { seq, text: text.to_owned(), since });
    }

    /// Drops what the peer has acknowledged and returns the number of messages.
    pub(crate) fn ack(&mut self, upto: u64) -> u64 {
        let before = self.messages.len();
        while let Some(acked) = self.messages.pop_front_if(|message| message.seq <= upto) {
            self.bytes = self.bytes.saturating_sub(acked.text.len());
        }
        (before - self.messages.len()) as u64
    }

    /// Drops those that nobody waits for.
    fn forget(&mut self, is_forgotten: impl Fn(u64) -> bool) {
        self.messages.retain(|message| !is_forgotten(message.seq));
        self.bytes = self.messages.iter().map(|message| message.text.len()).sum();
    }

    /// Forgets them: they are kept elsewhere, and go out again.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Number of messages that have waited so long that the user should know.
    pub(crate) fn late(&self, now: MonoMs) -> usize {
        self.messages.iter().filter(|message| now >= message.since + LATE_MS).count()
    }

    /// Moment at which the next message becomes late.
    pub(crate) fn next_late(&self, now: MonoMs) -> Option<MonoMs> {
        self.messages.iter().map(|message| message.since + LATE_MS).find(|late| *late > now)
    }

    /// The first messages, at most [`UNACKED_ROWS`], as they may be shown, one row each, and how
    /// many more there are.
    pub(crate) fn rows(&self) -> (Vec<SafeText>, usize) {
        self.rows_but(|_| false)
    }

    /// The same without those whose number is left out.
    pub(crate) fn rows_but(&self, is_left_out: impl Fn(u64) -> bool) -> (Vec<SafeText>, usize) {
        let messages: Vec<_> = self.messages.iter().filter(|one| !is_left_out(one.seq)).collect();
        let rows: Vec<_> = messages.iter().take(UNACKED_ROWS).map(|one| SafeText::line(&one.text)).collect();
        let more = messages.len() - rows.len();
        (rows, more)
    }
}

/// What the indexes know of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct IndexedFacts {
    peer: Option<PeerId>,
    /// Moment at which the session, or the orderly close, is next to be looked at.
    deadline: Option<MonoMs>,
    can_close: bool,
}

impl IndexedFacts {
    fn of(conversation: &Conversation) -> Self {
        let session = conversation.session.poll_timeout();
        Self {
            peer: conversation.peer.as_ref().map(|peer| peer.id),
            deadline: session.into_iter().chain(conversation.close_deadline()).min(),
            can_close: conversation.can_close(),
        }
    }
}

/// Indexes of the conversations: with them an input costs the same however many there are. They are
/// brought up to date by [`Conversations::settle`]; what was changed since is looked at itself.
#[derive(Default)]
struct Indexes {
    by_peer: BTreeSet<(PeerId, ConnId)>,
    /// Conversations whose peer is not known yet.
    without_peer: BTreeSet<ConnId>,
    deadlines: BTreeSet<(MonoMs, ConnId)>,
    closable: BTreeSet<ConnId>,
    /// Conversations that may have been changed since the indexes were brought up to date.
    stale: BTreeSet<ConnId>,
    /// Conversations that were changed since [`Conversations::take_changed`].
    changed: BTreeSet<ConnId>,
}

impl Indexes {
    fn insert(&mut self, conn: ConnId, facts: &IndexedFacts) {
        match facts.peer {
            Some(peer) => self.by_peer.insert((peer, conn)),
            None => self.without_peer.insert(conn),
        };
        self.deadlines.extend(facts.deadline.map(|due| (due, conn)));
        self.closable.extend(facts.can_close.then_some(conn));
    }

    fn remove(&mut self, conn: ConnId, facts: &IndexedFacts) {
        match facts.peer {
            Some(peer) => self.by_peer.remove(&(peer, conn)),
            None => self.without_peer.remove(&conn),
        };
        if let Some(due) = facts.deadline {
            self.deadlines.remove(&(due, conn));
        }
        self.closable.remove(&conn);
    }
}

/// All conversations, and whom each face addresses.
#[derive(Default)]
pub(crate) struct Conversations {
    by_conn: BTreeMap<ConnId, Conversation>,
    indexes: Indexes,
    pub(super) faces: Faces,
}

impl Conversations {
    pub(crate) fn insert(&mut self, conn: ConnId, mut conversation: Conversation) {
        let facts = IndexedFacts::of(&conversation);
        self.indexes.insert(conn, &facts);
        self.indexes.stale.insert(conn);
        conversation.indexed = facts;
        self.by_conn.insert(conn, conversation);
    }

    pub(crate) fn remove(&mut self, conn: ConnId) -> Option<Conversation> {
        let conversation = self.by_conn.remove(&conn)?;
        self.indexes.remove(conn, &conversation.indexed);
        self.faces.forget_unread(conn);
        Some(conversation)
    }

    pub(crate) fn get(&self, conn: ConnId) -> Option<&Conversation> {
        self.by_conn.get(&conn)
    }

    pub(crate) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Conversation> {
        let conversation = self.by_conn.get_mut(&conn)?;
        self.indexes.stale.insert(conn);
        Some(conversation)
    }

    /// Brings the indexes up to date; to be called after every input.
    pub(crate) fn settle(&mut self) {
        while let Some(conn) = self.indexes.stale.pop_first() {
            let Some(conversation) = self.by_conn.get_mut(&conn) else { continue };
            self.indexes.changed.insert(conn);
            let facts = IndexedFacts::of(conversation);
            let before = std::mem::replace(&mut conversation.indexed, facts);
            if before != facts {
                self.indexes.remove(conn, &before);
                self.indexes.insert(conn, &facts);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_conn.len()
    }

    /// Number of connections whose peer has joined.
    pub(crate) fn joined(&self) -> usize {
        self.by_conn.len() - self.without_peer().count()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Conversation> {
        self.by_conn.values()
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Conversation> {
        self.indexes.stale.extend(self.by_conn.keys());
        self.by_conn.values_mut()
    }

    /// Connections whose conversation matches, the oldest first: connections are numbered as they
    /// come.
    pub(crate) fn conns(&self, matches: impl Fn(&Conversation) -> bool) -> Vec<ConnId> {
        self.by_conn.iter().filter(|(_, one)| matches(one)).map(|(conn, _)| *conn).collect()
    }

    pub(crate) fn find(&self, matches: impl Fn(&Conversation) -> bool) -> Option<ConnId> {
        self.by_conn.iter().find(|(_, one)| matches(one)).map(|(conn, _)| *conn)
    }

    /// Conversations of an index, and those that may belong to it by now, the oldest first.
    fn candidates(
        &self,
        indexed: impl Iterator<Item = ConnId>,
    ) -> impl Iterator<Item = (ConnId, &Conversation)> {
        let conns: BTreeSet<_> = indexed.chain(self.indexes.stale.iter().copied()).collect();
        conns.into_iter().filter_map(|conn| Some((conn, self.get(conn)?)))
    }

    /// Adds the face of these options to those that are told of the same call, where one is in its
    /// handshake.
    pub(crate) fn join_call(&mut self, options: &DialOptions) -> Option<ConnId> {
        let is_same = |one: &Conversation| {
            let is_call = one.closing.is_none() && one.redial.is_none();
            is_call && matches!(&one.origin, Origin::Outbound { dial, .. } if dial.is_same_call(options))
        };
        let (conn, _) = self.without_peer().find(|(_, one)| is_same(one))?;
        if let Origin::Outbound { dial, .. } = &mut self.get_mut(conn)?.origin {
            dial.joined.push(options.face);
        }
        Some(conn)
    }

    /// Conversations whose peer is not known yet, the oldest first.
    pub(crate) fn without_peer(&self) -> impl Iterator<Item = (ConnId, &Conversation)> {
        let indexed = self.indexes.without_peer.iter().copied();
        self.candidates(indexed).filter(|(_, one)| one.peer.is_none())
    }

    /// Connections whose deadline has come.
    pub(crate) fn due(&mut self, now: MonoMs) -> Vec<ConnId> {
        self.settle();
        self.indexes.deadlines.iter().take_while(|(due, _)| *due <= now).map(|(_, conn)| *conn).collect()
    }

    /// The next deadline of all.
    pub(crate) fn next_deadline(&self) -> Option<MonoMs> {
        self.indexes.deadlines.first().map(|(due, _)| *due)
    }

    /// Connections whose orderly close need not wait any longer.
    pub(crate) fn closable(&mut self) -> Vec<ConnId> {
        self.settle();
        self.indexes.closable.iter().copied().collect()
    }

    /// Connections that were changed since the last call.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<ConnId> {
        std::mem::take(&mut self.indexes.changed)
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.values().filter_map(|conversation| conversation.peer.as_ref())
    }

    /// Peers that are there to be written to.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Peer> {
        let lasting = self.values().filter(|conversation| conversation.is_lasting());
        lasting.filter_map(|conversation| conversation.peer.as_ref())
    }

    pub(crate) fn peer_of(&self, conn: ConnId) -> Option<&Peer> {
        self.get(conn)?.peer.as_ref()
    }

    /// Changes what is known of the holder of a key, on each of its connections.
    pub(crate) fn update_peer(&mut self, fingerprint: Fingerprint, update: impl Fn(&mut Peer)) {
        let conns: Vec<_> = self.with_peer(PeerId::Key(fingerprint)).map(|(conn, _)| conn).collect();
        for conn in conns {
            if let Some(peer) = self.get_mut(conn).and_then(|one| one.peer.as_mut()) {
                update(peer);
            }
        }
    }

    /// Conversations with a peer, the oldest first.
    pub(crate) fn with_peer(&self, peer: PeerId) -> impl Iterator<Item = (ConnId, &Conversation)> {
        let all = (peer, ConnId(0))..=(peer, ConnId(u64::MAX));
        let indexed = self.indexes.by_peer.range(all).map(|(_, conn)| *conn);
        self.candidates(indexed)
            .filter(move |(_, one)| one.peer.as_ref().is_some_and(|there| there.id == peer))
    }

    /// A peer as it is connected, by its identity.
    pub(crate) fn connected(&self, peer: PeerId) -> Option<&Peer> {
        self.with_peer(peer).find_map(|(_, one)| one.peer.as_ref())
    }

    /// Oldest lasting connection with the holder of a key, joined or in mid-handshake.
    pub(crate) fn with_key(&self, fingerprint: Fingerprint) -> Option<ConnId> {
        let has_key = |one: &Conversation| one.key == Some(fingerprint);
        let pending = self.without_peer().filter(|(_, one)| has_key(one));
        let all = self.with_peer(PeerId::Key(fingerprint)).chain(pending);
        all.filter(|(_, one)| one.is_lasting()).map(|(conn, _)| conn).min()
    }

    /// Open conversation with a peer.
    pub(crate) fn open_with(&self, peer: PeerId) -> Option<ConnId> {
        self.with_peer(peer).find(|(_, one)| one.is_open()).map(|(conn, _)| conn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_without_a_receipt_are_bounded_in_number_and_in_bytes() {
        let mut many = UnackedQueue::default();
        for seq in 1..=limits::QUEUE_MESSAGES as u64 {
            assert!(many.has_room());
            many.push(seq, "x", MonoMs(0));
        }
        assert!(!many.has_room());
        assert_eq!(many.ack(1), 1);
        assert!(many.has_room());
        let mut large = UnackedQueue::default();
        large.push(1, &"x".repeat(limits::QUEUE_BYTES - 1), MonoMs(0));
        assert!(large.has_room());
        large.push(2, "x", MonoMs(0));
        assert!(!large.has_room());
        large.forget(|seq| seq == 1);
        assert!(large.has_room());
        assert_eq!((large.messages.front().map(|left| left.seq), large.bytes), (Some(2), 1));
    }

    #[test]
    fn messages_without_a_receipt_are_late_after_a_time_and_listed_by_their_first_rows() {
        let mut queue = UnackedQueue::default();
        assert_eq!((queue.len(), queue.next_late(MonoMs(0))), (0, None));
        for seq in 1..=UNACKED_ROWS as u64 + 3 {
            queue.push(seq, &format!("text {seq:02}"), MonoMs(seq * 10));
        }
        let late = MonoMs(20) + LATE_MS;
        assert_eq!((queue.late(MonoMs(late.0 - 1)), queue.late(late)), (1, 2));
        assert_eq!(queue.next_late(late), Some(late + 10));
        let texts = |(rows, more): (Vec<SafeText>, usize)| (rows[0].as_str().to_owned(), rows.len(), more);
        assert_eq!(texts(queue.rows()), ("text 01".to_owned(), UNACKED_ROWS, 3));
        assert_eq!(texts(queue.rows_but(|seq| seq <= 2)), ("text 03".to_owned(), UNACKED_ROWS, 1));
        assert_eq!((queue.ack(4), queue.len()), (4, UNACKED_ROWS - 1));
        assert_eq!(queue.bytes, "text 05".len() * queue.len());
        queue.clear();
        assert_eq!((queue.ack(99), queue.bytes), (0, 0));
    }
}
