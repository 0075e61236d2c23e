//! Questions of a program that wait for their answers. The next text of a peer answers the oldest
//! question to it.

use super::types::PeerId;
use crate::ids::FaceId;
use crate::limits;
use crate::time::MonoMs;

/// One question, numbered in the order of asking.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct QuestionId(pub u64);

#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) id: QuestionId,
    /// Front end that asks.
    pub(crate) face: FaceId,
    peer: PeerId,
    pub(crate) name: String,
    text: String,
    pub(crate) timeout_ms: u64,
    deadline: MonoMs,
}

/// The questions, the oldest first, at most [`limits::QUESTIONS`].
#[derive(Debug, Default)]
pub(crate) struct Questions {
    asked: u64,
    waiting: Vec<Question>,
}

impl Questions {
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < limits::QUESTIONS
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn ask(
        &mut self,
        face: FaceId,
        (peer, name): (PeerId, String),
        text: &str,
        now: MonoMs,
        timeout_ms: u64,
    ) -> QuestionId {
        self.asked += 1;
        let (id, deadline) = (QuestionId(self.asked), MonoMs(now.0.saturating_add(timeout_ms)));
        self.waiting.push(Question { id, face, peer, name, text: text.to_owned(), timeout_ms, deadline });
        id
    }

    /// The question that a text of this peer answers.
    pub(crate) fn answered_by(&mut self, peer: PeerId) -> Option<QuestionId> {
        let oldest = self.waiting.iter().position(|question| question.peer == peer)?;
        Some(self.waiting.remove(oldest).id)
    }

    /// Drops the newest question to this peer with this text: it was not kept, so not asked.
    pub(crate) fn retract(&mut self, peer: PeerId, text: &str) {
        let is_it = |question: &Question| question.peer == peer && question.text == text;
        if let Some(newest) = self.waiting.iter().rposition(is_it) {
            self.waiting.remove(newest);
        }
    }

    /// Drops the questions of a front end that is gone: nobody waits for their answers.
    pub(crate) fn forget_face(&mut self, face: FaceId) {
        self.waiting.retain(|question| question.face != face);
    }

    /// Takes the questions whose time has passed.
    pub(crate) fn take_due(&mut self, now: MonoMs) -> Vec<Question> {
        self.waiting.extract_if(.., |question| question.deadline <= now).collect()
    }

    pub(crate) fn poll_timeout(&self) -> Option<MonoMs> {
        self.waiting.iter().map(|question| question.deadline).min()
    }
}
