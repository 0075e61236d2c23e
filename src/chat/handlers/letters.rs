//! Handlers of letters (`docs/PROTOCOL.md`, section 12): the second way of what is kept for people
//! who are away, by a relay.
//!
//! Law: a letter leaves, and what it has brought is shown, once the changes are on disk.

use std::collections::BTreeSet;

use crate::chat::Backoff;
use crate::chat::Chat;
use crate::chat::io::{DeliveryProgress, DeliveryReport, Effect};
use crate::chat::kept::{AfterCommit, KeptMessages};
use crate::chat::letters::{LetterStep, RefusedLetter, SeedUse};
use crate::chat::notice::Info;
use crate::chat::relays::{RelayInfo, RelayOrder};
use crate::chat::types::{Audience, LaterBy, PeerId, ReceiptDue};
use crate::crypto::{Fingerprint, OfferedKey, Seed, letter_id};
use crate::delivery::{Exposure, LetterDue, LetterEvent, LetterRefusal};
use crate::ids::ConnId;
use crate::limits;
use crate::relay::{Publish, PublishRefusal};
use crate::time::UnixMs;
use crate::wire::{Count, PairNumber};

impl Chat {
    /// Exchanges keys for letters in a session in which both have said what they have.
    pub(super) fn begin_letters(&mut self, conn: ConnId) {
        let conversation = self.conversations.get_mut(conn);
        if conversation.is_some_and(|one| one.session.letter_pair().is_some()) {
            self.ask_for_seed(SeedUse::Key(conn));
        }
    }

    pub(super) fn ask_for_seed(&mut self, of: SeedUse) {
        self.letters.seeds.push_back(of);
        self.effects.push(Effect::LetterSeed);
    }

    /// Takes the key that a peer has given in a session.
    pub(crate) fn handle_letter_key(&mut self, conn: ConnId, offered: OfferedKey) {
        let Some(conversation) = self.conversations.get_mut(conn) else { return };
        let (pair, peer) = (conversation.session.letter_pair(), conversation.key);
        if let (Some(kept), Some(pair), Some(peer)) = (&mut self.kept, pair, peer) {
            kept.ledger.handle_letter_key(peer, &pair, offered);
        }
    }

    /// Makes what randomness was asked for.
    pub(crate) fn handle_letter_seed(&mut self, seed: &Seed) {
        let (now, of) = (self.now.unix, self.letters.seeds.pop_front());
        match of {
            Some(SeedUse::Bundle) => return self.make_bundle(seed),
            Some(SeedUse::Letter(peer))
                if self.kept.as_ref().is_some_and(|kept| kept.ledger.is_first_letter_due(peer, now)) =>
            {
                return self.draft_first_letter(peer, seed);
            }
            _ => {}
        }
        let Some(kept) = self.kept.as_mut().filter(|kept| kept.retry_at.is_none()) else { return };
        let step = match of {
            None | Some(SeedUse::Bundle) => None,
            Some(SeedUse::Key(conn)) => {
                let conversation = self.conversations.get_mut(conn);
                let session = conversation.and_then(|one| Some((one.key?, one.session.letter_pair()?)));
                session.and_then(|(peer, pair)| {
                    let offered = kept.ledger.begin_letters(peer, &pair, seed, now)?;
                    Some(LetterStep::Offer { conn, offered })
                })
            }
            Some(SeedUse::Letter(peer)) => {
                let letter = kept.ledger.next_letter(peer, seed, now);
                letter.map(|letter| LetterStep::Leave { peer, letter })
            }
        };
        if let Some(step) = step {
            self.after_commit(AfterCommit::Letter(step));
        }
    }

    /// Reads the inboxes that are to be read, and has the letters written that are due.
    pub(crate) fn advance_letters(&mut self) {
        let is_due = self.letters.due_at.is_some_and(|at| at <= self.now.mono);
        if !self.relays.is_set() || !std::mem::take(&mut self.letters.is_changed) && !is_due {
            return;
        }
        let not_before = self.letters.not_before.filter(|at| *at > self.now.mono);
        self.letters.due_at = not_before;
        if not_before.is_some() {
            return;
        }
        if let Some(at) = self.letters.first.not_before.filter(|at| *at > self.now.mono) {
            self.letters.wake_at(at);
        }
        let Some(kept) = self.kept.as_ref().filter(|kept| kept.retry_at.is_none()) else { return };
        let inboxes: Vec<_> = kept.ledger.inboxes().collect();
        let peers = inboxes.iter().map(|inbox| inbox.peer).chain(kept.ledger.unanswered());
        let peers: BTreeSet<_> = peers.collect();
        let peers: BTreeSet<_> = peers.into_iter().filter(|peer| self.takes_letters_of(*peer)).collect();
        let of_peers = inboxes.into_iter().filter(|inbox| peers.contains(&inbox.peer));
        let wanted: Vec<_> = of_peers.chain(self.first_inboxes()).collect();
        let names: BTreeSet<_> = wanted.iter().map(|inbox| inbox.inbox.as_str().to_owned()).collect();
        for (inbox, _) in self.letters.watched.extract_if(.., |name, _| !names.contains(name)) {
            self.effects.push(Effect::Relay(RelayOrder::Unwatch { inbox }));
        }
        // That which is read before another is watched before it.
        for watched in wanted {
            let (inbox, after) = (watched.inbox.as_str().to_owned(), watched.after);
            let behind = watched.behind.as_ref().map(|inbox| inbox.as_str().to_owned());
            if self.letters.watched.insert(inbox.clone(), watched).is_none() {
                self.effects.push(Effect::Relay(RelayOrder::Watch { inbox, after, behind }));
            }
        }
        if self.relays.is_connected() {
            self.write_letters(peers);
            self.advance_bundle();
        }
    }

    /// Ways on which text goes that waits for a peer who is away.
    pub(super) fn later_by(&self, peer: Fingerprint) -> LaterBy {
        let can_write = |kept: &KeptMessages| {
            kept.ledger.can_write_letter(peer, self.now.unix)
                || kept.ledger.unanswered().any(|one| one == peer)
        };
        let has_relay = self.relays.is_set() && self.takes_letters_of(peer);
        if has_relay && self.kept.as_ref().is_some_and(can_write) {
            LaterBy::ConnectionOrRelay
        } else {
            LaterBy::Connection
        }
    }

    /// Whether letters of a peer are read, and written to it.
    fn takes_letters_of(&self, peer: Fingerprint) -> bool {
        self.is_chosen(PeerId::Key(peer)) && !self.is_blocked(peer)
    }

    /// Whether a letter is on its way to the relay, or is due and can still go there.
    pub(super) fn awaits_letters(&self) -> bool {
        let kept = self.kept.as_ref().filter(|kept| kept.retry_at.is_none());
        let Some(kept) = kept.filter(|_| self.relays.may_connect()) else { return false };
        let may_leave = |peer: &Fingerprint| {
            let refused = self.letters.refused.get(peer).map(|refused| refused.not_before);
            self.takes_letters_of(*peer) && refused.is_none_or(|at| at <= self.now.mono)
        };
        !self.letters.busy().is_empty()
            || kept
                .ledger
                .inboxes()
                .map(|inbox| inbox.peer)
                .any(|peer| kept.ledger.letter_due(peer, self.now.unix) == LetterDue::Now && may_leave(&peer))
    }

    fn write_letters(&mut self, peers: BTreeSet<Fingerprint>) {
        let (now, busy) = (self.now, self.letters.busy());
        for peer in peers {
            // What is kept goes by the session where there is one.
            let is_here = self.conversations.with_peer(PeerId::Key(peer)).any(|(_, one)| one.is_lasting());
            let Some(kept) = self.kept.as_ref().filter(|_| !is_here && !busy.contains(&peer)) else {
                continue;
            };
            let not_before = self.letters.refused.get(&peer).map(|refused| refused.not_before);
            let is_first = kept.ledger.is_first_letter_due(peer, now.unix);
            let at = match kept.ledger.letter_due(peer, now.unix) {
                _ if is_first => not_before.filter(|at| *at > now.mono),
                LetterDue::Never => continue,
                LetterDue::Now => not_before.filter(|at| *at > now.mono),
                LetterDue::At(at) => Some(now.mono + at.since(now.unix)),
            };
            match at {
                None if is_first => self.write_first_letter(peer),
                None => self.ask_for_seed(SeedUse::Letter(peer)),
                Some(at) => self.letters.wake_at(at),
            }
        }
    }

    /// Does what was to be done once it is on disk.
    pub(super) fn follow_letter(&mut self, step: LetterStep) {
        match step {
            LetterStep::Offer { conn, offered } => {
                self.with_session(conn, |session| _ = session.send_letter_key(&offered));
            }
            LetterStep::Leave { peer, letter } => {
                self.letters.last_ticket += 1;
                let ticket = self.letters.last_ticket;
                self.letters.on_their_way.insert(ticket, peer);
                let (inbox, id) = (letter.inbox.as_str().to_owned(), letter_id(&letter.bytes));
                let publish = Publish { ticket, inbox, id, letter: letter.bytes };
                self.effects.push(Effect::Relay(RelayOrder::Publish(publish)));
            }
            LetterStep::Show { peer, number, sent, text } => {
                if let Some(kept) = &mut self.kept {
                    kept.without_room.remove(&peer);
                }
                let due = ReceiptDue { conn: None, peer: Some(peer), upto: Count::Pair(number) };
                self.receive(due, sent, text);
            }
            LetterStep::Writable { name } => {
                self.effects.info(Info::Relay(RelayInfo::FirstLetters { name }));
            }
            LetterStep::Introduce { peer } => {
                let name = self.name_of_key(peer);
                self.effects.info(Info::Relay(RelayInfo::Introduced { name, fingerprint: peer }));
            }
            LetterStep::Bundle => self.end_making_bundle(),
            LetterStep::Read => {}
        }
    }

    /// Nothing of that is done: it could not be kept. Letters are read again, and written, after a
    /// pause; what is said of it is said once.
    pub(super) fn fail_letter(&mut self, step: &LetterStep, why: &str) {
        match step {
            LetterStep::Offer { .. } | LetterStep::Writable { .. } => {}
            LetterStep::Bundle => self.end_making_bundle(),
            LetterStep::Leave { peer, .. } => {
                let now = self.now.unix;
                if let Some(kept) = &mut self.kept {
                    kept.ledger.letter_refused(*peer, LetterRefusal::Unreachable, now);
                }
            }
            LetterStep::Show { peer, .. } => {
                self.warn_without_room(self.name_of_key(*peer), Some(*peer), why);
                self.stop_reading_letters();
            }
            LetterStep::Read | LetterStep::Introduce { .. } => self.stop_reading_letters(),
        }
        self.letters.not_before = Some(self.now.mono + limits::STORE_RETRY_MS);
        self.letters.is_changed = true;
    }

    fn stop_reading_letters(&mut self) {
        self.letters.first.unread.clear();
        for inbox in std::mem::take(&mut self.letters.watched).into_keys() {
            self.effects.push(Effect::Relay(RelayOrder::Unwatch { inbox }));
        }
    }

    /// Takes note that a letter is at the relay.
    pub(super) fn handle_published(&mut self, ticket: u64) {
        let now = self.now.unix;
        if self.handle_bundle_left(ticket, Ok(())) {
            return;
        }
        if let (Some(peer), Some(kept)) = (self.letters.on_their_way.remove(&ticket), &mut self.kept) {
            let upto = kept.ledger.letter_left(peer, now);
            self.letters.refused.remove(&peer);
            if let Some(upto) = upto {
                self.note_progress(peer, 0);
                let (to, progress) = (self.name_of_key(peer), DeliveryProgress::AtRelay(upto));
                let report = DeliveryReport { to, fingerprint: Some(peer), progress };
                self.effects.push(Effect::Delivery(report));
            }
        }
    }

    /// Takes note that one is not, or that this is not known: its lines stay in the outbox. That is
    /// told once.
    pub(super) fn handle_letter_refused(&mut self, ticket: u64, why: &PublishRefusal) {
        let (now, own) = (self.now, self.account.fingerprint());
        if self.handle_bundle_left(ticket, Err(why)) {
            return;
        }
        let Some(peer) = self.letters.on_their_way.remove(&ticket) else { return };
        let Some(kept) = &mut self.kept else { return };
        let refusal = match why {
            PublishRefusal::InboxFull => LetterRefusal::InboxFull,
            _ => LetterRefusal::Unreachable,
        };
        kept.ledger.letter_refused(peer, refusal, now.unix);
        let why_before = self.letters.refused.get(&peer).map(|refused| refused.why.clone());
        let refused = self.letters.refused.entry(peer).or_insert_with(|| RefusedLetter {
            not_before: now.mono,
            backoff: Backoff::default(),
            why: String::new(),
        });
        refused.not_before = now.mono + refused.backoff.next_delay(own);
        refused.why = why.to_string();
        self.letters.is_changed = true;
        // That there is no connection was told of the relay.
        if *why != PublishRefusal::NotConnected && why_before.as_ref() != Some(&refused.why) {
            let (name, why) = (self.name_of_key(peer), why.to_string());
            self.effects.info(Info::Relay(RelayInfo::NotLeft { name, why }));
        }
    }

    /// Takes a letter that has come.
    pub(super) fn handle_letter(&mut self, inbox: &str, number: u64, letter: &[u8]) {
        let exposure = match self.audience {
            Audience::Present => Exposure::Shown,
            Audience::Absent => Exposure::None,
        };
        let now = self.now.unix;
        let of_own = self.letters.watched.get(inbox).map(|inbox| inbox.peer);
        if of_own.is_some() && of_own == self.account.fingerprint() {
            return self.take_first_letter(inbox, number, letter);
        }
        // One of a peer that was blocked meanwhile is read once that is undone.
        let watched = self.letters.watched.get(inbox).filter(|inbox| self.takes_letters_of(inbox.peer));
        let Some(watched) = watched else {
            self.letters.is_changed = true;
            return;
        };
        let Some(kept) = self.kept.as_mut().filter(|kept| kept.retry_at.is_none()) else {
            return self.stop_reading_letters();
        };
        let read = kept.ledger.read_letter(&watched.inbox, number, letter, exposure, now);
        let Some(read) = read else { return };
        for event in read.events {
            self.take_letter_event(read.peer, event);
        }
        self.after_commit(AfterCommit::Letter(LetterStep::Read));
    }

    pub(super) fn take_letter_event(&mut self, peer: Fingerprint, event: LetterEvent) {
        let report = |progress, name| DeliveryReport { to: name, fingerprint: Some(peer), progress };
        match event {
            LetterEvent::Answered => {
                let name = self.name_of_key(peer);
                self.effects.info(Info::Relay(RelayInfo::Answered { name }));
            }
            LetterEvent::News(news) => self.tell_resume_news(peer, [news]),
            LetterEvent::Text { seq, typed, text } => self.take_letter_text(peer, seq, typed, text.to_vec()),
            LetterEvent::Skipped { .. } => {}
            LetterEvent::Kept { upto } => {
                self.note_progress(peer, 0);
                let name = self.name_of_key(peer);
                self.effects.push(Effect::Delivery(report(DeliveryProgress::Delivered(upto), name)));
            }
            LetterEvent::Received { upto, texts } => {
                self.note_progress(peer, 0);
                self.counters.acked += texts;
                let name = self.name_of_key(peer);
                self.effects.push(Effect::Delivery(report(DeliveryProgress::Received(upto), name)));
            }
        }
    }

    fn take_letter_text(&mut self, peer: Fingerprint, seq: u64, sent: UnixMs, text: Vec<u8>) {
        let inbound = self.kept.as_ref().and_then(|kept| kept.ledger.inbound(peer));
        let Some(epoch) = inbound.map(|inbound| inbound.epoch) else { return };
        self.keep_received(peer, &text);
        let number = PairNumber { epoch, seq };
        self.after_commit(AfterCommit::Letter(LetterStep::Show { peer, number, sent, text }));
    }
}
