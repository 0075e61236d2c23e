//! Hints at what is not kept, each of them once: for a peer, or for a connection.

use crate::chat::Chat;
use crate::chat::conversation::{Conversation, HintsShown};
use crate::chat::kept::PairStage;
use crate::chat::notice::{DeliveryInfo, Info};
use crate::chat::types::PeerId;
use crate::crypto::Fingerprint;
use crate::ids::ConnId;

impl Chat {
    /// Says, once for each peer, that one that has not chosen us keeps nothing, where a text waits
    /// so long that the user should know.
    pub(crate) fn hint_at_not_chosen(&mut self) {
        let now = self.now.mono;
        let addressed = |face| self.conversations.addressed_of(face);
        let late = |one: &&Conversation| one.pair.stage == PairStage::Declined && one.unacked.late(now) > 0;
        let late = self.conversations.face_ids().into_iter().filter_map(addressed).filter(late);
        for peer in late.filter_map(|one| one.key).collect::<Vec<_>>() {
            self.tell_not_chosen(peer);
        }
    }

    /// The same at the end of a connection, where texts wait.
    pub(crate) fn hint_at_kept_here_only(&mut self, ended: &Conversation) {
        if let (PairStage::Declined, Some(peer)) = (ended.pair.stage, ended.key)
            && self.waiting_for(PeerId::Key(peer)) > 0
        {
            self.tell_not_chosen(peer);
        }
    }

    pub(super) fn tell_not_chosen(&mut self, peer: Fingerprint) {
        if self.kept.as_mut().is_some_and(|kept| kept.told_not_chosen.insert(peer)) {
            let name = self.name_of_key(peer);
            self.effects.info(Info::Delivery(DeliveryInfo::NotChosen { name }));
        }
    }

    /// Says, once for each peer, how texts to one that nobody chose are kept.
    pub(crate) fn hint_at_keeping(&mut self, id: PeerId) {
        if let Some(peer) = self.can_keep_for(id).filter(|_| !self.is_chosen(id))
            && self.kept.as_mut().is_some_and(|kept| kept.told_to_choose.insert(peer))
        {
            let name = self.name_of_key(peer);
            self.effects.info(Info::Delivery(DeliveryInfo::KeptOnceChosen { name }));
        }
    }

    /// Says, once for each connection, that a text of ours to a chosen peer is not sent again from
    /// here on: its program keeps nothing.
    pub(crate) fn hint_at_loss(&mut self, conn: ConnId) {
        let Some(conversation) = self.conversations.get(conn) else { return };
        let Some(peer) = conversation.peer.as_ref().map(|peer| peer.id) else { return };
        let is_kept = !conversation.is_lasting() || conversation.session.is_durable();
        let name = conversation.name();
        if is_kept || self.can_keep_for(peer).is_none() || !self.is_chosen(peer) {
            return;
        }
        if let Some(conversation) = self.conversations.get_mut(conn)
            && conversation.hints == HintsShown::None
        {
            conversation.hints = HintsShown::KeepsNothing;
            self.effects.info(Info::Delivery(DeliveryInfo::KeepsNothing { name }));
        }
    }
}
