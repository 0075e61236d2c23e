//! Connections that close, and letters that stay at the relay, since one side has no room to keep
//! what comes: told once, and not again with each call, until something is kept.

use crate::chat::Chat;
use crate::chat::conversation::Conversation;
use crate::chat::kept::PairStage;
use crate::chat::notice::{DeliveryWarning, Info, Warning};
use crate::crypto::Fingerprint;
use crate::ids::ConnId;
use crate::session::CloseReason;
use crate::wire::ByeReason;

impl Chat {
    /// Closes the connection with a peer whose messages cannot be kept here.
    pub(crate) fn close_without_room(&mut self, conn: ConnId, why: &str) {
        let Some(peer) = self.conversations.peer_of(conn) else { return };
        let (name, fingerprint) = (peer.name.to_string(), peer.fingerprint());
        self.warn_without_room(name, fingerprint, why);
        self.close_unheard(conn, ByeReason::OutputFull);
    }

    /// Says that the messages of a peer cannot be kept here, if that is news.
    pub(super) fn warn_without_room(&mut self, name: String, peer: Option<Fingerprint>, why: &str) {
        if self.note_without_room(peer) {
            let why = why.to_owned();
            self.effects.warn(Warning::Delivery(DeliveryWarning::NotKeptFrom { name, why }));
        }
    }

    /// Takes note that a connection closed for want of room. Returns whether that is news.
    fn note_without_room(&mut self, peer: Option<Fingerprint>) -> bool {
        match (&mut self.kept, peer) {
            (Some(kept), Some(peer)) => kept.without_room.insert(peer),
            _ => true,
        }
    }

    /// Whether the last connection with a peer closed for want of room, and nothing was kept since.
    pub(crate) fn is_without_room(&self, peer: Option<Fingerprint>) -> bool {
        let without = self.kept.as_ref().map(|kept| &kept.without_room);
        without.zip(peer).is_some_and(|(without, peer)| without.contains(&peer))
    }

    /// Whether the end of a connection was told before: it closes for want of room, as the one
    /// before it did, and what was to be shown of it is withheld.
    pub(crate) fn is_without_room_again(
        &mut self,
        conversation: &Conversation,
        reason: &CloseReason,
    ) -> bool {
        let is_ours = matches!(reason, CloseReason::LocalClose);
        is_for_want_of_room(conversation, reason)
            && (is_ours || !self.note_without_room(conversation.key))
            && !conversation.withheld.is_empty()
    }

    /// Shows an event of a connection, or withholds it behind those of its beginning that are.
    pub(crate) fn show_or_withhold(&mut self, conn: ConnId, info: Info) {
        let mark = self.effects.mark();
        self.effects.info(info);
        if let Some(conversation) = self.conversations.get_mut(conn)
            && !conversation.withheld.is_empty()
        {
            conversation.withheld.extend(self.effects.take_since(mark));
        }
    }

    /// Shows what is withheld of a connection, since something was kept again or nothing waits.
    pub(crate) fn release_withheld(&mut self, conn: ConnId) {
        let Some(conversation) = self.conversations.get_mut(conn) else { return };
        let (rows, key) = (std::mem::take(&mut conversation.withheld), conversation.key);
        if let (Some(kept), Some(peer)) = (&mut self.kept, key) {
            kept.without_room.remove(&peer);
        }
        for row in rows {
            self.effects.show(row);
        }
    }
}

/// Whether an established connection ended for want of room on a disk, where what is kept at the
/// other side waits for it.
pub(super) fn is_for_want_of_room(conversation: &Conversation, reason: &CloseReason) -> bool {
    let is_full = |bye: &ByeReason| matches!(bye, ByeReason::OutputFull | ByeReason::OutputFailed);
    match reason {
        CloseReason::Bye(bye) => conversation.pair.stage == PairStage::Ready && is_full(bye),
        CloseReason::LocalClose => conversation.closed_for.as_ref().is_some_and(is_full),
        _ => false,
    }
}
