//! Queries of the front ends between two inputs, and the pipe that they take out.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Chat;
use super::addressee::{Addressee, FirstCaller, LineStart};
use super::callee::is_callable;
use super::command::{ParsedLine, parse_line};
use super::conversation::Conversation;
use super::kept::KeptMessages;
use super::notice::{Message, author};
use super::types::{Audience, NoReply, Origin, PeerId, TrustLevel};
use crate::crypto::Fingerprint;
use crate::ids::{ConnId, FaceId};
use crate::limits;
use crate::peers::book::Book;
use crate::peers::name::Name;
use crate::session::pipe::Pipe;
use crate::time::Now;

/// Pipe and its peer.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct EstablishedPipe {
    /// Its connection.
    pub conn: ConnId,
    /// Local name of the peer.
    pub name: String,
    /// Its two halves.
    pub pipe: Pipe,
}

/// Content of the prompt before the cursor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PromptView {
    /// Our own display name.
    pub own_name: String,
    /// Whom plain text goes to.
    pub addressed: Option<AddressedView>,
    /// Number of our messages to the addressed peer that it has not shown for a second.
    pub waiting: usize,
    /// Number of messages of other peers since the addressed peer was addressed.
    pub unread: usize,
    /// The same of each of these peers, in the order of their names; empty where that is not known.
    pub unread_of: Vec<(String, usize)>,
    /// Whether anybody else is connected.
    pub has_others: bool,
    /// Start of a line that is begun now.
    pub start: LineStart,
}

impl PromptView {
    /// Whether both look the same: they may differ in where a line begins.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        *self == Self { start: self.start.clone(), has_others: self.has_others, ..other.clone() }
    }

    /// The message that a line begun at `start` becomes on the screen, as its author and its text;
    /// `None` for a command, or when the line may not be accepted at once.
    #[must_use]
    pub fn message_of(&self, line: &str, start: &LineStart, known: &KnownNames) -> Option<(String, String)> {
        let to = self.addressed.as_ref().filter(|to| to.presence != Presence::Connecting)?;
        let Ok(ParsedLine::Text(text)) = parse_line(line) else { return None };
        let names_another =
            text.split_once(": ").is_some_and(|(name, _)| name != to.name && known.contains(name));
        let is_too_long = text.len() > limits::MESSAGE_BYTES;
        if !start.is_for(&self.start) || names_another || text.starts_with('/') || is_too_long {
            return None;
        }
        let is_named = self.has_others || to.presence == Presence::Away;
        let to = if is_named { std::slice::from_ref(&to.name) } else { &[] };
        Some((author(&self.own_name, to), text))
    }
}

/// Receiver of plain text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressedView {
    /// Its name; the address while it is being dialled.
    pub name: String,
    /// Degree of certainty that the key is its own; none while it is being dialled.
    pub trust_level: Option<TrustLevel>,
    /// Whether it is there.
    pub presence: Presence,
}

/// Names of the peers in the book, which is shared, since it may be large, and of the connected.
#[derive(Clone, Debug, Default)]
pub struct KnownNames {
    book: Arc<Book>,
    present: Vec<String>,
    /// Those that can be called, besides the book.
    callable: Vec<String>,
}

impl KnownNames {
    /// Names that another process has told, and which of them can be called.
    #[must_use]
    pub fn told(names: Vec<String>, callable: Vec<String>) -> Self {
        Self { book: Arc::default(), present: names, callable }
    }

    #[cfg(test)]
    pub(crate) fn of_connected(names: &[&str]) -> Self {
        Self { present: names.iter().map(ToString::to_string).collect(), ..Self::default() }
    }

    /// Every name, some twice.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let known = self.book.peers().map(|peer| peer.name.as_str());
        known.chain(self.present.iter().map(String::as_str))
    }

    /// Whether there is this very name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.book.find(name).is_some_and(|peer| peer.name.as_str() == name)
            || self.present.iter().any(|present| present == name)
    }

    /// Names that begin like this in any case, in their order.
    #[must_use]
    pub fn like(&self, start: &str) -> BTreeSet<&str> {
        names_like(self.iter(), start)
    }

    /// Names of the peers that can be called by name and begin like this in any case.
    #[must_use]
    pub fn callable_like(&self, start: &str) -> BTreeSet<&str> {
        let callable = self.book.peers().filter(|peer| is_callable(peer));
        let told = self.callable.iter().map(String::as_str);
        names_like(callable.map(|peer| peer.name.as_str()).chain(told), start)
    }
}

/// Names that begin like this in any case, in their order.
fn names_like<'a>(names: impl Iterator<Item = &'a str>, start: &str) -> BTreeSet<&'a str> {
    let folded = start.to_lowercase();
    names.filter(|name| name.to_lowercase().starts_with(&folded)).collect()
}

/// Presence of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// Connected.
    Here,
    /// Not connected: it stays addressed.
    Away,
    /// Being dialled.
    Connecting,
}

impl Presence {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Away => "away",
            Self::Connecting => "connecting",
        }
    }
}

impl Chat {
    /// Whether somebody sees what comes.
    pub(crate) fn audience(&self) -> Audience {
        self.audience
    }

    /// Content of the prompt of the own face.
    #[must_use]
    pub fn view(&self) -> PromptView {
        self.view_of(FaceId::OWN)
    }

    /// Content of the prompt of a face.
    #[must_use]
    pub fn view_of(&self, face: FaceId) -> PromptView {
        let one = self.conversations.face_of(face);
        PromptView {
            own_name: self.account.name.to_string(),
            addressed: self.addressed_view(face),
            waiting: self.late_messages(face),
            unread: one.unread(),
            unread_of: self.unread_by_name(face),
            has_others: self.conversations.peers().any(|peer| Some(peer.id) != one.addressed_peer()),
            start: self.line_start_of(face),
        }
    }

    /// Messages of other peers that came while the addressee of a face was addressed.
    fn unread_by_name(&self, face: FaceId) -> Vec<(String, usize)> {
        let by_conn = self.conversations.face_of(face).unread_by_conn();
        let name = |conn| Some(self.conversations.get(conn)?.peer.as_ref()?.name.to_string());
        let mut named: Vec<_> = by_conn.filter_map(|(conn, count)| Some((name(conn)?, count))).collect();
        named.sort();
        named
    }

    /// Number of our messages to the addressee that it has not shown: while it is connected, only
    /// those that are late.
    fn late_messages(&self, face: FaceId) -> usize {
        let Some(id) = self.conversations.face_of(face).addressed_peer() else { return 0 };
        let waiting = self.waiting_for(id);
        match self.conversations.addressed_of(face) {
            Some(conversation) => {
                let late = conversation.unacked.late(self.now.mono);
                // What is on its way to the disk is sent in a moment.
                let is_full = conversation.pair.stage.is_sending() && !conversation.unacked.has_room();
                if is_full { waiting.saturating_sub(conversation.unacked.len()) + late } else { late }
            }
            None => waiting,
        }
    }

    /// Start of a line that is begun now at the current face.
    pub(crate) fn line_start(&self) -> LineStart {
        self.line_start_of(self.conversations.current_face())
    }

    fn line_start_of(&self, face: FaceId) -> LineStart {
        let face = self.conversations.face_of(face);
        let name = Some(self.name_of_addressee(face.addressee())).filter(|name| !name.is_empty());
        LineStart { mark: face.mark(), name, roster: self.counters.roster }
    }

    /// Whom plain text of a face goes to.
    pub(crate) fn addressed_view(&self, face: FaceId) -> Option<AddressedView> {
        let addressee = self.conversations.face_of(face).addressee();
        let name = self.name_of_addressee(addressee);
        match *addressee {
            Addressee::NobodyYet | Addressee::Nobody => None,
            Addressee::Dialled(_) | Addressee::Connecting(_) => {
                Some(AddressedView { name, trust_level: None, presence: Presence::Connecting })
            }
            Addressee::Peer(id, _) => {
                let is_here = self.conversations.addressed_conn_of(face).is_some();
                let presence = if is_here { Presence::Here } else { Presence::Away };
                Some(AddressedView { name, trust_level: Some(self.trust_level_of(id)), presence })
            }
        }
    }

    /// Name of the addressee of the current face: the address while it is being dialled, empty if
    /// it is nobody.
    pub(crate) fn addressee_name(&self) -> String {
        self.name_of_addressee(self.conversations.addressee())
    }

    fn name_of_addressee(&self, addressee: &Addressee) -> String {
        match addressee {
            Addressee::NobodyYet | Addressee::Nobody => String::new(),
            Addressee::Dialled(dial) => {
                self.dials.get(dial).map(|dial| self.label_of(&dial.options)).unwrap_or_default()
            }
            Addressee::Connecting(conn) => match self.conversations.get(*conn).map(|one| &one.origin) {
                Some(Origin::Outbound { dial, .. }) => self.label_of(dial),
                Some(origin @ Origin::Inbound { .. }) => origin.to_string(),
                None => String::new(),
            },
            Addressee::Peer(id, name) => self.name_of(*id).unwrap_or_else(|| name.to_string()),
        }
    }

    /// Name of the holder of a key; the fingerprint if there is no name.
    pub(crate) fn name_of_key(&self, fingerprint: Fingerprint) -> String {
        self.name_of(PeerId::Key(fingerprint)).unwrap_or_else(|| fingerprint.to_string())
    }

    /// Peer of a name, connected or in the book.
    pub(crate) fn peer_named(&self, name: &Name) -> Option<(String, PeerId)> {
        if let Some(peer) = self.conversations.peers().find(|peer| peer.name.same_as(name)) {
            return Some((peer.name.to_string(), peer.id));
        }
        // Who was shown under a name, and has left, is not another who has it in the book.
        let owner = self.names.owner(name);
        if let Some(peer @ PeerId::Key(fingerprint)) = owner
            && (self.book.by_fingerprint(&fingerprint).is_some()
                || self.met.by_fingerprint(&fingerprint).is_some())
        {
            return Some((name.to_string(), peer));
        }
        let known = self.book.by_name(name).map(|peer| (&peer.name, peer.fingerprint));
        // Nor is it one who only claims it, though its owner was forgotten.
        let met = || {
            let peer = self.met.by_name(name).filter(|_| owner.is_none())?;
            Some((&peer.claimed, peer.fingerprint))
        };
        known.or_else(met).map(|(name, key)| (name.to_string(), PeerId::Key(key)))
    }

    /// Name of a peer that is connected or in the book.
    pub(crate) fn name_of(&self, id: PeerId) -> Option<String> {
        if let Some(peer) = self.conversations.connected(id) {
            return Some(peer.name.to_string());
        }
        let PeerId::Key(fingerprint) = id else { return None };
        let known = || self.book.by_fingerprint(&fingerprint).map(|entry| &entry.name);
        self.kept_name(fingerprint).or_else(known).map(Name::to_string)
    }

    /// Whether a connected peer was dialled by us.
    #[must_use]
    pub fn has_dialled(&self, name: &str) -> bool {
        self.conversations.values().any(|one| {
            !one.origin.is_inbound() && one.peer.as_ref().is_some_and(|peer| peer.name.as_str() == name)
        })
    }

    /// Names for completion: of every peer in the book or connected.
    #[must_use]
    pub fn known_names(&self) -> KnownNames {
        KnownNames { book: Arc::clone(&self.book), present: self.present(), callable: Vec::new() }
    }

    /// Names of the connected peers.
    #[must_use]
    pub fn present(&self) -> Vec<String> {
        self.conversations.present().map(|peer| peer.name.to_string()).collect()
    }

    /// Number that changes whenever [`Chat::known_names`] or [`Chat::present`] may change.
    #[must_use]
    pub fn roster(&self) -> u64 {
        self.counters.roster
    }

    /// Every connection.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnId> {
        self.conversations.conns(|_| true)
    }

    /// Number of connections.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.conversations.len()
    }

    /// Connections that were changed since the last call: whether they can be read may be another.
    pub fn take_changed(&mut self) -> BTreeSet<ConnId> {
        self.conversations.take_changed()
    }

    /// Whether bytes of this connection can be used now; otherwise do not read it.
    #[must_use]
    pub fn wants_read(&self, conn: ConnId) -> bool {
        let wants_read = |one: &Conversation| one.claim.is_none() && one.session.wants_read();
        self.conversations.get(conn).is_some_and(wants_read)
    }

    /// Records that a connection is left unread, since what comes cannot be shown: silence is not
    /// the peer's.
    pub fn reading_paused(&mut self, conn: ConnId, now: Now) {
        if let Some(conversation) = self.conversations.get_mut(conn) {
            conversation.session.reading_paused(now.mono);
            conversation.extend_idle(now.mono);
        }
        self.conversations.settle();
    }

    /// Whether a change of the book that a face has caused waits for its result.
    #[must_use]
    pub fn is_saving(&self, face: FaceId) -> bool {
        self.book_changes.iter().any(|(of, _)| *of == face)
    }

    /// The face that has caused the change of the book whose result comes next.
    #[must_use]
    pub fn saving_next(&self) -> Option<FaceId> {
        self.book_changes.front().map(|(face, _)| *face)
    }

    /// Whether a text of a face waits for the disk, on which it is accepted.
    #[must_use]
    pub fn is_accepting(&self, face: FaceId) -> bool {
        self.accepting(face) > 0
    }

    /// The number of commits, and of looks into the history, that a face waits for.
    #[must_use]
    pub fn accepting(&self, face: FaceId) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.accepting(face))
    }

    /// The faces of which the next commit accepts a text.
    #[must_use]
    pub fn accepting_next(&self) -> BTreeSet<FaceId> {
        self.kept.as_ref().map(KeptMessages::accepting_next).unwrap_or_default()
    }

    /// The face that looks for what the history answers next.
    #[must_use]
    pub fn searching_next(&self) -> Option<FaceId> {
        self.kept.as_ref()?.queries.front().map(|query| query.face)
    }

    /// Whether one more command of a face would be performed at once: no key is being generated,
    /// nothing connects that the face waits for, and what it has asked of the book is done.
    #[must_use]
    pub fn takes_commands(&self, face: FaceId) -> bool {
        self.keygen.is_none()
            && self.waiting_for_key.is_empty()
            && !self.is_connecting(face)
            && !self.is_saving(face)
            && self.shutdown.is_none()
    }

    /// Whether something connects that a face waits for: the own one for all, others for whom they
    /// address.
    fn is_connecting(&self, face: FaceId) -> bool {
        match face {
            FaceId::OWN => {
                self.dials.values().any(|dial| dial.redial.is_none())
                    || self.conversations.without_peer().any(|(_, one)| one.is_connecting())
            }
            face => matches!(
                self.conversations.face_of(face).addressee(),
                Addressee::Dialled(_) | Addressee::Connecting(_)
            ),
        }
    }

    /// Whether one more typed message of a face would be accepted: nothing connects that it may be
    /// meant for, and the addressed peer has room. Input that is not a terminal is not read
    /// meanwhile.
    #[must_use]
    pub fn takes_lines(&self, face: FaceId) -> bool {
        self.takes_commands(face)
            && self.conversations.addressed_of(face).is_none_or(|one| self.has_room_for(one))
    }

    /// Whether a connected peer has room: what is kept for it waits for the disk before it is sent.
    fn has_room_for(&self, conversation: &Conversation) -> bool {
        let peer = conversation.peer.as_ref().map(|peer| peer.id);
        let waiting = peer.map_or(0, |peer| self.waiting_for(peer));
        conversation.unacked.has_room() && waiting < limits::QUEUE_MESSAGES
    }

    /// Whether plain text of an input that asks nobody has to wait: nobody was addressed yet, and
    /// somebody may come.
    #[must_use]
    pub fn awaits_recipient(&self, face: FaceId) -> bool {
        let face = self.conversations.face_of(face);
        *face.addressee() == Addressee::NobodyYet
            && face.first_caller != FirstCaller::Nobody
            && !self.listeners.is_empty()
    }

    /// Whether one more text would be accepted for a connected peer.
    #[must_use]
    pub fn takes_text(&self) -> bool {
        let addressed = self.conversations.addressed_of(FaceId::OWN);
        self.shutdown.is_none() && addressed.is_some_and(|one| self.has_room_for(one))
    }

    /// Whether the addressed peer is connected.
    #[must_use]
    pub fn has_recipient(&self) -> bool {
        self.conversations.addressed_conn_of(FaceId::OWN).is_some()
    }

    /// The connection of a message, if a reply to it can be sent there. It is sent on no other:
    /// whoever has come again has not asked on that one.
    ///
    /// # Errors
    ///
    /// Why it cannot be.
    pub fn takes_reply(&self, conn: ConnId) -> Result<ConnId, NoReply> {
        match self.conversations.get(conn).filter(|one| one.is_open()) {
            None => Err(NoReply::Left),
            Some(one) if !one.unacked.has_room() => Err(NoReply::Full),
            Some(_) => Ok(conn),
        }
    }

    /// Whether the end of the input is to wait: for answers, or for files that are on their way.
    #[must_use]
    pub fn awaits_at_end(&self) -> bool {
        !self.questions.is_empty()
            || self.transfers.awaited_until().is_some_and(|until| self.now.mono < until)
    }

    /// Whether the peer that a face addresses is connected.
    #[must_use]
    pub fn has_recipient_of(&self, face: FaceId) -> bool {
        self.conversations.addressed_conn_of(face).is_some()
    }

    /// Lines of a face that were not accepted.
    #[must_use]
    pub fn refused_lines_of(&self, face: FaceId) -> u64 {
        self.conversations.face_of(face).refused_lines
    }

    /// Lines of a face that were accepted and do not arrive: another has dropped them, or their
    /// time has passed.
    #[must_use]
    pub fn lost_lines_of(&self, face: FaceId) -> u64 {
        self.conversations.face_of(face).lost_lines
    }

    /// Our own fingerprint, once there is a key.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.account.fingerprint()
    }

    /// The last messages of the session, and how many came before them.
    #[must_use]
    pub fn past(&self, count: usize) -> (Vec<Message>, usize) {
        self.history.last_and_earlier(count)
    }

    /// Whether the peer of a connection is known, so that messages can come.
    #[must_use]
    pub fn has_peer(&self, conn: ConnId) -> bool {
        self.conversations.peer_of(conn).is_some()
    }

    /// Whether a line of the own face waits for another Enter.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.conversations.face_of(FaceId::OWN).question.is_some()
    }

    /// Whether the end of the program has begun.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown.is_some()
    }

    /// Number of our messages that peers have shown.
    #[must_use]
    pub fn receipted(&self) -> u64 {
        self.counters.acked
    }

    /// Number of our messages that went out on the raw wire: sealed and handed to the socket, no
    /// more.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.counters.sent
    }

    /// Takes an established pipe out, once: its connection is the caller's from now on.
    pub fn take_pipe(&mut self) -> Option<EstablishedPipe> {
        let established = |one: &Conversation| one.peer.is_some() && one.session.is_established();
        let conn = self.conversations.find(established)?;
        let conversation = self.conversations.remove(conn)?;
        Some(EstablishedPipe { conn, name: conversation.name(), pipe: conversation.session.into_pipe()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::book::Change;

    /// The message that a line to bob becomes.
    fn message(line: &str, presence: Presence, has_others: bool) -> Option<(String, String)> {
        let (name, trust_level) = ("bob".to_owned(), Some(TrustLevel::Verified));
        let addressed = Some(AddressedView { name, trust_level, presence });
        let (own_name, start) = ("alice".to_owned(), LineStart::default());
        let (waiting, unread, unread_of) = (0, 0, Vec::new());
        let prompt = PromptView { own_name, addressed, waiting, unread, unread_of, has_others, start };
        prompt.message_of(line, &LineStart::default(), &KnownNames::default())
    }

    #[test]
    fn a_line_that_is_too_long_is_not_shown_as_said() {
        let is_said = |bytes| message(&"x".repeat(bytes), Presence::Here, false).is_some();
        assert!(is_said(limits::MESSAGE_BYTES) && !is_said(limits::MESSAGE_BYTES + 1));
    }

    #[test]
    fn a_line_names_its_receiver_who_is_away_or_not_alone() {
        for (presence, has_others, author) in [
            (Presence::Here, false, Some("alice")),
            (Presence::Here, true, Some("alice → bob")),
            (Presence::Away, false, Some("alice → bob")),
            (Presence::Connecting, false, None),
        ] {
            let said = message("hi", presence, has_others).map(|(author, _)| author);
            assert_eq!(said.as_deref(), author);
        }
    }

    #[test]
    fn names_for_completion_share_the_book_and_have_those_in_any_case() {
        let mut book = Book::new();
        for (name, address) in [("bob", "bob.example:8000".parse().ok()), ("Boo", None), ("밥", None)] {
            let (fingerprint, name) = (Fingerprint::of(name.as_bytes()), Name::parse_local(name).unwrap());
            let _ = book.apply(&Change::Meet { fingerprint, name, address });
        }
        let chat = Chat::new(Name::parse_local("alice").unwrap(), None, book, 1);
        let names = chat.known_names();
        assert!(Arc::ptr_eq(&names.book, &chat.book));
        assert_eq!(names.like("bo").into_iter().collect::<Vec<_>>(), ["Boo", "bob"]);
        assert!(names.contains("밥") && !names.contains("BOB"));
        assert_eq!(names.callable_like("B").into_iter().collect::<Vec<_>>(), ["bob"]);
    }
}
