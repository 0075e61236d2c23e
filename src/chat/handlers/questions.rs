//! Handlers of questions of a program, and of their answers.

use crate::chat::Chat;
use crate::chat::io::Effect;
use crate::chat::notice::{Message, Warning};
use crate::chat::questions::{Asking, ReadingProof};
use crate::chat::types::PeerId;
use crate::ids::ConnId;
use crate::limits;
use crate::wire::Lifetime;

impl Chat {
    /// Sends a text to a peer by its name or its fingerprint, or to the addressed one. If it was
    /// accepted, its answer is awaited.
    pub(crate) fn ask(&mut self, to: Option<&str>, text: &str, timeout_ms: u64) {
        if text.is_empty() {
            return self
                .refuse_line(Warning::CommandError { what: "not asked: the question is empty".to_owned() });
        }
        if !self.questions.has_room() {
            let what = format!("not asked: {} questions are already waiting for answers", limits::QUESTIONS);
            return self.refuse_line(Warning::CommandError { what });
        }
        let found = match to {
            Some(name) => self.peer_called(name),
            None => self.conversations.addressed_peer().map(|id| (self.addressee_name(), id)),
        };
        let Some((name, id)) = found else {
            return match to {
                Some(_) => self.conversations.face_mut().refused_lines += 1,
                None => self.refuse_line(Warning::NobodyAddressed),
            };
        };
        let refused = self.refused_lines();
        self.send_to_peer(id, name.clone(), text);
        if self.refused_lines() == refused {
            let face = self.conversations.current_face();
            let question = self.questions.ask(face, (id, name), text, self.now.mono, timeout_ms);
            self.effects.push(Effect::Asked(question));
            // One that is kept goes out once it is on disk.
            if let Some(conn) = self.conversations.open_with(id)
                && self.keeps_for(id).is_none()
            {
                self.probe_reading(conn);
            }
        }
    }

    /// Says which question the next message answers, if it answers one. Who only sends hears
    /// nothing, and answers nothing.
    pub(crate) fn match_answer(&mut self, id: PeerId, message: &Message) {
        if message.lifetime == Lifetime::Lasting
            && let Some(question) = self.questions.answered_by(id)
        {
            self.effects.push(Effect::Answers(question));
        }
    }

    /// Asks to be told when a peer has read what was just sent, if that was a question.
    pub(crate) fn probe_reading(&mut self, conn: ConnId) {
        let now = self.now.mono;
        let Some(peer) = self.conversations.peer_of(conn).map(|peer| peer.id) else { return };
        if self.asking == Asking::Always || self.questions.has_unread(peer) {
            self.with_session(conn, |session| session.probe_reading(now));
        }
    }

    /// Takes note that a peer has read the questions that were sent.
    pub(crate) fn note_questions_read(&mut self, conn: ConnId, proof: ReadingProof) {
        let Some(peer) = self.conversations.peer_of(conn).map(|peer| peer.id) else { return };
        self.questions.note_read(peer);
        if self.asking == Asking::Always {
            self.effects.push(Effect::QuestionRead(proof));
        }
    }

    /// Gives up the questions whose time has passed, and says so to those who asked.
    pub(crate) fn give_up_questions(&mut self) {
        for question in self.questions.take_due(self.now.mono) {
            let (name, timeout_ms) = (question.name, question.timeout_ms);
            self.in_face(question.face, |chat| {
                chat.effects.push(Effect::Answers(question.id));
                chat.effects.warn(Warning::NotAnswered { name, timeout_ms });
            });
        }
    }
}
