//! State of the letters between two people who have met (`docs/PROTOCOL.md`, 12.2): secrets, keys,
//! numbers and inboxes. What letters carry is the ledger's.

use std::fmt;
use std::sync::Arc;

use super::ResumeNews;
use crate::crypto::{
    Fingerprint, Inbox, LetterKey, LetterKeyId, LetterPair, LetterPublicKey, OfferedKey, Seed,
};
use crate::limits;
use crate::time::UnixMs;
use crate::wire::{Epoch, PairNumber, Token};

/// Letters of one pair of keys, as they are kept.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct LetterState {
    /// The secrets, the newest first: two at most.
    pub generations: Vec<Generation>,
    /// Our messages that are at the relay.
    pub posted: Posted,
    /// Last of our messages that has been in a letter: the relay may have it, whatever it said.
    pub left: Option<PairNumber>,
    /// Whether the peer is to hear what we have of its messages.
    pub answer: Answer,
    /// Highest number of the peer of which our letters have said that it was shown.
    pub told: u64,
    /// Highest number of the peer that came in a letter: its receipt goes back in one.
    pub received: u64,
    /// Moment of our last answer to a letter that did not open.
    pub unopened: UnixMs,
    /// How they have begun.
    pub beginning: Beginning,
}

/// How the letters with a peer have begun, as long as that matters.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Beginning {
    /// In a session, or both sides have written since.
    #[default]
    Met,
    /// With a first letter of ours, to which nobody has answered.
    Ours(HeldInvitation),
    /// With a first letter of the peer: no other counts up to the number of this one.
    Theirs(u64),
}

/// Invitation of a peer who was not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldInvitation {
    /// Its token.
    pub token: Token,
    /// Where first letters are left.
    pub inbox: Inbox,
    /// Highest number of a bundle of the peer that was seen.
    pub bundle: u64,
    /// When the last first letter was taken by the relay; 0 if none was.
    pub left: UnixMs,
}

/// Our messages up to a number that have left in letters, and whose letters the relay has taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Posted {
    /// Their count.
    pub epoch: Epoch,
    /// The number.
    pub upto: u64,
    /// Number of the letter with the last of them.
    pub letter: u64,
    /// When that was taken.
    pub at: UnixMs,
}

/// Whether a letter is owed whose only content may be what we have.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Answer {
    /// None is.
    #[default]
    None,
    /// Messages have come.
    Owed,
    /// A letter has come that does not open.
    Unopened,
}

/// One secret of a pair, with the keys that belong to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Generation {
    /// The secret.
    pub pair: LetterPair,
    /// Our private keys, the newest last: that one is offered.
    pub own_keys: Vec<OwnLetterKey>,
    /// The newest key of the peer.
    pub peer_key: Option<OfferedKey>,
    /// Number of our last letter.
    pub written: u64,
    /// Highest number of a letter of the peer that has opened.
    pub opened: u64,
    /// The inbox in which we write.
    pub writing: WritingInbox,
    /// Highest number of a letter of ours that the peer has opened, as its last one says.
    pub peer_opened: u64,
    /// Lower number of the inboxes that the peer reads.
    pub peer_reads: u32,
    /// Lower number of the inboxes that we read.
    pub reads: u32,
    /// Numbers at the relay up to which we have read that inbox and the next.
    pub read: [u64; 2],
    /// Whether the two have been connected since.
    pub age: Age,
}

/// Age of what letters of a generation say about both directions.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Age {
    /// No session came later.
    #[default]
    Current,
    /// A later session may know more than a letter whose writer has opened none of ours above this
    /// number.
    Overtaken(u64),
}

/// Private key of ours for letters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnLetterKey {
    /// The key.
    pub key: LetterKey,
    /// Its id.
    pub id: LetterKeyId,
    /// When it expires.
    pub expires: UnixMs,
    /// Whether a letter to it has come.
    pub usage: KeyUsage,
}

/// Whether the peer has used a key.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum KeyUsage {
    /// No letter to it has come.
    #[default]
    Unused,
    /// One has: another key is offered.
    Used,
}

/// Inbox in which letters are written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct WritingInbox {
    /// Its number.
    pub number: u32,
    /// Letters in it.
    pub letters: u64,
    /// When the first of them was written.
    pub since: UnixMs,
}

/// Inbox that is to be read, behind a number at the relay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchedInbox {
    /// Who writes there.
    pub peer: Fingerprint,
    /// Its name.
    pub inbox: Inbox,
    /// Number at the relay up to which it was read; 0 for none.
    pub after: u64,
    /// Inbox whose letters come before those of this one.
    pub behind: Option<Inbox>,
}

/// A letter that is to be left in an inbox, once the changes that came with it are on disk.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingLetter {
    /// The inbox.
    pub inbox: Inbox,
    /// The letter.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for OutgoingLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingLetter").field("inbox", &self.inbox).finish_non_exhaustive()
    }
}

/// Letter that was given out and of which the relay has said nothing.
#[derive(Clone, Copy)]
pub(super) struct LetterOnItsWay {
    /// Its number.
    pub(super) number: u64,
    /// Last of our messages in it, and their count.
    pub(super) messages: Option<(Epoch, u64)>,
    /// Whether it answers all that has come.
    pub(super) answer: Answer,
    /// What it says that was shown.
    pub(super) told: u64,
    /// Whether it is a first one.
    pub(super) presence: Presence,
}

/// Whether the reader of a letter has ever answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It has, or the two have met.
    Known,
    /// It has not: the letter is a first one.
    Unanswered,
}

/// When a letter to a peer is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LetterDue {
    /// Now.
    Now,
    /// At this moment, unless one is before.
    At(UnixMs),
    /// Not before something happens.
    Never,
}

/// Why a relay did not take a letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LetterRefusal {
    /// The inbox is full.
    InboxFull,
    /// It could not be asked, or could not answer.
    Unreachable,
}

/// A letter that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadLetter {
    /// Who wrote to this inbox.
    pub peer: Fingerprint,
    /// What it has brought, in its order. Nothing, if it did not open.
    pub events: Vec<LetterEvent>,
}

/// News in a letter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LetterEvent {
    /// It is the first answer to first letters of ours.
    Answered,
    /// What the comparison of both sides' counts has brought to light.
    News(ResumeNews),
    /// A text that is new.
    Text {
        /// Its number.
        seq: u64,
        /// When it was typed, by the peer's clock.
        typed: UnixMs,
        /// The text, unchecked bytes.
        text: Arc<[u8]>,
    },
    /// A message that was taken back.
    Skipped {
        /// Its number.
        seq: u64,
    },
    /// The peer has our messages up to a number on disk.
    Kept {
        /// The number.
        upto: u64,
    },
    /// The peer has shown our messages up to a number.
    Received {
        /// The number.
        upto: u64,
        /// Texts among them of which that was not known.
        texts: u64,
    },
}

impl Default for Posted {
    fn default() -> Self {
        Self { epoch: Epoch::NONE, upto: 0, letter: 0, at: UnixMs(0) }
    }
}

impl Posted {
    /// The number behind which messages are to be posted, where the peer has those up to `kept`:
    /// all of them once more, if nothing was heard for long.
    pub(super) fn behind(&self, epoch: Epoch, kept: u64, now: UnixMs) -> u64 {
        let is_waited_for = self.again(epoch, kept).is_none_or(|again| now < again);
        if self.epoch == epoch && is_waited_for { self.upto.max(kept) } else { kept }
    }

    /// When messages that are at the relay are posted again.
    pub(super) fn again(&self, epoch: Epoch, kept: u64) -> Option<UnixMs> {
        let is_unheard = self.epoch == epoch && self.upto > kept;
        is_unheard.then_some(UnixMs(self.at.0.saturating_add(limits::LETTER_AGAIN_MS)))
    }
}

impl HeldInvitation {
    /// When the first letter is written anew.
    pub(super) fn again(&self) -> UnixMs {
        match self.left {
            UnixMs(0) => UnixMs(0),
            UnixMs(left) => UnixMs(left.saturating_add(limits::LETTER_AGAIN_MS)),
        }
    }
}

impl OwnLetterKey {
    /// Makes a key.
    pub(super) fn generate(seed: &Seed, now: UnixMs) -> Self {
        let expires = UnixMs(now.0.saturating_add(limits::LETTER_KEY_MS));
        Self::new(LetterKey::generate(seed), expires, KeyUsage::Unused)
    }

    /// A key as it is kept.
    #[must_use]
    pub fn new(key: LetterKey, expires: UnixMs, usage: KeyUsage) -> Self {
        let id = key.public().id();
        Self { key, id, expires, usage }
    }

    /// What the peer is given of it.
    pub(super) fn offered(&self) -> OfferedKey {
        OfferedKey { key: self.key.public(), expires_ms: self.expires.0 }
    }

    /// When another one is offered in its place.
    pub(super) fn renewal(&self) -> UnixMs {
        UnixMs(self.expires.0.saturating_sub(limits::LETTER_KEY_MS - limits::LETTER_KEY_RENEWAL_MS))
    }

    /// When it is erased at the latest.
    pub(super) fn erasure(&self) -> UnixMs {
        erasure(self.expires.0)
    }
}

/// When a key is erased at the latest.
fn erasure(expires_ms: u64) -> UnixMs {
    UnixMs(expires_ms.saturating_add(limits::LETTER_KEY_MS))
}

impl Generation {
    /// A secret that was just exported.
    #[must_use]
    pub fn new(pair: LetterPair) -> Self {
        Self {
            pair,
            own_keys: Vec::new(),
            peer_key: None,
            written: 0,
            opened: 0,
            writing: WritingInbox::default(),
            peer_opened: 0,
            peer_reads: 0,
            reads: 0,
            read: [0; 2],
            age: Age::Current,
        }
    }

    /// The peer's key, while its private half may be there.
    pub(super) fn peer_key(&self, now: UnixMs) -> Option<&LetterPublicKey> {
        self.peer_key.as_ref().filter(|offered| now < erasure(offered.expires_ms)).map(|offered| &offered.key)
    }

    /// When the peer is given another key, even if there is nothing to write.
    pub(super) fn renewal(&self) -> UnixMs {
        self.own_keys.last().map_or(UnixMs(0), OwnLetterKey::renewal)
    }

    /// The two inboxes of a peer that are read.
    pub(super) fn inboxes(&self, peer: Fingerprint) -> [WatchedInbox; 2] {
        let ([lower, next], [lower_after, next_after]) = (self.read_inboxes(), self.read);
        let behind = Some(lower.clone());
        [
            WatchedInbox { peer, inbox: lower, after: lower_after, behind: None },
            WatchedInbox { peer, inbox: next, after: next_after, behind },
        ]
    }

    /// Their names.
    fn read_inboxes(&self) -> [Inbox; 2] {
        [self.reads, self.reads.saturating_add(1)]
            .map(|number| self.pair.inbox(self.pair.side().other(), number))
    }

    /// The inbox in which the next letter is left.
    pub(super) fn writing_inbox(&self) -> Inbox {
        self.pair.inbox(self.pair.side(), self.writing.number)
    }

    /// Takes note of one more letter: its number. Numbers follow the clock, so that they go on
    /// where the home is restored from a backup.
    pub(super) fn number_letter(&mut self, now: UnixMs) -> u64 {
        let is_old = now.since(self.writing.since) >= limits::INBOX_MS;
        if self.writing.letters > 0 && (is_old || self.writing.letters >= limits::INBOX_LETTERS) {
            self.change_inbox();
        }
        if self.writing.letters == 0 {
            self.writing.since = now;
        }
        self.writing.letters += 1;
        self.written = now.0.max(self.written.saturating_add(1));
        self.written
    }

    /// Goes on to the next inbox, if the peer reads it.
    pub(super) fn change_inbox(&mut self) {
        if self.writing.number <= self.peer_reads {
            self.write_in(self.writing.number.saturating_add(1));
        }
    }

    fn write_in(&mut self, number: u32) {
        self.writing = WritingInbox { number, ..WritingInbox::default() };
    }

    /// Our key that is offered: the last one, until the peer has used it or half of its time is
    /// over.
    pub(super) fn offer(&mut self, seed: &Seed, now: UnixMs) -> OfferedKey {
        self.erase_old_keys(now);
        let is_fresh = |key: &&OwnLetterKey| key.usage == KeyUsage::Unused && now < key.renewal();
        if let Some(key) = self.own_keys.last().filter(is_fresh) {
            return key.offered();
        }
        let key = OwnLetterKey::generate(seed, now);
        let offered = key.offered();
        self.own_keys.push(key);
        let surplus = self.own_keys.len().saturating_sub(limits::LETTER_KEYS);
        self.own_keys.drain(..surplus);
        offered
    }

    /// Erases private keys whose time is over.
    pub(super) fn erase_old_keys(&mut self, now: UnixMs) {
        self.own_keys.retain(|key| now < key.erasure());
    }

    /// Takes note that a letter to a key has opened: those before it are erased.
    pub(super) fn note_use(&mut self, id: LetterKeyId) {
        if let Some(at) = self.own_keys.iter().position(|key| key.id == id) {
            self.own_keys.drain(..at);
            if let Some(key) = self.own_keys.first_mut() {
                key.usage = KeyUsage::Used;
            }
        }
    }

    /// Takes note that a letter was read in the lower or the next inbox. One that opens there shows
    /// that the writer has gone on.
    pub(super) fn note_opened_in(&mut self, place: usize) {
        if place == 1 {
            let [_, next] = self.read;
            self.reads = self.reads.saturating_add(1);
            self.read = [next, 0];
        }
    }

    /// Takes note of the inboxes that the peer reads, which is asked to read no other.
    pub(super) fn note_peer_reads(&mut self, reads: u32) {
        self.peer_reads = reads;
        let nearest = self.writing.number.clamp(reads, reads.saturating_add(1));
        if nearest != self.writing.number {
            self.write_in(nearest);
        }
    }
}

impl LetterState {
    /// The generation of a secret, which becomes the newest if it is new. Of those before it one is
    /// kept: the newest in which the peer has written, as it may not know a later one.
    pub(super) fn generation(&mut self, pair: &LetterPair) -> &mut Generation {
        let known = self.generations.iter().position(|generation| generation.pair == *pair);
        if known.is_none() {
            let kept = self.generations.iter().position(|generation| generation.opened > 0).unwrap_or(0);
            let kept = self.generations.drain(..).nth(kept);
            self.generations.extend([Generation::new(pair.clone())].into_iter().chain(kept));
            (self.posted, self.answer) = (Posted::default(), Answer::None);
            (self.told, self.received) = (0, 0);
        }
        self.generations.get_mut(known.unwrap_or(0)).expect("it is known, or the first")
    }

    /// Place of the generation in which we write: the newest whose key of the peer we know.
    pub(super) fn writing(&self, now: UnixMs) -> Option<usize> {
        self.generations.iter().position(|generation| generation.peer_key(now).is_some())
    }

    /// Places of the generation and of the inbox of a name.
    pub(super) fn find(&self, inbox: &Inbox) -> Option<(usize, usize)> {
        self.generations.iter().enumerate().find_map(|(at, generation)| {
            let place = generation.read_inboxes().iter().position(|name| name == inbox)?;
            Some((at, place))
        })
    }

    /// Takes note that the two are connected.
    pub(super) fn overtake(&mut self) {
        for generation in &mut self.generations {
            generation.age = Age::Overtaken(generation.written);
        }
    }
}
