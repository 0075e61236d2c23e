//! Questions of a program that wait for their answers. The next text of a peer, once it has read
//! the question, answers the oldest one to it.

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
    reading: Reading,
}

/// Whether a peer has read a question: what it wrote before that is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reading {
    Unknown,
    Done,
}

/// Which texts of ours are questions.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Asking {
    /// Those that a program asks.
    #[default]
    OnOrder,
    /// All of them: the process was started to ask.
    Always,
}

/// By what it is known that a peer has read a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadingProof {
    /// It has answered the `Ping` behind the question: it wrote everything before that in ignorance
    /// of it.
    Probe,
    /// It has acknowledged the question, and answers no `Ping`.
    Receipt,
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
        let reading = if matches!(peer, PeerId::Conn(_)) { Reading::Done } else { Reading::Unknown };
        let text = text.to_owned();
        self.waiting.push(Question { id, face, peer, name, text, timeout_ms, deadline, reading });
        id
    }

    /// Whether it is not known of a question that this peer has read it.
    pub(crate) fn has_unread(&self, peer: PeerId) -> bool {
        self.waiting.iter().any(|question| question.peer == peer && question.reading == Reading::Unknown)
    }

    /// Takes note that this peer has read its questions.
    pub(crate) fn note_read(&mut self, peer: PeerId) {
        for question in self.waiting.iter_mut().filter(|question| question.peer == peer) {
            question.reading = Reading::Done;
        }
    }

    /// The question that a text of this peer answers.
    pub(crate) fn answered_by(&mut self, peer: PeerId) -> Option<QuestionId> {
        let is_it = |question: &Question| question.peer == peer && question.reading == Reading::Done;
        let oldest = self.waiting.iter().position(is_it)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Fingerprint;
    use crate::ids::ConnId;

    fn peer(name: &str) -> PeerId {
        PeerId::Key(Fingerprint::of(name.as_bytes()))
    }

    fn asked(questions: &mut Questions, of: PeerId, timeout_ms: u64) -> QuestionId {
        questions.ask(FaceId::OWN, (of, "bob".to_owned()), "?", MonoMs(10), timeout_ms)
    }

    #[test]
    fn a_text_answers_the_oldest_question_that_its_author_has_read() {
        let mut questions = Questions::default();
        let (bob, carol) = (peer("bob"), peer("carol"));
        let ids = [bob, carol, bob].map(|of| asked(&mut questions, of, 100));
        assert!(questions.has_unread(bob));
        assert_eq!(questions.answered_by(bob), None);
        questions.note_read(bob);
        assert!(!questions.has_unread(bob) && questions.has_unread(carol));
        assert_eq!(
            [bob, carol, bob, bob].map(|of| questions.answered_by(of)),
            [Some(ids[0]), None, Some(ids[2]), None]
        );
        // Nothing tells that a peer of the raw wire has read.
        let raw = PeerId::Conn(ConnId(7));
        let id = asked(&mut questions, raw, 100);
        assert_eq!(questions.answered_by(raw), Some(id));
    }

    #[test]
    fn questions_are_bounded_and_each_has_its_time() {
        let mut questions = Questions::default();
        assert_eq!(questions.poll_timeout(), None);
        for later in 0..limits::QUESTIONS as u64 {
            assert!(questions.has_room());
            asked(&mut questions, peer("bob"), 200 + later);
        }
        assert!(!questions.has_room());
        asked(&mut questions, peer("carol"), u64::MAX);
        assert_eq!(questions.poll_timeout(), Some(MonoMs(210)));
        assert!(questions.take_due(MonoMs(209)).is_empty());
        assert_eq!(questions.take_due(MonoMs(211)).len(), 2);
        questions.forget_face(FaceId::OWN);
        assert!(questions.is_empty());
    }
}
