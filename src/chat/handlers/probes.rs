//! Handler of probes: callers that came to nothing before they proved a key.

use crate::chat::Chat;
use crate::chat::conversation::Conversation;
use crate::chat::notice::{Info, Warning};
use crate::chat::probes::ProbeKind;
use crate::chat::types::PeerId;

impl Chat {
    /// Shows that a connection came to nothing before the peer was known. Of strangers that called,
    /// only the first has a row.
    pub(crate) fn warn_of_handshake(&mut self, conversation: &Conversation, warning: Warning) {
        let is_chosen = conversation.key.is_some_and(|key| self.is_chosen(PeerId::Key(key)));
        let probe = match &warning {
            Warning::HandshakeFailed { remote, reason, error }
                if conversation.origin.is_inbound() && !is_chosen =>
            {
                ProbeKind::of(reason).map(|kind| (kind, (remote.clone(), reason.clone(), error.clone())))
            }
            _ => None,
        };
        let Some((kind, (remote, reason, error))) = probe else {
            return self.warn_of_remote(&conversation.origin, warning);
        };
        if self.counters.probes.count(kind) {
            self.effects.info(Info::Probe { remote, reason, error });
        }
        self.effects.tell_counted(warning, self.now.mono);
    }
}
