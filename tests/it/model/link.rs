//! Peers of the model: the other ends of the connections of the chat, and their keys.

use std::sync::LazyLock;

use rsachat::crypto::{Fingerprint, Identity, Seed};
use rsachat::ids::DialId;
use rsachat::session::{CloseReason, Event, Output, RekeyThresholds, Role, Session, SessionConfig};
use rsachat::time::MonoMs;
use rsachat::wire::{ByeReason, Durability, Lifetime, Purpose};

use super::act::{self, Caller};
use crate::support::read;

pub(super) static KEYS: LazyLock<Vec<Identity>> = LazyLock::new(|| {
    let key = |name: &str| Identity::from_pem(&read(&format!("tests/keys/{name}.pem")), None).unwrap();
    act::KEYS.map(key).into()
});

pub(super) fn fingerprint(key: usize) -> Fingerprint {
    KEYS[key].public().fingerprint()
}

/// Other end of a connection of the chat.
pub(super) struct Link {
    pub(super) session: Session,
    pub(super) caller: Caller,
    pub(super) dial: Option<DialId>,
    pub(super) is_established: bool,
    pub(super) is_replaced: bool,
    /// What the chat has not read yet.
    pub(super) unread: Vec<u8>,
    /// Bytes of texts that came since the chat last read something.
    pub(super) unacked: usize,
}

impl Link {
    pub(super) fn new(role: Role, caller: Caller, dial: Option<DialId>, seed: Seed, now: MonoMs) -> Self {
        let key = KEYS[caller.key].public().clone();
        let (name, purpose, lifetime) = (caller.claim.to_owned(), Purpose::Chat, Lifetime::Lasting);
        let rekeying = RekeyThresholds::default();
        let session = Session::new(
            role,
            SessionConfig { key, name, purpose, lifetime, durability: Durability::Connection, rekeying },
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
    pub(super) fn work(&mut self, now: MonoMs) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit(bytes) => self.unread.extend(bytes),
                Output::Job(job) => self.session.handle_job(now, job.run(&KEYS[self.caller.key])),
                Output::WantSeed => self.session.handle_seed(now, &Seed::new([9; 32])),
                Output::Event(Event::PeerKey(_)) => self.session.accept_key(now),
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
