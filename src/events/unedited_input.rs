//! Input that nobody edits: lines of a person or of a pipe, and requests of a program, one a line.

use super::Id;
use super::json_request::{self, Request};
use crate::chat::command::{self, ParsedLine};
use crate::chat::{Chat, Input};
use crate::ids::FaceId;
use crate::text::safe::SafeText;
use crate::text::utf8;

/// Client that takes the input.
pub(crate) trait InputTaker {
    fn chat(&self) -> &Chat;

    /// Face that the input belongs to.
    fn face(&self) -> FaceId {
        FaceId::OWN
    }

    /// Whether the answer to the question with this id is awaited.
    fn awaits_answer(&mut self, id: &Id) -> bool;

    /// Hands an input to the chat and performs what follows from it.
    fn handle(&mut self, input: Input<'_>);

    /// Handles the input of a request, and replies to its id.
    fn answer(&mut self, id: Option<Id>, input: Input<'_>);
}

/// Meaning of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LineMeaning {
    /// Text or command, as at the prompt.
    Prompt,
    /// JSON object of a program.
    Request,
}

/// State of an input that nobody edits. What it has read and cannot hand on yet waits here.
#[derive(Debug)]
pub(crate) struct UneditedInput {
    meaning: LineMeaning,
    /// Lines so far.
    lines_read: u64,
    /// Request with a text that waits for room.
    held: Option<(Option<Id>, Request)>,
    /// Line of a prompt that waits: a text for the first peer, everything else for the texts before
    /// it to be on disk, so that what it shows stands behind theirs.
    held_line: Option<PromptLine>,
}

/// Line as it was read.
#[derive(Debug)]
enum PromptLine {
    Utf8(String),
    NotText(SafeText),
    /// Of so many bytes.
    TooLong(u64),
}

impl UneditedInput {
    pub(crate) fn new(meaning: LineMeaning) -> Self {
        Self { meaning, lines_read: 0, held: None, held_line: None }
    }

    pub(crate) fn meaning(&self) -> LineMeaning {
        self.meaning
    }

    /// Tries again what waits, and returns whether one more line may be read. A line waits until a
    /// connection is established and the peer has room, and behind a text that waits for the first
    /// peer.
    pub(crate) fn is_ready(&mut self, taker: &mut impl InputTaker) -> bool {
        if let Some((id, request)) = self.held.take() {
            self.carry_out(taker, id, request);
        }
        if let Some(line) = self.held_line.take() {
            self.take_prompt_line(taker, line);
        }
        let (chat, face) = (taker.chat(), taker.face());
        match self.meaning {
            LineMeaning::Prompt => self.held_line.is_none() && chat.takes_lines(face),
            // Each has its reply before the next is read.
            LineMeaning::Request => {
                self.held.is_none() && chat.takes_commands(face) && !chat.is_accepting(face)
            }
        }
    }

    /// Whether a request may be read though the disk has not taken the texts before it: one that is
    /// such a text goes there with them.
    pub(crate) fn may_follow(&self, taker: &impl InputTaker, line: &[u8]) -> bool {
        let is_text = || matches!(json_request::read(line), (_, Ok(Request::Say { to: Some(_), .. })));
        self.held.is_none() && taker.chat().takes_commands(taker.face()) && is_text()
    }

    /// Takes a line: a request, or text in UTF-8, or refused by itself.
    pub(crate) fn take_line(&mut self, taker: &mut impl InputTaker, line: &[u8]) {
        self.lines_read += 1;
        let line = if self.lines_read == 1 { utf8::without_mark(line) } else { line };
        if self.meaning == LineMeaning::Prompt {
            let line = match std::str::from_utf8(line) {
                Ok(text) => PromptLine::Utf8(text.to_owned()),
                Err(_) => PromptLine::NotText(SafeText::line_from_bytes(line)),
            };
            return self.take_prompt_line(taker, line);
        }
        if line.trim_ascii().is_empty() {
            return;
        }
        match json_request::read(line) {
            (id, Ok(request)) => self.carry_out(taker, id, request),
            (id, Err(why)) => {
                let what = format!("line {}: {why}", self.lines_read);
                taker.answer(id, Input::LineRefused { what });
            }
        }
    }

    /// Takes a line of which nothing was kept.
    pub(crate) fn take_too_long(&mut self, taker: &mut impl InputTaker, bytes: u64) {
        self.lines_read += 1;
        match self.meaning {
            LineMeaning::Prompt => self.take_prompt_line(taker, PromptLine::TooLong(bytes)),
            LineMeaning::Request => taker.handle(Input::LineTooLong { bytes }),
        }
    }

    /// The request that waits for room.
    pub(crate) fn take_held(&mut self) -> Option<(Option<Id>, Request)> {
        self.held.take()
    }

    /// Names the texts that wait or have been read, and have no way to go any more. `called` is who
    /// was to get them, where nobody is addressed.
    pub(crate) fn name_undeliverable(
        &mut self,
        taker: &mut impl InputTaker,
        called: Option<&str>,
        unread: Vec<Vec<u8>>,
    ) {
        let held = match self.held_line.take() {
            Some(PromptLine::Utf8(line)) => text_of(line),
            _ => None,
        };
        let mut texts: Vec<String> = held.into_iter().collect();
        let mut requests: Vec<_> = self.held.take().into_iter().collect();
        for line in unread {
            match (self.meaning, String::from_utf8(line)) {
                (LineMeaning::Request, Ok(line)) => {
                    let (id, request) = json_request::read(line.as_bytes());
                    requests.extend(request.map(|request| (id, request)));
                }
                (LineMeaning::Prompt, Ok(line)) => texts.extend(text_of(line)),
                (_, Err(_)) => {}
            }
        }
        let addressed = taker.chat().view_of(taker.face()).addressed.map(|to| to.name);
        let addressed = addressed.as_deref().or(called);
        taker.handle(Input::Undeliverable { to: addressed, texts });
        for (id, request) in requests {
            if let Request::Say { to, text, .. } | Request::Ask { to, text, .. } = request {
                let to = to.as_deref().or(addressed);
                taker.answer(id, Input::Undeliverable { to, texts: vec![text] });
            }
        }
    }

    /// Takes a line of a prompt, or holds it.
    fn take_prompt_line(&mut self, taker: &mut impl InputTaker, line: PromptLine) {
        let (chat, face) = (taker.chat(), taker.face());
        let waits = match &line {
            _ if chat.is_shutting_down() => false,
            PromptLine::Utf8(text) => match command::parse_line(text) {
                Ok(ParsedLine::Text(_)) => chat.awaits_recipient(face),
                Ok(ParsedLine::TextTo { .. }) => false,
                _ => chat.is_accepting(face),
            },
            PromptLine::NotText(_) | PromptLine::TooLong(_) => chat.is_accepting(face),
        };
        match line {
            line if waits => self.held_line = Some(line),
            PromptLine::Utf8(text) => taker.handle(Input::Line(&text)),
            PromptLine::NotText(row) => taker.handle(Input::LineNotText { row }),
            PromptLine::TooLong(bytes) => taker.handle(Input::LineTooLong { bytes }),
        }
    }

    /// Carries out a request. A text for the addressed peer waits for room. Nothing else does: a
    /// peer that takes nothing must not keep a program from all others.
    fn carry_out(&mut self, taker: &mut impl InputTaker, id: Option<Id>, request: Request) {
        let is_for_addressee =
            matches!(request, Request::Say { to: None, .. } | Request::Ask { to: None, .. });
        let is_question = matches!(request, Request::Ask { .. });
        if is_for_addressee && !taker.chat().takes_lines(taker.face()) {
            self.held = Some((id, request));
        } else if is_question && id.as_ref().is_some_and(|id| taker.awaits_answer(id)) {
            let what = "not asked: a question with this id is already waiting for its answer".to_owned();
            taker.answer(id, Input::LineRefused { what });
        } else {
            taker.answer(id, request.input());
        }
    }
}

/// Text of a line; none if it is a command, or nothing.
fn text_of(line: String) -> Option<String> {
    match command::parse_line(&line) {
        Ok(ParsedLine::Text(_) | ParsedLine::TextTo { .. }) => Some(line),
        _ => None,
    }
}
