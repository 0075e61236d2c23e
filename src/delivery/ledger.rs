//! Ledger of durable delivery: the rows of all pairs in memory, and the rules by which they change.

mod first_letters;
mod letters;
mod resumption;
mod withdrawal;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng as _;

use super::history::HistoryEntry;
use super::letters::LetterOnItsWay;
use super::message::{EnqueueError, MessageState, SettledWithdrawal, WaitingMessage, WithdrawalOutcome};
use super::pair::{
    Calls, Content, Exposure, Inbound, InboxRow, Outbound, OutboxRow, Pair, PairChange, Pairs, SKIPPED,
    StoreChange, hash_of,
};
use super::transfer::TransferRow;
use crate::crypto::{Fingerprint, Seed};
use crate::limits;
use crate::time::UnixMs;
use crate::wire::{Chain, Epoch, PairNumber};

/// Messages of all pairs that are not received yet, by the rules of durable delivery. Every change
/// is written first ([`Ledger::take_changes`]); what it allows is done once it is on disk.
#[expect(missing_debug_implementations, reason = "holds texts")]
pub struct Ledger {
    pairs: BTreeMap<Fingerprint, Entry>,
    changes: Vec<StoreChange>,
    /// What became of messages that were taken back while they may have been at the peer's.
    settled: Vec<SettledWithdrawal>,
    /// Messages that were taken back, as the history marks them.
    taken_back: Vec<HistoryEntry>,
    seed: Seed,
    epochs_made: u64,
    /// No message expires before this moment.
    expiry: Option<UnixMs>,
}

/// A pair, and what is known of it in this process only.
#[derive(Default)]
struct Entry {
    pair: Pair,
    /// Bytes of the texts in the outbox.
    bytes: usize,
    /// Number of the texts in the outbox.
    texts: usize,
    /// Highest number of ours that is on disk: no other is sent.
    committed: u64,
    /// Whether either direction began a new count on this connection: one that is told in two steps
    /// counts once.
    is_renewed: bool,
    /// Whether the peer's home was found to be older on this connection.
    is_peer_restored: bool,
    storage: Storage,
    /// The letter that is on its way to the relay.
    letter: Option<LetterOnItsWay>,
}

/// Where a pair is kept.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Storage {
    /// On disk.
    #[default]
    Disk,
    /// In memory, since nobody chose the peer: a stranger leaves no row.
    Memory,
}

/// Whether a count of messages goes on where the two last were.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lineage {
    Same,
    /// A copy of either home that has gone another way is in use, or one was restored.
    Another,
}

/// Way on which a [`Resume`] came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Everything that was sent on another one is lost, or the peer has it.
    Session,
    /// Other letters may be on their way.
    Letter,
}

/// Judgement of the number of a message that has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reception {
    /// It is the next: it is to be shown once it is on disk.
    New,
    /// We have it already: the peer is told again.
    Repeated,
    /// One before it is missing, or nothing was agreed: a fault of the peer.
    OutOfOrder,
}

impl Entry {
    fn of(pair: Pair) -> Self {
        let bytes = pair.outbox.values().map(|row| row.content.bytes()).sum();
        let texts = pair.outbox.values().filter(|row| row.content != Content::Skip).count();
        let committed = pair.outbound.map_or(0, |out| out.next - 1);
        Self { pair, bytes, texts, committed, ..Self::default() }
    }

    /// The chain behind a message of ours, while it is known.
    fn chain_at(&self, out: &Outbound, seq: u64) -> Option<Chain> {
        if seq == out.received {
            return Some(out.chain);
        }
        self.pair.outbox.get(&seq).map(|row| row.chain)
    }

    fn newest_chain(&self, out: &Outbound) -> Chain {
        self.pair.outbox.last_key_value().map_or(out.chain, |(_, row)| row.chain)
    }

    fn state_of(&self, seq: u64) -> MessageState {
        match self.pair.outbound {
            Some(out) if seq <= out.kept => MessageState::Delivered,
            Some(out) if seq <= out.sent => MessageState::Unconfirmed,
            _ => MessageState::Queued,
        }
    }
}

impl Ledger {
    /// Ledger of what is on disk. `seed` is its only randomness.
    #[must_use]
    pub fn new(pairs: Pairs, seed: Seed) -> Self {
        let pairs = pairs.into_iter().map(|(peer, pair)| (peer, Entry::of(pair))).collect();
        let (changes, settled, taken_back) = (Vec::new(), Vec::new(), Vec::new());
        let mut ledger = Self { pairs, changes, settled, taken_back, seed, epochs_made: 0, expiry: None };
        ledger.find_expiry();
        ledger
    }

    /// Begins anew from what is on disk, since a change could not be written.
    pub fn reload(&mut self, pairs: Pairs) {
        let mut before = std::mem::take(&mut self.pairs);
        self.pairs = pairs.into_iter().map(|(peer, pair)| (peer, Entry::of(pair))).collect();
        before.retain(|peer, entry| entry.storage == Storage::Memory && !self.pairs.contains_key(peer));
        self.pairs.extend(before);
        self.changes.clear();
        self.settled.clear();
        self.taken_back.clear();
        self.find_expiry();
    }

    /// Changes since the last call, which belong into one commit.
    pub fn take_changes(&mut self) -> Vec<StoreChange> {
        std::mem::take(&mut self.changes)
    }

    fn change(&mut self, peer: Fingerprint, change: PairChange) {
        let entry = self.pairs.entry(peer).or_default();
        entry.pair.apply(change.clone());
        if entry.storage == Storage::Disk {
            self.changes.push(StoreChange { peer, change });
        }
    }

    fn entry(&self, peer: Fingerprint) -> Option<&Entry> {
        self.pairs.get(&peer)
    }

    fn pair(&self, peer: Fingerprint) -> Option<&Pair> {
        self.entry(peer).map(|entry| &entry.pair)
    }

    fn outbound_of(&self, peer: Fingerprint) -> Option<Outbound> {
        self.pair(peer)?.outbound
    }

    fn new_epoch(&mut self) -> Epoch {
        self.epochs_made += 1;
        let mut bytes = [0; 16];
        self.seed.rng(&format!("epoch {}", self.epochs_made)).fill_bytes(&mut bytes);
        Epoch(bytes)
    }

    /// State of our direction; the first message begins a count.
    fn outbound(&mut self, peer: Fingerprint) -> Outbound {
        if let Some(out) = self.pair(peer).and_then(|pair| pair.outbound) {
            return out;
        }
        let epoch = self.new_epoch();
        let out = Outbound { epoch, next: 1, sent: 0, kept: 0, received: 0, chain: Chain::START };
        self.change(peer, PairChange::Outbound(out));
        out
    }

    /// Keeps a text for a peer. Returns its number.
    ///
    /// # Errors
    /// [`EnqueueError`]; nothing is changed then.
    pub fn enqueue(
        &mut self,
        peer: Fingerprint,
        text: &str,
        typed: UnixMs,
        expires: Option<UnixMs>,
    ) -> Result<u64, EnqueueError> {
        if text.len() > limits::MESSAGE_BYTES {
            return Err(EnqueueError::TooLong { bytes: text.len() });
        }
        let mut out = self.outbound(peer);
        let entry = self.pairs.entry(peer).or_default();
        // What was taken back leaves a row, while its number is to be accounted for.
        if entry.texts >= limits::OUTBOX_MESSAGES
            || entry.pair.outbox.len() >= limits::OUTBOX_ROWS
            || entry.bytes + text.len() > limits::OUTBOX_BYTES
        {
            return Err(EnqueueError::OutboxFull);
        }
        let (seq, content) = (out.next, Content::Text(text.into()));
        let chain = entry.newest_chain(&out).next(seq, content.hash());
        entry.bytes += text.len();
        entry.texts += 1;
        out.next += 1;
        self.change(peer, PairChange::Queue(seq, OutboxRow { typed, content, chain, expires }));
        self.change(peer, PairChange::Outbound(out));
        self.expiry = [self.expiry, expires].into_iter().flatten().min();
        Ok(seq)
    }

    /// Takes note that everything up to a number of ours is on disk.
    pub fn committed(&mut self, peer: Fingerprint, seq: u64) {
        if let Some(entry) = self.pairs.get_mut(&peer) {
            let last = entry.pair.outbound.map_or(0, |out| out.next - 1);
            entry.committed = entry.committed.max(seq.min(last));
        }
    }

    /// Number that the next message to a peer gets.
    #[must_use]
    pub fn next_number(&self, peer: Fingerprint) -> u64 {
        self.pair(peer).and_then(|pair| pair.outbound).map_or(1, |out| out.next)
    }

    /// Highest numbers of ours that the peer has on disk and has shown.
    #[must_use]
    pub fn progress(&self, peer: Fingerprint) -> Option<(u64, u64)> {
        self.pair(peer).and_then(|pair| pair.outbound).map(|out| (out.kept, out.received))
    }

    /// Whether the peer has everything of ours on disk.
    #[must_use]
    pub fn has_delivered_all(&self, peer: Fingerprint) -> bool {
        self.first_to_send(peer) == self.next_number(peer)
    }

    /// Whether this is our count now.
    #[must_use]
    pub fn is_current(&self, peer: Fingerprint, epoch: Epoch) -> bool {
        self.pair(peer).and_then(|pair| pair.outbound).is_some_and(|out| out.epoch == epoch)
    }

    /// Number of the first message that the peer does not have.
    #[must_use]
    pub fn first_to_send(&self, peer: Fingerprint) -> u64 {
        self.pair(peer).and_then(|pair| pair.outbound).map_or(1, |out| out.kept + 1)
    }

    /// The next message that is on disk behind a number, to be sent.
    #[must_use]
    pub fn next_to_send(&self, peer: Fingerprint, behind: u64) -> Option<(u64, &OutboxRow)> {
        let entry = self.entry(peer)?;
        let (seq, row) = entry.pair.outbox.range(behind + 1..).next()?;
        (*seq <= entry.committed).then_some((*seq, row))
    }

    /// Takes note that messages up to a number are about to go out, before they do.
    pub fn mark_sent(&mut self, peer: Fingerprint, upto: u64) {
        if let Some(out) = self.pair(peer).and_then(|pair| pair.outbound)
            && upto > out.sent
        {
            self.change(peer, PairChange::Outbound(Outbound { sent: upto, ..out }));
        }
    }

    /// Takes note that the peer has our messages up to a number on disk. Returns whether that is
    /// news.
    pub fn handle_kept(&mut self, peer: Fingerprint, upto: u64) -> bool {
        let Some(out) = self.pair(peer).and_then(|pair| pair.outbound) else { return false };
        let is_news = upto > out.kept && upto < out.next;
        if is_news {
            self.settle(peer, out.kept, upto, WithdrawalOutcome::TooLate);
            self.change(peer, PairChange::Outbound(Outbound { kept: upto, sent: out.sent.max(upto), ..out }));
        }
        is_news
    }

    /// Takes note that the peer has shown our messages up to a number. Returns how many texts that
    /// are.
    pub fn handle_receipt(&mut self, peer: Fingerprint, upto: u64) -> u64 {
        let Some(entry) = self.entry(peer) else { return 0 };
        let Some(out) = entry.pair.outbound else { return 0 };
        let Some(chain) = entry.chain_at(&out, upto).filter(|_| upto > out.received) else { return 0 };
        self.settle(peer, out.kept, upto, WithdrawalOutcome::TooLate);
        let Some(entry) = self.entry(peer) else { return 0 };
        let rows = entry.pair.outbox.range(..=upto);
        let bytes: usize = rows.clone().map(|(_, row)| row.content.bytes()).sum();
        let texts = rows.clone().filter(|(_, row)| row.content != Content::Skip).count();
        let seqs: Vec<u64> = rows.map(|(seq, _)| *seq).collect();
        for seq in seqs {
            self.change(peer, PairChange::Unqueue(seq));
        }
        let (kept, sent) = (out.kept.max(upto), out.sent.max(upto));
        self.change(peer, PairChange::Outbound(Outbound { received: upto, kept, sent, chain, ..out }));
        if let Some(entry) = self.pairs.get_mut(&peer) {
            entry.bytes = entry.bytes.saturating_sub(bytes);
            entry.texts = entry.texts.saturating_sub(texts);
        }
        texts as u64
    }

    /// Takes a text of the peer: the next is kept until it is shown.
    pub fn receive(&mut self, peer: Fingerprint, seq: u64, row: InboxRow) -> Reception {
        let reception = self.advance(peer, seq, hash_of(&row.text));
        if reception == Reception::New {
            self.change(peer, PairChange::Receive(seq, row));
        }
        reception
    }

    /// Takes note that the peer took a message back. What came before it may yet have to be shown.
    pub fn receive_skip(&mut self, peer: Fingerprint, seq: u64) -> Reception {
        let reception = self.advance(peer, seq, SKIPPED);
        self.note_shown(peer);
        reception
    }

    fn advance(&mut self, peer: Fingerprint, seq: u64, content: [u8; 32]) -> Reception {
        let Some(inbound) = self.pair(peer).and_then(|pair| pair.inbound) else {
            return Reception::OutOfOrder;
        };
        if seq <= inbound.last {
            return Reception::Repeated;
        }
        if seq > inbound.last + 1 {
            return Reception::OutOfOrder;
        }
        let chain = inbound.chain.next(seq, content);
        self.change(peer, PairChange::Inbound(Inbound { last: seq, chain, ..inbound }));
        Reception::New
    }

    /// Takes note that the peer's messages up to a number were shown, or written and flushed.
    pub fn shown(&mut self, peer: Fingerprint, epoch: Epoch, upto: u64) {
        let Some(pair) = self.pair(peer) else { return };
        if pair.inbound.is_none_or(|inbound| inbound.epoch != epoch) {
            return;
        }
        let rows: Vec<u64> = pair.inbox.range(..=upto).map(|(seq, _)| *seq).collect();
        for seq in rows {
            self.change(peer, PairChange::Clear(seq));
        }
        self.note_shown(peer);
    }

    /// Computes the highest number of the peer before which nothing is to be shown.
    fn note_shown(&mut self, peer: Fingerprint) {
        let Some(pair) = self.pair(peer) else { return };
        let Some(inbound) = pair.inbound else { return };
        let shown = pair.inbox.first_key_value().map_or(inbound.last, |(seq, _)| seq - 1);
        if shown > inbound.shown {
            self.change(peer, PairChange::Inbound(Inbound { shown, ..inbound }));
        }
    }

    /// Takes note whether our calls of a peer stand.
    pub fn set_calls(&mut self, peer: Fingerprint, calls: Calls) {
        let is_news = self.pair(peer).map_or(Calls::Ended, |pair| pair.calls) != calls;
        if is_news && self.is_kept(peer) {
            self.change(peer, PairChange::Calls(calls));
        }
    }

    /// Peers whom we call, as far as that outlives the program.
    pub fn called(&self) -> impl Iterator<Item = Fingerprint> {
        let called = self.pairs.iter().filter(|(_, entry)| entry.pair.calls == Calls::Stand);
        called.map(|(peer, _)| *peer)
    }

    /// State of the peer's direction.
    #[must_use]
    pub fn inbound(&self, peer: Fingerprint) -> Option<Inbound> {
        self.pair(peer)?.inbound
    }

    /// Messages of peers that are kept and were not shown, in their order.
    pub fn unshown(&self) -> impl Iterator<Item = (Fingerprint, u64, &InboxRow)> {
        self.pairs
            .iter()
            .flat_map(|(peer, entry)| entry.pair.inbox.iter().map(move |(seq, row)| (*peer, *seq, row)))
    }

    /// A message of the peer that is not known to be shown.
    #[must_use]
    pub fn unshown_row(&self, peer: Fingerprint, number: PairNumber) -> Option<&InboxRow> {
        let pair = self.pair(peer)?;
        let is_current = pair.inbound.is_some_and(|inbound| inbound.epoch == number.epoch);
        pair.inbox.get(&number.seq).filter(|_| is_current)
    }

    /// Takes note who may have had a message that is not known to be shown.
    pub fn set_exposure(&mut self, peer: Fingerprint, number: PairNumber, exposure: Exposure) {
        if let Some(row) = self.unshown_row(peer, number).filter(|row| row.exposure != exposure) {
            let row = InboxRow { exposure, ..row.clone() };
            self.change(peer, PairChange::Expose(number.seq, row));
        }
    }

    /// Our messages to a peer that it has not shown.
    pub fn waiting(&self, peer: Fingerprint) -> impl Iterator<Item = WaitingMessage> {
        self.entry(peer).into_iter().flat_map(|entry| {
            entry.pair.outbox.iter().filter_map(|(seq, row)| {
                let Content::Text(text) = &row.content else { return None };
                let (seq, state) = (*seq, entry.state_of(*seq));
                let (typed, expires) = (row.typed, row.expires);
                Some(WaitingMessage { seq, typed, expires, state, text: text.clone() })
            })
        })
    }

    /// Whether it has not shown one of them.
    #[must_use]
    pub fn is_waiting(&self, peer: Fingerprint, seq: u64) -> bool {
        self.pair(peer).is_some_and(|pair| pair.outbox.contains_key(&seq))
    }

    /// Number of our messages to a peer that it has not shown.
    #[must_use]
    pub fn waiting_count(&self, peer: Fingerprint) -> usize {
        self.entry(peer).map_or(0, |entry| entry.texts)
    }

    /// Those of them that can be taken back.
    #[must_use]
    pub fn revocable_count(&self, peer: Fingerprint) -> usize {
        self.entry(peer).map_or(0, |entry| entry.pair.revocable_texts())
    }

    /// Our messages that a peer has not shown, up to one of them.
    #[must_use]
    pub fn waiting_upto(&self, peer: Fingerprint, upto: u64) -> usize {
        let rows = self.entry(peer).into_iter().flat_map(|entry| entry.pair.outbox.range(..=upto));
        rows.filter(|(_, row)| matches!(row.content, Content::Text(_))).count()
    }

    /// Peers for whom messages wait.
    pub fn peers_waited_for(&self) -> impl Iterator<Item = Fingerprint> {
        self.pairs.keys().copied().filter(|peer| self.waiting_count(*peer) > 0)
    }

    /// Peers for whom messages wait that are on disk, each with their number: one that could not be
    /// written does not wait.
    pub fn waiting_on_disk(&self) -> impl Iterator<Item = (Fingerprint, usize)> {
        let waiting =
            self.pairs.iter().map(|(peer, entry)| (*peer, self.waiting_upto(*peer, entry.committed)));
        waiting.filter(|(_, count)| *count > 0)
    }

    /// Peers for whom messages wait, or of whom it is still to be learnt whether they had one that
    /// was taken back.
    pub fn peers_in_outbox(&self) -> impl Iterator<Item = Fingerprint> {
        self.pairs.iter().filter(|(_, entry)| !entry.pair.outbox.is_empty()).map(|(peer, _)| *peer)
    }

    /// Keeps a transfer of files, or none any more.
    pub fn set_transfer(&mut self, peer: Fingerprint, number: u64, row: Option<TransferRow>) {
        match row {
            Some(row) => self.change(peer, PairChange::Transfer(number, Arc::new(row))),
            None if self.pair(peer).is_some_and(|pair| pair.transfers.contains_key(&number)) => {
                self.change(peer, PairChange::EndTransfer(number));
            }
            None => {}
        }
    }

    /// Every transfer that is kept.
    pub fn transfers(&self) -> impl Iterator<Item = (Fingerprint, u64, &TransferRow)> {
        self.pairs.iter().flat_map(|(peer, entry)| {
            entry.pair.transfers.iter().map(|(number, row)| (*peer, *number, &**row))
        })
    }

    /// Keeps nothing of a peer on disk: nobody chose it.
    pub fn keep_in_memory(&mut self, peer: Fingerprint) {
        self.pairs.insert(peer, Entry { storage: Storage::Memory, ..Entry::default() });
    }

    /// Whether something of a peer is kept on disk.
    #[must_use]
    pub fn is_kept(&self, peer: Fingerprint) -> bool {
        self.entry(peer).is_some_and(|entry| entry.storage == Storage::Disk)
    }

    /// Keeps what there is of a peer on disk from here on: the user has chosen it.
    pub fn keep_on_disk(&mut self, peer: Fingerprint) {
        let Some(entry) = self.pairs.get_mut(&peer).filter(|entry| entry.storage == Storage::Memory) else {
            return;
        };
        entry.storage = Storage::Disk;
        let transfers = entry.pair.transfers.iter().map(|(number, row)| StoreChange {
            peer,
            change: PairChange::Transfer(*number, Arc::clone(row)),
        });
        self.changes.extend(transfers);
        if let Some(out) = entry.pair.outbound {
            self.changes.push(StoreChange { peer, change: PairChange::Outbound(out) });
        }
        if let Some(inbound) = entry.pair.inbound {
            let inbound = Inbound { shown: inbound.last, ..inbound };
            entry.pair.inbox.clear();
            self.change(peer, PairChange::Inbound(inbound));
        }
    }

    /// Forgets a peer, for which nothing waits: on disk at once, and in memory once it has left.
    pub fn forget(&mut self, peer: Fingerprint) {
        if let Some(entry) = self.pairs.get_mut(&peer).filter(|entry| entry.storage == Storage::Disk) {
            entry.storage = Storage::Memory;
            self.changes.push(StoreChange { peer, change: PairChange::Forget });
        }
    }

    /// Forgets what is in memory of a peer that nobody chose.
    pub fn forget_in_memory(&mut self, peer: Fingerprint) {
        if self.entry(peer).is_some_and(|entry| entry.storage == Storage::Memory) {
            self.pairs.remove(&peer);
        }
    }
}
