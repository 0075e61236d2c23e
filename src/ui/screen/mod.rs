//! Where notices become bytes: in rows for a person, or in objects for a program. One thread writes them. What was
//! owed for a message is reported once it is out.

pub(crate) mod json_client;
pub(crate) mod person;
pub(crate) mod writer;

use std::io::{self, Write as _};
use std::sync::Arc;

use mio::Waker;

pub(crate) use json_client::JsonClient;
pub(crate) use person::Person;
pub(crate) use writer::Sink;
use writer::Writer;

use crate::app::clock::unix_ms;
use crate::app::sink::NoticeSink;
use crate::chat::{Chat, Notice, ReceiptDue, SentMessage};
use crate::events::from_notice;
use crate::events::{Event, Id};
use crate::text::safe::SafeText;

/// The screen's owner.
pub(crate) struct Screen {
    writer: Writer,
    reader: Reader,
}

/// Who reads what is shown.
pub(crate) enum Reader {
    /// Somebody with eyes or ears.
    Person(Box<Person>),
    /// Somebody with a parser.
    JsonClient(JsonClient),
}

impl Screen {
    pub(crate) fn start(reader: Reader, sink: Sink, waker: Arc<Waker>) -> io::Result<Self> {
        Ok(Self { writer: Writer::start(sink, waker)?, reader })
    }

    /// What is out since the last call; an error means that nobody reads any more.
    pub(crate) fn shown(&self) -> Option<io::Result<ReceiptDue>> {
        self.writer.written()
    }

    /// Waits until everything is written.
    pub(crate) fn finish(&mut self) {
        self.writer.finish();
    }

    /// What is shown from now on follows from an order of this id.
    pub(crate) fn begin(&mut self, id: Option<Id>) {
        if let Reader::JsonClient(program) = &mut self.reader {
            program.begin(id);
        }
    }

    /// Everything that follows at once from an order has been shown.
    pub(crate) fn reply(&mut self) {
        if let Reader::JsonClient(program) = &mut self.reader
            && let Some(reply) = program.reply()
        {
            self.writer.put(reply, None);
        }
    }

    /// Tells a program something that people know without being told.
    pub(crate) fn tell(&mut self, event: &Event) {
        if let Reader::JsonClient(program) = &self.reader {
            self.writer.put(program.told(event, unix_ms()), None);
        }
    }
}

impl NoticeSink for Screen {
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) {
        let text = match &mut self.reader {
            Reader::Person(person) => person.notice(notice),
            Reader::JsonClient(program) => program.notice(notice),
        };
        self.writer.put(text, due);
    }

    fn is_behind(&self) -> bool {
        self.writer.is_behind()
    }

    fn chat_changed(&mut self, chat: &Chat) {
        match &mut self.reader {
            Reader::Person(person) => person.follow(chat),
            Reader::JsonClient(program) => program.follow(chat),
        }
    }

    /// What stands before the cursor is shown anew, if it has changed and nothing that was shown did so.
    fn effects_done(&mut self) {
        let text = match &mut self.reader {
            Reader::Person(person) => person.repaint(),
            Reader::JsonClient(program) => program.state(),
        };
        if let Some(text) = text {
            self.writer.put(text, None);
        }
    }

    fn sent(&mut self, sent: &SentMessage) {
        self.tell(&from_notice::sent(sent));
    }

    fn received(&mut self, name: &str, upto: u64) {
        self.tell(&Event::Received { to: name.to_owned(), upto });
    }

    fn alert(&mut self, text: &SafeText) {
        if let Reader::Person(person) = &mut self.reader {
            person.alert(text);
        }
    }
}

/// Standard output, whole rows at a time.
pub(crate) fn stdout_sink() -> Sink {
    Box::new(|text| {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    })
}
