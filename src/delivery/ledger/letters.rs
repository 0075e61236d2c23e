//! The second way of a ledger: letters to a peer that is away, and from it (`docs/PROTOCOL.md`,
//! 12.2). Whichever copy of a message comes first counts.

use std::sync::Arc;

use super::{Ledger, Reception, Source, Storage};
use crate::crypto::{
    Fingerprint, Inbox, LetterPair, LetterPublicKey, OfferedKey, SEALED_BYTES, Seed, key_id_of,
};
use crate::delivery::letters::{
    Age, Answer, Beginning, LetterDue, LetterEvent, LetterOnItsWay, LetterRefusal, LetterState,
    OutgoingLetter, Posted, Presence, ReadLetter, WatchedInbox,
};
use crate::delivery::pair::{Content, Exposure, InboxRow, PairChange, SKIPPED, hash_of};
use crate::limits;
use crate::time::UnixMs;
use crate::wire::{Chain, LetterBody, PairNumber, Record, Resume};

/// What a letter carries behind the Resume.
pub(super) struct LetterRecords {
    pub(super) records: Vec<Record>,
    /// The chain behind the message before the first one.
    pub(super) chain: Chain,
    /// Number of the last message.
    pub(super) last: Option<u64>,
}

/// Whether the peer lacks messages that we have posted, if it has not got them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    Unknown,
    Known,
}

impl Ledger {
    pub(super) fn letter_state(&self, peer: Fingerprint) -> Option<&LetterState> {
        let entry = self.entry(peer).filter(|entry| entry.storage == Storage::Disk)?;
        entry.pair.letters.as_deref()
    }

    pub(super) fn set_letters(&mut self, peer: Fingerprint, state: LetterState) {
        self.change(peer, PairChange::Letters(Arc::new(state)));
    }

    fn letter_on_its_way(&mut self, peer: Fingerprint) -> Option<&mut LetterOnItsWay> {
        self.pairs.get_mut(&peer)?.letter.as_mut()
    }

    /// Begins a generation of letters from a session in which both sides have said what they have.
    /// Returns our key, which is given to the peer once the changes are on disk; `None` for a
    /// session in which that was done, and for a peer of which nothing is kept.
    pub fn begin_letters(
        &mut self,
        peer: Fingerprint,
        pair: &LetterPair,
        seed: &Seed,
        now: UnixMs,
    ) -> Option<OfferedKey> {
        if !self.is_kept(peer) {
            return None;
        }
        let mut state = self.letter_state(peer).cloned().unwrap_or_default();
        let generation = state.generation(pair);
        if !generation.own_keys.is_empty() {
            return None;
        }
        let offered = generation.offer(seed, now);
        state.beginning = Beginning::Met;
        self.set_letters(peer, state);
        Some(offered)
    }

    /// Takes the key that the peer gave in a session.
    pub fn handle_letter_key(&mut self, peer: Fingerprint, pair: &LetterPair, offered: OfferedKey) {
        if self.is_kept(peer) {
            let mut state = self.letter_state(peer).cloned().unwrap_or_default();
            state.generation(pair).peer_key = Some(offered);
            state.beginning = Beginning::Met;
            self.set_letters(peer, state);
        }
    }

    /// Ends the letters with a peer, whose inboxes are read no more.
    pub fn end_letters(&mut self, peer: Fingerprint) {
        if self.letter_state(peer).is_some() {
            self.change(peer, PairChange::EndLetters);
            self.find_expiry();
        }
    }

    /// Takes note that the two are connected: what letters say of both directions may be older.
    pub(super) fn overtake_letters(&mut self, peer: Fingerprint) {
        let Some(state) = self.letter_state(peer) else { return };
        if !state.generations.is_empty() {
            let mut state = state.clone();
            state.overtake();
            self.set_letters(peer, state);
        }
    }

    /// The inboxes that are read: of one peer at most four, those of a lower number first.
    pub fn inboxes(&self) -> impl Iterator<Item = WatchedInbox> {
        self.pairs.keys().flat_map(|peer| {
            let generations = self.letter_state(*peer).into_iter().flat_map(|state| &state.generations);
            generations.flat_map(|generation| generation.inboxes(*peer))
        })
    }

    /// Whether letters can be written to a peer: it gave a key, and may still open what is sealed
    /// to that.
    #[must_use]
    pub fn can_write_letter(&self, peer: Fingerprint, now: UnixMs) -> bool {
        self.letter_state(peer).is_some_and(|state| state.writing(now).is_some())
    }

    /// Whether a message of ours is at the relay, and the peer is not known to have it.
    #[must_use]
    pub fn is_at_relay(&self, peer: Fingerprint, seq: u64) -> bool {
        let (Some(state), Some(out)) = (self.letter_state(peer), self.outbound_of(peer)) else {
            return false;
        };
        state.posted.epoch == out.epoch && (out.kept + 1..=state.posted.upto).contains(&seq)
    }

    /// Number of the messages for a peer, up to one of them, that are at the relay.
    #[must_use]
    pub fn count_at_relay(&self, peer: Fingerprint, upto: u64) -> usize {
        let waiting = self.waiting(peer).take_while(|message| message.seq <= upto);
        waiting.filter(|message| self.is_at_relay(peer, message.seq)).count()
    }

    /// When a letter to a peer is due.
    #[must_use]
    pub fn letter_due(&self, peer: Fingerprint, now: UnixMs) -> LetterDue {
        let (Some(state), Some(entry)) = (self.letter_state(peer), self.entry(peer)) else {
            return LetterDue::Never;
        };
        let generation = state.writing(now).and_then(|at| state.generations.get(at));
        let Some(generation) = generation.filter(|_| entry.letter.is_none()) else {
            return LetterDue::Never;
        };
        let out = entry.pair.outbound;
        let behind = out.map_or(0, |out| state.posted.behind(out.epoch, out.kept, now));
        let shown = entry.pair.inbound.map_or(0, |inbound| inbound.shown);
        let is_due = state.answer != Answer::None
            || shown.min(state.received) > state.told
            || self.next_to_send(peer, behind).is_some();
        if is_due {
            return LetterDue::Now;
        }
        let again = out.and_then(|out| state.posted.again(out.epoch, out.kept));
        match again.into_iter().chain([generation.renewal()]).min() {
            Some(moment) if moment > now => LetterDue::At(moment),
            _ => LetterDue::Now,
        }
    }

    /// The next letter to a peer, if one is due and none is on its way. `seed` is fresh randomness.
    /// It leaves once the changes are on disk; then [`Ledger::letter_left`] or
    /// [`Ledger::letter_refused`] follows.
    pub fn next_letter(&mut self, peer: Fingerprint, seed: &Seed, now: UnixMs) -> Option<OutgoingLetter> {
        if self.letter_due(peer, now) != LetterDue::Now {
            return None;
        }
        let resume = self.resume(peer);
        let mut state = self.letter_state(peer)?.clone();
        for generation in &mut state.generations {
            generation.erase_old_keys(now);
        }
        let at = state.writing(now)?;
        let shown = self.inbound(peer).map_or(0, |inbound| inbound.shown);
        let is_unopened = state.answer == Answer::Unopened;
        let room = limits::LETTER_BYTES - SEALED_BYTES - LetterBody::EMPTY_BYTES;
        let LetterRecords { records, chain, last: upto } =
            self.letter_records(peer, room, &state.posted, &resume, now);
        let generation = state.generations.get_mut(at)?;
        let offered = generation.offer(&seed.derive("key"), now);
        let number = generation.number_letter(now);
        let body = LetterBody {
            number,
            opened: if is_unopened { 0 } else { generation.opened },
            reads: generation.reads,
            key: offered.key.as_bytes().try_into().ok()?,
            expires_ms: offered.expires_ms,
            chain,
            resume,
            records,
        };
        let plaintext = body.write(SEALED_BYTES).ok()?;
        let bytes = generation.pair.seal(generation.peer_key(now)?, &plaintext, &seed.derive("letter"));
        let letter = OutgoingLetter { inbox: generation.writing_inbox(), bytes };
        self.mark_sent(peer, upto.unwrap_or(0));
        let last = state.left.filter(|left| left.epoch == resume.epoch).map_or(0, |left| left.seq);
        if let Some(seq) = upto.map(|upto| upto.max(last)) {
            state.left = Some(PairNumber { epoch: resume.epoch, seq });
        }
        self.set_letters(peer, state);
        if let Some(entry) = self.pairs.get_mut(&peer) {
            let messages = upto.map(|upto| (resume.epoch, upto));
            let presence = Presence::Known;
            entry.letter =
                Some(LetterOnItsWay { number, messages, answer: Answer::Owed, told: shown, presence });
        }
        Some(letter)
    }

    /// What the peer is told of its messages, and as many of ours as there is room for.
    pub(super) fn letter_records(
        &self,
        peer: Fingerprint,
        mut room: usize,
        posted: &Posted,
        resume: &Resume,
        now: UnixMs,
    ) -> LetterRecords {
        let mut records = Vec::new();
        if let Some(inbound) = self.inbound(peer) {
            records.push(Record::Kept { upto: inbound.last });
            records.push(Record::Receipt { upto: inbound.shown });
            room -= 2 * LetterBody::NUMBER_BYTES;
        }
        let kept = self.outbound_of(peer).map_or(0, |out| out.kept);
        let (mut behind, mut last) = (posted.behind(resume.epoch, kept, now), None);
        let chain = self.entry(peer).zip(self.outbound_of(peer));
        let chain = chain.and_then(|(entry, out)| entry.chain_at(&out, behind)).unwrap_or(Chain::UNKNOWN);
        while let Some((seq, row)) = self.next_to_send(peer, behind) {
            let (bytes, record) = match &row.content {
                Content::Text(text) => {
                    let text = text.as_bytes().to_vec();
                    let bytes = LetterBody::TEXT_BYTES + text.len();
                    (bytes, Record::Text { seq, time_ms: row.typed.0, text })
                }
                Content::Skip => (LetterBody::NUMBER_BYTES, Record::Skip { seq }),
            };
            let Some(left) = room.checked_sub(bytes) else { break };
            room = left;
            records.push(record);
            (behind, last) = (seq, Some(seq));
        }
        LetterRecords { records, chain, last }
    }

    /// Takes note that the relay has taken the letter that was on its way. Returns the number of
    /// the last message in it.
    pub fn letter_left(&mut self, peer: Fingerprint, now: UnixMs) -> Option<u64> {
        let letter = self.pairs.get_mut(&peer).and_then(|entry| entry.letter.take())?;
        let mut state = self.letter_state(peer).cloned()?;
        if let Some((epoch, upto)) = letter.messages {
            state.posted = Posted { epoch, upto, letter: letter.number, at: now };
        }
        if letter.answer == Answer::Owed {
            state.answer = Answer::None;
        }
        state.told = letter.told;
        if let (Presence::Unanswered, Beginning::Ours(held)) = (letter.presence, &mut state.beginning) {
            held.left = now;
        }
        self.set_letters(peer, state);
        letter.messages.map(|(_, upto)| upto)
    }

    /// Takes note that the relay has not taken it: what it carried goes with the next.
    pub fn letter_refused(&mut self, peer: Fingerprint, refusal: LetterRefusal, now: UnixMs) {
        let was_there = self.pairs.get_mut(&peer).and_then(|entry| entry.letter.take()).is_some();
        let Some(mut state) = self.letter_state(peer).cloned().filter(|_| was_there) else { return };
        if refusal == LetterRefusal::InboxFull
            && let Some(generation) = state.writing(now).and_then(|at| state.generations.get_mut(at))
        {
            generation.change_inbox();
            self.set_letters(peer, state);
        }
    }

    /// Reads a letter that was left in an inbox, with its number at the relay. `None` for an inbox
    /// that is not read, and for a letter that was. What it brings is shown and answered once the
    /// changes are on disk.
    pub fn read_letter(
        &mut self,
        inbox: &Inbox,
        number: u64,
        letter: &[u8],
        exposure: Exposure,
        now: UnixMs,
    ) -> Option<ReadLetter> {
        let (peer, at, place) = self.pairs.keys().find_map(|peer| {
            let (at, place) = self.letter_state(*peer)?.find(inbox)?;
            Some((*peer, at, place))
        })?;
        let mut state = self.letter_state(peer)?.clone();
        let generation = state.generations.get_mut(at)?;
        let read = generation.read.get_mut(place).filter(|read| number > **read)?;
        *read = number;
        generation.erase_old_keys(now);
        let id = key_id_of(letter);
        let own_key = generation.own_keys.iter().find(|key| Some(key.id) == id);
        let is_known = own_key.is_some();
        let opened = own_key.and_then(|key| generation.pair.open(&key.key, letter).ok());
        let Some((body, id)) = opened.and_then(|text| LetterBody::read(&text).ok()).zip(id) else {
            // A home that was restored lacks keys: the peer is to hear of others.
            let may_be_ours = id.is_some() && !is_known;
            if may_be_ours && now.since(state.unopened) >= limits::LETTER_UNOPENED_MS {
                (state.answer, state.unopened) = (Answer::Unopened, now);
                self.note_answer_due(peer);
            }
            self.set_letters(peer, state);
            return Some(ReadLetter { peer, events: Vec::new() });
        };
        generation.note_use(id);
        generation.note_opened_in(place);
        let is_newer = body.number > generation.opened;
        let mut lost = Lost::Unknown;
        if is_newer {
            // It has read what came behind our last messages, or is not what it was.
            if body.opened >= state.posted.letter || body.opened < generation.peer_opened {
                lost = Lost::Known;
            }
            generation.peer_opened = body.opened;
            if matches!(generation.age, Age::Overtaken(written) if body.opened > written) {
                generation.age = Age::Current;
            }
            generation.opened = body.number;
            generation.note_peer_reads(body.reads);
            if let Ok(key) = LetterPublicKey::read(&body.key) {
                generation.peer_key = Some(OfferedKey { key, expires_ms: body.expires_ms });
            }
        }
        let age = generation.age;
        let is_answer = matches!(state.beginning, Beginning::Ours(_));
        if is_answer {
            state.beginning = Beginning::Met;
        }
        // The peer has written with this secret, so it knows it.
        state.generations.truncate(at + 1);
        self.set_letters(peer, state);
        let mut events = Vec::new();
        events.extend(is_answer.then_some(LetterEvent::Answered));
        if is_newer {
            self.take_state(peer, &body, (age, lost), now, &mut events);
        }
        self.take_messages(peer, &body, exposure, is_newer, &mut events);
        Some(ReadLetter { peer, events })
    }

    /// Takes what a letter says of both directions.
    pub(super) fn take_state(
        &mut self,
        peer: Fingerprint,
        body: &LetterBody,
        (age, lost): (Age, Lost),
        now: UnixMs,
        events: &mut Vec<LetterEvent>,
    ) {
        let (resume, before) = (&body.resume, (self.outbound_of(peer), self.inbound(peer)));
        if age == Age::Current {
            self.forget_renewal(peer);
            let news = self.take_resume(peer, resume, now, Source::Letter);
            events.extend(news.into_iter().map(LetterEvent::News));
        }
        if before.1.map(|inbound| inbound.epoch) != self.inbound(peer).map(|inbound| inbound.epoch)
            && let Some(state) = self.letter_state(peer)
        {
            let state = LetterState { told: 0, received: 0, ..state.clone() };
            self.set_letters(peer, state);
        }
        let Some(out) = self.outbound_of(peer).filter(|out| out.epoch == resume.your_epoch) else { return };
        self.compare_rows(peer, &out, resume);
        let chain = self.entry(peer).and_then(|entry| entry.chain_at(&out, resume.last));
        if chain.is_some_and(|chain| chain.differs(resume.chain)) {
            return;
        }
        for record in &body.records {
            match *record {
                Record::Kept { upto } if chain.is_some() && upto <= resume.last => {
                    let is_news = self.handle_kept(peer, upto);
                    events.extend(is_news.then_some(LetterEvent::Kept { upto }));
                }
                Record::Receipt { upto } if chain.is_some() && upto <= resume.last => {
                    let texts = self.handle_receipt(peer, upto);
                    events.extend((texts > 0).then_some(LetterEvent::Received { upto, texts }));
                }
                _ => {}
            }
        }
        if lost == Lost::Known || before.0.is_some_and(|before| out.kept < before.kept) {
            self.post_again(peer);
        }
    }

    /// Posts messages again that the peer has not got: a letter with them was lost.
    fn post_again(&mut self, peer: Fingerprint) {
        let (Some(state), Some(out)) = (self.letter_state(peer), self.outbound_of(peer)) else { return };
        let posted = Posted { upto: state.posted.upto.min(out.kept), ..state.posted };
        let state = LetterState { posted, ..state.clone() };
        self.set_letters(peer, state);
        if let Some(letter) = self.letter_on_its_way(peer) {
            letter.messages = None;
        }
    }

    /// Takes the messages of a letter by their numbers.
    pub(super) fn take_messages(
        &mut self,
        peer: Fingerprint,
        body: &LetterBody,
        exposure: Exposure,
        is_newer: bool,
        events: &mut Vec<LetterEvent>,
    ) {
        let Some(inbound) = self.inbound(peer).filter(|inbound| inbound.epoch == body.resume.epoch) else {
            return;
        };
        let is_other = chain_at(body, inbound.last).is_some_and(|chain| chain.differs(inbound.chain));
        let (mut came, mut received) = (0, 0);
        for record in &body.records {
            let reception = match record {
                // The peer's home was restored: it is to hear of that, and to begin a new count.
                Record::Text { .. } | Record::Skip { .. } if is_other => Reception::OutOfOrder,
                Record::Text { seq, time_ms, text } => {
                    let (typed, text) = (UnixMs(*time_ms), Arc::from(text.as_slice()));
                    let row = InboxRow { typed, text: Arc::clone(&text), exposure };
                    let reception = self.receive(peer, *seq, row);
                    if reception == Reception::New {
                        events.push(LetterEvent::Text { seq: *seq, typed, text });
                        received = *seq;
                    }
                    reception
                }
                Record::Skip { seq } => {
                    let reception = self.receive_skip(peer, *seq);
                    if reception == Reception::New {
                        events.push(LetterEvent::Skipped { seq: *seq });
                    }
                    reception
                }
                _ => continue,
            };
            came += u64::from(is_newer || reception == Reception::New);
        }
        if came > 0
            && let Some(state) = self.letter_state(peer)
        {
            let received = state.received.max(received);
            let state = LetterState { answer: Answer::Owed, received, ..state.clone() };
            self.set_letters(peer, state);
            self.note_answer_due(peer);
        }
    }

    /// Takes note that the letter on its way does not answer what has come since.
    fn note_answer_due(&mut self, peer: Fingerprint) {
        if let Some(letter) = self.letter_on_its_way(peer) {
            letter.answer = Answer::None;
        }
    }
}

/// The chain behind a message, as the writer of a letter has it; `None` if that is not in the
/// letter.
fn chain_at(body: &LetterBody, number: u64) -> Option<Chain> {
    let messages = body.records.iter().filter_map(|record| match record {
        Record::Text { seq, text, .. } => Some((*seq, hash_of(text))),
        Record::Skip { seq } => Some((*seq, SKIPPED)),
        _ => None,
    });
    let mut chain = body.chain;
    for (seq, content) in messages {
        if seq > number {
            return (seq == number + 1).then_some(chain);
        }
        chain = chain.next(seq, content);
        if seq == number {
            return Some(chain);
        }
    }
    None
}
