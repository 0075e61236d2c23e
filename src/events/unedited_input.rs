//! Input that nobody edits: lines of a person or of a pipe, and requests of a program, one a line.

use super::Id;
use super::json_request::{self, Request};
use crate::chat::command::{self, ParsedLine};
use crate::chat::{Chat, Input};
use crate::text::safe::SafeText;
use crate::text::utf8;

/// Client that takes the input.
pub(crate) trait InputTaker {
    fn chat(&self) -> &Chat;

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
    /// Line with a text that waits for the first peer.
    held_line: Option<String>,
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
            self.take_text_line(taker, line);
        }
        match self.meaning {
            LineMeaning::Prompt => self.held_line.is_none() && taker.chat().takes_lines(),
            LineMeaning::Request => self.held.is_none() && taker.chat().takes_commands(),
        }
    }

    /// Takes a line: a request, or text in UTF-8, or refused by itself.
    pub(crate) fn take_line(&mut self, taker: &mut impl InputTaker, line: &[u8]) {
        self.lines_read += 1;
        let line = if self.lines_read == 1 { utf8::without_mark(line) } else { line };
        if self.meaning == LineMeaning::Prompt {
            return match std::str::from_utf8(line) {
                Ok(text) => self.take_text_line(taker, text.to_owned()),
                Err(_) => taker.handle(Input::LineNotText { row: SafeText::line_from_bytes(line) }),
            };
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
        taker.handle(Input::LineTooLong { bytes });
    }

    /// Names the texts that wait or have been read, and have no way to go any more. `called` is who
    /// was to get them, where nobody is addressed.
    pub(crate) fn name_undeliverable(
        &mut self,
        taker: &mut impl InputTaker,
        called: &str,
        unread: impl Iterator<Item = Vec<u8>>,
    ) {
        let mut texts: Vec<String> = self.held_line.take().and_then(text_of).into_iter().collect();
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
        let addressed = taker.chat().view().addressed.map_or_else(|| called.to_owned(), |to| to.name);
        taker.handle(Input::Undeliverable { to: &addressed, texts });
        for (id, request) in requests {
            if let Request::Say { to, text } = request {
                let to = to.as_deref().unwrap_or(&addressed);
                taker.answer(id, Input::Undeliverable { to, texts: vec![text] });
            }
        }
    }

    /// Takes a line in UTF-8. A text waits for the first peer, if there may be one.
    fn take_text_line(&mut self, taker: &mut impl InputTaker, line: String) {
        let waits = taker.chat().awaits_recipient()
            && !taker.chat().is_shutting_down()
            && matches!(command::parse_line(&line), Ok(ParsedLine::Text(_)));
        if waits {
            self.held_line = Some(line);
        } else {
            taker.handle(Input::Line(&line));
        }
    }

    /// Carries out a request. A text for the addressed peer waits for room. Nothing else does: a
    /// peer that takes nothing must not keep a program from all others.
    fn carry_out(&mut self, taker: &mut impl InputTaker, id: Option<Id>, request: Request) {
        if matches!(request, Request::Say { to: None, .. }) && !taker.chat().takes_lines() {
            self.held = Some((id, request));
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
