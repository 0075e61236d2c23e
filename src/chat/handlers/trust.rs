//! Handlers of trust: judgement of keys, the commands about them, and the peer book.

use crate::chat::io::Effect;
use crate::chat::notice::{Info, Warning};
use crate::chat::trust_policy::{KeyRefusal, judge};
use crate::chat::types::{Origin, PeerId};
use crate::chat::{Chat, RefusedKey};
use crate::crypto::{Fingerprint, PublicKey, SafetyNumber};
use crate::ids::ConnId;
use crate::peers::book::{Book, Change, Trust};
use crate::peers::name::Name;
use crate::session::AnySession;
use crate::text::safe::SafeText;
use crate::text::suggest::nearest;
use crate::wire::ByeReason;

impl Chat {
    /// Judges the key of a peer by the book as it is now. A book that cannot be used refuses every
    /// key.
    pub(crate) fn judge_key(&mut self, conn: ConnId, book: Result<Book, String>) {
        let Some(conversation) = self.conversations.get(conn) else {
            if let Err(why) = book {
                self.effects.warn(Warning::Book { why });
            }
            return;
        };
        let origin = conversation.origin.clone();
        let judgement = match book {
            Err(why) => Err(Warning::Book { why }),
            Ok(book) => {
                let key = conversation.key.as_ref().map(PublicKey::fingerprint);
                self.set_book(book);
                let Some(key) = key else { return };
                judge(&self.book, self.account.fingerprint(), &origin, key).map_err(Warning::Refused)
            }
        };
        let Err(warning) = judgement else { return self.with_session(conn, AnySession::accept_key) };
        if let (Warning::Refused(KeyRefusal::KeyChanged { name, now, .. }), Origin::Outbound(options)) =
            (&warning, &origin)
        {
            let refused = RefusedKey { fingerprint: *now, address: options.target.clone() };
            self.refused_keys.insert(name.clone(), refused);
        }
        self.warn_of_remote(&origin, warning);
        self.with_session(conn, AnySession::reject_key);
    }

    /// `:verify NAME`
    pub(crate) fn verify(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        match self.account.fingerprint() {
            Some(own) => {
                let number = SafetyNumber::between(&own, &fingerprint);
                self.effects.info(Info::Safety { name, number, fingerprint });
            }
            None => self.effects.warn(Warning::NoKeyYet),
        }
    }

    /// `:trust NAME [FINGERPRINT]`
    pub(crate) fn trust(&mut self, name: &str, given: Option<Fingerprint>) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        match given {
            Some(given) if given != fingerprint => self.accept_changed_key(name, fingerprint, given),
            // A block is lifted by its own command only.
            _ if self.is_blocked(fingerprint) => self.effects.warn(Warning::StillBlocked { name }),
            _ => {
                self.set_trust(fingerprint, Trust::Verified);
                self.effects.info(Info::Trusted { name });
            }
        }
    }

    /// Replaces the key of a peer by the one that was refused at a remembered address.
    fn accept_changed_key(&mut self, name: String, old: Fingerprint, fingerprint: Fingerprint) {
        let refused = self.refused_keys.get(&name).filter(|refused| refused.fingerprint == fingerprint);
        let Some(address) = refused.map(|refused| refused.address.clone()) else {
            return self.effects.warn(Warning::NotRefused { name });
        };
        self.refused_keys.remove(&name);
        let change = match self.book.by_fingerprint(&fingerprint) {
            // A key that is known by another name keeps that name, and gets the address.
            Some(_) => Change::Address { fingerprint, address },
            None => {
                Change::Meet { fingerprint, name: Name::claimed(name.as_bytes()), address: Some(address) }
            }
        };
        self.change_book(vec![Change::Forget { fingerprint: old }, change]);
        self.effects.info(Info::Accepted { name, fingerprint });
    }

    /// `:forget NAME`
    pub(crate) fn forget(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        self.change_book(vec![Change::Forget { fingerprint }]);
        self.refused_keys.remove(&name);
        self.effects.info(Info::Forgotten { name });
    }

    /// `:block NAME`
    pub(crate) fn block(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        self.set_trust(fingerprint, Trust::Blocked);
        self.effects.info(Info::Blocked { name });
        if let Some(conn) = self.conversations.open_with(PeerId::Key(fingerprint)) {
            self.with_session(conn, |session| session.close(ByeReason::Refused));
        }
    }

    /// `:unblock NAME`
    pub(crate) fn unblock(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        if !self.is_blocked(fingerprint) {
            // A verified peer stays verified.
            return self.effects.warn(Warning::NotBlocked { name });
        }
        self.set_trust(fingerprint, Trust::Unverified);
        self.effects.info(Info::Unblocked { name });
    }

    /// `:name PEER NEWNAME`: our own name for a peer, which wins over the one that the peer claims.
    pub(crate) fn rename(&mut self, old: &str, name: &Name) {
        let Some((old, fingerprint)) = self.find_key(old) else { return };
        let is_taken = self.book.by_name(name).is_some_and(|peer| peer.fingerprint != fingerprint);
        if is_taken || self.account.name.same_as(name) {
            return self.effects.warn(Warning::SameName { name: name.to_string() });
        }
        self.change_book(vec![Change::Rename { fingerprint, name: name.clone() }]);
        self.conversations.update_peer(fingerprint, |peer| peer.name = name.clone());
        if let Some(refused) = self.refused_keys.remove(&old) {
            self.refused_keys.insert(name.to_string(), refused);
        }
        self.effects.info(Info::Named { old, name: name.to_string() });
    }

    fn is_blocked(&self, fingerprint: Fingerprint) -> bool {
        self.book.by_fingerprint(&fingerprint).is_some_and(|peer| peer.trust == Trust::Blocked)
    }

    fn set_trust(&mut self, fingerprint: Fingerprint, level: Trust) {
        self.change_book(vec![Change::Trust { fingerprint, level }]);
        self.conversations.update_peer(fingerprint, |peer| peer.trust_level = level.into());
    }

    /// Changes our copy at once and the store's for all processes; the store's result replaces our
    /// copy.
    pub(crate) fn change_book(&mut self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        for change in &changes {
            // What another process did meanwhile comes with the answer to the effect.
            let _ = self.book.apply(change);
        }
        self.counters.roster += 1;
        self.effects.push(Effect::ChangeBook(changes));
    }

    fn set_book(&mut self, book: Book) {
        self.book = book;
        self.counters.roster += 1;
    }

    pub(crate) fn handle_changed_book(&mut self, book: Result<Book, String>) {
        match book {
            Ok(book) => self.set_book(book),
            Err(why) => self.effects.warn(Warning::Book { why }),
        }
    }

    /// Finds a peer that has a key, by name, and warns if there is none.
    fn find_key(&mut self, name: &str) -> Option<(String, Fingerprint)> {
        match self.find(name)? {
            (name, PeerId::Key(fingerprint)) => Some((name, fingerprint)),
            (name, PeerId::Conn(_)) => {
                self.effects.warn(Warning::OaepPeer { name });
                None
            }
        }
    }

    /// Finds a peer by name, connected or in the book, and warns if there is none.
    pub(crate) fn find(&mut self, name: &str) -> Option<(String, PeerId)> {
        if let Ok(wanted) = Name::parse(name) {
            if let Some(peer) = self.conversations.peers().find(|peer| peer.name.same_as(&wanted)) {
                return Some((peer.name.to_string(), peer.id));
            }
            if let Some(peer) = self.book.by_name(&wanted) {
                return Some((peer.name.to_string(), PeerId::Key(peer.fingerprint)));
            }
        }
        let names = self.names();
        let nearest = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
        self.effects.warn(Warning::NoSuchPeer { name: SafeText::line(name).to_string(), nearest });
        None
    }
}
