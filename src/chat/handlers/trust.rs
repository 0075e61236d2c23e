//! Judging: a peer's key is looked at before anything is sealed to it, and what the person says about keys
//! is carried out. Any doubt about the book refuses.

use crate::chat::conversation::{AcceptPolicy, Conversation, Origin, PeerId};
use crate::chat::io::Effect;
use crate::chat::notice::{Info, Warning};
use crate::chat::state::{Chat, trust_level};
use crate::crypto::{Fingerprint, SafetyNumber};
use crate::ids::ConnId;
use crate::peers::address::Target;
use crate::peers::book::{Book, Change, Trust};
use crate::peers::name::Name;
use crate::wire::ByeReason;

/// A key that was refused because the dialled address had another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RefusedKey {
    pub(crate) now: Fingerprint,
    pub(crate) address: Target,
}

impl Chat {
    /// The book has been read anew for a connection whose key is known: yes or no.
    pub(crate) fn judge(&mut self, conn: ConnId, book: Result<Book, String>) {
        if !self.conversations.contains_key(&conn) {
            if let Err(why) = book {
                self.warn(Warning::Book { why });
            }
            return;
        }
        let refusal = match book {
            Err(why) => Some(Warning::Book { why }),
            Ok(book) => {
                self.set_book(book);
                let Some(conversation) = self.conversations.get(&conn) else { return };
                let Some(key) = conversation.key.as_ref() else { return };
                self.objection(conversation, key.fingerprint())
            }
        };
        let Some(warn) = refusal else {
            self.with_session(conn, |session, _| session.accept_key());
            return;
        };
        let way = self.conversations.get(&conn).map(|conversation| &conversation.way);
        if let (Warning::Changed { name, now, .. }, Some(Origin::Outbound { target, .. })) = (&warn, way) {
            let refused = RefusedKey { now: *now, address: target.clone() };
            self.refused.insert(name.clone(), refused);
        }
        let called = self
            .conversations
            .get(&conn)
            .is_some_and(|conversation| matches!(conversation.way, Origin::Inbound { .. }));
        if called {
            self.report(warn);
        } else {
            self.warn(warn);
        }
        self.with_session(conn, |session, _| session.reject_key());
    }

    /// Why a key is not acceptable on this connection, if it is not.
    fn objection(&self, conversation: &Conversation, now: Fingerprint) -> Option<Warning> {
        let own = self.own_key.as_ref().map(|own| own.public.fingerprint());
        match &conversation.way {
            Origin::Inbound { callers, .. } => {
                let whom = conversation.whom();
                objection_to_key(&self.book, own, &whom, now).or_else(|| self.not_wanted(*callers, whom, now))
            }
            // Who is asked for by key may have moved; what is remembered of the address is overridden.
            Origin::Outbound { callers: callers @ AcceptPolicy::Key(_), .. } => {
                let whom = conversation.whom();
                objection_to_key(&self.book, own, &whom, now).or_else(|| self.not_wanted(*callers, whom, now))
            }
            Origin::Outbound { target, pin, callers, .. } => {
                let pin = if let AcceptPolicy::Pinned(pinned) = callers { Some(*pinned) } else { *pin };
                objection_to_dialled(&self.book, own, target, pin, now)
                    .or_else(|| self.not_wanted(*callers, conversation.whom(), now))
            }
        }
    }

    /// Why the holder of a key is not who may be there, if not.
    fn not_wanted(&self, callers: AcceptPolicy, whom: String, now: Fingerprint) -> Option<Warning> {
        match callers {
            AcceptPolicy::Anyone => None,
            AcceptPolicy::KnownOnly => {
                let known = self.book.by_fingerprint(&now).is_some();
                (!known).then_some(Warning::UnknownCaller { whom, fingerprint: now })
            }
            AcceptPolicy::Pinned(pinned) => {
                (pinned != now).then_some(Warning::PinDiffers { address: whom, pinned, now })
            }
            AcceptPolicy::Key(wanted) => (wanted != now).then(|| {
                let name = self
                    .book
                    .by_fingerprint(&wanted)
                    .map_or_else(|| wanted.to_string(), |peer| peer.name.to_string());
                Warning::OtherPerson { whom, name, now }
            }),
        }
    }

    /// `:verify NAME`
    pub(crate) fn verify(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        match &self.own_key {
            Some(own) => {
                let number = SafetyNumber::between(&own.public.fingerprint(), &fingerprint);
                self.info(Info::Safety { name, number, fingerprint });
            }
            None => self.warn(Warning::NoKeyYet),
        }
    }

    /// `:trust NAME [FINGERPRINT]`
    pub(crate) fn trust(&mut self, wanted: &str, given: Option<Fingerprint>) {
        let Some((name, fingerprint)) = self.find_key(wanted) else { return };
        match given {
            Some(given) if given != fingerprint => self.accept_changed(name, fingerprint, given),
            // What a block holds back does not come in by another command.
            _ if self.is_blocked(fingerprint) => self.warn(Warning::StillBlocked { name }),
            _ => {
                self.set_trust(fingerprint, Trust::Verified);
                self.info(Info::Trusted { name });
            }
        }
    }

    /// Takes the key that was refused at a remembered address in the place of the old one.
    fn accept_changed(&mut self, name: String, old: Fingerprint, given: Fingerprint) {
        let Some(refused) = self.refused.get(&name).filter(|refused| refused.now == given).cloned() else {
            self.warn(Warning::NotRefused { name });
            return;
        };
        self.refused.remove(&name);
        let Ok(kept) = Name::parse(&name) else { return };
        let fingerprint = given;
        let mut changes = vec![Change::Forget { fingerprint: old }];
        match self.book.by_fingerprint(&given) {
            // The new key is somebody we know by another name: it keeps that name, and gets the address.
            Some(_) => changes.push(Change::Address { fingerprint, address: refused.address }),
            None => changes.push(Change::Meet { fingerprint, name: kept, address: Some(refused.address) }),
        }
        self.change_book(changes);
        self.info(Info::Accepted { name, fingerprint });
    }

    /// `:forget NAME`
    pub(crate) fn forget(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        self.change_book(vec![Change::Forget { fingerprint }]);
        self.refused.remove(&name);
        self.info(Info::Forgotten { name });
    }

    /// `:block NAME`
    pub(crate) fn block(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        self.set_trust(fingerprint, Trust::Blocked);
        self.info(Info::Blocked { name });
        if let Some(conn) = self.link_of(fingerprint) {
            self.with_session(conn, |session, _| session.close(ByeReason::Refused));
        }
    }

    /// `:unblock NAME`
    pub(crate) fn unblock(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        if !self.is_blocked(fingerprint) {
            // A verified peer stays verified.
            self.warn(Warning::NotBlocked { name });
            return;
        }
        self.set_trust(fingerprint, Trust::Unverified);
        self.info(Info::Unblocked { name });
    }

    fn is_blocked(&self, fingerprint: Fingerprint) -> bool {
        self.book.by_fingerprint(&fingerprint).is_some_and(|peer| peer.trust == Trust::Blocked)
    }

    fn set_trust(&mut self, fingerprint: Fingerprint, trust: Trust) {
        self.change_book(vec![Change::Trust { fingerprint, level: trust }]);
        for peer in self.conversations.values_mut().filter_map(|conversation| conversation.peer.as_mut()) {
            if peer.id == PeerId::Key(fingerprint) {
                peer.trust_level = trust_level(trust);
            }
        }
    }

    /// Changes our copy at once and the store's for everybody; the store's answer wins.
    pub(crate) fn change_book(&mut self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        for change in &changes {
            // What another process did meanwhile comes with the answer to the effect.
            let _ = self.book.apply(change);
        }
        self.roster += 1;
        self.effects.push_back(Effect::ChangeBook(changes));
    }

    fn set_book(&mut self, book: Book) {
        self.book = book;
        self.roster += 1;
    }

    pub(crate) fn changed(&mut self, book: Result<Book, String>) {
        match book {
            Ok(book) => self.set_book(book),
            Err(why) => self.warn(Warning::Book { why }),
        }
    }

    /// A peer that has a key, by name; says so when there is none.
    pub(crate) fn find_key(&mut self, wanted: &str) -> Option<(String, Fingerprint)> {
        match self.find(wanted)? {
            (name, PeerId::Key(fingerprint)) => Some((name, fingerprint)),
            (name, PeerId::Raw(_)) => {
                self.warn(Warning::RawPeer { name });
                None
            }
        }
    }

    /// A peer by name, connected or in the book; says so when there is none.
    pub(crate) fn find(&mut self, wanted: &str) -> Option<(String, PeerId)> {
        if let Some(peer) = self
            .conversations
            .values()
            .filter_map(|conversation| conversation.peer.as_ref())
            .find(|peer| same(&peer.name, wanted))
        {
            return Some((peer.name.clone(), peer.id));
        }
        if let Some(peer) = self.book.peers().find(|peer| same(peer.name.as_str(), wanted)) {
            return Some((peer.name.to_string(), PeerId::Key(peer.fingerprint)));
        }
        let names = self.names();
        let nearest =
            crate::text::suggest::nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned);
        self.warn(Warning::NoSuchPeer {
            name: crate::text::safe::SafeText::line(wanted).to_string(),
            nearest,
        });
        None
    }
}

/// Why the key `now` is not acceptable where `target` was dialled, if it is not: the same judgement for a
/// conversation and for one who only asks.
#[must_use]
pub fn objection_to_dialled(
    book: &Book,
    own: Option<Fingerprint>,
    target: &Target,
    pin: Option<Fingerprint>,
    now: Fingerprint,
) -> Option<Warning> {
    let address = target.to_string();
    if let Some(warn) = objection_to_key(book, own, &address, now) {
        return Some(warn);
    }
    if let Some(pinned) = pin {
        return (pinned != now).then_some(Warning::PinDiffers { address, pinned, now });
    }
    let there = book.by_address(target).filter(|peer| peer.fingerprint != now)?;
    Some(Warning::Changed { name: there.name.to_string(), address, known: there.fingerprint, now })
}

/// What speaks against a key wherever it is met.
fn objection_to_key(book: &Book, own: Option<Fingerprint>, whom: &str, now: Fingerprint) -> Option<Warning> {
    if own == Some(now) {
        return Some(Warning::Ourselves { whom: whom.to_owned() });
    }
    let peer = book.by_fingerprint(&now).filter(|peer| peer.trust == Trust::Blocked)?;
    Some(Warning::BlockedCaller { name: peer.name.to_string() })
}

/// Whether two spellings are one name.
fn same(name: &str, wanted: &str) -> bool {
    match (Name::parse(name), Name::parse(wanted)) {
        (Ok(name), Ok(wanted)) => name.same_as(&wanted),
        _ => name == wanted,
    }
}
