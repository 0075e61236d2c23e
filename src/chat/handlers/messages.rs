//! Handlers of messages of peers.

use crate::chat::Chat;
use crate::chat::io::Effect;
use crate::chat::notice::{Message, Notice, Warning};
use crate::chat::types::{PeerId, ReceiptDue};
use crate::ids::ConnId;
use crate::limits;
use crate::text::cp949;
use crate::text::safe::SafeText;
use crate::time::UnixMs;
use crate::wire::Lifetime;

impl Chat {
    /// Shows a message of a peer, records it, counts it as unread if another peer is addressed, and
    /// notifies the user.
    pub(crate) fn receive(&mut self, conn: ConnId, sent: UnixMs, text: Vec<u8>, due: ReceiptDue) {
        let (arrived, addressed) = (self.now.unix, self.conversations.addressed_peer());
        let Some(conversation) = self.conversations.get_mut(conn) else { return };
        let Some(peer) = conversation.peer.as_mut() else { return };
        peer.last_seen = arrived;
        if conversation.lifetime == Lifetime::Lasting && addressed != Some(peer.id) {
            conversation.unread += 1;
        }
        for row in std::mem::take(&mut conversation.withheld) {
            self.effects.show(row);
        }
        let message = Message {
            name: peer.name.to_string(),
            to: Vec::new(),
            fingerprint: peer.fingerprint(),
            trust_level: peer.trust_level,
            lifetime: conversation.lifetime,
            arrived,
            sent,
            rows: SafeText::rows_from_bytes(&text),
            text,
            number: self.history.next_number(),
        };
        let id = peer.id;
        let acquaintance = conversation.acquaintance();
        conversation.extend_idle(self.now.mono);
        if let Some(text) = self.notify.notification(&message, &self.account.name) {
            self.effects.push(Effect::Alert(text));
        }
        self.history.push(id, acquaintance, &message);
        let is_korean_windows = cp949::is_likely(&message.text);
        let name = message.name.clone();
        self.effects.push(Effect::Show(Notice::Message(message), Some(due)));
        if is_korean_windows && self.is_first_other_encoding(id) {
            self.effects.warn(Warning::KoreanWindows { name });
        }
    }

    /// Whether this peer's text is the first of it that is found to be in another encoding.
    fn is_first_other_encoding(&mut self, id: PeerId) -> bool {
        self.other_encoding.len() < limits::SESSION_NAMES && self.other_encoding.insert(id)
    }
}
