//! Handlers of cancellation and of the end of the program.

use crate::chat::io::Effect;
use crate::chat::notice::Info;
use crate::chat::shutdown::Shutdown;
use crate::chat::types::ExitRequest;
use crate::chat::{Chat, WaitingCommand};
use crate::ids::{ConnId, DialId};
use crate::wire::ByeReason;

impl Chat {
    /// Cancels whatever is pending; if nothing is, shows how to leave.
    pub(crate) fn cancel(&mut self) {
        let pending = self.conversations.without_peer().filter(|(_, one)| one.is_connecting());
        let connecting: Vec<_> = pending.map(|(conn, _)| conn).collect();
        if self.keygen.is_none() && self.dials.is_empty() && connecting.is_empty() {
            return self.effects.info(Info::ExitHint);
        }
        if self.keygen.take().is_some() {
            self.effects.push(Effect::CancelKey);
            self.effects.info(Info::KeyCancelled);
            for command in std::mem::take(&mut self.waiting_for_key) {
                if let WaitingCommand::Connect(id) = command
                    && let Some(dial) = self.dials.remove(&id)
                {
                    self.give_up_dial(id, &dial);
                }
            }
        }
        let dials: Vec<_> = self.dials.keys().copied().collect();
        for dial in dials {
            self.cancel_dial(dial);
        }
        for conn in connecting {
            self.cancel_connecting(conn);
        }
    }

    pub(crate) fn cancel_dial(&mut self, id: DialId) {
        if let Some(dial) = self.dials.remove(&id) {
            self.effects.push(Effect::CancelConnect(id));
            self.effects.info(Info::ConnectCancelled { target: dial.options.target.to_string() });
            self.give_up_dial(id, &dial);
        }
    }

    pub(crate) fn cancel_connecting(&mut self, conn: ConnId) {
        if let Some(conversation) = self.conversations.get(conn) {
            self.effects.info(Info::ConnectCancelled { target: conversation.origin.to_string() });
        }
        self.with_session(conn, |session| session.close(ByeReason::Leaving));
    }

    /// Begins the end of the program: every conversation closes, and what is pending is cancelled.
    pub(crate) fn begin_shutdown(&mut self, request: ExitRequest) {
        let shutdown = Shutdown::new(request, self.now.mono, self.counters.refused_lines);
        self.shutdown = Some(shutdown);
        for conversation in self.conversations.values_mut() {
            conversation.begin_close(self.now.mono, shutdown.at_latest);
        }
        for (id, dial) in std::mem::take(&mut self.dials) {
            self.effects.push(Effect::CancelConnect(id));
            self.give_up_dial(id, &dial);
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
