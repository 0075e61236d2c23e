//! First letters of a ledger (`docs/PROTOCOL.md`, 12.3): those to peers who have invited us, and
//! those that came with invitations of ours.

use std::sync::Arc;

use super::Ledger;
use super::letters::LetterRecords;
use crate::crypto::{Bundle, Fingerprint, Inbox, LetterKeyId, LetterPair, LetterPublicKey, OfferedKey, Seed};
use crate::delivery::first_letters::{
    BundleKey, BundleKeys, FirstLetterDraft, FirstLetterId, FirstLetterWriter,
};
use crate::delivery::letters::{
    Age, Answer, Beginning, HeldInvitation, KeyUsage, LetterEvent, LetterOnItsWay, LetterState,
    OutgoingLetter, OwnLetterKey, Posted, Presence,
};
use crate::delivery::pair::{Exposure, PairChange};
use crate::limits;
use crate::time::UnixMs;
use crate::wire::{FirstLetterBody, LetterBody, PairNumber, Token};

impl Ledger {
    fn bundle_keys(&self, own: Fingerprint) -> Option<&BundleKeys> {
        self.pair(own)?.bundles.as_deref()
    }

    fn set_bundle_keys(&mut self, own: Fingerprint, keys: BundleKeys) {
        self.change(own, PairChange::Bundles(Arc::new(keys)));
    }

    /// The bundle that others are given; `None` if one is to be made.
    #[must_use]
    pub fn bundle(&self, own: Fingerprint, now: UnixMs) -> Option<&BundleKey> {
        self.bundle_keys(own)?.newest(now)
    }

    /// Makes the key of a new bundle. `seed` is fresh randomness. Nobody is given it before the
    /// changes are on disk.
    pub fn renew_bundle(&mut self, own: Fingerprint, seed: &Seed, now: UnixMs) {
        let mut keys = self.bundle_keys(own).cloned().unwrap_or_default();
        keys.renew(seed, now);
        self.set_bundle_keys(own, keys);
    }

    /// The private key of a bundle of ours, as long as it is kept.
    #[must_use]
    pub fn bundle_key(&self, own: Fingerprint, id: LetterKeyId, now: UnixMs) -> Option<&OwnLetterKey> {
        let mut keys = self.bundle_keys(own)?.keys.iter().map(|bundle| &bundle.key);
        keys.find(|key| key.id == id && now < key.erasure())
    }

    /// Number at the relay up to which the inbox of an invitation of ours is read.
    #[must_use]
    pub fn first_letters_read(&self, own: Fingerprint, inbox: &Inbox) -> u64 {
        let read = self.bundle_keys(own).and_then(|keys| keys.read.iter().find(|(of, _)| of == inbox));
        read.map_or(0, |(_, number)| *number)
    }

    /// Takes note that a first letter was read, of all that are in the inboxes of `open`
    /// invitations.
    pub fn note_first_letter_read(
        &mut self,
        own: Fingerprint,
        inbox: &Inbox,
        number: u64,
        open: impl Fn(&Inbox) -> bool,
    ) {
        let mut keys = self.bundle_keys(own).cloned().unwrap_or_default();
        keys.read.retain(|(of, _)| of != inbox && open(of));
        keys.read.push((inbox.clone(), number));
        self.set_bundle_keys(own, keys);
    }

    /// Whether a first letter was taken before.
    #[must_use]
    pub fn is_first_letter_known(&self, own: Fingerprint, id: FirstLetterId) -> bool {
        self.bundle_keys(own).is_some_and(|keys| keys.taken.contains(&id))
    }

    /// Takes note that a first letter is taken.
    pub fn note_first_letter(&mut self, own: Fingerprint, id: FirstLetterId) {
        let mut keys = self.bundle_keys(own).cloned().unwrap_or_default();
        keys.taken.push(id);
        let surplus = keys.taken.len().saturating_sub(limits::FIRST_LETTERS_TAKEN);
        keys.taken.drain(..surplus);
        self.set_bundle_keys(own, keys);
    }

    /// Keeps an invitation of a peer to whom letters cannot be written yet.
    pub fn hold_invitation(&mut self, peer: Fingerprint, token: Token, inbox: Inbox, bundle: u64) {
        self.keep_on_disk(peer);
        let state = self.letter_state(peer).cloned().unwrap_or_default();
        if state.beginning == Beginning::Met && !state.generations.is_empty() {
            return;
        }
        let held = HeldInvitation { token, inbox, bundle, left: UnixMs(0) };
        self.set_letters(peer, LetterState { beginning: Beginning::Ours(held), ..state });
    }

    /// Peers who have invited us and have not answered.
    pub fn unanswered(&self) -> impl Iterator<Item = Fingerprint> {
        self.pairs.keys().copied().filter(|peer| self.held_invitation(*peer).is_some())
    }

    fn held_invitation(&self, peer: Fingerprint) -> Option<&HeldInvitation> {
        match &self.letter_state(peer)?.beginning {
            Beginning::Ours(held) => Some(held),
            Beginning::Met | Beginning::Theirs(_) => None,
        }
    }

    /// Lowest number of a bundle of a peer that is taken.
    #[must_use]
    pub fn least_bundle(&self, peer: Fingerprint) -> u64 {
        self.held_invitation(peer).map_or(0, |held| held.bundle)
    }

    /// Whether the next letter to a peer, one that is due, is a first one.
    #[must_use]
    pub fn is_first_letter_due(&self, peer: Fingerprint, now: UnixMs) -> bool {
        let (Some(held), Some(entry)) = (self.held_invitation(peer), self.entry(peer)) else { return false };
        let kept = self.outbound_of(peer).map_or(0, |out| out.kept);
        entry.letter.is_none() && now >= held.again() && self.next_to_send(peer, kept).is_some()
    }

    /// The next first letter to a peer, which takes our private key; then
    /// [`Ledger::take_first_letter`] follows. `seed` is fresh randomness.
    pub fn first_letter(
        &mut self,
        peer: Fingerprint,
        writer: FirstLetterWriter<'_>,
        bundle: &Bundle,
        seed: &Seed,
        now: UnixMs,
    ) -> Option<FirstLetterDraft> {
        let is_old = now.0 >= bundle.offered.expires_ms || bundle.number < self.least_bundle(peer);
        if is_old || !self.is_first_letter_due(peer, now) {
            return None;
        }
        let held = self.held_invitation(peer)?.clone();
        let resume = self.resume(peer);
        let overhead = bundle.overhead(writer.key);
        let name = writer.name.as_bytes().to_vec();
        let room = limits::LETTER_BYTES.checked_sub(overhead + FirstLetterBody::EMPTY_BYTES + name.len())?;
        let LetterRecords { records, chain, last } =
            self.letter_records(peer, room, &Posted::default(), &resume, now);
        let own_key = OwnLetterKey::generate(seed, now);
        let offered = own_key.offered();
        // Above that of every first letter before, also where the home was restored.
        let before = self.letter_state(peer).and_then(|state| state.generations.first());
        let number = before.map_or(0, |generation| generation.written.saturating_add(1)).max(now.0);
        let letter = LetterBody {
            number,
            opened: 0,
            reads: 0,
            key: offered.key.as_bytes().try_into().ok()?,
            expires_ms: offered.expires_ms,
            chain,
            resume,
            records,
        };
        let content = FirstLetterBody { token: held.token, name, letter }.write(overhead).ok()?;
        let told = self.inbound(peer).map_or(0, |inbound| inbound.shown);
        let (offered, bundle, epoch) = (bundle.offered.clone(), bundle.number, resume.epoch);
        Some(FirstLetterDraft { content, own_key, number, epoch, last, told, offered, bundle })
    }

    /// Takes a first letter that was sealed, and its secret. It leaves once the changes are on
    /// disk, as any other letter.
    pub fn take_first_letter(
        &mut self,
        peer: Fingerprint,
        draft: FirstLetterDraft,
        (bytes, pair): (Vec<u8>, &LetterPair),
    ) -> Option<OutgoingLetter> {
        let held = self.held_invitation(peer)?.clone();
        let mut state = self.letter_state(peer)?.clone();
        let FirstLetterDraft { own_key, number, epoch, last, told, offered, bundle, .. } = draft;
        let generation = state.generation(pair);
        (generation.own_keys, generation.peer_key) = (vec![own_key], Some(offered));
        generation.written = number;
        self.mark_sent(peer, last.unwrap_or(0));
        let left = state.left.filter(|left| left.epoch == epoch).map_or(0, |left| left.seq);
        if let Some(seq) = last.map(|last| last.max(left)) {
            state.left = Some(PairNumber { epoch, seq });
        }
        let inbox = held.inbox.clone();
        state.beginning = Beginning::Ours(HeldInvitation { bundle, ..held });
        self.set_letters(peer, state);
        let entry = self.pairs.get_mut(&peer)?;
        let messages = last.map(|last| (epoch, last));
        let presence = Presence::Unanswered;
        entry.letter = Some(LetterOnItsWay { number, messages, answer: Answer::Owed, told, presence });
        Some(OutgoingLetter { inbox, bytes })
    }

    /// Reads a first letter of a peer whose token and key were judged. `None` for a repetition, and
    /// for one of somebody with whom letters have begun in another way. What it brings is shown and
    /// answered once the changes are on disk.
    pub fn read_first_letter(
        &mut self,
        peer: Fingerprint,
        pair: &LetterPair,
        key: &OwnLetterKey,
        body: &LetterBody,
        (exposure, now): (Exposure, UnixMs),
    ) -> Option<Vec<LetterEvent>> {
        self.keep_on_disk(peer);
        let mut state = self.letter_state(peer).cloned().unwrap_or_default();
        match state.beginning {
            Beginning::Met if !state.generations.is_empty() => return None,
            Beginning::Theirs(read) if body.number <= read => return None,
            Beginning::Met | Beginning::Ours(_) | Beginning::Theirs(_) => {}
        }
        let peer_key = LetterPublicKey::read(&body.key).ok()?;
        state.beginning = Beginning::Theirs(body.number);
        let generation = state.generation(pair);
        generation.own_keys = vec![OwnLetterKey::new(key.key.clone(), key.expires, KeyUsage::Used)];
        generation.peer_key = Some(OfferedKey { key: peer_key, expires_ms: body.expires_ms });
        generation.opened = body.number;
        generation.note_peer_reads(body.reads);
        self.set_letters(peer, state);
        let mut events = Vec::new();
        self.take_state(peer, body, (Age::Current, super::letters::Lost::Unknown), now, &mut events);
        self.take_messages(peer, body, exposure, true, &mut events);
        Some(events)
    }
}
