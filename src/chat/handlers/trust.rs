//! Handlers of trust: judgement of keys, the commands about them, and the peer book.

use std::sync::Arc;

use crate::chat::change_reply::ChangeReply;
use crate::chat::conversation::Conversation;
use crate::chat::io::Effect;
use crate::chat::notice::{DeliveryWarning, Info, Warning};
use crate::chat::trust_policy::{KeyRefusal, judge};
use crate::chat::types::{AcceptPolicy, DialOptions, Origin, PeerId, TrustLevel};
use crate::chat::{Chat, RefusedKey};
use crate::crypto::{Fingerprint, SafetyNumber};
use crate::ids::ConnId;
use crate::peers::address::Target;
use crate::peers::book::{Book, Change, PeerEntry, Trust};
use crate::peers::met::MetChange;
use crate::peers::name::Name;
use crate::text::safe::SafeText;
use crate::text::suggest::nearest;
use crate::wire::ByeReason;

impl Chat {
    /// Judges the key of a peer by the book as it is now: when the key is known, and again, by the
    /// same rules, when the connection is established. A book that cannot be used refuses every
    /// key.
    pub(crate) fn judge_key(&mut self, conn: ConnId, book: Result<Option<Book>, String>) {
        match book {
            Ok(Some(book)) => {
                let before = self.replace_book(book);
                self.judge_by_book(conn, Ok(()));
                // Nobody reads this change once more for those who are connected.
                self.adopt_changes(&before, &[]);
            }
            Ok(None) => self.judge_by_book(conn, Ok(())),
            Err(why) => self.judge_by_book(conn, Err(why)),
        }
    }

    /// Drops an address that a user named for a peer, and where somebody else answers.
    fn drop_tried(&mut self, dial: &DialOptions, answered: Fingerprint) {
        let (AcceptPolicy::Key(fingerprint) | AcceptPolicy::Pinned(fingerprint)) = dial.accept else {
            return;
        };
        let peer = self.book.by_fingerprint(&fingerprint).filter(|_| answered != fingerprint);
        if peer.is_some_and(|peer| peer.tried.contains(&dial.target)) {
            let address = dial.target.clone();
            self.change_book(vec![Change::Untry { fingerprint, address }], ChangeReply::Unasked);
        }
    }

    /// Judges the key of a peer by the book that was read, or refuses it where there is none.
    fn judge_by_book(&mut self, conn: ConnId, book: Result<(), String>) {
        let Some(conversation) = self.conversations.get_mut(conn) else {
            if let Err(why) = book {
                self.effects.warn(Warning::Book { why });
            }
            return;
        };
        let Some(key) = conversation.key else { return };
        let origin = conversation.origin.clone();
        let claim = conversation.claim.take();
        let judgement = book.map_err(|why| Warning::Book { why }).and_then(|()| {
            judge(&self.book, self.account.fingerprint(), &origin, key)
                .map_err(|refusal| Warning::Refused(self.name_met(&origin, refusal)))
        });
        match (judgement, claim) {
            (Ok(()) | Err(Warning::Refused(KeyRefusal::UnknownKey { .. })), None)
                if self.begins_in_lobby(conn, key) =>
            {
                self.let_into_lobby(conn, key);
            }
            (Ok(()), None) => {
                let now = self.now.mono;
                self.with_session(conn, |session| session.accept_key(now));
            }
            (Ok(()), Some(claim)) => {
                self.handle_established(conn, &claim);
                // What came behind the last record of the handshake.
                self.drain(conn);
            }
            (Err(warning), claim) => {
                self.note_changed_key(&warning, &origin);
                if origin.is_inbound() {
                    self.count_refused(refusal_reason(&warning), 1);
                }
                let is_changed = matches!(warning, Warning::Refused(KeyRefusal::KeyChanged { .. }));
                let redial = self.conversations.get(conn).and_then(|one| one.redial.clone());
                match (&redial, &origin) {
                    (Some(redial), Origin::Outbound { dial, .. }) => {
                        self.warn_of_redial(redial, dial, warning);
                    }
                    _ => self.warn_of_remote(&origin, warning),
                }
                if let Origin::Outbound { dial, .. } = &origin {
                    if is_changed {
                        self.stop_calling_at(&dial.target);
                    }
                    self.drop_tried(dial, key);
                }
                match claim {
                    None => {
                        let now = self.now.mono;
                        self.with_session(conn, |session| session.reject_key(now));
                    }
                    Some(_) => self.close_unheard(conn, ByeReason::Refused),
                }
            }
        }
    }

    /// Names a key that was only met, where one line would let it in.
    fn name_met(&self, origin: &Origin, refusal: KeyRefusal) -> KeyRefusal {
        let accept = match origin {
            Origin::Inbound { accept, .. } => *accept,
            Origin::Outbound { dial, .. } => dial.accept,
        };
        match refusal {
            KeyRefusal::UnknownKey { remote, fingerprint } if accept == AcceptPolicy::Unattended => {
                match self.met.by_fingerprint(&fingerprint) {
                    Some(peer) => {
                        let name = peer.claimed.to_string();
                        KeyRefusal::NotVerified { remote, name, fingerprint }
                    }
                    None => KeyRefusal::UnknownKey { remote, fingerprint },
                }
            }
            other => other,
        }
    }

    /// Keeps a changed key that was refused, for `:trust`.
    fn note_changed_key(&mut self, warning: &Warning, origin: &Origin) {
        if let (Warning::Refused(KeyRefusal::KeyChanged { name, now, .. }), Origin::Outbound { dial, .. }) =
            (warning, origin)
        {
            let refused = RefusedKey { fingerprint: *now, address: dial.target.clone() };
            self.refused_keys.insert(name.clone(), refused);
        }
    }

    /// `:verify NAME`
    pub(crate) fn verify(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        match self.account.fingerprint() {
            Some(own) => {
                let number = SafetyNumber::between(&own, &fingerprint);
                self.shown_numbers.insert(name.clone(), fingerprint);
                let trust_level = self.trust_level_of(PeerId::Key(fingerprint));
                self.effects.info(Info::Safety { name, number, fingerprint, trust_level });
            }
            None => self.effects.warn(Warning::NoKeyYet),
        }
    }

    /// `:trust NAME [FINGERPRINT]`
    pub(crate) fn trust(&mut self, name: &str, given: Option<Fingerprint>) {
        let Some((name, fingerprint)) = self.find_unblocked(name) else { return };
        match (given, self.refused_keys.get(&name)) {
            (Some(given), _) if given == fingerprint => self.mark_verified(name, fingerprint),
            (Some(given), Some(refused)) if given == refused.fingerprint => {
                let address = refused.address.clone();
                self.accept_changed_key(name, fingerprint, given, address);
            }
            // Which of the two keys is meant, nobody but the user knows.
            (_, Some(refused)) => {
                let (known, now) = (fingerprint, refused.fingerprint);
                self.effects.warn(Warning::KeyPending { name, known, now });
            }
            (Some(given), None) => {
                self.effects.warn(Warning::NotRefused { name, known: fingerprint, given });
            }
            (None, None) => self.trust_as_shown(name, fingerprint),
        }
    }

    /// `:trust NAME` means the key whose number was shown last under this name.
    fn trust_as_shown(&mut self, name: String, fingerprint: Fingerprint) {
        match self.shown_numbers.get(&name) {
            Some(shown) if *shown == fingerprint => self.mark_verified(name, fingerprint),
            Some(shown) => {
                let shown = *shown;
                self.effects.warn(Warning::NumberOfAnother { name, shown, now: fingerprint });
            }
            None => {
                self.verify(&name);
                let is_verified = self.trust_level_of(PeerId::Key(fingerprint)) == TrustLevel::Verified;
                if self.shown_numbers.contains_key(&name) && !is_verified {
                    self.effects.warn(Warning::NotCompared { name });
                }
            }
        }
    }

    fn mark_verified(&mut self, name: String, fingerprint: Fingerprint) {
        let changes = Self::change_of(fingerprint, &name, Change::Verify { fingerprint });
        self.change_book(changes, ChangeReply::Verified { name, fingerprint });
    }

    /// Replaces the key of a peer by the one that was refused at a remembered address. A key that
    /// is known by another name keeps that name, and gets the address.
    fn accept_changed_key(
        &mut self,
        name: String,
        old: Fingerprint,
        fingerprint: Fingerprint,
        address: Target,
    ) {
        if let Some(owner) = self.book.by_fingerprint(&fingerprint) {
            let (name, address_text) = (owner.name.to_string(), address.to_string());
            let reply = ChangeReply::AddressMoved { name, address: address_text, fingerprint };
            self.change_book(vec![Change::Address { fingerprint, address }], reply);
        } else {
            let change = Change::Rekey { fingerprint: old, new: fingerprint };
            self.change_book(vec![change], ChangeReply::Rekeyed { name, old, fingerprint });
        }
    }

    /// `:forget NAME`
    pub(crate) fn forget(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_unblocked(name) else { return };
        let count = self.kept.as_ref().map_or(0, |kept| kept.ledger.revocable_count(fingerprint));
        if count > 0 {
            return self.refuse_line(Warning::Delivery(DeliveryWarning::LinesWait { name, count }));
        }
        let reply = ChangeReply::Forgotten { name, fingerprint };
        self.change_book(vec![Change::Forget { fingerprint }], reply);
    }

    /// `:block NAME`: holds at once, and in memory even if it cannot be written.
    pub(crate) fn block(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        self.unsaved_blocks.insert(fingerprint, local_name(&name));
        self.apply_unsaved_blocks();
        self.close_key(fingerprint, ByeReason::Refused);
        self.stop_calling_unwanted();
        let changes = Self::change_of(fingerprint, &name, Change::Block { fingerprint });
        self.push_change(changes, ChangeReply::Blocked { name, fingerprint });
    }

    /// `:unblock NAME`
    pub(crate) fn unblock(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find_key(name) else { return };
        if !self.is_blocked(fingerprint) {
            // A verified peer stays verified.
            return self.effects.warn(Warning::NotBlocked { name });
        }
        let changes = Self::change_of(fingerprint, &name, Change::Unblock { fingerprint });
        self.change_book(changes, ChangeReply::Unblocked { name, fingerprint });
    }

    /// `:name PEER NEWNAME`: our own name for a peer, which wins over the one that the peer claims.
    pub(crate) fn rename(&mut self, old: &str, name: &Name) {
        let Some((old, fingerprint)) = self.find_unblocked(old) else { return };
        if let Some(other) = self.name_like(name, PeerId::Key(fingerprint)) {
            let (name, other) = (name.to_string(), other.to_string());
            return self.effects.warn(Warning::SameName { name, other });
        }
        let rename = Change::Rename { fingerprint, name: name.clone() };
        let mut changes = Self::change_of(fingerprint, &old, rename);
        // The name that it gives itself stays its own, also in the next session.
        let claim = self.claimed(fingerprint).cloned();
        changes.extend(claim.map(|claim| Change::Claim { fingerprint, claim }));
        // Nobody else is shown under it while it is being written.
        self.names.reserve(PeerId::Key(fingerprint), name);
        self.change_book(changes, ChangeReply::Named { old, name: name.clone(), fingerprint });
    }

    /// Last name that the holder of a key gave itself, as far as it called or was called.
    fn claimed(&self, fingerprint: Fingerprint) -> Option<&Name> {
        let met = || self.met.by_fingerprint(&fingerprint).map(|peer| &peer.claimed);
        self.names.claimed(PeerId::Key(fingerprint)).or_else(met)
    }

    pub(crate) fn is_blocked(&self, fingerprint: Fingerprint) -> bool {
        self.book.by_fingerprint(&fingerprint).is_some_and(|peer| peer.trust.is_blocked())
    }

    /// Changes that make one hold also for a key that is connected and not in the book, since
    /// another process has forgotten it or it could not be written.
    fn change_of(fingerprint: Fingerprint, name: &str, change: Change) -> Vec<Change> {
        let name = local_name(name);
        vec![Change::Meet { fingerprint, name, address: None }, change]
    }

    /// Asks for a change of the book, after the blocks whose writing has failed.
    pub(crate) fn change_book(&mut self, changes: Vec<Change>, reply: ChangeReply) {
        self.retry_unsaved_blocks();
        self.push_change(changes, reply);
    }

    fn push_change(&mut self, changes: Vec<Change>, reply: ChangeReply) {
        self.book_changes.push_back((self.conversations.current_face(), reply));
        self.effects.push(Effect::ChangeBook(changes));
    }

    /// Asks once more for the blocks that are not on disk.
    pub(crate) fn retry_unsaved_blocks(&mut self) {
        if self.unsaved_blocks.is_empty() {
            return;
        }
        let changes = self.unsaved_changes();
        let blocks = self.unsaved_blocks.keys().copied().collect();
        self.push_change(changes, ChangeReply::Retried { blocks });
    }

    fn unsaved_changes(&self) -> Vec<Change> {
        let changes = self.unsaved_blocks.iter().flat_map(|(key, name)| {
            let (fingerprint, name) = (*key, name.clone());
            [Change::Meet { fingerprint, name, address: None }, Change::Block { fingerprint }]
        });
        changes.collect()
    }

    /// Sets the book, and returns the one before.
    pub(super) fn replace_book(&mut self, book: Book) -> Arc<Book> {
        let before = std::mem::replace(&mut self.book, Arc::new(book));
        self.apply_unsaved_blocks();
        self.counters.roster += 1;
        before
    }

    fn apply_unsaved_blocks(&mut self) {
        // The book is shared, and would be copied for a change.
        if !self.unsaved_blocks.is_empty() {
            let changes = self.unsaved_changes();
            let _ = Arc::make_mut(&mut self.book).apply_all(&changes);
        }
    }

    /// Takes a book that another process has changed.
    pub(crate) fn handle_foreign_change(&mut self, book: Result<Book, String>) {
        match book {
            Ok(book) => {
                let before = self.replace_book(book);
                self.adopt_changes(&before, &[]);
            }
            Err(why) => self.effects.warn(Warning::Book { why }),
        }
    }

    /// Closes the connections of keys that the book blocks.
    pub(super) fn close_blocked(&mut self) {
        let is_blocked =
            |conversation: &Conversation| conversation.key.is_some_and(|key| self.is_blocked(key));
        for conn in self.conversations.conns(is_blocked) {
            if let Some(peer) = self.conversations.peer_of(conn) {
                let name = peer.name.to_string();
                self.effects.warn(Warning::Refused(KeyRefusal::Blocked { name }));
            }
            self.close_unheard(conn, ByeReason::Refused);
        }
        self.stop_calling_unwanted();
    }

    /// Drops from the list of the met who stands in the book now.
    pub(super) fn drop_met(&mut self) {
        let is_chosen =
            |key: &Fingerprint| self.book.by_fingerprint(key).is_some_and(|entry| entry.trust != Trust::Met);
        let chosen: Vec<_> = self.met.peers().map(|peer| peer.fingerprint).filter(is_chosen).collect();
        for key in chosen {
            self.met.apply(&MetChange::Drop(key));
            self.effects.push(Effect::ChangeMet(MetChange::Drop(key)));
        }
    }

    /// Writes a peer that was only met, and is chosen, into the book. Called for acts of the
    /// person: `:to` and `@` at a prompt; `:name`, `:trust` and a dial choose by what they change.
    pub(crate) fn keep_chosen(&mut self, peer: PeerId) {
        let PeerId::Key(fingerprint) = peer else { return };
        let is_met = |entry: &PeerEntry| entry.trust == Trust::Met;
        let shown = self.names.of(peer).cloned();
        let claim = self.claimed(fingerprint).cloned();
        let name = match self.book.by_fingerprint(&fingerprint) {
            Some(entry) => is_met(entry).then(|| entry.name.clone()),
            None => shown.or_else(|| Some(self.met.by_fingerprint(&fingerprint)?.claimed.clone())),
        };
        let Some(name) = name else { return };
        let meet = Change::Meet { fingerprint, name: name.clone(), address: None };
        let claim = claim.map(|claim| Change::Claim { fingerprint, claim });
        let changes = std::iter::once(meet).chain(claim).collect();
        self.change_book(changes, ChangeReply::Chosen { name: name.to_string(), fingerprint });
    }

    /// Whether the user has chosen a peer, also where that is not on disk yet.
    pub(crate) fn has_chosen(&self, peer: Fingerprint) -> bool {
        let is_reply = |reply: &ChangeReply| matches!(reply, ChangeReply::Chosen { fingerprint, .. } if *fingerprint == peer);
        self.is_chosen(PeerId::Key(peer)) || self.book_changes.iter().any(|(_, reply)| is_reply(reply))
    }

    /// Shows the peer with the trust that the book has now, and returns it.
    pub(super) fn update_trust_level(&mut self, fingerprint: Fingerprint) -> TrustLevel {
        let trust = self.book.by_fingerprint(&fingerprint).map(|peer| peer.trust);
        let trust_level = trust.map_or(TrustLevel::Met, TrustLevel::from);
        self.conversations.update_peer(fingerprint, |peer| peer.trust_level = trust_level);
        if trust_level != TrustLevel::Met {
            self.begin_pair_with(fingerprint);
            // Who is chosen keeps the seat, whoever else comes.
            let conns: Vec<_> =
                self.conversations.with_peer(PeerId::Key(fingerprint)).map(|(conn, _)| conn).collect();
            for conn in conns {
                self.seats.leave(conn);
            }
        }
        trust_level
    }

    /// Closes every connection of a key, also one in the middle of its handshake.
    pub(super) fn close_key(&mut self, fingerprint: Fingerprint, reason: ByeReason) {
        let has_key = |conversation: &Conversation| conversation.key == Some(fingerprint);
        for conn in self.conversations.conns(has_key) {
            self.close_unheard(conn, reason);
        }
    }

    /// Finds a peer that has a key and is not blocked, and warns if there is none.
    fn find_unblocked(&mut self, name: &str) -> Option<(String, Fingerprint)> {
        let (name, fingerprint) = self.find_key(name)?;
        if self.is_blocked(fingerprint) {
            // A block is ended by its own command only.
            self.effects.warn(Warning::StillBlocked { name });
            return None;
        }
        Some((name, fingerprint))
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
        if let Ok(key) = name.parse::<Fingerprint>()
            && let Some(name) = self.name_of(PeerId::Key(key))
        {
            return Some((name, PeerId::Key(key)));
        }
        if let Some(found) = Name::parse_local(name).ok().and_then(|name| self.peer_named(&name)) {
            return Some(found);
        }
        let nearest = nearest(name, self.known_names().iter()).map(str::to_owned);
        self.effects.warn(Warning::NoSuchPeer { name: SafeText::line(name).to_string(), nearest });
        None
    }
}

/// Name of a peer from its text.
fn local_name(text: &str) -> Name {
    Name::parse_local(text).unwrap_or_else(|_| Name::claimed(text.as_bytes()))
}

/// Reason of a refused key, as `:status` counts it.
fn refusal_reason(warning: &Warning) -> &'static str {
    match warning {
        Warning::Refused(KeyRefusal::Blocked { .. }) => "their keys are blocked",
        Warning::Refused(KeyRefusal::UnknownKey { .. }) => "their keys are not in the book",
        Warning::Book { .. } => "the book cannot be used",
        _ => "others were expected",
    }
}
