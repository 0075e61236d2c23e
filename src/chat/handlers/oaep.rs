//! Handlers of the raw wire: peers without a name of their own, without a proved key and without
//! receipts.

use crate::chat::Chat;
use crate::chat::conversation::{Conversation, HintsShown};
use crate::chat::history::Acquaintance;
use crate::chat::io::Effect;
use crate::chat::notice::{Info, Notice, OaepInfo, Warning};
use crate::chat::types::{KeyExchange, PeerId, Protocol, ReceiptDue, TrustLevel};
use crate::crypto::PublicKey;
use crate::ids::ConnId;
use crate::limits;
use crate::session::{AnySession, OaepEvent};
use crate::wire::Count;

impl Chat {
    /// Closes the caller that has been silent for longest, if there are as many as there may be.
    pub(crate) fn evict_silent_oaep_caller(&mut self) {
        let callers = self.conversations.without_peer().filter(|(_, one)| one.origin.is_inbound());
        let silent: Vec<_> = callers.filter(|(_, one)| one.is_oaep()).map(|(conn, _)| conn).collect();
        if silent.len() >= limits::OAEP_SILENT_CALLERS
            && let Some(oldest) = silent.first()
        {
            self.with_session(*oldest, AnySession::handle_overload);
        }
    }

    pub(crate) fn handle_oaep_event(&mut self, conn: ConnId, event: OaepEvent) {
        match event {
            OaepEvent::Joined(key) => self.handle_oaep_joined(conn, key),
            OaepEvent::Message(text) => {
                // No receipt is sent; the front end records that it was shown, and on which
                // connection.
                let due = ReceiptDue { conn: Some(conn), peer: None, upto: Count::Connection(0) };
                self.receive(due, self.now.unix, text);
            }
            OaepEvent::NotOpened { in_a_row } => self.warn_not_decrypted(conn, in_a_row),
            OaepEvent::Split(count) => self.effects.info(Info::Oaep(OaepInfo::Parts { count })),
            OaepEvent::Delayed => self.show_oaep_info(conn, |name| OaepInfo::Waits { name }),
            OaepEvent::Answered => self.show_oaep_info(conn, |name| OaepInfo::Answered { name }),
            OaepEvent::Sent { upto } => {
                if let Some(conversation) = self.conversations.get_mut(conn) {
                    self.counters.sent += conversation.unacked.ack(upto);
                }
            }
        }
    }

    /// Shows once on each connection that the raw wire has no receipts.
    pub(crate) fn hint_at_receipts(&mut self, conn: ConnId) {
        let Some(conversation) = self.conversations.get_mut(conn) else { return };
        if conversation.is_oaep() && conversation.hints == HintsShown::None {
            conversation.hints = HintsShown::NoReceipts;
            self.show_oaep_info(conn, |name| OaepInfo::NoReceipts { name });
        }
    }

    fn handle_oaep_joined(&mut self, conn: ConnId, key: Option<PublicKey>) {
        let is_inbound = self.conversations.get(conn).is_some_and(|one| one.origin.is_inbound());
        let acquaintance = if is_inbound { Acquaintance::Met } else { Acquaintance::Chosen };
        if !self.take_seat(conn, acquaintance) {
            return self.with_session(conn, AnySession::handle_overload);
        }
        let name = self.show_oaep_name(conn);
        let Some(conversation) = self.conversations.get_mut(conn) else { return };
        let at = conversation.origin.to_string();
        let bits_and_fingerprint = key.as_ref().map(|key| (key.bits(), key.fingerprint()));
        conversation.key = key.map(|key| key.fingerprint());
        self.effects.push(Effect::Authenticated(conn, Protocol::Oaep(KeyExchange::Mutual)));
        let joined = OaepInfo::Joined { name: name.to_string(), at, key: bits_and_fingerprint };
        self.show_arrival(conn, vec![Notice::Info(Info::Oaep(joined))]);
        self.set_peer(conn, &name, PeerId::Conn(conn), TrustLevel::Unauthenticated);
    }

    fn warn_not_decrypted(&mut self, conn: ConnId, in_a_row: u32) {
        let Some(conversation) = self.conversations.get(conn) else { return };
        if let Some(peer) = &conversation.peer {
            self.effects.warn(Warning::NotDecrypted { remote: peer.name.to_string(), in_a_row });
        } else {
            let origin = conversation.origin.clone();
            self.warn_of_remote(&origin, Warning::NotDecrypted { remote: origin.to_string(), in_a_row });
        }
    }

    fn show_oaep_info(&mut self, conn: ConnId, info: impl FnOnce(String) -> OaepInfo) {
        if let Some(conversation) = self.conversations.get(conn).filter(|one| one.peer.is_some()) {
            self.effects.info(Info::Oaep(info(Conversation::name(conversation))));
        }
    }
}
