//! What a front end may ask of a chat between two inputs, and the one thing that it may take out.

use super::conversation::{Talk, Way};
use super::io::{Link, Now};
use super::state::{Chat, SIGN_OF_LIFE_MS};
use crate::session::pipe::Pipe;

/// A pipe and who is at its other end.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct Piped {
    /// Its connection.
    pub link: Link,
    /// The peer's local name.
    pub name: String,
    /// Its two halves.
    pub pipe: Pipe,
}

impl Chat {
    /// When [`Input::Tick`] is next due, in monotonic milliseconds.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        let sessions = self.talks.values().filter_map(|talk| talk.session.deadline_ms());
        let goodbyes = self.talks.values().filter_map(|talk| talk.leaving);
        let sign = self.making.map(|making| making.told_ms + SIGN_OF_LIFE_MS);
        let leaving = self.leaving.and_then(|leaving| leaving.at_latest_ms);
        let late = self.addressed_talk().and_then(|talk| talk.late_at_ms(self.now.mono_ms));
        sessions
            .chain(goodbyes)
            .chain(sign)
            .chain(leaving)
            .chain(late)
            .chain(self.reports.deadline_ms())
            .min()
    }

    /// Every connection.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        self.talks.keys().copied().collect()
    }

    /// Whether bytes of this connection can be used now; otherwise do not read it.
    #[must_use]
    pub fn wants_bytes(&self, link: Link) -> bool {
        self.talks.get(&link).is_some_and(|talk| talk.session.wants_bytes())
    }

    /// Whether one more typed message would be taken: nothing is connecting that it may be meant for, and
    /// the addressed peer has room. Input that is not a terminal is not read meanwhile.
    #[must_use]
    pub fn takes_lines(&self) -> bool {
        let room = self.addressed_talk().is_none_or(Talk::has_room);
        self.takes_commands() && room
    }

    /// Whether one more command would be carried out at once: nothing is being made or connected.
    #[must_use]
    pub fn takes_commands(&self) -> bool {
        let arriving =
            self.talks.values().any(|t| t.partner.is_none() && matches!(t.way, Way::Dialled { .. }));
        let pending = self.making.is_some() || !self.held.is_empty() || !self.dials.is_empty() || arriving;
        !pending && self.leaving.is_none()
    }

    /// A pipe that stands, once: its connection is the owner's from now on.
    pub fn take_pipe(&mut self) -> Option<Piped> {
        let link = *self.talks.iter().find(|(_, talk)| talk.partner.is_some() && talk.session.stands())?.0;
        let talk = self.talks.remove(&link)?;
        let partner = talk.partner?;
        Some(Piped { link, name: partner.name, pipe: talk.session.into_pipe()? })
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
    pub fn left_unread(&mut self, link: Link, now: Now) {
        if let Some(talk) = self.talks.get_mut(&link) {
            talk.session.left_unread(now.mono_ms);
        }
    }

    /// Whether it is known who is at the other end, so that messages can come.
    #[must_use]
    pub fn is_met(&self, link: Link) -> bool {
        self.talks.get(&link).is_some_and(|talk| talk.partner.is_some())
    }

    /// Whether one more text would be taken by somebody who is there.
    #[must_use]
    pub fn takes_text(&self) -> bool {
        self.leaving.is_none() && self.addressed_talk().is_some_and(Talk::has_room)
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
