//! Peers of the model: the other ends of the connections of the chat, and their keys.

use std::sync::LazyLock;

use crate::chat::{Chat, OwnKey};
use crate::crypto::{Fingerprint, Identity, Seed, test_keys};
use crate::ids::DialId;
use crate::peers::book::Book;
use crate::peers::name::Name;
use crate::session::{CloseReason, Event, Output, RekeyThresholds, Role, Session, SessionConfig};
use crate::time::MonoMs;
use crate::wire::{ByeReason, Durability, FileTransfer, Introduction, Letters, Lifetime, Purpose};

use super::act::{self, Caller};

pub(in crate::fuzz) static KEYS: LazyLock<Vec<Identity>> = LazyLock::new(|| {
    let pool = test_keys(2_048);
    (0..act::KEYS).map(|at| Identity::from_pem(pool[at], None).unwrap()).collect()
});

/// Key of the chat.
pub(in crate::fuzz) fn own_key() -> OwnKey {
    OwnKey { public: KEYS[0].public().clone(), file: "identity.pem".to_owned() }
}

/// Chat with that key and an empty book.
pub(in crate::fuzz) fn new_chat() -> Chat {
    Chat::new(Name::parse("alice").unwrap(), Some(own_key()), Book::new(), 64)
}

pub(in crate::fuzz) fn fingerprint(key: usize) -> Fingerprint {
    KEYS[key].public().fingerprint()
}

/// Other end of a connection of the chat.
pub(in crate::fuzz) struct Link {
    pub(in crate::fuzz) session: Session,
    pub(in crate::fuzz) caller: Caller,
    pub(super) dial: Option<DialId>,
    pub(super) is_established: bool,
    pub(super) is_replaced: bool,
    /// What the chat has not read yet.
    pub(in crate::fuzz) unread: Vec<u8>,
    /// Bytes of texts that came since the chat last read something.
    pub(super) unacked: usize,
}

impl Link {
    pub(in crate::fuzz) fn new(
        role: Role,
        caller: Caller,
        dial: Option<DialId>,
        introduction: Option<Introduction>,
        seed: Seed,
        now: MonoMs,
    ) -> Self {
        let key = KEYS[caller.key].public().clone();
        let (name, purpose, lifetime) = (caller.claim.to_owned(), Purpose::Chat, Lifetime::Lasting);
        let rekeying = RekeyThresholds::default();
        let session = Session::new(
            role,
            SessionConfig {
                key,
                name,
                purpose,
                lifetime,
                durability: Durability::Connection,
                file_transfer: FileTransfer::Unsupported,
                letters: Letters::Unsupported,
                introduction,
                rekeying,
            },
            seed,
            now,
        );
        let (is_established, is_replaced, unread, unacked) = (false, false, Vec::new(), 0);
        Self { session, caller, dial, is_established, is_replaced, unread, unacked }
    }

    pub(super) fn key(&self) -> Fingerprint {
        fingerprint(self.caller.key)
    }

    pub(super) fn is_readable(&self) -> bool {
        !self.caller.is_slow && !self.unread.is_empty()
    }

    /// Does all work that is due, and gives the texts that came.
    pub(in crate::fuzz) fn work(&mut self, now: MonoMs) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit(bytes) => self.unread.extend(bytes),
                Output::Job(job) => self.session.handle_job(now, job.run(&KEYS[self.caller.key])),
                Output::WantSeed => self.session.handle_seed(now, &Seed::new([9; 32])),
                Output::Event(Event::PeerKey(_)) if self.session.asks_for_lobby() => {
                    self.session.accept_into_lobby(now);
                }
                Output::Event(Event::PeerKey(_)) => self.session.accept_key(now),
                Output::Event(Event::Introduced { .. }) => self.session.admit(now),
                Output::Event(Event::Message { count, text, .. }) => {
                    self.session.ack(count);
                    self.unacked += text.len();
                    texts.push(String::from_utf8(text).unwrap());
                }
                Output::Event(Event::Closed(reason)) => {
                    self.is_replaced = reason == CloseReason::Bye(ByeReason::Replaced);
                }
                Output::Event(_) => {}
            }
        }
        texts
    }
}
