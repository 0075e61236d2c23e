//! Handlers of cancellation and of the end of the program.

use crate::chat::Chat;
use crate::chat::io::Effect;
use crate::chat::notice::Info;
use crate::chat::shutdown::Shutdown;
use crate::chat::types::ExitRequest;
use crate::wire::ByeReason;

impl Chat {
    /// Cancels whatever is pending; if nothing is, shows how to leave.
    pub(crate) fn cancel(&mut self) {
        let dials = std::mem::take(&mut self.dials);
        let pending = self.conversations.without_peer().filter(|(_, one)| one.is_connecting());
        let connecting: Vec<_> = pending.map(|(conn, _)| conn).collect();
        if self.keygen.is_none() && dials.is_empty() && connecting.is_empty() {
            return self.effects.info(Info::ExitHint);
        }
        if self.keygen.take().is_some() {
            self.waiting_for_key.clear();
            self.effects.push(Effect::CancelKey);
            self.effects.info(Info::KeyCancelled);
        }
        for (dial, options) in dials {
            self.effects.push(Effect::CancelConnect(dial));
            self.effects.info(Info::ConnectCancelled { target: options.target.to_string() });
        }
        for conn in connecting {
            if let Some(conversation) = self.conversations.get(conn) {
                self.effects.info(Info::ConnectCancelled { target: conversation.origin.to_string() });
            }
            self.with_session(conn, |session| session.close(ByeReason::Leaving));
        }
    }

    /// Begins the end of the program: every conversation closes, and what is pending is cancelled.
    pub(crate) fn begin_shutdown(&mut self, request: ExitRequest) {
        let shutdown = Shutdown::new(request, self.now.mono, self.counters.refused_lines);
        self.shutdown = Some(shutdown);
        for conversation in self.conversations.values_mut() {
            conversation.begin_close(shutdown.at_latest);
        }
        for dial in std::mem::take(&mut self.dials).into_keys() {
            self.effects.push(Effect::CancelConnect(dial));
        }
        if self.keygen.take().is_some() {
            self.effects.push(Effect::CancelKey);
        }
        self.retry_unsaved_blocks();
        self.handle_timeout();
    }

    /// Closes the conversations that waited for receipts and have them, and ends once none is left.
    pub(crate) fn advance_shutdown(&mut self) {
        for conn in self.conversations.closable() {
            self.with_session(conn, |session| session.close(ByeReason::Leaving));
        }
        if self.conversations.len() == 0
            && self.book_changes.is_empty()
            && let Some(shutdown) = self.shutdown.take()
        {
            self.effects.push(Effect::Quit(shutdown.code));
        }
    }
}
