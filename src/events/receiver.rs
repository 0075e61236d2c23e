//! Taker of the messages of a home: what it takes, and what it has of whom. Of each author it has
//! one message at a time, and no more in all than commands run at once: what it has somebody may
//! have seen, and what it was not given nobody has.

use std::collections::BTreeMap;

use super::face_order::Taking;
use crate::chat::{Message, TrustLevel};
use crate::crypto::Fingerprint;
use crate::delivery::Exposure;
use crate::ids::FaceId;
use crate::limits::{EXEC_COMMANDS, EXEC_COMMANDS_UNVERIFIED};

/// Author of messages; none stands for all of the raw wire, which proves no key.
type Author = Option<Fingerprint>;

pub(super) struct Receiver {
    pub(super) face: FaceId,
    /// What it takes; the count is of those that it may yet be given.
    taking: Taking,
    in_hand: BTreeMap<Author, InHand>,
}

/// Message that the taker has not reported as shown.
struct InHand {
    number: u64,
    trust_level: TrustLevel,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Given,
    /// What its author sent after it waits until it is tried again.
    Failed,
}

impl Receiver {
    pub(super) fn new(face: FaceId, taking: Taking) -> Self {
        Self { face, taking, in_hand: BTreeMap::new() }
    }

    /// Who may have had what it is given.
    pub(super) fn exposure(&self) -> Exposure {
        self.taking.taker.exposure()
    }

    pub(super) fn takes(&self, message: &Message) -> bool {
        self.taking.names(message)
    }

    /// Whether it is given a message now.
    pub(super) fn give(&mut self, message: &Message) -> bool {
        let author = author(message);
        let has_room = self.taking.count != Some(0) && self.has_room(message.trust_level);
        let is_given = has_room && self.takes(message) && !self.in_hand.contains_key(&author);
        if is_given {
            self.taking.count = self.taking.count.map(|count| count - 1);
            let (number, trust_level) = (message.number, message.trust_level);
            self.in_hand.insert(author, InHand { number, trust_level, stage: Stage::Given });
        }
        is_given
    }

    /// Whether it has a message about which it has said nothing.
    pub(super) fn has(&self, number: u64) -> bool {
        self.given().any(|one| one.number == number)
    }

    /// Takes note that it has shown a message. Returns whether it had it.
    pub(super) fn show(&mut self, number: u64) -> bool {
        self.in_hand.extract_if(.., |_, one| one.number == number && one.stage == Stage::Given).count() > 0
    }

    /// Takes note that it could not do with a message what it does. Returns whether it had it.
    pub(super) fn fail(&mut self, number: u64) -> bool {
        let mut given = self.in_hand.values_mut().filter(|one| one.stage == Stage::Given);
        let Some(failed) = given.find(|one| one.number == number) else { return false };
        failed.stage = Stage::Failed;
        self.taking.count = self.taking.count.map(|count| count + 1);
        true
    }

    /// Takes note that a message that has failed is to be given once more.
    pub(super) fn retry(&mut self, number: u64) {
        self.in_hand.retain(|_, one| one.number != number || one.stage == Stage::Given);
    }

    /// Whether it has something that it has said nothing about.
    pub(super) fn awaits_report(&self) -> bool {
        self.given().next().is_some()
    }

    fn given(&self) -> impl Iterator<Item = &InHand> {
        self.in_hand.values().filter(|one| one.stage == Stage::Given)
    }

    /// Whether one more message is begun at once, by the limits of the commands.
    fn has_room(&self, trust_level: TrustLevel) -> bool {
        let unverified = self.given().filter(|one| one.trust_level != TrustLevel::Verified).count();
        self.given().count() < EXEC_COMMANDS
            && (trust_level == TrustLevel::Verified || unverified < EXEC_COMMANDS_UNVERIFIED)
    }
}

fn author(message: &Message) -> Author {
    message.fingerprint.filter(|_| message.trust_level != TrustLevel::Unauthenticated)
}
