//! Judging: a peer's key is looked at before anything is sealed to it, and what the person says about keys
//! is carried out. Any doubt about the book refuses.

use crate::chat::conversation::{Callers, Talk, Tie, Way};
use crate::chat::io::{Effect, Link};
use crate::chat::notice::{Info, Trouble};
use crate::chat::state::{Chat, assurance};
use crate::crypto::{Fingerprint, SafetyNumber};
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
    pub(crate) fn judge(&mut self, link: Link, book: Result<Book, String>) {
        if !self.talks.contains_key(&link) {
            if let Err(why) = book {
                self.trouble(Trouble::Book { why });
            }
            return;
        }
        let refusal = match book {
            Err(why) => Some(Trouble::Book { why }),
            Ok(book) => {
                self.set_book(book);
                let Some(talk) = self.talks.get(&link) else { return };
                let Some(key) = talk.key.as_ref() else { return };
                self.objection(talk, key.fingerprint())
            }
        };
        let Some(trouble) = refusal else {
            self.with_session(link, |session, _| session.accept());
            return;
        };
        let way = self.talks.get(&link).map(|talk| &talk.way);
        if let (Trouble::Changed { name, now, .. }, Some(Way::Dialled { target, .. })) = (&trouble, way) {
            let refused = RefusedKey { now: *now, address: target.clone() };
            self.refused.insert(name.clone(), refused);
        }
        let called = self.talks.get(&link).is_some_and(|talk| matches!(talk.way, Way::Called { .. }));
        if called {
            self.report(trouble);
        } else {
            self.trouble(trouble);
        }
        self.with_session(link, |session, _| session.refuse());
    }

    /// Why a key is not acceptable on this connection, if it is not.
    fn objection(&self, talk: &Talk, now: Fingerprint) -> Option<Trouble> {
        let own = self.own_key.as_ref().map(|own| own.public.fingerprint());
        match &talk.way {
            Way::Called { callers, .. } => {
                let whom = talk.whom();
                objection_to_key(&self.book, own, &whom, now).or_else(|| self.not_wanted(*callers, whom, now))
            }
            // Who is asked for by key may have moved; what is remembered of the address is overridden.
            Way::Dialled { callers: callers @ Callers::Only(_), .. } => {
                let whom = talk.whom();
                objection_to_key(&self.book, own, &whom, now).or_else(|| self.not_wanted(*callers, whom, now))
            }
            Way::Dialled { target, pin, callers, .. } => {
                let pin = if let Callers::Pinned(pinned) = callers { Some(*pinned) } else { *pin };
                objection_to_dialled(&self.book, own, target, pin, now)
                    .or_else(|| self.not_wanted(*callers, talk.whom(), now))
            }
        }
    }

    /// Why the holder of a key is not who may be there, if not.
    fn not_wanted(&self, callers: Callers, whom: String, now: Fingerprint) -> Option<Trouble> {
        match callers {
            Callers::Anybody => None,
            Callers::Known => {
                let known = self.book.by_fingerprint(&now).is_some();
                (!known).then_some(Trouble::UnknownCaller { whom, fingerprint: now })
            }
            Callers::Pinned(pinned) => {
                (pinned != now).then_some(Trouble::PinDiffers { address: whom, pinned, now })
            }
            Callers::Only(wanted) => (wanted != now).then(|| {
                let name = self
                    .book
                    .by_fingerprint(&wanted)
                    .map_or_else(|| wanted.to_string(), |peer| peer.name.to_string());
                Trouble::OtherPerson { whom, name, now }
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
            None => self.trouble(Trouble::NoKeyYet),
        }
    }

    /// `:trust NAME [FINGERPRINT]`
    pub(crate) fn trust(&mut self, wanted: &str, given: Option<Fingerprint>) {
        let Some((name, fingerprint)) = self.find_key(wanted) else { return };
        match given {
            Some(given) if given != fingerprint => self.accept_changed(name, fingerprint, given),
            // What a block holds back does not come in by another command.
            _ if self.is_blocked(fingerprint) => self.trouble(Trouble::StillBlocked { name }),
            _ => {
                self.set_trust(fingerprint, Trust::Verified);
                self.info(Info::Trusted { name });
            }
        }
    }

    /// Takes the key that was refused at a remembered address in the place of the old one.
    fn accept_changed(&mut self, name: String, old: Fingerprint, given: Fingerprint) {
        let Some(refused) = self.refused.get(&name).filter(|refused| refused.now == given).cloned() else {
            self.trouble(Trouble::NotRefused { name });
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
        if let Some(link) = self.link_of(fingerprint) {
            self.with_session(link, |session, _| session.close(ByeReason::Refused));
        }
    }

    /// `:unblock NAME`
    pub(crate) fn unblock(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        if !self.is_blocked(fingerprint) {
            // A verified peer stays verified.
            self.trouble(Trouble::NotBlocked { name });
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
        for partner in self.talks.values_mut().filter_map(|talk| talk.partner.as_mut()) {
            if partner.tie == Tie::Key(fingerprint) {
                partner.assurance = assurance(trust);
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
            Err(why) => self.trouble(Trouble::Book { why }),
        }
    }

    /// A peer that has a key, by name; says so when there is none.
    pub(crate) fn find_key(&mut self, wanted: &str) -> Option<(String, Fingerprint)> {
        match self.find(wanted)? {
            (name, Tie::Key(fingerprint)) => Some((name, fingerprint)),
            (name, Tie::Raw(_)) => {
                self.trouble(Trouble::RawPeer { name });
                None
            }
        }
    }

    /// A peer by name, connected or in the book; says so when there is none.
    pub(crate) fn find(&mut self, wanted: &str) -> Option<(String, Tie)> {
        if let Some(partner) = self
            .talks
            .values()
            .filter_map(|talk| talk.partner.as_ref())
            .find(|partner| same(&partner.name, wanted))
        {
            return Some((partner.name.clone(), partner.tie));
        }
        if let Some(peer) = self.book.peers().find(|peer| same(peer.name.as_str(), wanted)) {
            return Some((peer.name.to_string(), Tie::Key(peer.fingerprint)));
        }
        let names = self.names();
        let nearest =
            crate::chat::command::nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned);
        self.trouble(Trouble::NoSuchPeer {
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
) -> Option<Trouble> {
    let address = target.to_string();
    if let Some(trouble) = objection_to_key(book, own, &address, now) {
        return Some(trouble);
    }
    if let Some(pinned) = pin {
        return (pinned != now).then_some(Trouble::PinDiffers { address, pinned, now });
    }
    let there = book.by_address(target).filter(|peer| peer.fingerprint != now)?;
    Some(Trouble::Changed { name: there.name.to_string(), address, known: there.fingerprint, now })
}

/// What speaks against a key wherever it is met.
fn objection_to_key(book: &Book, own: Option<Fingerprint>, whom: &str, now: Fingerprint) -> Option<Trouble> {
    if own == Some(now) {
        return Some(Trouble::Ourselves { whom: whom.to_owned() });
    }
    let peer = book.by_fingerprint(&now).filter(|peer| peer.trust == Trust::Blocked)?;
    Some(Trouble::BlockedCaller { name: peer.name.to_string() })
}

/// Whether two spellings are one name.
fn same(name: &str, wanted: &str) -> bool {
    match (Name::parse(name), Name::parse(wanted)) {
        (Ok(name), Ok(wanted)) => name.same_as(&wanted),
        _ => name == wanted,
    }
}
