//! Numbers of the messages of a conversation, one half for each direction (`docs/PROTOCOL.md`,
//! sections 5.3 and 5.7): they count for the connection, or behind a `Resume` for the pair.
//!
//! The ordinal of a message is its place among all Texts and Skips of its direction on this
//! connection. While a side answers for the connection, its receipts are ordinals.

use std::collections::VecDeque;

use super::types::{CloseReason, SendError};
use crate::limits;
use crate::wire::{Count, PairNumber, Record, Resume};

/// Our messages, and what the peer has said of them.
#[derive(Debug, Default)]
pub(super) struct OutboundNumbers {
    /// Ordinal of the last message.
    sent: u64,
    /// Ordinal of the last message that counts for the connection.
    sent_for_connection: u64,
    /// Our count for the pair, once our `Resume` is out.
    pair: Option<OwnCount>,
    /// Messages that count for the pair, as runs without a gap, until the peer answers so.
    runs: VecDeque<Run>,
    answers: Answers,
    /// Ordinal of our last message when the peer's first `Resume` came.
    peer_resumed_at: Option<u64>,
    /// Highest ordinal that the peer has acknowledged.
    acked: u64,
}

/// Count for the pair that one side has named by its `Resume`s.
#[derive(Clone, Copy, Debug)]
struct NamedCount {
    resume: Resume,
    /// Number of its `Resume`s, and of the counts that they named.
    resumes: usize,
    epochs: usize,
    /// Highest number that it has named or sent.
    highest: u64,
}

impl NamedCount {
    /// The count behind one more `Resume`. None, if that says nothing new, or is one too many.
    fn behind(before: Option<Self>, resume: &Resume) -> Option<Self> {
        let (resume, highest) = (*resume, resume.next.saturating_sub(1));
        let Some(before) = before else { return Some(Self { resume, resumes: 1, epochs: 1, highest }) };
        if is_repeated(&before.resume, &resume) || before.resumes >= limits::RESUMES {
            return None;
        }
        let resumes = before.resumes + 1;
        Some(if before.resume.epoch == resume.epoch {
            Self { resume, resumes, highest: before.highest.max(highest), ..before }
        } else {
            Self { resume, resumes, epochs: before.epochs + 1, highest }
        })
    }
}

/// Our count for the pair.
#[derive(Debug)]
struct OwnCount {
    named: NamedCount,
    agreement: Agreement,
    /// Highest number that the peer has on disk.
    kept: u64,
    /// Highest number that the peer has acknowledged.
    acked: u64,
}

/// Whether what one side says of numbers of the pair is about the other's latest count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Agreement {
    Agreed,
    /// It may be about a count before, or was not said yet.
    Pending,
}

/// Numbers in which the peer answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Answers {
    /// Ordinals.
    #[default]
    ForConnection,
    /// Numbers of the pair.
    ForPair,
}

/// Messages with consecutive numbers.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Ordinal of the first.
    ordinal: u64,
    /// Number of the first.
    first: PairNumber,
}

impl OutboundNumbers {
    /// Numbers a message for the connection.
    pub(super) fn count_for_connection(&mut self) -> Result<u64, SendError> {
        if self.pair.is_some() {
            return Err(SendError::WrongCount);
        }
        self.sent += 1;
        self.sent_for_connection = self.sent;
        Ok(self.sent)
    }

    /// Takes note of a message with this number of the pair.
    pub(super) fn count_for_pair(&mut self, seq: u64) -> Result<(), SendError> {
        let pair = self.pair.as_mut().ok_or(SendError::WrongCount)?;
        pair.named.highest = pair.named.highest.max(seq);
        let number = PairNumber { epoch: pair.named.resume.epoch, seq };
        self.sent += 1;
        if self.answers == Answers::ForConnection && self.number_of(self.sent) != Count::Pair(number) {
            self.runs.push_back(Run { ordinal: self.sent, first: number });
        }
        Ok(())
    }

    /// Takes note of our `Resume`.
    pub(super) fn resume(&mut self, resume: &Resume) -> Result<(), SendError> {
        let before = self.pair.as_ref().map(|pair| pair.named);
        let named = NamedCount::behind(before, resume).ok_or(SendError::WrongCount)?;
        match &mut self.pair {
            Some(pair) if pair.named.epochs == named.epochs => pair.named = named,
            pair => {
                let agreement = match self.peer_resumed_at {
                    Some(_) if named.epochs == 1 => Agreement::Agreed,
                    _ => Agreement::Pending,
                };
                *pair = Some(OwnCount { named, agreement, kept: 0, acked: 0 });
            }
        }
        self.settle_answers();
        Ok(())
    }

    /// Takes the peer's `Resume`: does it name our latest count, or is that our only one, what
    /// comes behind it is about that count.
    pub(super) fn handle_resume(&mut self, theirs: &Resume) {
        self.peer_resumed_at.get_or_insert(self.sent);
        if let Some(pair) = &mut self.pair
            && (pair.named.epochs == 1 || theirs.your_epoch == pair.named.resume.epoch)
        {
            pair.agreement = Agreement::Agreed;
        }
        self.settle_answers();
    }

    /// Whether our `Resume` is out.
    pub(super) fn is_resumed(&self) -> bool {
        self.pair.is_some()
    }

    /// A peer that had said `Resume` before any message of ours answers for the pair at once.
    fn settle_answers(&mut self) {
        if self.peer_resumed_at == Some(0) && self.sent_for_connection == 0 && self.pair.is_some() {
            self.answer_for_pair();
        }
    }

    fn answer_for_pair(&mut self) {
        self.answers = Answers::ForPair;
        self.runs = VecDeque::new();
    }

    /// Takes a `Receipt`. Returns what it covers, unless that is nothing new.
    pub(super) fn handle_receipt(&mut self, upto: u64) -> Result<Option<Count>, CloseReason> {
        match (self.answers, &mut self.pair) {
            (Answers::ForPair, Some(pair)) => {
                let number = pair.covered(upto)?.filter(|_| upto > pair.acked);
                pair.acked = number.map_or(pair.acked, |number| number.seq);
                Ok(number.map(Count::Pair))
            }
            _ if upto > self.sent => Err(CloseReason::ProtocolViolation),
            _ if upto <= self.acked => Ok(None),
            _ => {
                self.acked = upto;
                let number = self.number_of(upto);
                while self.runs.get(1).is_some_and(|run| run.ordinal <= upto) {
                    self.runs.pop_front();
                }
                Ok(Some(number))
            }
        }
    }

    /// Takes a `Kept`, behind which the peer answers for the pair. Returns what it covers, unless
    /// that is nothing new.
    pub(super) fn handle_kept(&mut self, upto: u64) -> Result<Option<PairNumber>, CloseReason> {
        if self.peer_resumed_at.is_none() || self.acked < self.sent_for_connection {
            return Err(CloseReason::ProtocolViolation);
        }
        let pair = self.pair.as_mut().ok_or(CloseReason::ProtocolViolation)?;
        let number = pair.covered(upto)?.filter(|_| upto > pair.kept);
        pair.kept = number.map_or(pair.kept, |number| number.seq);
        self.answer_for_pair();
        Ok(number)
    }

    /// Number of the message in this place.
    fn number_of(&self, ordinal: u64) -> Count {
        let run = self.runs.iter().rev().find(|run| run.ordinal <= ordinal);
        run.map_or(Count::Connection(ordinal), |run| {
            let seq = run.first.seq.saturating_add(ordinal - run.ordinal);
            Count::Pair(PairNumber { seq, ..run.first })
        })
    }
}

impl OwnCount {
    /// The number as one of our count, unless it is about one of before.
    fn covered(&self, upto: u64) -> Result<Option<PairNumber>, CloseReason> {
        if self.agreement == Agreement::Pending {
            return Ok(None);
        }
        if upto > self.named.highest {
            return Err(CloseReason::ProtocolViolation);
        }
        Ok(Some(PairNumber { epoch: self.named.resume.epoch, seq: upto }))
    }
}

/// The peer's messages, and the answers that are owed for them: state, one of each kind.
#[derive(Debug, Default)]
pub(super) struct InboundNumbers {
    /// Ordinal of the last message.
    received: u64,
    /// Ordinal of the last message that counts for the connection.
    received_for_connection: u64,
    /// The peer's count for the pair, once its `Resume` has come.
    pair: Option<PeerCount>,
    /// Our own last `Resume`, and the number of them.
    own: Option<(Resume, u64)>,
    /// Messages that are neither acknowledged nor given up.
    pending: VecDeque<Pending>,
    /// Highest ordinal that has been shown.
    shown: u64,
    /// Highest ordinal that we have acknowledged.
    acked: u64,
    answers: Answers,
}

/// The peer's count for the pair.
#[derive(Debug)]
struct PeerCount {
    named: NamedCount,
    /// Highest number that it has sent on this connection.
    received: u64,
    /// Messages with a number above all before it, and all others.
    fresh: u64,
    repeated: u64,
    /// Highest number on our disk, and the one that the last `Kept` said.
    kept: u64,
    kept_said: Option<u64>,
    /// Highest number that has been shown, and the one that the last `Receipt` said.
    shown: u64,
    acked: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    ordinal: u64,
    number: Count,
}

/// What a record of the peer is for the budget of idle records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Novelty {
    New,
    /// It repeats what was there.
    Idle,
}

impl Novelty {
    /// Of a record that tells something, or nothing new.
    pub(super) fn of<T>(told: Option<&T>) -> Self {
        if told.is_some() { Self::New } else { Self::Idle }
    }
}

impl InboundNumbers {
    /// Whether the peer has said `Resume`.
    pub(super) fn is_resumed(&self) -> bool {
        self.pair.is_some()
    }

    /// Takes the number of a `Text`.
    pub(super) fn receive(&mut self, seq: u64) -> Result<(Count, Novelty), CloseReason> {
        if self.pair.is_some() {
            let (number, novelty) = self.receive_for_pair(seq)?;
            return Ok((Count::Pair(number), novelty));
        }
        if seq != self.received + 1 {
            return Err(CloseReason::ProtocolViolation);
        }
        self.received = seq;
        self.received_for_connection = seq;
        self.pending.push_back(Pending { ordinal: seq, number: Count::Connection(seq) });
        Ok((Count::Connection(seq), Novelty::New))
    }

    /// Takes the number of a `Skip`, or of a `Text` behind the peer's `Resume`.
    pub(super) fn receive_for_pair(&mut self, seq: u64) -> Result<(PairNumber, Novelty), CloseReason> {
        let pair = self.pair.as_mut().ok_or(CloseReason::ProtocolViolation)?;
        let number = PairNumber { epoch: pair.named.resume.epoch, seq };
        self.received += 1;
        pair.named.highest = pair.named.highest.max(seq);
        let is_fresh = seq > pair.received;
        pair.fresh += u64::from(is_fresh);
        pair.repeated += u64::from(!is_fresh);
        pair.received = pair.received.max(seq);
        if seq > pair.shown || !self.pending.is_empty() {
            self.pending.push_back(Pending { ordinal: self.received, number: Count::Pair(number) });
        } else {
            self.shown = self.received;
        }
        // For each of our Resumes a message may come once more.
        let may_repeat = self.own.map_or(0, |(_, resumes)| pair.fresh.saturating_mul(resumes));
        let is_idle = !is_fresh && pair.repeated > may_repeat;
        Ok((number, if is_idle { Novelty::Idle } else { Novelty::New }))
    }

    /// Takes the peer's `Resume`.
    pub(super) fn handle_resume(&mut self, resume: &Resume) -> Result<(), CloseReason> {
        let before = self.pair.as_ref().map(|pair| pair.named);
        let named = NamedCount::behind(before, resume).ok_or(CloseReason::ProtocolViolation)?;
        match &mut self.pair {
            Some(pair) if pair.named.epochs == named.epochs => pair.named = named,
            pair => {
                *pair = Some(PeerCount {
                    named,
                    received: 0,
                    fresh: 0,
                    repeated: 0,
                    kept: 0,
                    kept_said: None,
                    shown: 0,
                    acked: 0,
                });
                // The peer sends again what it numbers anew.
                self.pending.retain(|one| matches!(one.number, Count::Connection(_)));
            }
        }
        self.take_over_kept();
        Ok(())
    }

    /// Takes note of our own `Resume`.
    pub(super) fn resume(&mut self, resume: &Resume) {
        self.own = Some((*resume, self.own.map_or(1, |(_, resumes)| resumes + 1)));
        self.take_over_kept();
    }

    /// Our `Resume` says what is on our disk.
    fn take_over_kept(&mut self) {
        if let Some((own, _)) = self.own {
            self.kept(PairNumber { epoch: own.your_epoch, seq: own.last });
        }
    }

    /// Takes note that the peer's messages up to this one are on disk.
    pub(super) fn kept(&mut self, upto: PairNumber) {
        if let Some(pair) = self.pair.as_mut().filter(|pair| pair.named.resume.epoch == upto.epoch) {
            pair.kept = pair.kept.max(upto.seq.min(pair.named.highest));
        }
    }

    /// Takes note that the peer's messages up to this one have been shown, or written and flushed.
    pub(super) fn ack(&mut self, upto: Count) {
        if let Count::Pair(upto) = upto
            && let Some(pair) = self.pair.as_mut().filter(|pair| pair.named.resume.epoch == upto.epoch)
        {
            pair.shown = pair.shown.max(upto.seq.min(pair.named.highest));
        }
        if let Some(last) = self.settle(upto) {
            self.shown = self.shown.max(last);
        }
    }

    /// Gives up the peer's messages up to this one.
    pub(super) fn forgo(&mut self, upto: Count) {
        self.settle(upto);
    }

    /// Whether every message of the peer is acknowledged or given up.
    pub(super) fn owes_no_receipt(&self) -> bool {
        self.pending.is_empty() && self.acked >= self.shown
    }

    /// Takes the messages up to this one, and what came before it, from those that are pending.
    /// Returns the last ordinal.
    fn settle(&mut self, upto: Count) -> Option<u64> {
        let mut covered = 0;
        for (index, one) in self.pending.iter().enumerate() {
            match upto.of_same(one.number) {
                Some(number) if number > upto.number() => break,
                Some(_) => covered = index + 1,
                None => {}
            }
        }
        self.pending.drain(..covered).next_back().map(|one| one.ordinal)
    }

    /// The next answer that is owed, if one is: a `Kept` before the `Receipt` in its numbers.
    pub(super) fn next_answer(&mut self) -> Option<Record> {
        if self.answers == Answers::ForConnection {
            let upto = self.shown;
            if upto > self.acked {
                self.acked = upto;
                return Some(Record::Receipt { upto });
            }
            if self.agreement() == Agreement::Pending || self.acked < self.received_for_connection {
                return None;
            }
            self.answers = Answers::ForPair;
        }
        if self.agreement() == Agreement::Pending {
            // What was shown is of a count before: the peer sends it again.
            self.acked = self.shown;
            return None;
        }
        let pair = self.pair.as_mut()?;
        if pair.kept_said.is_none_or(|said| pair.kept > said) {
            pair.kept_said = Some(pair.kept);
            return Some(Record::Kept { upto: pair.kept });
        }
        self.acked = self.shown;
        if pair.shown <= pair.acked {
            return None;
        }
        pair.acked = pair.shown;
        Some(Record::Receipt { upto: pair.shown })
    }

    /// Whether the peer can tell which of its counts we speak of: of its only one, or of the one
    /// that our last `Resume` names.
    fn agreement(&self) -> Agreement {
        match (&self.pair, self.own) {
            (Some(pair), Some((own, _)))
                if pair.named.epochs == 1 || own.your_epoch == pair.named.resume.epoch =>
            {
                Agreement::Agreed
            }
            _ => Agreement::Pending,
        }
    }
}

/// Whether a `Resume` says nothing that the one before did not: no other count of either side.
fn is_repeated(before: &Resume, resume: &Resume) -> bool {
    (before.epoch, before.your_epoch) == (resume.epoch, resume.your_epoch)
}
