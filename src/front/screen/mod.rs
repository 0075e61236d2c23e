//! Where notices become bytes: in rows for a person, or in objects for a program. One thread writes them. What was
//! owed for a message is reported once it is out.

mod person;
mod program;
mod writer;

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mio::Waker;

pub(super) use person::Person;
pub(super) use program::Program;
pub(super) use writer::Sink;
use writer::Writer;

use super::events::{Event, Id};
use super::live::Show;
use super::telling;
use crate::chat::safe::SafeText;
use crate::chat::{Chat, Notice, Owed, Sent};

/// Cells of a screen that does not know its own width.
const CELLS: usize = 80;
/// Rows of a screen that does not know its own.
const ROWS: usize = 24;

/// The screen's owner.
pub(super) struct Screen {
    writer: Writer,
    reader: Reader,
}

/// Who reads what is shown.
pub(super) enum Reader {
    /// Somebody with eyes or ears.
    Person(Box<Person>),
    /// Somebody with a parser.
    Program(Program),
}

impl Screen {
    pub(super) fn start(reader: Reader, sink: Sink, waker: Arc<Waker>) -> io::Result<Self> {
        Ok(Self { writer: Writer::start(sink, waker)?, reader })
    }

    /// What is out since the last call; an error means that nobody reads any more.
    pub(super) fn shown(&self) -> Option<io::Result<Owed>> {
        self.writer.written()
    }

    /// Waits until everything is written.
    pub(super) fn finish(&mut self) {
        self.writer.finish();
    }

    /// What is shown from now on follows from an order of this id.
    pub(super) fn begin(&mut self, id: Option<Id>) {
        if let Reader::Program(program) = &mut self.reader {
            program.begin(id);
        }
    }

    /// Everything that follows at once from an order has been shown.
    pub(super) fn reply(&mut self) {
        if let Reader::Program(program) = &mut self.reader
            && let Some(reply) = program.reply()
        {
            self.writer.put(reply, None);
        }
    }

    /// Tells a program something that people know without being told.
    pub(super) fn tell(&mut self, event: &Event) {
        if let Reader::Program(program) = &self.reader {
            self.writer.put(program.told(event, unix_ms()), None);
        }
    }
}

impl Show for Screen {
    fn show(&mut self, notice: &Notice, owed: Option<Owed>) {
        let text = match &mut self.reader {
            Reader::Person(person) => person.notice(notice),
            Reader::Program(program) => program.notice(notice),
        };
        self.writer.put(text, owed);
    }

    fn is_behind(&self) -> bool {
        self.writer.is_behind()
    }

    fn follow(&mut self, chat: &Chat) {
        match &mut self.reader {
            Reader::Person(person) => person.follow(chat),
            Reader::Program(program) => program.follow(chat),
        }
    }

    /// What stands before the cursor is shown anew, if it has changed and nothing that was shown did so.
    fn settle(&mut self) {
        let text = match &mut self.reader {
            Reader::Person(person) => person.repaint(),
            Reader::Program(program) => program.state(),
        };
        if let Some(text) = text {
            self.writer.put(text, None);
        }
    }

    fn sent(&mut self, sent: &Sent) {
        self.tell(&telling::sent(sent));
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
pub(super) fn stdout_sink() -> Sink {
    Box::new(|text| {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    })
}

/// A line on standard error; if that is gone too, nobody can be told.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A line on standard output.
pub(super) fn answer(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// How much there is of a screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Size {
    /// Cells of a row.
    pub(super) cells: usize,
    pub(super) rows: usize,
}

/// The screen as it is now. It knows best; `COLUMNS` is for one that does not.
pub(super) fn size() -> Size {
    let told = || std::env::var("COLUMNS").ok().and_then(|cells| cells.parse().ok());
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => Size { cells: size.ws_col.into(), rows: size.ws_row.into() },
        _ => Size { cells: told().filter(|cells| *cells > 0).unwrap_or(CELLS), rows: ROWS },
    }
}

/// Cells of a row on the screen.
pub(super) fn cells() -> usize {
    size().cells
}

/// The wall clock, in milliseconds since 1970.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
