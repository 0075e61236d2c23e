//! Handlers of the agreement with a peer about what each side has (`docs/PROTOCOL.md`, section
//! 5.7).

use crate::chat::Chat;
use crate::chat::conversation::Peer;
use crate::chat::kept::{AfterCommit, Agreement, OnDisk, PairStage};
use crate::chat::notice::{DeliveryWarning, Warning};
use crate::chat::redial::Redialling;
use crate::chat::types::PeerId;
use crate::crypto::Fingerprint;
use crate::delivery::{Calls, ResumeNews};
use crate::ids::ConnId;
use crate::wire::{Count, PairNumber, Resume};

impl Chat {
    /// Begins the agreement with a peer that has joined, or was chosen meanwhile.
    pub(crate) fn begin_pair(&mut self, conn: ConnId) {
        let Some(conversation) = self.conversations.get(conn) else { return };
        let Some(peer) = conversation.peer.as_ref().and_then(Peer::fingerprint) else { return };
        if !conversation.is_lasting()
            || conversation.pair.stage != PairStage::Silent
            || self.kept.as_ref().is_none_or(|kept| kept.retry_at.is_some())
        {
            return;
        }
        let (is_durable, is_chosen) = (conversation.session.is_durable(), self.is_chosen(PeerId::Key(peer)));
        let Some(kept) = &mut self.kept else { return };
        if !is_durable {
            return self.send_kept_before(conn, peer);
        }
        if !is_chosen {
            if !kept.ledger.is_kept(peer) {
                kept.ledger.keep_in_memory(peer);
            }
            return;
        }
        kept.ledger.keep_on_disk(peer);
        let resume = kept.ledger.resume(peer);
        if self.redialling == Redialling::AfterLoss && !conversation.origin.is_inbound() {
            kept.ledger.set_calls(peer, Calls::Stand);
        }
        let waited = kept.ledger.next_number(peer) - 1;
        let has_heard = conversation.pair.theirs.is_some();
        let agreement = if has_heard { Agreement::Agreed } else { Agreement::Pending };
        kept.next.push(AfterCommit::Resume { conn, resume, agreement });
        if let Some(conversation) = self.conversations.get_mut(conn) {
            conversation.pair.stage = PairStage::Resuming;
            conversation.pair.waited = waited;
            conversation.session.prepare_resume();
        }
    }

    /// The same with a peer that is connected, once it is chosen.
    pub(crate) fn begin_pair_with(&mut self, peer: Fingerprint) {
        if let Some(conn) = self.conversations.open_with(PeerId::Key(peer)) {
            self.begin_pair(conn);
        }
    }

    pub(super) fn send_resume(&mut self, conn: ConnId, resume: &Resume) {
        let now = self.now.mono;
        if let Some(conversation) = self.conversations.get_mut(conn) {
            conversation.pair.tell(resume.epoch);
        }
        self.with_session(conn, |session| _ = session.resume(now, resume));
    }

    /// Takes what the peer says that it has.
    pub(crate) fn handle_resumed(&mut self, conn: ConnId, resume: &Resume) {
        let now = self.now.unix;
        let Some(peer) = self.conversations.peer_of(conn).and_then(Peer::fingerprint) else { return };
        let (Some(kept), Some(conversation)) = (&mut self.kept, self.conversations.get_mut(conn)) else {
            return;
        };
        let before = conversation.pair.theirs.replace(resume.epoch);
        conversation.pair.named = Some(resume.your_epoch);
        if before.is_none() {
            kept.ledger.begin_connection(peer);
        }
        let news = kept.ledger.handle_resume(peer, resume, now);
        let is_restored = news.contains(&ResumeNews::Restored);
        let is_another = before.is_some_and(|epoch| epoch != resume.epoch);
        let last = kept.ledger.inbound(peer).map_or(0, |inbound| inbound.last);
        let is_settled = resume.next <= last + 1 && kept.ledger.waiting_count(peer) == 0;
        if conversation.pair.stage != PairStage::Silent {
            // All that is kept goes out from here on.
            kept.ledger.mark_sent(peer, kept.ledger.next_number(peer) - 1);
            if is_restored {
                conversation.pair.stage = PairStage::Resuming;
                conversation.pair.sent = 0;
                conversation.unacked.clear();
            }
            let answer = (is_restored || is_another).then(|| kept.ledger.resume(peer));
            let (outbound, inbound) = (kept.ledger.next_number(peer) - 1, kept.ledger.inbound(peer));
            let on_disk = OnDisk { answer, outbound, inbound };
            kept.next.push(AfterCommit::Resumed { conn, on_disk });
        }
        if is_settled && self.is_without_room(Some(peer)) {
            self.release_withheld(conn);
        }
        self.tell_resume_news(peer, news);
    }

    /// Says what a comparison of both sides' counts has brought to light.
    pub(super) fn tell_resume_news(&mut self, peer: Fingerprint, news: impl IntoIterator<Item = ResumeNews>) {
        let name = self.name_of_key(peer);
        for one in news {
            let name = name.clone();
            self.effects.warn(match one {
                ResumeNews::Restored => Warning::Delivery(DeliveryWarning::OlderThanPeer { name }),
                ResumeNews::Missing { first, last } => {
                    Warning::Delivery(DeliveryWarning::MissingHere { name, first, last })
                }
                ResumeNews::PeerRestored => Warning::Delivery(DeliveryWarning::PeerOlder { name }),
                ResumeNews::TwoPlaces => Warning::Delivery(DeliveryWarning::TwoPlaces { name }),
            });
        }
    }

    pub(super) fn take_over_resume(&mut self, conn: ConnId, on_disk: OnDisk) {
        let Some(peer) = self.conversations.peer_of(conn).and_then(Peer::fingerprint) else { return };
        if let Some(resume) = on_disk.answer {
            self.send_resume(conn, &resume);
        }
        let (Some(kept), Some(conversation)) = (&mut self.kept, self.conversations.get_mut(conn)) else {
            return;
        };
        kept.ledger.committed(peer, on_disk.outbound);
        if let Some(inbound) = on_disk.inbound {
            let number = |seq| PairNumber { epoch: inbound.epoch, seq };
            conversation.session.kept(number(inbound.last));
            conversation.session.ack(Count::Pair(number(inbound.shown)));
        }
        let is_agreed = conversation.pair.is_agreed();
        self.drain(conn);
        if is_agreed {
            self.begin_sending(conn, peer, PairStage::Ready);
        }
    }

    /// Takes note that the peer keeps nothing for us.
    pub(crate) fn handle_resume_declined(&mut self, conn: ConnId) {
        if let Some(peer) = self.conversations.peer_of(conn).and_then(Peer::fingerprint) {
            self.begin_sending(conn, peer, PairStage::Declined);
        }
    }
}
