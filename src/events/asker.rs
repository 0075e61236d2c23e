//! One that asks: which messages are its answers, and what it has not got of them. What comes
//! meanwhile of others waits for somebody who sees it.

use std::collections::BTreeMap;

use super::Id;
use super::face_order::Taking;
use crate::chat::Message;
use crate::wire::Lifetime;

pub(super) struct Asker {
    /// Whom it asks; the count is of the answers that it may yet be given.
    taking: Taking,
    stage: Stage,
    /// Messages that it is to be given, each with the id of the question that it answers.
    awaited: BTreeMap<u64, Option<Id>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Asking,
    /// An answer has come: what follows it are answers too.
    Answered,
}

impl Asker {
    pub(super) fn new(taking: Taking) -> Self {
        Self { taking, stage: Stage::Asking, awaited: BTreeMap::new() }
    }

    /// Takes a message that has come, if it is an answer: to the question with this id, or one
    /// after that. Returns whether it is to be given it.
    pub(super) fn take(&mut self, message: &Message, id: Option<Id>) -> bool {
        let is_its = self.taking.names(message) && self.taking.count != Some(0);
        let is_taken = is_its && (id.is_some() || self.stage == Stage::Answered);
        if is_taken {
            self.stage = Stage::Answered;
            // Who only sends answers nothing, but the receipt of an answer counts for it as well.
            if message.lifetime == Lifetime::Lasting {
                self.taking.count = self.taking.count.map(|count| count - 1);
            }
            self.awaited.insert(message.number, id);
        }
        is_taken
    }

    /// Takes note of a message that it is to be given before its answer.
    pub(super) fn want(&mut self, number: u64) {
        self.awaited.entry(number).or_default();
    }

    pub(super) fn awaits(&self, number: u64) -> bool {
        self.awaited.contains_key(&number)
    }

    /// Takes the next message that it is to be given, if that may be.
    pub(super) fn next(&mut self, is_free: impl Fn(u64) -> bool) -> Option<(u64, Option<Id>)> {
        let next = self.awaited.first_entry().filter(|next| is_free(*next.key()))?;
        Some(next.remove_entry())
    }
}
