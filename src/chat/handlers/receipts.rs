//! Handlers of receipts of durable delivery (`docs/PROTOCOL.md`, section 5.7): what was shown here,
//! and what a peer has.

use crate::chat::Chat;
use crate::chat::conversation::Peer;
use crate::chat::io::DeliveryProgress;
use crate::chat::kept::AfterCommit;
use crate::chat::types::{PeerId, ReceiptDue};
use crate::ids::ConnId;
use crate::wire::{ByeReason, Count, PairNumber};

impl Chat {
    /// Takes note that a message was shown: whichever connection it came by, the one that stands
    /// tells the peer.
    pub(crate) fn handle_shown(&mut self, due: ReceiptDue) {
        if let (Some(kept), Some(peer), Count::Pair(number)) = (&mut self.kept, due.peer, due.upto) {
            kept.ledger.shown(peer, number.epoch, number.seq);
            if let Some(open) = self.conversations.open_with(PeerId::Key(peer)) {
                // What was taken back behind it has nothing before it any more.
                let shown = kept.ledger.inbound(peer).filter(|inbound| inbound.epoch == number.epoch);
                if let Some(seq) = shown.map(|inbound| inbound.shown).filter(|shown| *shown > number.seq) {
                    kept.next.push(AfterCommit::Keep { conn: open, number: PairNumber { seq, ..number } });
                }
                if due.conn != Some(open) {
                    self.with_session(open, |session| session.ack(due.upto));
                }
            }
        }
        self.remember_shown(due);
        self.with_session_of(due, |session| session.ack(due.upto));
    }

    /// Closes a connection whose messages can be shown no more.
    pub(crate) fn dismiss(&mut self, conn: ConnId, reason: ByeReason) {
        self.unshown.remove(&conn);
        self.close_session(conn, reason);
    }

    /// The highest number up to this one before which nothing of the peer is to be shown.
    pub(super) fn shown_upto(&self, conn: ConnId, number: PairNumber) -> PairNumber {
        let peer = self.conversations.peer_of(conn).and_then(Peer::fingerprint);
        let inbound = self.kept.as_ref().zip(peer).and_then(|(kept, peer)| kept.ledger.inbound(peer));
        let of_count = inbound.filter(|inbound| inbound.epoch == number.epoch);
        PairNumber { seq: of_count.map_or(0, |inbound| inbound.shown).min(number.seq), ..number }
    }

    /// Takes note that the peer has messages of ours on disk.
    pub(crate) fn handle_kept(&mut self, conn: ConnId, upto: PairNumber) {
        let peer = self.conversations.peer_of(conn).and_then(Peer::fingerprint);
        let (Some(kept), Some(key)) = (&mut self.kept, peer) else { return };
        let behind = kept.ledger.first_to_send(key) - 1;
        if !kept.ledger.is_current(key, upto.epoch) || !kept.ledger.handle_kept(key, upto.seq) {
            return;
        }
        self.note_progress(key, behind);
        if self.is_without_room(peer) {
            self.release_withheld(conn);
        }
        self.report_delivery(conn, DeliveryProgress::Delivered(upto.seq));
    }

    /// Takes note that the peer has shown messages of ours. Returns how many.
    pub(crate) fn handle_pair_receipt(&mut self, conn: ConnId, upto: PairNumber) -> u64 {
        let peer = self.conversations.peer_of(conn).and_then(Peer::fingerprint);
        let (Some(kept), Some(peer)) = (&mut self.kept, peer) else { return 0 };
        if !kept.ledger.is_current(peer, upto.epoch) {
            return 0;
        }
        let behind = kept.ledger.progress(peer).map_or(0, |(_, received)| received);
        let texts = kept.ledger.handle_receipt(peer, upto.seq);
        if texts > 0 {
            self.note_progress(peer, behind);
        }
        texts
    }

    /// Takes note that a program that keeps nothing has shown messages that were kept here. Returns
    /// the number of the last for the peer, if there were any.
    pub(crate) fn handle_kept_before(&mut self, conn: ConnId, upto: u64) -> Option<u64> {
        let conversation = self.conversations.get_mut(conn)?;
        let mut last = None;
        while let Some((_, seq)) = conversation.pair.on_connection.pop_front_if(|(number, _)| *number <= upto)
        {
            last = Some(seq);
        }
        let peer = conversation.peer.as_ref().and_then(Peer::fingerprint)?;
        self.kept.as_mut()?.ledger.handle_receipt(peer, last?);
        last
    }
}
