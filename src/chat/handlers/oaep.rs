//! Peers of the raw wire, as far as they differ from others: they have no name of their own, no key that counts,
//! no place in the book and no receipts.

use crate::chat::conversation::{Conversation, HintsShown, Origin, Peer, PeerId};
use crate::chat::io::{Effect, ReceiptDue, TrustLevel};
use crate::chat::kinds::{Direction, Protocol};
use crate::chat::notice::{Info, Notice, RawInfo, Warning};
use crate::chat::state::Chat;
use crate::crypto::{PublicKey, Seed};
use crate::ids::ConnId;
use crate::limits;
use crate::peers::name::Name;
use crate::session::{AnySession, OaepEvent, OaepRole, OaepSession, Role};

impl Chat {
    /// A conversation on the raw wire, if we have the key for it.
    pub(crate) fn raw_conversation(
        &self,
        role: Role,
        direction: Direction,
        seed: Seed,
    ) -> Option<AnySession> {
        let own = || self.raw_key.as_ref().map(|key| key.public.clone());
        let side = match (role, direction) {
            (Role::Responder, _) => OaepRole::Listener(own()?),
            (Role::Initiator, Direction::Both) => OaepRole::Dialer(own()?),
            (Role::Initiator, Direction::OneWay) => OaepRole::OneWay,
        };
        Some(AnySession::Oaep(Box::new(OaepSession::new(side, seed, self.now.mono))))
    }

    /// Lets go of the caller that has been silent for longest, when as many are as may be.
    pub(crate) fn make_room_for_raw(&mut self) {
        let is_silent = |conversation: &Conversation| {
            conversation.is_raw()
                && conversation.peer.is_none()
                && matches!(conversation.way, Origin::Inbound { .. })
        };
        let silent = self
            .conversations
            .iter()
            .filter(|(_, conversation)| is_silent(conversation))
            .map(|(conn, _)| *conn);
        let silent: Vec<ConnId> = silent.collect();
        if silent.len() >= limits::RAW_MUTE_CALLERS
            // Connections are numbered as they come.
            && let Some(longest) = silent.first()
        {
            self.with_session(*longest, |session, _| session.handle_overload());
        }
    }

    /// Says what a wire does not give, when it is asked for.
    pub(crate) fn warn_of(&mut self, wire: Protocol) {
        if wire != Protocol::Native {
            self.info(Info::Raw(RawInfo::Banner));
        }
    }

    pub(crate) fn raw_event(&mut self, conn: ConnId, event: OaepEvent) {
        match event {
            OaepEvent::Joined(key) => self.raw_joined(conn, key),
            OaepEvent::Message(text) => self.raw_heard(conn, &text),
            OaepEvent::NotOpened { in_a_row } => self.raw_unread(conn, in_a_row),
            OaepEvent::Split(count) => self.info(Info::Raw(RawInfo::Parts { count })),
            OaepEvent::Delayed => self.raw_info(conn, |name| RawInfo::Waits { name }),
            OaepEvent::Answered => self.raw_info(conn, |name| RawInfo::Answered { name }),
            OaepEvent::Sent { upto } => {
                if let Some(conversation) = self.conversations.get_mut(&conn) {
                    self.sent += conversation.receipted(upto);
                }
            }
        }
    }

    /// A line was taken: the first one on each raw connection says what is missing.
    pub(crate) fn raw_said(&mut self, conn: ConnId) {
        let Some(conversation) = self.conversations.get_mut(&conn) else { return };
        if conversation.is_raw() && conversation.told == HintsShown::Nothing {
            conversation.told = HintsShown::NoReceipts;
            self.raw_info(conn, |name| RawInfo::NoReceipts { name });
        }
    }

    fn raw_joined(&mut self, conn: ConnId, key: Option<PublicKey>) {
        let name = self.raw_name();
        let peer_id = PeerId::Raw(conn);
        let Some(conversation) = self.conversations.get_mut(&conn) else { return };
        let since_ms = self.now.unix.0;
        let trust_level = TrustLevel::Unauthenticated;
        conversation.peer =
            Some(Peer { name: name.clone(), id: peer_id, trust_level, since_ms, seen_ms: since_ms });
        self.roster += 1;
        conversation.key.clone_from(&key);
        let at = conversation.whom();
        let key = key.map(|key| (key.bits(), key.fingerprint()));
        self.effects.push_back(Effect::Authenticated(conn, Protocol::Oaep(Direction::Both)));
        self.info(Info::Raw(RawInfo::Joined { name, at, key }));
        if self.addressed_link().is_none() {
            self.address(peer_id);
        }
    }

    /// `raw-1` and so on: a name that says in every row what it is worth, and that is never given twice.
    fn raw_name(&mut self) -> String {
        loop {
            self.raw_peers += 1;
            let name = format!("raw-{}", self.raw_peers);
            if !Name::parse(&name).is_ok_and(|name| self.is_taken(&name)) {
                return name;
            }
        }
    }

    fn raw_heard(&mut self, conn: ConnId, text: &[u8]) {
        if let Some(said) = self.heard(conn, self.now.unix.0, text.to_vec()) {
            // Nobody gets a receipt; that it was shown is the front end's to know, and which connection it came by.
            self.effects.push_back(Effect::Show(Notice::Message(said), Some(ReceiptDue { conn, upto: 0 })));
        }
    }

    fn raw_unread(&mut self, conn: ConnId, in_a_row: u32) {
        let Some(conversation) = self.conversations.get(&conn) else { return };
        match (conversation.name(), &conversation.way) {
            (None, Origin::Inbound { .. }) => {
                self.report(Warning::Unread { whom: conversation.whom(), in_a_row });
            }
            (None, Origin::Outbound { .. }) => {
                self.warn(Warning::Unread { whom: conversation.whom(), in_a_row });
            }
            (Some(name), _) => self.warn(Warning::Unread { whom: name.to_owned(), in_a_row }),
        }
    }

    fn raw_info(&mut self, conn: ConnId, info: impl FnOnce(String) -> RawInfo) {
        if let Some(name) = self.conversations.get(&conn).and_then(Conversation::name).map(str::to_owned) {
            self.info(Info::Raw(info(name)));
        }
    }
}
