//! Handlers of first letters (`docs/PROTOCOL.md`, 12.3): to somebody who has invited us and is not
//! there, and by invitations of ours.
//!
//! Law: of a first letter nothing is shown before its token and its key are judged, and that is on
//! disk.

use crate::chat::Chat;
use crate::chat::change_reply::ChangeReply;
use crate::chat::first_letters::{BundleLookup, OwnBundle, ReadingLetter, UnreadLetter};
use crate::chat::io::Effect;
use crate::chat::kept::AfterCommit;
use crate::chat::letters::{LetterStep, SeedUse};
use crate::chat::lobby::InvitationWarning;
use crate::chat::notice::{Info, Warning};
use crate::chat::relays::{RelayInfo, RelayOrder};
use crate::chat::types::{Audience, DialOptions, KeyFor, PeerId};
use crate::crypto::{
    Bundle, Fingerprint, FirstLetterJob, FirstLetterResult, Inbox, OpenedFirstLetter, Seed, bundle_name,
    first_letter_key, is_test_key, letter_id,
};
use crate::delivery::{Exposure, FirstLetterId, FirstLetterWriter, WatchedInbox};
use crate::ids::FaceId;
use crate::limits;
use crate::peers::book::Change;
use crate::peers::invitation::{Invitation, TokenHash};
use crate::peers::name::Name;
use crate::relay::{Publish, PublishRefusal};
use crate::wire::FirstLetterBody;

impl Chat {
    /// Looks whether a letter can be left for somebody who has invited us and is not there.
    pub(super) fn look_for_letters(&mut self, options: &DialOptions) {
        let Some(invitation) = options.invitation.clone() else { return };
        let Some(relay) = invitation.relay.as_ref().map(|relay| relay.url.to_string()) else { return };
        let (key, face) = (invitation.key, options.face);
        // A later invitation takes the place of one that nobody has answered.
        let is_known = self.kept.as_ref().map(|kept| {
            let is_unanswered = kept.ledger.unanswered().any(|peer| peer == key);
            kept.ledger.can_write_letter(key, self.now.unix) && !is_unanswered
        });
        let told = match is_known {
            _ if !self.relays.is_set() => RelayInfo::NamedRelay { relay },
            None | Some(true) => return,
            Some(false) if !self.relays.is_connected() => RelayInfo::NoFirstLetter {
                name: key.to_string(),
                why: PublishRefusal::NotConnected.to_string(),
            },
            Some(false) => return self.look_up_bundle(key, Some((face, invitation))),
        };
        self.in_face(face, |chat| chat.effects.info(Info::Relay(told)));
    }

    fn look_up_bundle(&mut self, key: Fingerprint, caller: Option<(FaceId, Box<Invitation>)>) {
        let name = bundle_name(&key);
        let before = self.letters.first.lookups.remove(&name);
        if before.is_none() {
            self.effects.push(Effect::Relay(RelayOrder::ReadBundles { name: name.clone() }));
        }
        let caller = caller.or(before.and_then(|before| before.caller));
        self.letters.first.lookups.insert(name, BundleLookup { key, caller });
    }

    /// Takes the bundles that were at a name: the newest of the key that is meant, if there is one.
    pub(super) fn handle_bundles(&mut self, name: &str, bundles: &[Vec<u8>]) {
        let Some(BundleLookup { key, caller }) = self.letters.first.lookups.remove(name) else { return };
        let Some(kept) = &self.kept else { return };
        let least = kept.ledger.least_bundle(key);
        let now_ms = self.now.unix.0;
        let read = bundles.iter().filter_map(|bundle| Bundle::read(bundle, &key, now_ms).ok());
        let newest = read.filter(|one| one.number >= least).max_by_key(|one| one.number);
        match (newest.filter(|one| !is_test_key(one.key.fingerprint())), caller) {
            (Some(bundle), caller) => {
                self.letters.first.bundles.insert(key, bundle);
                self.letters.is_changed = true;
                let Some((face, invitation)) = caller else { return };
                let name = invitation.name.clone().unwrap_or_else(|| Name::of_key(key.as_bytes()));
                let meet = Change::Meet { fingerprint: key, name, address: None };
                self.in_face(face, |chat| chat.change_book(vec![meet], ChangeReply::Writable(invitation)));
            }
            (None, caller) => {
                let again = self.now.mono + limits::LETTER_UNOPENED_MS;
                self.letters.first.look_again.insert(key, again);
                let face = caller.map_or(FaceId::OWN, |(face, _)| face);
                let why = "no valid key for that was found at the relay".to_owned();
                let told = RelayInfo::NoFirstLetter { name: self.name_of_key(key), why };
                self.in_face(face, |chat| chat.effects.info(Info::Relay(told)));
            }
        }
    }

    /// Keeps the invitation of a peer who is in the book now, and addresses the peer.
    pub(super) fn hold_invitation(&mut self, invitation: Invitation) {
        let (key, token) = (invitation.key, invitation.token.clone());
        let Some(peer) = self.book.by_fingerprint(&key).filter(|peer| !peer.trust.is_blocked()) else {
            return;
        };
        let name = peer.name.clone();
        let number = self.letters.first.bundles.get(&key).map_or(0, |bundle| bundle.number);
        if let (Some(relay), Some(kept)) = (invitation.relay, &mut self.kept) {
            kept.ledger.hold_invitation(key, token, relay.inbox, number);
            self.conversations.address(PeerId::Key(key), name.clone());
            self.after_commit(AfterCommit::Letter(LetterStep::Writable { name: name.to_string() }));
        }
    }

    /// Has a first letter written, once the bundle of the peer is known.
    pub(super) fn write_first_letter(&mut self, peer: Fingerprint) {
        let now = self.now;
        let bundle = self.letters.first.bundles.get(&peer);
        if bundle.is_some_and(|bundle| now.unix.0 < bundle.offered.expires_ms) {
            return self.ask_for_seed(SeedUse::Letter(peer));
        }
        match self.letters.first.look_again.get(&peer).filter(|at| **at > now.mono) {
            Some(at) => self.letters.wake_at(*at),
            None => self.look_up_bundle(peer, None),
        }
    }

    /// Drafts a first letter, and has it sealed.
    pub(super) fn draft_first_letter(&mut self, peer: Fingerprint, seed: &Seed) {
        let Some(key) = self.account.key(KeyFor::Identity) else { return };
        let (Some(kept), Some(bundle)) = (&mut self.kept, self.letters.first.bundles.get(&peer)) else {
            return;
        };
        let writer = FirstLetterWriter { key: &key.public, name: self.account.name.as_str() };
        let draft = kept.ledger.first_letter(peer, writer, bundle, &seed.derive("key"), self.now.unix);
        let Some(draft) = draft else { return };
        let (bundle, content) = (Box::new(bundle.clone()), draft.content.clone());
        self.letters.first.drafts.push_back((peer, draft));
        let job = FirstLetterJob::Seal { bundle, content, seed: seed.derive("letter") };
        self.effects.push(Effect::FirstLetter(job));
    }

    /// Takes the result of work that takes our private key.
    pub(crate) fn handle_first_letter(&mut self, result: FirstLetterResult) {
        match result {
            FirstLetterResult::Signed(bundle) => self.leave_bundle(bundle),
            FirstLetterResult::Sealed(letter, pair) => {
                let Some((peer, draft)) = self.letters.first.drafts.pop_front() else { return };
                let Some(kept) = self.kept.as_mut().filter(|kept| kept.retry_at.is_none()) else { return };
                if let Some(letter) = kept.ledger.take_first_letter(peer, draft, (letter, &pair)) {
                    self.after_commit(AfterCommit::Letter(LetterStep::Leave { peer, letter }));
                }
            }
            FirstLetterResult::Opened(opened) => self.handle_opened(opened.map(|opened| *opened)),
        }
    }

    /// Inboxes of our invitations that are to be read.
    pub(super) fn first_inboxes(&self) -> Vec<WatchedInbox> {
        let (Some(own), Some(kept)) = (self.account.fingerprint(), &self.kept) else { return Vec::new() };
        if self.letters.first.not_before.is_some_and(|at| at > self.now.mono) {
            return Vec::new();
        }
        let open = self.book.invitations().filter(|kept| !kept.is_expired(self.now.unix));
        let inboxes = open.filter_map(|kept| kept.inbox.clone());
        inboxes
            .map(|inbox| WatchedInbox {
                peer: own,
                after: kept.ledger.first_letters_read(own, &inbox),
                inbox,
                behind: None,
            })
            .collect()
    }

    /// Leaves our bundle at the relay while somebody may write a first letter.
    pub(super) fn advance_bundle(&mut self) {
        let (now, Some(own)) = (self.now, self.account.fingerprint()) else { return };
        let is_wanted = |of: &Chat| {
            let mut open = of.book.invitations().filter(|kept| kept.is_open(now.unix));
            open.any(|kept| kept.inbox.is_some())
        };
        let Some(kept) = self.kept.as_ref().filter(|kept| kept.retry_at.is_none() && is_wanted(self)) else {
            return;
        };
        let bundle = kept.ledger.bundle(own, now.unix).map(|bundle| (bundle.number, bundle.offered()));
        let first = &mut self.letters.first;
        match (first.own, bundle) {
            (OwnBundle::Making | OwnBundle::Signing(_) | OwnBundle::Leaving { .. }, _) => {}
            (OwnBundle::Refused(at), _) if at > now.mono => self.letters.wake_at(at),
            (OwnBundle::Left(number), Some((newest, offered))) if number == newest => {
                // Another one takes its place when half of its time is over.
                let renewal = offered.expires_ms.saturating_sub(limits::LETTER_KEY_RENEWAL_MS);
                self.letters.wake_at(now.mono + renewal.saturating_sub(now.unix.0));
            }
            (_, Some((number, offered))) => {
                first.own = OwnBundle::Signing(number);
                self.effects.push(Effect::FirstLetter(FirstLetterJob::Sign { number, offered }));
            }
            (_, None) => {
                first.own = OwnBundle::Making;
                self.ask_for_seed(SeedUse::Bundle);
            }
        }
    }

    /// Makes the key of a bundle, which is given to others once it is on disk.
    pub(super) fn make_bundle(&mut self, seed: &Seed) {
        self.letters.first.own = OwnBundle::Absent;
        if let (Some(own), Some(kept)) = (self.account.fingerprint(), &mut self.kept) {
            self.letters.first.own = OwnBundle::Making;
            kept.ledger.renew_bundle(own, seed, self.now.unix);
            self.after_commit(AfterCommit::Letter(LetterStep::Bundle));
        }
    }

    /// Takes note that the key of a bundle is on disk, or could not be kept.
    pub(super) fn end_making_bundle(&mut self) {
        if self.letters.first.own == OwnBundle::Making {
            self.letters.first.own = OwnBundle::Absent;
        }
        self.letters.is_changed = true;
    }

    fn leave_bundle(&mut self, bundle: Vec<u8>) {
        let (OwnBundle::Signing(number), Some(own)) = (self.letters.first.own, self.account.fingerprint())
        else {
            return;
        };
        self.letters.last_ticket += 1;
        let ticket = self.letters.last_ticket;
        self.letters.first.own = OwnBundle::Leaving { ticket, bundle: number };
        let (inbox, id) = (bundle_name(&own), letter_id(&bundle));
        let publish = Publish { ticket, inbox, id, letter: bundle };
        self.effects.push(Effect::Relay(RelayOrder::PublishBundle(publish)));
    }

    /// Takes note of a new connection with a relay, where our bundle may not be.
    pub(super) fn begin_first_letters(&mut self) {
        if let OwnBundle::Left(_) | OwnBundle::Refused(_) = self.letters.first.own {
            self.letters.first.own = OwnBundle::Absent;
        }
        self.letters.first.look_again.clear();
    }

    /// Takes what has become of our bundle; returns whether the ticket is its.
    pub(super) fn handle_bundle_left(&mut self, of: u64, result: Result<(), &PublishRefusal>) -> bool {
        let OwnBundle::Leaving { ticket, bundle } = self.letters.first.own else { return false };
        if ticket != of {
            return false;
        }
        self.letters.is_changed = true;
        let Err(why) = result else {
            (self.letters.first.own, self.letters.first.refused) = (OwnBundle::Left(bundle), None);
            return true;
        };
        self.letters.first.own = OwnBundle::Refused(self.now.mono + limits::RELAY_LOOK_MS);
        // That there is no connection was told of the relay.
        let why = Some(why.to_string()).filter(|_| *why != PublishRefusal::NotConnected);
        if why.is_some() && why != self.letters.first.refused {
            self.letters.first.refused.clone_from(&why);
            let why = why.unwrap_or_default();
            self.effects.info(Info::Relay(RelayInfo::NoBundle { why }));
        }
        true
    }

    /// Takes what has come to the inbox of an invitation of ours.
    pub(super) fn take_first_letter(&mut self, inbox: &str, number: u64, letter: &[u8]) {
        let first = &mut self.letters.first;
        if first.unread.len() >= limits::FIRST_LETTERS_AHEAD {
            // The rest is left at the relay until these are read.
            return self.read_first_letters_later(inbox);
        }
        first.unread.push_back(UnreadLetter { inbox: inbox.to_owned(), number, letter: letter.to_vec() });
        self.read_next_first_letter();
    }

    /// Has the next letter opened, if none is being read.
    fn read_next_first_letter(&mut self) {
        while self.letters.first.reading.is_none()
            && let Some(UnreadLetter { inbox, number, letter }) = self.letters.first.unread.pop_front()
        {
            let (now, Some(own)) = (self.now.unix, self.account.fingerprint()) else { return };
            let Some(kept) = &self.kept else { return };
            let key = first_letter_key(&letter).and_then(|id| kept.ledger.bundle_key(own, id, now)).cloned();
            let id = FirstLetterId::of(&letter);
            let Some(key) = key.filter(|_| !kept.ledger.is_first_letter_known(own, id)) else {
                self.note_first_letter_read(&inbox, number);
                continue;
            };
            let job = FirstLetterJob::Open { own: key.key.clone(), letter };
            let place = (inbox, number);
            self.letters.first.reading = Some(ReadingLetter { place, id, key, opened: None });
            self.effects.push(Effect::FirstLetter(job));
        }
    }

    /// Judges the writer of a letter and its token. Nothing is said of a letter that is none.
    fn handle_opened(&mut self, opened: Option<OpenedFirstLetter>) {
        let now = self.now.unix;
        let judged = opened.and_then(|opened| {
            let FirstLetterBody { token, name, letter } = FirstLetterBody::read(&opened.content).ok()?;
            let fingerprint = opened.writer.fingerprint();
            let is_refused = self.account.fingerprint() == Some(fingerprint)
                || is_test_key(fingerprint)
                || self.is_blocked(fingerprint);
            if is_refused {
                return None;
            }
            let hash = TokenHash::of(&token);
            if let Err(why) = self.book.invitation(&hash, &fingerprint, now) {
                let remote = "a letter".to_owned();
                let warning = InvitationWarning::NotTaken { remote, fingerprint, why };
                self.warn_limited(Warning::Invitation(warning));
                return None;
            }
            let change = Change::Welcome { hash, fingerprint, claim: Name::claimed(&name), now };
            Some((change, fingerprint, letter, opened.pair))
        });
        let Some(reading) = &mut self.letters.first.reading else { return };
        match judged {
            Some((change, fingerprint, letter, pair)) => {
                reading.opened = Some((pair, letter));
                self.change_book(vec![change], ChangeReply::WelcomedByLetter { fingerprint });
            }
            None => self.end_reading(),
        }
    }

    /// Reads a first letter whose writer is in the book now.
    pub(super) fn read_first_letter(&mut self, peer: Fingerprint) {
        let exposure = match self.audience {
            Audience::Present => Exposure::Shown,
            Audience::Absent => Exposure::None,
        };
        let now = self.now.unix;
        let Some(reading) = &mut self.letters.first.reading else { return };
        if let (Some((pair, letter)), Some(kept)) =
            (reading.opened.take(), self.kept.as_mut().filter(|kept| kept.retry_at.is_none()))
        {
            if let Some(own) = self.account.fingerprint() {
                kept.ledger.note_first_letter(own, reading.id);
            }
            let read = kept.ledger.read_first_letter(peer, &pair, &reading.key, &letter, (exposure, now));
            if let Some(events) = read {
                self.after_commit(AfterCommit::Letter(LetterStep::Introduce { peer }));
                for event in events {
                    self.take_letter_event(peer, event);
                }
            }
        }
        self.end_reading();
    }

    /// Takes note that a first letter is read, and goes on with the next.
    fn end_reading(&mut self) {
        if let Some(reading) = self.letters.first.reading.take() {
            self.note_first_letter_read(&reading.place.0, reading.place.1);
        }
        self.read_next_first_letter();
    }

    fn note_first_letter_read(&mut self, inbox: &str, number: u64) {
        let open: Vec<_> = self.book.invitations().filter_map(|kept| kept.inbox.clone()).collect();
        if let (Some(own), Some(kept), Some(inbox)) =
            (self.account.fingerprint(), &mut self.kept, Inbox::parse(inbox))
        {
            kept.ledger.note_first_letter_read(own, &inbox, number, |of| open.contains(of));
            self.after_commit(AfterCommit::Letter(LetterStep::Read));
        }
    }

    /// Leaves the letter that was being read, whose writer could not be kept, for another time.
    pub(super) fn fail_first_letter(&mut self) {
        if let Some(reading) = self.letters.first.reading.take() {
            self.letters.first.unread.clear();
            self.read_first_letters_later(&reading.place.0);
        }
    }

    fn read_first_letters_later(&mut self, inbox: &str) {
        let at = self.now.mono + limits::RELAY_ANSWER_MS;
        self.letters.first.not_before = Some(at);
        if self.letters.watched.remove(inbox).is_some() {
            self.effects.push(Effect::Relay(RelayOrder::Unwatch { inbox: inbox.to_owned() }));
        }
        self.letters.is_changed = true;
        self.letters.wake_at(at);
    }
}
