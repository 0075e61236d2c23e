//! Lines that an actor types into a front end without an editor, which reads them in its own time.

use std::collections::VecDeque;

use super::face::Face;
use super::simulation::SimHost;
use crate::app::client::Client;
use crate::chat::{Chat, Input};
use crate::events::Id;
use crate::events::unedited_input::{InputTaker, LineMeaning, UneditedInput};
use crate::net::lines::{LineEvent, read_line};
use crate::script::FrontEnd;

/// Lines of one actor.
pub(super) struct TypedLines {
    input: UneditedInput,
    /// Lines that were typed and not read yet.
    unread: VecDeque<LineEvent>,
}

/// Session of an actor, with its host.
pub(super) struct ActorSession<'a> {
    pub(super) client: &'a mut Client,
    pub(super) host: SimHost<'a>,
}

impl TypedLines {
    pub(super) fn new(front_end: FrontEnd) -> Self {
        let meaning = match front_end {
            FrontEnd::Plain => LineMeaning::Prompt,
            FrontEnd::Json => LineMeaning::Request,
        };
        Self { input: UneditedInput::new(meaning), unread: VecDeque::new() }
    }

    /// Types a text and Enter.
    pub(super) fn push(&mut self, text: &str) {
        let text = [text, "\n"].concat();
        let mut bytes = text.as_bytes();
        while !bytes.is_empty() {
            self.unread.push_back(read_line(&mut bytes));
        }
    }

    /// Hands on what the session takes now.
    pub(super) fn hand_on(&mut self, session: &mut ActorSession<'_>) {
        while session.client.exit_code.is_none() && self.input.is_ready(session) {
            match self.unread.pop_front() {
                Some(LineEvent::Line(line)) => self.input.take_line(session, &line),
                Some(LineEvent::TooLong { bytes }) => self.input.take_too_long(session, bytes),
                // The input of an actor is open while it runs.
                Some(LineEvent::End | LineEvent::Broken(_)) | None => return,
            }
        }
    }
}

impl InputTaker for ActorSession<'_> {
    fn chat(&self) -> &Chat {
        &self.client.chat
    }

    fn awaits_answer(&mut self, id: &Id) -> bool {
        self.host.face.awaits_answer(id)
    }

    fn handle(&mut self, input: Input<'_>) {
        self.client.handle(&mut self.host, input);
        self.host.show_of(Face::effects_done);
    }

    /// Every change of the book is on disk at once, so that no reply waits for one.
    fn answer(&mut self, id: Option<Id>, input: Input<'_>) {
        self.host.face.begin(id);
        self.handle(input);
        self.host.show_of(Face::reply);
    }
}
