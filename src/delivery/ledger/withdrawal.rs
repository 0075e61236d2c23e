//! Messages of ours that are taken back, by the user or because their time has passed, and what
//! becomes of one that the peer may have had by then.

use std::collections::BTreeMap;

use super::Ledger;
use crate::crypto::Fingerprint;
use crate::delivery::history::{Direction, HistoryEntry, HistoryRow};
use crate::delivery::message::{
    MessageState, SettledWithdrawal, WithdrawError, Withdrawal, WithdrawalOutcome,
};
use crate::delivery::pair::{Content, OutboxRow, PairChange, SKIPPED};
use crate::time::UnixMs;

impl Ledger {
    /// Takes messages of ours back, in their order, but for those that the peer has. `gone_out` is
    /// the highest number that can be at the peer's, where the two have agreed; else the next
    /// `Resume` tells. Returns what that comes to for each.
    pub fn take_back(
        &mut self,
        peer: Fingerprint,
        seqs: &[u64],
        gone_out: Option<u64>,
    ) -> Vec<(u64, Result<Withdrawal, WithdrawError>)> {
        let withdrawals: Vec<_> =
            seqs.iter().map(|seq| (*seq, self.take_back_one(peer, *seq, gone_out))).collect();
        // What may be at the peer's keeps the chain that it has there.
        let is_ours = |withdrawal| matches!(withdrawal, Ok(Withdrawal::InTime | Withdrawal::NeverSent));
        let ours = withdrawals.iter().filter(|(_, withdrawal)| is_ours(*withdrawal));
        if let Some(first) = ours.map(|(seq, _)| *seq).min() {
            self.rechain(peer, first);
        }
        self.free_numbers(peer);
        self.find_expiry();
        withdrawals
    }

    fn take_back_one(
        &mut self,
        peer: Fingerprint,
        seq: u64,
        gone_out: Option<u64>,
    ) -> Result<Withdrawal, WithdrawError> {
        let entry = self.pairs.get_mut(&peer).ok_or(WithdrawError::NotWaiting)?;
        let state = entry.state_of(seq);
        let row = entry.pair.outbox.get(&seq).filter(|row| row.content != Content::Skip);
        let row = row.ok_or(WithdrawError::NotWaiting)?;
        if state == MessageState::Delivered {
            return Err(WithdrawError::Delivered);
        }
        if entry.pair.is_in_letter(seq) {
            return Err(WithdrawError::AtRelay);
        }
        if let Content::Text(text) = &row.content {
            let (direction, text) = (Direction::TakenBack, text.as_bytes().into());
            let row = HistoryRow { at: row.typed, direction, name: "".into(), text };
            self.taken_back.push(HistoryEntry { peer, row });
        }
        entry.bytes = entry.bytes.saturating_sub(row.content.bytes());
        entry.texts = entry.texts.saturating_sub(1);
        let skipped = OutboxRow { content: Content::Skip, expires: None, ..row.clone() };
        self.change(peer, PairChange::Rewrite(seq, skipped));
        Ok(match (state, gone_out) {
            (_, Some(upto)) if seq > upto => Withdrawal::InTime,
            (MessageState::Queued, _) => Withdrawal::NeverSent,
            _ => Withdrawal::Open,
        })
    }

    /// Removes what was taken back and never sent, if nothing stands behind it: the peer cannot
    /// miss its numbers.
    fn free_numbers(&mut self, peer: Fingerprint) {
        let Some(entry) = self.pairs.get_mut(&peer) else { return };
        let Some(mut out) = entry.pair.outbound else { return };
        let behind = entry.pair.outbox.range(out.sent + 1..).rev();
        let free: Vec<u64> =
            behind.take_while(|(_, row)| row.content == Content::Skip).map(|(seq, _)| *seq).collect();
        let Some(next) = free.last() else { return };
        out.next = *next;
        entry.committed = entry.committed.min(out.next - 1);
        for seq in free {
            self.change(peer, PairChange::Unqueue(seq));
        }
        self.change(peer, PairChange::Outbound(out));
    }

    /// Messages whose time has passed, to be taken back: by peer, in their order.
    pub fn expired(&mut self, now: UnixMs) -> BTreeMap<Fingerprint, Vec<u64>> {
        let mut expired = BTreeMap::<_, Vec<_>>::new();
        if self.expiry.is_none_or(|at| at > now) {
            return expired;
        }
        let is_due = |row: &OutboxRow| row.expires.is_some_and(|at| at <= now);
        for (peer, seq, _) in self.revocable().filter(|(_, _, row)| is_due(row)) {
            expired.entry(peer).or_default().push(seq);
        }
        if expired.is_empty() {
            self.find_expiry();
        }
        expired
    }

    /// Moment before which nothing expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<UnixMs> {
        self.expiry
    }

    pub(super) fn find_expiry(&mut self) {
        self.expiry = self.revocable().filter_map(|(_, _, row)| row.expires).min();
    }

    /// Messages of ours that their peers are not known to have, and no letter has.
    fn revocable(&self) -> impl Iterator<Item = (Fingerprint, u64, &OutboxRow)> {
        self.pairs.iter().flat_map(|(peer, entry)| {
            let kept = entry.pair.outbound.map_or(0, |out| out.kept);
            let behind = entry.pair.outbox.range(kept + 1..);
            let free = behind.filter(|(seq, _)| !entry.pair.is_in_letter(**seq));
            free.map(|(seq, row)| (*peer, *seq, row))
        })
    }

    /// Marks of the history for messages that were taken back since the last call: they belong into
    /// the same commit.
    pub fn take_marks(&mut self) -> Vec<HistoryEntry> {
        std::mem::take(&mut self.taken_back)
    }

    /// What became of messages that were taken back, since the last call: to be told once the
    /// changes are on disk.
    pub fn take_settled(&mut self) -> Vec<SettledWithdrawal> {
        std::mem::take(&mut self.settled)
    }

    /// Messages that were taken back while the peer may have had them, and of which nothing was
    /// heard since: number, and moment of typing.
    #[must_use]
    pub fn open_withdrawals(&self, peer: Fingerprint) -> Vec<(u64, UnixMs)> {
        let kept = self.pair(peer).and_then(|pair| pair.outbound).map_or(0, |out| out.kept);
        self.open_among(peer, kept, u64::MAX)
    }

    /// The same of the numbers behind one and up to another.
    pub(super) fn open_among(&self, peer: Fingerprint, behind: u64, upto: u64) -> Vec<(u64, UnixMs)> {
        let Some(entry) = self.entry(peer) else { return Vec::new() };
        let Some(out) = entry.pair.outbound else { return Vec::new() };
        let is_open = |(seq, row): &(&u64, &OutboxRow)| {
            let before = || entry.chain_at(&out, *seq - 1);
            row.content == Content::Skip
                && **seq <= out.sent
                && before().is_none_or(|chain| chain.next(**seq, SKIPPED) != row.chain)
        };
        let numbers = behind + 1..=upto;
        if numbers.is_empty() {
            return Vec::new();
        }
        let open = entry.pair.outbox.range(numbers).filter(is_open);
        open.map(|(seq, row)| (*seq, row.typed)).collect()
    }

    /// Settles what was taken back while it may have been at the peer's, of the numbers behind one
    /// and up to another.
    pub(super) fn settle(&mut self, peer: Fingerprint, behind: u64, upto: u64, outcome: WithdrawalOutcome) {
        let open = self.open_among(peer, behind, upto).into_iter();
        self.settled.extend(open.map(|(seq, _)| SettledWithdrawal { peer, seq, outcome }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Seed;
    use crate::delivery::{EnqueueError, Pairs};
    use crate::limits::{OUTBOX_BYTES, OUTBOX_MESSAGES, OUTBOX_ROWS};

    fn full_of(text: &str) -> (Ledger, Fingerprint, u64) {
        let (mut ledger, peer) = (Ledger::new(Pairs::new(), Seed::new([3; 32])), Fingerprint::of(b"bob"));
        let mut count = 0;
        while ledger.enqueue(peer, text, UnixMs(1), None).is_ok() {
            count += 1;
        }
        (ledger, peer, count)
    }

    #[test]
    fn what_is_taken_back_makes_room_wherever_it_stands() {
        let long = "x".repeat(OUTBOX_BYTES / 1_024);
        for (text, most) in [("x", OUTBOX_MESSAGES as u64), (&*long, 1_024)] {
            let (mut ledger, peer, count) = full_of(text);
            assert_eq!(count, most);
            for number in [1, count / 2, count] {
                ledger.take_back(peer, &[number], None);
                assert!(ledger.enqueue(peer, text, UnixMs(2), None).is_ok(), "{number} of {count}");
                assert_eq!(ledger.enqueue(peer, text, UnixMs(2), None), Err(EnqueueError::OutboxFull));
            }
        }
    }

    #[test]
    fn what_was_taken_back_and_is_to_be_accounted_for_takes_no_room_without_end() {
        let (mut ledger, peer, count) = full_of("x");
        for _ in 0..2 {
            let last = ledger.next_number(peer) - 1;
            let all_but_last: Vec<_> = (last - count + 1..last).collect();
            ledger.take_back(peer, &all_but_last, None);
            while ledger.enqueue(peer, "y", UnixMs(2), None).is_ok() {}
        }
        assert_eq!(ledger.next_number(peer) - 1, OUTBOX_ROWS as u64);
        assert!(ledger.waiting_count(peer) < OUTBOX_MESSAGES);
    }
}
