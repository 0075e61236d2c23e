//! Handlers of messages of peers.

use crate::chat::Chat;
use crate::chat::history::Acquaintance;
use crate::chat::io::Effect;
use crate::chat::notice::{Arrival, Message, Notice, Warning};
use crate::chat::types::{PeerId, ReceiptDue};
use crate::crypto::Fingerprint;
use crate::delivery::Exposure;
use crate::limits;
use crate::text::cp949;
use crate::time::UnixMs;
use crate::wire::{Count, Lifetime, PairNumber};

impl Chat {
    /// Shows a message of a peer, records it, counts it as unread if another peer is addressed, and
    /// notifies the user.
    pub(crate) fn receive(&mut self, due: ReceiptDue, sent: UnixMs, text: Vec<u8>) {
        let arrived = self.now.unix;
        if let Some(conn) = due.conn {
            self.release_withheld(conn);
        }
        let conversation = due.conn.and_then(|conn| self.conversations.get_mut(conn));
        let Some(conversation) = conversation.filter(|one| one.peer.is_some()) else {
            return self.receive_kept(due, sent, text, Arrival::of(due, sent, arrived));
        };
        let Some(peer) = conversation.peer.as_mut() else { return };
        peer.last_seen = arrived;
        let message = Message {
            name: peer.name.to_string(),
            to: Vec::new(),
            fingerprint: peer.fingerprint(),
            trust_level: peer.trust_level,
            lifetime: conversation.lifetime,
            arrived,
            sent,
            rows: Arrival::of(due, sent, arrived).rows(&text, sent, arrived),
            arrival: Arrival::of(due, sent, arrived),
            text,
            number: self.history.next_number(),
        };
        let id = peer.id;
        let (acquaintance, is_lasting) = (conversation.acquaintance(), conversation.is_lasting());
        conversation.extend_idle(self.now.mono);
        if let Count::Connection(_) = due.upto {
            self.remember_received(id, due, &message.text);
        }
        if let Some(conn) = due.conn.filter(|_| is_lasting) {
            self.conversations.count_unread(conn, id);
        }
        self.show_received(id, acquaintance, message, due);
    }

    /// Shows a message of a peer that was kept and that no connection brings now.
    fn receive_kept(&mut self, due: ReceiptDue, sent: UnixMs, text: Vec<u8>, arrival: Arrival) {
        let Some(peer) = due.peer else { return };
        let id = PeerId::Key(peer);
        let message = Message {
            name: self.name_of_key(peer),
            to: Vec::new(),
            fingerprint: Some(peer),
            trust_level: self.trust_level_of(id),
            lifetime: Lifetime::Lasting,
            arrived: self.now.unix,
            sent,
            arrival,
            rows: arrival.rows(&text, sent, self.now.unix),
            text,
            number: self.history.next_number(),
        };
        self.show_received(id, Acquaintance::Chosen, message, due);
    }

    /// Shows a message that an earlier process has kept: once more, where that may have shown it.
    pub(crate) fn show_earlier(
        &mut self,
        peer: Fingerprint,
        number: PairNumber,
        sent: UnixMs,
        text: Vec<u8>,
        exposure: Exposure,
    ) {
        let due = ReceiptDue { conn: None, peer: Some(peer), upto: Count::Pair(number) };
        let arrival = match exposure {
            Exposure::Taken => Arrival::Retaken,
            Exposure::Shown => Arrival::Again,
            Exposure::None => Arrival::of(due, sent, self.now.unix),
        };
        self.receive_kept(due, sent, text, arrival);
    }

    fn show_received(&mut self, id: PeerId, acquaintance: Acquaintance, message: Message, due: ReceiptDue) {
        if let Some(text) = self.notify.notification(&message, &self.account.name) {
            self.effects.push(Effect::Alert(text));
        }
        self.history.push(id, acquaintance, self.place_of(id), &message);
        let is_korean_windows = cp949::is_likely(&message.text);
        let name = message.name.clone();
        self.match_answer(id, &message);
        self.effects.push(if self.is_unexposed(&due) {
            Effect::Hold(message, due)
        } else {
            Effect::Show(Notice::Message(message), Some(due))
        });
        if is_korean_windows && self.is_first_other_encoding(id) {
            self.effects.warn(Warning::KoreanWindows { name });
        }
    }

    /// Whether this peer's text is the first of it that is found to be in another encoding.
    fn is_first_other_encoding(&mut self, id: PeerId) -> bool {
        self.other_encoding.len() < limits::SESSION_NAMES && self.other_encoding.insert(id)
    }
}
