//! Peers of the raw wire, as far as they differ from others: they have no name of their own, no key that counts,
//! no place in the book and no receipts.

use crate::chat::conversation::{Partner, Talk, Tie, Told, Way};
use crate::chat::io::{Assurance, Effect, Link, Owed};
use crate::chat::kinds::{Direction, Wire};
use crate::chat::notice::{Info, Notice, RawInfo, Trouble};
use crate::chat::state::Chat;
use crate::crypto::{PublicKey, Seed};
use crate::limits;
use crate::peers::name::Name;
use crate::session::{Conversation, RawEvent, RawSession, RawSide, Role};

impl Chat {
    /// A conversation on the raw wire, if we have the key for it.
    pub(crate) fn raw_conversation(
        &self,
        role: Role,
        direction: Direction,
        seed: Seed,
    ) -> Option<Conversation> {
        let own = || self.raw_key.as_ref().map(|key| key.public.clone());
        let side = match (role, direction) {
            (Role::Responder, _) => RawSide::Listener(own()?),
            (Role::Initiator, Direction::Both) => RawSide::Dialler(own()?),
            (Role::Initiator, Direction::OneWay) => RawSide::OneWay,
        };
        Some(Conversation::Raw(Box::new(RawSession::new(side, seed, self.now.mono_ms))))
    }

    /// Lets go of the caller that has been silent for longest, when as many are as may be.
    pub(crate) fn make_room_for_raw(&mut self) {
        let is_silent =
            |talk: &Talk| talk.is_raw() && talk.partner.is_none() && matches!(talk.way, Way::Called { .. });
        let silent = self.talks.iter().filter(|(_, talk)| is_silent(talk)).map(|(link, _)| *link);
        let silent: Vec<Link> = silent.collect();
        if silent.len() >= limits::RAW_MUTE_CALLERS
            // Connections are numbered as they come.
            && let Some(longest) = silent.first()
        {
            self.with_session(*longest, |session, _| session.overloaded());
        }
    }

    /// Says what a wire does not give, when it is asked for.
    pub(crate) fn warn_of(&mut self, wire: Wire) {
        if wire != Wire::Native {
            self.info(Info::Raw(RawInfo::Banner));
        }
    }

    pub(crate) fn raw_event(&mut self, link: Link, event: RawEvent) {
        match event {
            RawEvent::Joined(key) => self.raw_joined(link, key),
            RawEvent::Heard(text) => self.raw_heard(link, &text),
            RawEvent::Unread { in_a_row } => self.raw_unread(link, in_a_row),
            RawEvent::Parts(count) => self.info(Info::Raw(RawInfo::Parts { count })),
            RawEvent::Waits => self.raw_info(link, |name| RawInfo::Waits { name }),
            RawEvent::Answered => self.raw_info(link, |name| RawInfo::Answered { name }),
            RawEvent::Sent { upto } => {
                if let Some(talk) = self.talks.get_mut(&link) {
                    self.sent += talk.receipted(upto);
                }
            }
        }
    }

    /// A line was taken: the first one on each raw connection says what is missing.
    pub(crate) fn raw_said(&mut self, link: Link) {
        let Some(talk) = self.talks.get_mut(&link) else { return };
        if talk.is_raw() && talk.told == Told::Nothing {
            talk.told = Told::NoReceipts;
            self.raw_info(link, |name| RawInfo::NoReceipts { name });
        }
    }

    fn raw_joined(&mut self, link: Link, key: Option<PublicKey>) {
        let name = self.raw_name();
        let tie = Tie::Raw(link);
        let Some(talk) = self.talks.get_mut(&link) else { return };
        let since_ms = self.now.unix_ms;
        let assurance = Assurance::Raw;
        talk.partner = Some(Partner { name: name.clone(), tie, assurance, since_ms, seen_ms: since_ms });
        self.roster += 1;
        talk.key.clone_from(&key);
        let at = talk.whom();
        let key = key.map(|key| (key.bits(), key.fingerprint()));
        self.effects.push_back(Effect::Proven(link, Wire::Oaep(Direction::Both)));
        self.info(Info::Raw(RawInfo::Joined { name, at, key }));
        if self.addressed_link().is_none() {
            self.address(tie);
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

    fn raw_heard(&mut self, link: Link, text: &[u8]) {
        if let Some(said) = self.heard(link, self.now.unix_ms, text.to_vec()) {
            // Nobody gets a receipt; that it was shown is the front end's to know, and which connection it came by.
            self.effects.push_back(Effect::Show(Notice::Said(said), Some(Owed { link, upto: 0 })));
        }
    }

    fn raw_unread(&mut self, link: Link, in_a_row: u32) {
        let Some(talk) = self.talks.get(&link) else { return };
        match (talk.name(), &talk.way) {
            (None, Way::Called { .. }) => self.report(Trouble::Unread { whom: talk.whom(), in_a_row }),
            (None, Way::Dialled { .. }) => self.trouble(Trouble::Unread { whom: talk.whom(), in_a_row }),
            (Some(name), _) => self.trouble(Trouble::Unread { whom: name.to_owned(), in_a_row }),
        }
    }

    fn raw_info(&mut self, link: Link, info: impl FnOnce(String) -> RawInfo) {
        if let Some(name) = self.talks.get(&link).and_then(Talk::name).map(str::to_owned) {
            self.info(Info::Raw(info(name)));
        }
    }
}
