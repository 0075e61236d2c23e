//! Laws of a conversation, each under its sentence.

use crate::chat::{Info, Message, Notice, Presence};
use crate::crypto::Fingerprint;
use crate::limits;
use crate::peers::book::{PeerEntry, Trust};
use crate::peers::name::{GIVEN, Name};

use super::world::{Addressee, World};

impl World {
    /// What has to hold between two acts.
    pub(super) fn check(&self) {
        self.nobody_blocked_is_established();
        self.names_of_peers_are_unique_by_skeleton();
        self.bytes_queued_are_within_bounds();
        self.the_prompt_shows_whom_the_person_chose();
        assert_eq!(self.chat.connections(), self.links.keys().copied().collect::<Vec<_>>());
    }

    fn nobody_blocked_is_established(&self) {
        for link in self.links.values().filter(|link| link.is_established) {
            assert!(!self.is_blocked(link.key()), "{:?} is blocked, and connected", link.caller);
        }
    }

    fn names_of_peers_are_unique_by_skeleton(&self) {
        let name = |name: &String| Name::parse_local(name).unwrap();
        let names: Vec<_> = self.chat.present().iter().map(name).collect();
        for (at, one) in names.iter().enumerate() {
            let alike = names[at + 1..].iter().find(|other| one.looks_like(other));
            assert_eq!(alike, None, "{one} is connected too");
        }
    }

    fn bytes_queued_are_within_bounds(&self) {
        for link in self.links.values() {
            let most = limits::QUEUE_BYTES + limits::MESSAGE_BYTES;
            assert!(link.unacked <= most, "{} bytes wait for {:?}", link.unacked, link.caller);
        }
        assert!(self.chat.view().waiting <= limits::QUEUE_MESSAGES);
    }

    fn the_prompt_shows_whom_the_person_chose(&self) {
        let expected = match self.addressee {
            Addressee::NobodyYet | Addressee::Nobody => None,
            Addressee::Dialled(_) => Some(Presence::Connecting),
            Addressee::Key(key) if self.is_connected(key) => Some(Presence::Here),
            Addressee::Key(_) => Some(Presence::Away),
        };
        let addressed = self.chat.view().addressed;
        assert_eq!(addressed.as_ref().map(|one| one.presence), expected, "{:?}", self.addressee);
        match (self.addressee, addressed) {
            (Addressee::Key(key), Some(addressed)) if expected == Some(Presence::Here) => {
                assert_eq!(Some(addressed.name), self.shown.get(&key).map(Name::to_string));
            }
            (Addressee::Key(key), Some(addressed)) if self.is_known(key) => {
                let named = self.key_of(&addressed.name);
                assert_eq!(named, Some(key), "{} is away, and named so", addressed.name);
            }
            _ => {}
        }
    }

    /// A peer has got a text.
    pub(super) fn a_text_goes_only_to_whom_the_person_chose(&mut self, text: String, by: Fingerprint) {
        let chosen = match self.chosen[&text] {
            Addressee::Dialled(dial) => self.dials.get(&dial).copied().flatten(),
            Addressee::Key(key) => Some(key),
            Addressee::NobodyYet | Addressee::Nobody => None,
        };
        assert_eq!(chosen, Some(by), "{text:.20} was for {:?}", self.chosen[&text]);
        assert_eq!(self.heard.insert(text, by), None, "a text goes out once");
    }

    /// A row is shown. Where it is about the book, these keys have the name that it says.
    pub(super) fn each_sentence_is_in_the_book_file(&self, notice: &Notice, keys: &[Fingerprint]) {
        let is_true = keys.iter().any(|key| self.is_in_the_book_file(notice, key));
        assert!(is_true || !is_about_the_book(notice), "{notice:?}, and the book is\n{}", self.disk.book);
    }

    /// Whether what a row says of a key stands in the book on disk.
    pub(super) fn is_in_the_book_file(&self, notice: &Notice, key: &Fingerprint) -> bool {
        let entry = self.disk.book.by_fingerprint(key);
        let is = |holds: fn(&PeerEntry) -> bool| entry.is_some_and(holds);
        match notice {
            Notice::Info(Info::Blocked { .. }) => is(|entry| entry.trust.is_blocked()),
            Notice::Info(Info::Unblocked { .. }) => is(|entry| !entry.trust.is_blocked()),
            Notice::Info(Info::Trusted { .. }) => is(|entry| entry.trust == Trust::Verified),
            Notice::Info(Info::Forgotten { .. }) => entry.is_none(),
            // With another number, where somebody else is shown under one that looks like it.
            Notice::Info(Info::Named { name, .. }) => {
                let stem = |name: &str| name.split(GIVEN).next().map(str::to_owned);
                entry.is_some_and(|entry| stem(entry.name.as_str()) == stem(name))
            }
            _ => false,
        }
    }

    /// A row is shown.
    pub(super) fn nobody_blocked_is_heard(&self, notice: &Notice) {
        if let Notice::Message(message) = notice {
            assert!(!self.is_blocked(message.fingerprint.unwrap()), "{message:?}");
        }
    }

    /// `:last` has listed these.
    pub(super) fn the_history_is_within_bounds(&self, messages: &[Message]) {
        let bytes = |message: &Message| message.rows.iter().map(|row| row.as_str().len()).sum::<usize>();
        assert!(messages.iter().map(bytes).sum::<usize>() <= limits::HISTORY_BYTES);
        for link in self.links.values().filter(|link| !self.ever_chosen.contains(&link.key())) {
            let its = messages.iter().filter(|message| message.fingerprint == Some(link.key()));
            assert!(its.map(bytes).sum::<usize>() <= limits::HISTORY_MET_BYTES, "{:?}", link.caller);
        }
    }
}

/// Whether a row says what stands in the book.
fn is_about_the_book(notice: &Notice) -> bool {
    let Notice::Info(info) = notice else { return false };
    matches!(
        info,
        Info::Blocked { .. }
            | Info::Unblocked { .. }
            | Info::Trusted { .. }
            | Info::Forgotten { .. }
            | Info::Named { .. }
    )
}
