//! Handlers of what waits for its receivers: `:outbox` and `:outbox drop`.

use std::collections::BTreeSet;

use crate::chat::Chat;
use crate::chat::io::{DeliveryProgress, DeliveryReport, Effect};
use crate::chat::kept::{AfterCommit, WithdrawalReason};
use crate::chat::notice::{DeliveryInfo, DeliveryWarning, Info, Notice, Numbers, Warning};
use crate::chat::types::PeerId;
use crate::crypto::Fingerprint;
use crate::delivery::{
    EXPIRED, Ledger, MessageState, SettledWithdrawal, TAKEN_BACK, WithdrawError, Withdrawal,
};
use crate::ids::FaceId;
use crate::limits;
use crate::peers::book::Book;
use crate::text::duration::span;
use crate::text::safe::SafeText;
use crate::time::{MonoMs, UnixMs};

impl Chat {
    /// Takes back what nobody was there for in time.
    pub(crate) fn expire_kept(&mut self) {
        let (now, mono) = (self.now.unix, self.now.mono);
        let Some(kept) = self.kept.as_mut().filter(|kept| kept.expire_at.is_none_or(|at| at <= mono)) else {
            return;
        };
        kept.expire_at = None;
        for (peer, seqs) in kept.ledger.expired(now) {
            let (withdrawals, _) = split(self.take_back(peer, &seqs, WithdrawalReason::Expired));
            self.after_commit(AfterCommit::Expired { peer, withdrawals });
        }
    }

    /// When that is next due, on the clock of this process.
    pub(crate) fn next_expiry(&self) -> Option<MonoMs> {
        let kept = self.kept.as_ref()?;
        let at = self.now.mono + kept.ledger.next_expiry()?.since(self.now.unix);
        Some(kept.expire_at.map_or(at, |not_before| at.max(not_before)))
    }

    /// Takes back what a front end has said that leaves nothing, once it is gone.
    pub(crate) fn take_back_said(&mut self, face: FaceId, said: &BTreeSet<(Fingerprint, u64)>) {
        let said: Vec<_> = said.iter().copied().collect();
        for of_peer in said.chunk_by(|(one, _), (next, _)| one == next) {
            let Some((peer, _)) = of_peer.first() else { continue };
            let seqs: Vec<_> = of_peer.iter().map(|(_, seq)| *seq).collect();
            let (withdrawals, _) = split(self.take_back(*peer, &seqs, WithdrawalReason::Asked));
            if !withdrawals.is_empty() {
                self.after_commit(AfterCommit::TakenBack { face, peer: *peer, withdrawals });
            }
        }
    }

    /// Takes note of a text of the current face that is kept.
    pub(super) fn note_said(&mut self, peer: Fingerprint, seq: u64) {
        let Some(kept) = &self.kept else { return };
        let said = &mut self.conversations.face_mut().said;
        // As seldom as what still waits is long.
        if said.len() >= limits::QUEUE_MESSAGES && said.len().is_power_of_two() {
            said.retain(|(peer, seq)| kept.ledger.is_waiting(*peer, *seq));
        }
        said.insert((peer, seq));
    }

    fn take_back(
        &mut self,
        peer: Fingerprint,
        seqs: &[u64],
        reason: WithdrawalReason,
    ) -> Numbered<Result<Withdrawal, WithdrawError>> {
        let conn = self.conversations.open_with(PeerId::Key(peer));
        let pair = conn.and_then(|conn| self.conversations.get(conn)).map(|conversation| &conversation.pair);
        let agreed = pair.filter(|pair| pair.has_heard()).map(|pair| pair.sent);
        let Some(kept) = &mut self.kept else { return Vec::new() };
        let gone_out = agreed.map(|sent| sent.max(kept.ledger.first_to_send(peer) - 1));
        let withdrawals = kept.ledger.take_back(peer, seqs, gone_out);
        let taken_back: Vec<_> =
            withdrawals.iter().filter(|(_, one)| one.is_ok()).map(|(number, _)| *number).collect();
        for (face, numbers) in self.conversations.forget_said(peer, &taken_back) {
            if reason == WithdrawalReason::Expired || face != self.conversations.current_face() {
                self.after_commit(AfterCommit::Lost { face, peer, numbers, reason });
            }
        }
        withdrawals
    }

    /// Takes note, in a face, that texts which it has said do not arrive, or only may.
    pub(crate) fn lose_said(&mut self, peer: Fingerprint, numbers: &[u64], reason: WithdrawalReason) {
        self.conversations.face_mut().lost_lines += numbers.len() as u64;
        if reason == WithdrawalReason::Asked {
            let numbered: Vec<_> = numbers.iter().map(|number| (*number, ())).collect();
            for (numbers, ()) in runs(&numbered) {
                let name = self.name_of_key(peer);
                self.effects.warn(Warning::Delivery(DeliveryWarning::Dropped { name, numbers }));
            }
        }
    }

    /// Says what was taken back, and sends that to who is there.
    pub(crate) fn tell_taken_back(
        &mut self,
        peer: Fingerprint,
        withdrawals: &[(u64, Withdrawal)],
        reason: WithdrawalReason,
    ) {
        if reason == WithdrawalReason::Expired
            && let Some(kept) = &mut self.kept
        {
            kept.expired.extend(withdrawals.iter().map(|(number, _)| (peer, *number)));
        }
        let name = self.name_of_key(peer);
        let numbered: Vec<_> = withdrawals.iter().map(|(number, _)| (*number, ())).collect();
        for (numbers, ()) in runs(&numbered) {
            let progress = DeliveryProgress::TakenBack(numbers);
            let report = DeliveryReport { to: name.clone(), fingerprint: Some(peer), progress };
            self.effects.push(Effect::Delivery(report));
        }
        match reason {
            WithdrawalReason::Asked => {
                taken_back(&name, withdrawals).for_each(|what| self.effects.info(Info::Delivery(what)));
            }
            WithdrawalReason::Expired => {
                for (numbers, withdrawal) in runs(withdrawals) {
                    let what = DeliveryWarning::Expired { name: name.clone(), numbers, withdrawal };
                    self.effects.warn(Warning::Delivery(what));
                }
            }
        }
        if let Some(conn) = self.conversations.open_with(PeerId::Key(peer)) {
            if let Some(conversation) = self.conversations.get_mut(conn) {
                conversation.forget_taken_back(|seq| withdrawals.iter().any(|(number, _)| *number == seq));
            }
            self.pump(conn);
        }
    }

    /// Says what became of texts that were taken back while their peers may have had them.
    pub(crate) fn tell_settled(&mut self, settled: &[SettledWithdrawal]) {
        for of_peer in settled.chunk_by(|one, next| one.peer == next.peer) {
            let Some(first) = of_peer.first() else { continue };
            let outcomes: Vec<_> = of_peer.iter().map(|one| (one.seq, one.outcome)).collect();
            for (numbers, outcome) in runs(&outcomes) {
                let name = self.name_of_key(first.peer);
                self.effects.info(Info::Delivery(DeliveryInfo::Settled { name, numbers, outcome }));
            }
        }
    }

    /// `:outbox`
    pub(crate) fn show_outbox(&mut self) {
        let Some(kept) = &self.kept else {
            return self.effects.warn(self.nothing_is_kept());
        };
        let notice = listing(&kept.ledger, &self.book, self.now.unix, |peer| self.name_of_key(peer));
        self.effects.show(notice);
    }

    /// `:outbox drop NAME [N]`
    pub(crate) fn drop_from_outbox(&mut self, name: &str, number: Option<u64>) {
        let Some((name, PeerId::Key(peer))) = self.peer_called(name) else {
            self.conversations.face_mut().refused_lines += 1;
            return;
        };
        let Some(kept) = &mut self.kept else {
            return self.refuse_line(self.nothing_is_kept());
        };
        let numbers: Vec<u64> = match number {
            Some(number) => vec![number],
            None => kept.ledger.waiting(peer).map(|message| message.seq).collect(),
        };
        if numbers.is_empty() {
            return self.effects.info(Info::Delivery(DeliveryInfo::NothingWaits));
        }
        let (withdrawals, refused) = split(self.take_back(peer, &numbers, WithdrawalReason::Asked));
        for (number, error) in refused {
            let warning = Warning::Delivery(not_taken_back(&name, number, error));
            match error {
                WithdrawError::Delivered | WithdrawError::AtRelay => self.effects.warn(warning),
                WithdrawError::NotWaiting => self.refuse_line(warning),
            }
        }
        if !withdrawals.is_empty() {
            let face = self.conversations.current_face();
            self.after_commit(AfterCommit::TakenBack { face, peer, withdrawals });
        }
    }

    /// Messages that wait for a peer.
    pub(crate) fn waiting_for(&self, id: PeerId) -> usize {
        match (id, &self.kept) {
            (PeerId::Key(peer), Some(kept)) => kept.ledger.waiting_count(peer),
            _ => 0,
        }
    }

    /// Names of those that messages wait for, each with their number: without those at the relay.
    pub(crate) fn receivers(&self) -> Vec<(String, usize)> {
        let peers = self.waiting_here().filter(|(_, count)| *count > 0);
        peers.map(|(peer, count)| (self.name_of_key(peer), count)).collect()
    }

    /// Names of those for whom messages are at the relay, each with their number.
    pub(crate) fn receivers_by_relay(&self) -> Vec<(String, usize)> {
        let peers = self.kept.iter().flat_map(|kept| {
            let peers = kept.ledger.peers_waited_for();
            peers.map(|peer| (peer, kept.ledger.count_at_relay(peer, u64::MAX)))
        });
        let there = peers.filter(|(_, count)| *count > 0);
        there.map(|(peer, count)| (self.name_of_key(peer), count)).collect()
    }

    fn waiting_here(&self) -> impl Iterator<Item = (Fingerprint, usize)> {
        self.kept.iter().flat_map(|kept| {
            let waiting = kept.ledger.waiting_on_disk();
            waiting
                .map(|(peer, count)| (peer, count.saturating_sub(kept.ledger.count_at_relay(peer, u64::MAX))))
        })
    }

    /// Number of messages that wait for receivers that have them on disk.
    pub(crate) fn delivered(&self) -> usize {
        let ledgers = self.kept.iter().map(|kept| &kept.ledger);
        ledgers
            .flat_map(|ledger| {
                let peers = ledger.peers_waited_for();
                peers.map(|peer| ledger.waiting_upto(peer, ledger.first_to_send(peer) - 1))
            })
            .sum()
    }

    /// Whether messages wait here for anybody, who cannot get them from the relay.
    pub(crate) fn has_queued(&self) -> bool {
        self.waiting_here().any(|(_, count)| count > 0)
    }
}

/// State of a message that a letter at the relay carries.
const AT_RELAY: &str = "at the relay";

/// What waits for its receivers, in a table, if anything does.
pub(crate) fn listing(
    ledger: &Ledger,
    book: &Book,
    now: UnixMs,
    name_of: impl Fn(Fingerprint) -> String,
) -> Notice {
    let heads = ["to", "number", "typed", "state", "text"].map(str::to_owned).to_vec();
    let mut rows = vec![heads];
    let typed = |at| format!("{} ago", span(now.since(at)));
    for peer in ledger.peers_in_outbox() {
        let name = name_of(peer);
        let is_blocked = book.by_fingerprint(&peer).is_some_and(|peer| peer.trust.is_blocked());
        let blocked = if is_blocked { ", blocked" } else { "" };
        let waiting = ledger.waiting(peer).map(|message| {
            let text = SafeText::line(&message.text).to_string();
            let expires = message.expires.filter(|_| message.state != MessageState::Delivered);
            let is_at_relay = ledger.is_at_relay(peer, message.seq);
            let word = if is_at_relay { AT_RELAY } else { message.state.word() };
            let state = match expires {
                Some(at) if at <= now => EXPIRED.to_owned(),
                Some(at) => format!("{word}{blocked}, for {} more", span(at.since(now))),
                None => format!("{word}{blocked}"),
            };
            (message.seq, message.typed, state, text)
        });
        // What is to be learnt of them yet, they themselves count for nothing.
        let taken_back = ledger.open_withdrawals(peer).into_iter();
        let taken_back = taken_back.map(|(seq, at)| (seq, at, TAKEN_BACK.to_owned(), "-".to_owned()));
        let mut lines: Vec<_> = waiting.chain(taken_back).collect();
        lines.sort_by_key(|(seq, ..)| *seq);
        rows.extend(
            lines
                .into_iter()
                .map(|(seq, at, state, text)| vec![name.clone(), seq.to_string(), typed(at), state, text]),
        );
    }
    if rows.len() == 1 {
        Notice::Info(Info::Delivery(DeliveryInfo::NothingWaits))
    } else {
        Notice::Table(rows)
    }
}

/// Messages by their numbers.
type Numbered<T> = Vec<(u64, T)>;

/// Numbers that were taken back, with what that comes to, and those that were not, with the reason.
pub(crate) fn split(
    taken_back: Numbered<Result<Withdrawal, WithdrawError>>,
) -> (Numbered<Withdrawal>, Numbered<WithdrawError>) {
    let (mut withdrawals, mut refused) = (Vec::new(), Vec::new());
    for (number, result) in taken_back {
        match result {
            Ok(withdrawal) => withdrawals.push((number, withdrawal)),
            Err(error) => refused.push((number, error)),
        }
    }
    (withdrawals, refused)
}

/// What is said of texts to a peer that were taken back.
pub(crate) fn taken_back(
    name: &str,
    withdrawals: &[(u64, Withdrawal)],
) -> impl Iterator<Item = DeliveryInfo> {
    runs(withdrawals).map(|(numbers, withdrawal)| DeliveryInfo::TakenBack {
        name: name.to_owned(),
        numbers,
        withdrawal,
    })
}

/// What is said of one that cannot be.
pub(crate) fn not_taken_back(name: &str, number: u64, error: WithdrawError) -> DeliveryWarning {
    let name = name.to_owned();
    match error {
        WithdrawError::Delivered => DeliveryWarning::DeliveredAlready { name, number },
        WithdrawError::AtRelay => DeliveryWarning::AtRelay { name, number },
        WithdrawError::NotWaiting => DeliveryWarning::NotInOutbox { name, number },
    }
}

/// Numbers that follow each other and of which the same is said, as runs.
fn runs<T: Copy + PartialEq>(numbers: &[(u64, T)]) -> impl Iterator<Item = (Numbers, T)> {
    let runs = numbers.chunk_by(|(one, is), (next, next_is)| *next == one + 1 && is == next_is);
    runs.filter_map(|run| {
        let ((first, what), (last, _)) = (run.first()?, run.last()?);
        Some((Numbers { first: *first, last: *last }, *what))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Seed;
    use crate::delivery::Pairs;

    #[test]
    fn a_line_is_listed_with_the_time_that_it_has_or_as_expired_and_without_one_once_it_is_delivered() {
        let (mut ledger, bob) = (Ledger::new(Pairs::new(), Seed::new([1; 32])), Fingerprint::of(b"bob"));
        for expires in [Some(3), Some(3), Some(90_000), None] {
            ledger.enqueue(bob, "x", UnixMs(0), expires.map(UnixMs)).unwrap();
        }
        ledger.committed(bob, 4);
        ledger.mark_sent(bob, 1);
        ledger.handle_kept(bob, 1);
        let listed = listing(&ledger, &Book::new(), UnixMs(30_000), |_| "bob".to_owned());
        let Notice::Table(rows) = listed else { panic!("{listed:?}") };
        let states: Vec<_> = rows.iter().skip(1).map(|row| row[3].as_str()).collect();
        assert_eq!(states, ["delivered", "expired", "queued, for 1 min more", "queued"]);
    }

    #[test]
    fn a_line_that_is_not_on_disk_is_not_counted_as_waiting_at_the_end() {
        let (mut ledger, bob) = (Ledger::new(Pairs::new(), Seed::new([1; 32])), Fingerprint::of(b"bob"));
        ledger.enqueue(bob, "refused", UnixMs(0), None).unwrap();
        assert_eq!(ledger.waiting_on_disk().count(), 0);
        ledger.committed(bob, 1);
        ledger.enqueue(bob, "refused", UnixMs(0), None).unwrap();
        assert_eq!(ledger.waiting_on_disk().collect::<Vec<_>>(), [(bob, 1)]);
    }
}
