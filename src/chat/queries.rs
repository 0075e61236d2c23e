//! What a front end may ask of a chat between two inputs, and the one thing that it may take out.

use super::conversation::{Conversation, Origin};
use super::state::{Chat, SIGN_OF_LIFE_MS};
use crate::ids::ConnId;
use crate::session::pipe::Pipe;
use crate::time::Now;

/// A pipe and who is at its other end.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct EstablishedPipe {
    /// Its connection.
    pub conn: ConnId,
    /// The peer's local name.
    pub name: String,
    /// Its two halves.
    pub pipe: Pipe,
}

impl Chat {
    /// When [`Input::Tick`] is next due, in monotonic milliseconds.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let sessions = self
            .conversations
            .values()
            .filter_map(|conversation| conversation.session.poll_timeout())
            .map(|due| due.0);
        let goodbyes = self.conversations.values().filter_map(|conversation| conversation.leaving);
        let sign = self.making.map(|making| making.told_ms + SIGN_OF_LIFE_MS);
        let leaving = self.leaving.and_then(|leaving| leaving.at_latest_ms);
        let late = self.addressed_talk().and_then(|conversation| conversation.late_at_ms(self.now.mono.0));
        sessions
            .chain(goodbyes)
            .chain(sign)
            .chain(leaving)
            .chain(late)
            .chain(self.reports.poll_timeout())
            .min()
    }

    /// Every connection.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnId> {
        self.conversations.keys().copied().collect()
    }

    /// Whether bytes of this connection can be used now; otherwise do not read it.
    #[must_use]
    pub fn wants_read(&self, conn: ConnId) -> bool {
        self.conversations.get(&conn).is_some_and(|conversation| conversation.session.wants_read())
    }

    /// Whether one more typed message would be taken: nothing is connecting that it may be meant for, and
    /// the addressed peer has room. Input that is not a terminal is not read meanwhile.
    #[must_use]
    pub fn takes_lines(&self) -> bool {
        let room = self.addressed_talk().is_none_or(Conversation::has_room);
        self.takes_commands() && room
    }

    /// Whether one more command would be carried out at once: nothing is being made or connected.
    #[must_use]
    pub fn takes_commands(&self) -> bool {
        let arriving =
            self.conversations.values().any(|t| t.peer.is_none() && matches!(t.way, Origin::Outbound { .. }));
        let pending = self.making.is_some() || !self.held.is_empty() || !self.dials.is_empty() || arriving;
        !pending && self.leaving.is_none()
    }

    /// A pipe that stands, once: its connection is the owner's from now on.
    pub fn take_pipe(&mut self) -> Option<EstablishedPipe> {
        let conn = *self
            .conversations
            .iter()
            .find(|(_, conversation)| conversation.peer.is_some() && conversation.session.is_established())?
            .0;
        let conversation = self.conversations.remove(&conn)?;
        let peer = conversation.peer?;
        Some(EstablishedPipe { conn, name: peer.name, pipe: conversation.session.into_pipe()? })
    }

    /// Messages of ours that peers have shown, since the beginning.
    #[must_use]
    pub fn receipted(&self) -> u64 {
        self.receipted
    }

    /// Messages of ours that went out on the raw wire, since the beginning: sealed and handed to be sent, no more.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// A connection is left unread, since what comes cannot be shown: silence is not the peer's.
    pub fn reading_paused(&mut self, conn: ConnId, now: Now) {
        if let Some(conversation) = self.conversations.get_mut(&conn) {
            conversation.session.reading_paused(now.mono);
        }
    }

    /// Whether it is known who is at the other end, so that messages can come.
    #[must_use]
    pub fn is_met(&self, conn: ConnId) -> bool {
        self.conversations.get(&conn).is_some_and(|conversation| conversation.peer.is_some())
    }

    /// Whether one more text would be taken by somebody who is there.
    #[must_use]
    pub fn takes_text(&self) -> bool {
        self.leaving.is_none() && self.addressed_talk().is_some_and(Conversation::has_room)
    }

    /// Whether the addressed peer is there.
    #[must_use]
    pub fn has_company(&self) -> bool {
        self.addressed_link().is_some()
    }

    /// Whether the goodbyes have begun.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }
}
