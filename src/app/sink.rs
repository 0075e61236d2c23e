//! Sink of notices: a screen, a program at the other end of a pipe, or standard error.

use std::collections::BTreeMap;

use crate::chat::{Chat, Notice, ReceiptDue, SentMessage};
use crate::ids::ConnId;
use crate::text::safe::SafeText;

/// Sink of notices.
pub(crate) trait NoticeSink {
    /// Shows a notice. A receipt that is due for it is reported by the sink, once it has been
    /// shown.
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>);
    /// Whether so much waits that peers should wait too.
    fn is_behind(&self) -> bool;
    /// The chat has handled an input; its effects come next.
    fn chat_changed(&mut self, _chat: &Chat) {}
    /// All effects of an input have been performed.
    fn effects_done(&mut self) {}
    /// A text of ours is on its way; a program is told, a person has typed it.
    fn sent(&mut self, _sent: &SentMessage) {}
    /// A peer has acknowledged what we sent, up to this number; a person sees only what is not.
    fn received(&mut self, _name: &str, _upto: u64) {}
    /// Calls the attention of a person at a screen.
    fn alert(&mut self, _text: &SafeText) {}
}

/// Receipts that are due, at most one for each connection: it acknowledges all messages up to its
/// number.
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
