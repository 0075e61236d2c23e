//! Output of the prompt: text for a person or JSON for a program, written by one thread.

mod json_client;
mod person;
mod writer;

use std::io::{self, Write as _};
use std::sync::Arc;

use mio::Waker;

use crate::app::sink::NoticeSink;
use crate::chat::{Chat, Notice, ReceiptDue, SentMessage};
use crate::events::from_notice;
use crate::events::{Event, Id};
use crate::text::safe::SafeText;
pub(crate) use json_client::JsonClient;
pub(crate) use person::Person;
pub(crate) use writer::Printer;
use writer::ScreenWriter;

/// Sink of the prompt's notices.
pub(crate) struct Screen {
    writer: ScreenWriter,
    viewer: Viewer,
}

/// Reader of the output, which decides its form.
pub(crate) enum Viewer {
    Person(Box<Person>),
    JsonClient(JsonClient),
}

impl Screen {
    pub(crate) fn start(viewer: Viewer, printer: Printer, waker: Arc<Waker>) -> io::Result<Self> {
        Ok(Self { writer: ScreenWriter::start(printer, waker)?, viewer })
    }

    /// The next receipt that is due; an error means that nobody reads any more.
    pub(crate) fn shown(&self) -> Option<io::Result<ReceiptDue>> {
        self.writer.written()
    }

    /// Waits until everything is written.
    pub(crate) fn finish(&mut self) {
        self.writer.finish();
    }

    /// Begins a request of a program; events that follow carry its id.
    pub(crate) fn begin(&mut self, id: Option<Id>) {
        if let Viewer::JsonClient(client) = &mut self.viewer {
            client.begin(id);
        }
    }

    /// Replies to the request: every event that follows from it at once has been shown.
    pub(crate) fn reply(&mut self) {
        if let Viewer::JsonClient(client) = &mut self.viewer
            && let Some(reply) = client.reply()
        {
            self.writer.write(reply, None);
        }
    }

    /// Sends an event that only programs need.
    pub(crate) fn tell(&mut self, event: &Event) {
        if let Viewer::JsonClient(client) = &self.viewer {
            self.writer.write(client.event(event), None);
        }
    }
}

impl NoticeSink for Screen {
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) {
        let text = match &mut self.viewer {
            Viewer::Person(person) => person.notice(notice),
            Viewer::JsonClient(client) => client.notice(notice),
        };
        self.writer.write(text, due);
    }

    fn is_behind(&self) -> bool {
        self.writer.is_behind()
    }

    fn chat_changed(&mut self, chat: &Chat) {
        match &mut self.viewer {
            Viewer::Person(person) => person.update(chat),
            Viewer::JsonClient(client) => client.update(chat),
        }
    }

    /// Repaints the prompt, or sends the state, if it has changed and no notice did so.
    fn effects_done(&mut self) {
        let text = match &mut self.viewer {
            Viewer::Person(person) => person.take_repaint(),
            Viewer::JsonClient(client) => client.take_state(),
        };
        if let Some(text) = text {
            self.writer.write(text, None);
        }
    }

    fn sent(&mut self, sent: &SentMessage) {
        self.tell(&from_notice::sent(sent));
    }

    fn received(&mut self, name: &str, upto: u64) {
        self.tell(&Event::Received { to: name.to_owned(), upto });
    }

    fn alert(&mut self, text: &SafeText) {
        if let Viewer::Person(person) = &mut self.viewer {
            person.ring(text);
        }
    }
}

/// Printer to standard output, whole rows at a time.
pub(crate) fn stdout_printer() -> Printer {
    Box::new(|text| {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    })
}
