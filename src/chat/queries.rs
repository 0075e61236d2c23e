//! Queries of the front ends between two inputs, and the pipe that they take out.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Chat;
use super::addressee::{Addressee, LineStart};
use super::callee::is_callable;
use super::conversation::Conversation;
use super::types::{Origin, PeerId, TrustLevel};
use crate::crypto::Fingerprint;
use crate::ids::ConnId;
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
}

impl KnownNames {
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
        names_like(callable.map(|peer| peer.name.as_str()), start)
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
    /// Content of the prompt.
    #[must_use]
    pub fn view(&self) -> PromptView {
        let addressed = self.conversations.addressed();
        PromptView {
            own_name: self.account.name.to_string(),
            addressed: self.addressed_view(),
            waiting: addressed.map_or(0, |conversation| conversation.unacked.late(self.now.mono)),
            unread: self.conversations.unread(),
            has_others: self
                .conversations
                .peers()
                .any(|peer| Some(peer.id) != self.conversations.addressed_peer()),
            start: self.line_start(),
        }
    }

    /// Start of a line that is begun now.
    pub(crate) fn line_start(&self) -> LineStart {
        let name = Some(self.addressee_name()).filter(|name| !name.is_empty());
        LineStart { mark: self.conversations.addressee_mark(), name, roster: self.counters.roster }
    }

    /// Whom plain text goes to.
    pub(crate) fn addressed_view(&self) -> Option<AddressedView> {
        let name = self.addressee_name();
        match *self.conversations.addressee() {
            Addressee::NobodyYet | Addressee::Nobody => None,
            Addressee::Dialled(_) | Addressee::Connecting(_) => {
                Some(AddressedView { name, trust_level: None, presence: Presence::Connecting })
            }
            Addressee::Peer(id, _) => {
                let is_here = self.conversations.addressed_conn().is_some();
                let presence = if is_here { Presence::Here } else { Presence::Away };
                Some(AddressedView { name, trust_level: Some(self.trust_level_of(id)), presence })
            }
        }
    }

    /// Name of the addressee: the address while it is being dialled, empty if it is nobody.
    pub(crate) fn addressee_name(&self) -> String {
        match self.conversations.addressee() {
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
        KnownNames { book: Arc::clone(&self.book), present: self.present() }
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

    /// Whether a change of the book waits for its result.
    #[must_use]
    pub fn is_saving(&self) -> bool {
        !self.book_changes.is_empty()
    }

    /// Whether one more command would be performed at once: no key is being generated, nothing
    /// connects, and what was asked of the book is done.
    #[must_use]
    pub fn takes_commands(&self) -> bool {
        self.keygen.is_none()
            && self.waiting_for_key.is_empty()
            && self.dials.is_empty()
            && !self.is_saving()
            && !self.conversations.without_peer().any(|(_, one)| one.is_connecting())
            && self.shutdown.is_none()
    }

    /// Whether one more typed message would be accepted: nothing connects that it may be meant for,
    /// and the addressed peer has room. Input that is not a terminal is not read meanwhile.
    #[must_use]
    pub fn takes_lines(&self) -> bool {
        self.takes_commands() && self.conversations.addressed().is_none_or(|one| one.unacked.has_room())
    }

    /// Whether plain text of an input that asks nobody has to wait: nobody was addressed yet, and
    /// somebody may come.
    #[must_use]
    pub fn awaits_recipient(&self) -> bool {
        *self.conversations.addressee() == Addressee::NobodyYet && !self.listeners.is_empty()
    }

    /// Whether one more text would be accepted for a connected peer.
    #[must_use]
    pub fn takes_text(&self) -> bool {
        self.shutdown.is_none() && self.conversations.addressed().is_some_and(|one| one.unacked.has_room())
    }

    /// Whether the addressed peer is connected.
    #[must_use]
    pub fn has_recipient(&self) -> bool {
        self.conversations.addressed_conn().is_some()
    }

    /// Whether the peer of a connection is known, so that messages can come.
    #[must_use]
    pub fn has_peer(&self, conn: ConnId) -> bool {
        self.conversations.peer_of(conn).is_some()
    }

    /// Whether a line waits for another Enter.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.question.is_some()
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
