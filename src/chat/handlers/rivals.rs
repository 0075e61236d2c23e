//! Handlers of rival connections: several of the same two peers, of which one stays.

use crate::chat::Chat;
use crate::chat::addressee::Addressee;
use crate::chat::conversation::{Conversation, Peer};
use crate::chat::types::{PeerId, Rivals};
use crate::crypto::Fingerprint;
use crate::ids::ConnId;
use crate::limits;
use crate::wire::ByeReason;

/// Two connections of the same two peers that began within this time crossed each other, in
/// milliseconds.
const CROSSING_MS: u64 = 5_000;

impl Chat {
    /// Leaves one conversation with each key and returns whether that is the one on `conn`. If both
    /// sides dialled at once, the connection that the lower fingerprint began stays, which both can
    /// tell; otherwise the newer one stays, since the older may be dead.
    pub(crate) fn resolve_rival(&mut self, conn: ConnId, fingerprint: Fingerprint) -> bool {
        let rival = self.conversations.open_with(PeerId::Key(fingerprint)).filter(|rival| *rival != conn);
        let Some(rival) = rival else { return true };
        if self.rivals == Rivals::SideBySide {
            let all = self.conversations.with_peer(PeerId::Key(fingerprint));
            if all.filter(|(_, one)| one.is_open()).count() < limits::CONNECTIONS_SIDE_BY_SIDE {
                return true;
            }
        }
        let we_are_lower = self.account.fingerprint().is_some_and(|own| own < fingerprint);
        let is_outbound = |conn: ConnId| {
            self.conversations.get(conn).is_some_and(|conversation| !conversation.origin.is_inbound())
        };
        let is_recent = |peer: &Peer| self.now.unix.since(peer.since) < CROSSING_MS;
        let crossed = is_outbound(conn) != is_outbound(rival)
            && self.conversations.peer_of(rival).is_some_and(is_recent);
        let newer_stays = !crossed || is_outbound(conn) == we_are_lower;
        let (winner, loser) = if newer_stays { (conn, rival) } else { (rival, conn) };
        if let Some(conversation) = self.conversations.get_mut(loser) {
            conversation.successor = Some(winner);
        }
        if loser == conn {
            self.follow_successor(conn, winner);
        }
        self.close_session(loser, ByeReason::Replaced);
        newer_stays
    }

    /// Hands what was meant for whoever is at the end of a dialled connection to another connection
    /// with the same peer.
    pub(crate) fn follow_successor(&mut self, conn: ConnId, successor: ConnId) {
        let Some(conversation) = self.conversations.get_mut(conn) else { return };
        let waiting = std::mem::take(&mut conversation.waiting);
        let peer = self.conversations.peer_of(successor).map(|peer| (peer.id, peer.name.clone()));
        if let Some((id, name)) = peer {
            self.conversations.connection_answered(conn, id, &name);
            return self.send_waiting(successor, waiting);
        }
        self.conversations.readdress(&Addressee::Connecting(conn), &Addressee::Connecting(successor));
        if let Some(conversation) = self.conversations.get_mut(successor) {
            conversation.waiting.append(waiting);
        }
    }

    /// Another connection whose peer has shown the same key.
    pub(crate) fn other_with_key_of(&self, conn: ConnId) -> Option<ConnId> {
        let key = self.conversations.get(conn)?.key?;
        let has_it = |one: &Conversation| one.key == Some(key);
        self.conversations.conns(has_it).into_iter().find(|other| *other != conn)
    }
}
