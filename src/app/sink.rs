//! Where what a chat tells goes: to a screen, to a program, to standard error. It does not know which.

use crate::ids::ConnId;
use std::collections::BTreeMap;

use crate::chat::{Chat, Notice, ReceiptDue, SentMessage};
use crate::text::safe::SafeText;

/// Where notices go.
pub(crate) trait NoticeSink {
    /// Shows a notice; what is owed for it is reported by the one who shows, once it has been shown.
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>);
    /// Whether so much waits that peers should wait too.
    fn is_behind(&self) -> bool;
    /// The chat as it is before what follows from an input is done. Nothing to do where there is no prompt.
    fn chat_changed(&mut self, _chat: &Chat) {}
    /// What follows is done.
    fn effects_done(&mut self) {}
    /// A text of ours is on its way. A person has typed it and knows.
    fn sent(&mut self, _sent: &SentMessage) {}
    /// A peer has shown what we sent up to this number. A person sees what is not received yet.
    fn received(&mut self, _name: &str, _upto: u64) {}
    /// Calls the person's attention, where one sits before a screen.
    fn alert(&mut self, _text: &SafeText) {}
}

/// What was shown of each connection since it was last said: one receipt says it for many messages.
#[derive(Debug, Default)]
pub(crate) struct ReceiptBatch(BTreeMap<ConnId, u64>);

impl ReceiptBatch {
    pub(crate) fn add(&mut self, due: ReceiptDue) {
        let upto = self.0.entry(due.conn).or_default();
        *upto = due.upto.max(*upto);
    }

    pub(crate) fn all(self) -> impl Iterator<Item = ReceiptDue> {
        self.0.into_iter().map(|(conn, upto)| ReceiptDue { conn, upto })
    }
}
