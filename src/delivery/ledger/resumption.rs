//! Comparison of what the two sides of a pair tell each other as they connect (`docs/PROTOCOL.md`,
//! section 5.7, "What a Resume leads to").

use super::{Ledger, Lineage, Source};
use crate::crypto::Fingerprint;
use crate::delivery::ResumeNews;
use crate::delivery::message::WithdrawalOutcome;
use crate::delivery::pair::{Content, Inbound, Outbound, OutboxRow, Pair, PairChange};
use crate::limits;
use crate::time::UnixMs;
use crate::wire::{Chain, Epoch, Resume};

/// Most messages that were taken back of which both possibilities are tried.
const OPEN_TRIED: usize = 16;

impl Ledger {
    /// What we tell the peer at the beginning.
    pub fn resume(&mut self, peer: Fingerprint) -> Resume {
        let out = self.outbound(peer);
        let inbound = self.pair(peer).and_then(|pair| pair.inbound);
        let none = Inbound { epoch: Epoch::NONE, last: 0, chain: Chain::START, shown: 0 };
        let Inbound { epoch, last, chain, .. } = inbound.unwrap_or(none);
        Resume { epoch: out.epoch, oldest: out.received + 1, next: out.next, your_epoch: epoch, last, chain }
    }

    /// Takes note that a peer is about to tell for the first time on a connection.
    pub fn begin_connection(&mut self, peer: Fingerprint) {
        self.forget_renewal(peer);
        self.overtake_letters(peer);
    }

    /// Tells of new counts again.
    pub(super) fn forget_renewal(&mut self, peer: Fingerprint) {
        if let Some(entry) = self.pairs.get_mut(&peer) {
            (entry.is_renewed, entry.is_peer_restored) = (false, false);
        }
    }

    /// Takes what the peer tells at the beginning, of both directions.
    pub fn handle_resume(&mut self, peer: Fingerprint, resume: &Resume, now: UnixMs) -> Vec<ResumeNews> {
        self.take_resume(peer, resume, now, Source::Session)
    }

    pub(super) fn take_resume(
        &mut self,
        peer: Fingerprint,
        resume: &Resume,
        now: UnixMs,
        source: Source,
    ) -> Vec<ResumeNews> {
        let mut news = Vec::new();
        if self.is_restored_there(peer, resume) {
            let entry = self.pairs.entry(peer).or_default();
            let is_told = std::mem::replace(&mut entry.is_peer_restored, true);
            news.extend((!is_told).then_some(ResumeNews::PeerRestored));
        }
        let ours = self.compare_outbound(peer, resume, source, &mut news);
        let theirs = self.compare_inbound(peer, resume, &mut news);
        if ours == Lineage::Another || theirs == Lineage::Another {
            self.note_renewal(peer, now, &mut news);
        }
        news
    }

    /// Takes note of a new count of either direction, and tells of the third in an hour: once on a
    /// connection.
    fn note_renewal(&mut self, peer: Fingerprint, now: UnixMs, news: &mut Vec<ResumeNews>) {
        let entry = self.pairs.entry(peer).or_default();
        if std::mem::replace(&mut entry.is_renewed, true) {
            return;
        }
        let mut moments = entry.pair.renewals.clone();
        moments.retain(|at| now.since(*at) < limits::EPOCH_WINDOW_MS);
        moments.push(now);
        if moments.len() >= limits::EPOCHS_SUSPICIOUS {
            news.retain(|one| *one != ResumeNews::PeerRestored);
            news.push(ResumeNews::TwoPlaces);
            moments.remove(0);
        }
        self.change(peer, PairChange::Renewals(moments));
    }

    /// Whether a peer tells less than it had, or a count that only an older home draws: it was
    /// restored from a backup.
    fn is_restored_there(&self, peer: Fingerprint, resume: &Resume) -> bool {
        let Some(Pair { outbound: Some(out), inbound, .. }) = self.pair(peer) else { return false };
        let knows_ours = resume.your_epoch == out.epoch;
        let has_less = knows_ours && resume.last < out.kept;
        let tells_less = inbound.is_some_and(|inbound| {
            let is_same_count = inbound.epoch == resume.epoch;
            if is_same_count { resume.next <= inbound.last } else { knows_ours && inbound.last > 0 }
        });
        has_less || tells_less
    }

    fn compare_outbound(
        &mut self,
        peer: Fingerprint,
        resume: &Resume,
        source: Source,
        news: &mut Vec<ResumeNews>,
    ) -> Lineage {
        let out = self.outbound(peer);
        if resume.your_epoch != out.epoch {
            let had_ours = out.kept > 0 && resume.your_epoch != Epoch::NONE;
            if source == Source::Session && out.kept == 0 && resume.your_epoch == Epoch::NONE {
                self.settle(peer, 0, u64::MAX, WithdrawalOutcome::InTime);
            }
            // What it had is not there any more.
            if out.kept > out.received {
                self.change(peer, PairChange::Outbound(Outbound { kept: out.received, ..out }));
            }
            if source == Source::Session {
                self.rechain(peer, out.received + 1);
            }
            return if had_ours { Lineage::Another } else { Lineage::Same };
        }
        self.compare_rows(peer, &out, resume);
        let entry = self.pairs.entry(peer).or_default();
        let differs = entry.chain_at(&out, resume.last).is_some_and(|chain| chain.differs(resume.chain));
        // Where its chain says nothing, a number that was never sent cannot be ours.
        let is_foreign = resume.chain == Chain::UNKNOWN && resume.last > out.sent;
        let is_other = differs || is_foreign;
        if resume.last < out.next && !is_other {
            // A home from a backup has less than it said once; what it has not shown goes again.
            let kept = resume.last.max(out.received);
            self.settle(peer, out.kept, kept, WithdrawalOutcome::TooLate);
            if source == Source::Session {
                self.settle(peer, kept, u64::MAX, WithdrawalOutcome::InTime);
            }
            if kept != out.kept {
                let sent = out.sent.max(kept);
                self.change(peer, PairChange::Outbound(Outbound { sent, kept, ..out }));
            }
            if source == Source::Session {
                self.rechain(peer, resume.last.max(out.received) + 1);
            }
            return Lineage::Same;
        }
        self.begin_epoch(peer);
        news.push(ResumeNews::Restored);
        Lineage::Another
    }

    fn compare_inbound(&mut self, peer: Fingerprint, resume: &Resume, news: &mut Vec<ResumeNews>) -> Lineage {
        let before = self.pair(peer).and_then(|pair| pair.inbound);
        let oldest = resume.oldest.max(1);
        let inbound = match before {
            Some(inbound) if inbound.epoch == resume.epoch && oldest <= inbound.last + 1 => {
                return Lineage::Same;
            }
            Some(inbound) if inbound.epoch == resume.epoch => {
                news.push(ResumeNews::Missing { first: inbound.last + 1, last: oldest - 1 });
                Inbound { last: oldest - 1, chain: Chain::UNKNOWN, ..inbound }
            }
            _ => {
                let chain = if oldest == 1 { Chain::START } else { Chain::UNKNOWN };
                Inbound { epoch: resume.epoch, last: oldest - 1, chain, shown: oldest - 1 }
            }
        };
        let is_another = before.is_some_and(|before| before.epoch != inbound.epoch);
        if is_another {
            let entry = self.pairs.entry(peer).or_default();
            let rows: Vec<u64> = entry.pair.inbox.keys().copied().collect();
            for seq in rows {
                self.change(peer, PairChange::Clear(seq));
            }
        }
        self.change(peer, PairChange::Inbound(inbound));
        self.note_shown(peer);
        if is_another { Lineage::Another } else { Lineage::Same }
    }

    /// Finds out what became of messages that were taken back while the peer may have had them: up
    /// to one it has the text, and of each behind that the Skip that a letter brought.
    pub(super) fn compare_rows(&mut self, peer: Fingerprint, out: &Outbound, resume: &Resume) {
        let Some(entry) = self.entry(peer) else { return };
        if !entry.chain_at(out, resume.last).is_some_and(|chain| chain.differs(resume.chain)) {
            return;
        }
        let open = self.open_among(peer, out.received, resume.last);
        let skipped_from = open.iter().take(OPEN_TRIED).map(|(seq, _)| *seq).find(|from| {
            let rows = entry.pair.outbox.range(*from..=resume.last);
            let start = entry.chain_at(out, from - 1);
            let chain =
                |start| rows.fold(start, |chain: Chain, (seq, row)| chain.next(*seq, row.content.hash()));
            start.map(chain) == Some(resume.chain)
        });
        if let Some(from) = skipped_from {
            self.settle(peer, out.kept, from - 1, WithdrawalOutcome::TooLate);
            self.settle(peer, from - 1, u64::MAX, WithdrawalOutcome::InTime);
            self.rechain(peer, from);
        }
    }

    /// Computes the chains from a number on: what is sent from there is what the rows hold now.
    pub(super) fn rechain(&mut self, peer: Fingerprint, from: u64) {
        let Some(entry) = self.entry(peer) else { return };
        let Some(out) = entry.pair.outbound else { return };
        let Some(mut chain) = entry.chain_at(&out, from - 1) else { return };
        let mut changed = Vec::new();
        for (seq, row) in entry.pair.outbox.range(from..) {
            chain = chain.next(*seq, row.content.hash());
            if row.chain != chain {
                changed.push((*seq, OutboxRow { chain, ..row.clone() }));
            }
        }
        for (seq, row) in changed {
            self.change(peer, PairChange::Rewrite(seq, row));
        }
    }

    /// Begins a new count of our direction: what waits is numbered anew.
    fn begin_epoch(&mut self, peer: Fingerprint) {
        let epoch = self.new_epoch();
        let entry = self.pairs.entry(peer).or_default();
        let rows = std::mem::take(&mut entry.pair.outbox);
        let mut out = Outbound { epoch, next: 1, sent: 0, kept: 0, received: 0, chain: Chain::START };
        let mut chain = out.chain;
        for seq in rows.keys() {
            self.change(peer, PairChange::Unqueue(*seq));
        }
        for (_, row) in rows {
            if row.content == Content::Skip {
                continue;
            }
            chain = chain.next(out.next, row.content.hash());
            self.change(peer, PairChange::Queue(out.next, OutboxRow { chain, ..row }));
            out.next += 1;
        }
        self.change(peer, PairChange::Outbound(out));
        if let Some(entry) = self.pairs.get_mut(&peer) {
            entry.committed = out.next - 1;
        }
        self.find_expiry();
    }
}
