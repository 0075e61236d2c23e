//! Where notices become bytes: one thread writes them, so that a slow terminal or a full pipe holds up
//! neither the loop nor the line being typed. What was owed for a message is reported once it is out.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use mio::Waker;
use unicode_width::UnicodeWidthStr as _;

use super::live::Show;
use super::wrap::wrapped;
use crate::chat::{Notice, Owed};

/// Cells of the time before a row and the colon after its name, with their blanks.
const CLOCK_CELLS: usize = 8;
/// Bytes that may wait for the screen before peers are no longer read.
const BACKLOG_BYTES: usize = 1024 * 1024;

/// Whether output may carry colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    Plain,
    Colour,
}

/// Where the output goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Looks {
    /// To a screen, which wraps.
    Screen,
    /// To something that takes lines.
    Lines,
}

/// What writes: an editor's printer, or standard output.
pub(super) type Sink = Box<dyn FnMut(String) -> io::Result<()> + Send>;

/// The screen's owner.
pub(super) struct Screen {
    queue: Option<Sender<(String, Option<Owed>)>>,
    done: Receiver<io::Result<Owed>>,
    backlog: Arc<AtomicUsize>,
    style: Style,
    looks: Looks,
    writer: Option<JoinHandle<()>>,
}

impl Screen {
    pub(super) fn start(style: Style, looks: Looks, mut sink: Sink, waker: Arc<Waker>) -> io::Result<Self> {
        let (queue, waiting) = channel::<(String, Option<Owed>)>();
        let (report, done) = channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&backlog);
        let writer = thread::Builder::new().name("screen".into()).spawn(move || {
            while let Ok((mut text, owed)) = waiting.recv() {
                let mut owed: Vec<Owed> = owed.into_iter().collect();
                // Everything that waits goes out in one piece: each piece repaints the line being typed.
                while let Ok((more, also)) = waiting.try_recv() {
                    text.push_str(&more);
                    owed.extend(also);
                }
                let bytes = text.len();
                let written = sink(text);
                left.fetch_sub(bytes, Ordering::Relaxed);
                let reports: Vec<_> = match written {
                    Ok(()) => owed.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                };
                for one in reports {
                    let failed = one.is_err();
                    if report.send(one).is_err() || failed {
                        // Nobody reads any more: the loop is told once, the rest is dropped.
                        let _ = waker.wake();
                        return;
                    }
                }
                let _ = waker.wake();
            }
        })?;
        Ok(Self { queue: Some(queue), done, backlog, style, looks, writer: Some(writer) })
    }

    /// A row with its time; a peer's is wrapped where somebody looks at a screen.
    fn fitted(&self, notice: &Notice, row: String) -> Vec<String> {
        let Notice::Said(said) = notice else { return vec![row] };
        let row = format!("{} {row}", clock(said.arrived_ms));
        match self.looks {
            Looks::Screen => match rustix::termios::tcgetwinsize(io::stdout()) {
                Ok(size) if size.ws_col > 0 => {
                    wrapped(&row, said.name.width() + CLOCK_CELLS, usize::from(size.ws_col))
                }
                _ => vec![row],
            },
            Looks::Lines => vec![row],
        }
    }

    /// What is out since the last call; an error means that nobody reads any more.
    pub(super) fn shown(&self) -> Option<io::Result<Owed>> {
        self.done.try_recv().ok()
    }

    /// Waits until everything is written.
    pub(super) fn finish(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A panic there has been reported by its hook.
            let _ = writer.join();
        }
    }
}

impl Show for Screen {
    fn show(&mut self, notice: &Notice, owed: Option<Owed>) {
        let mut text = String::new();
        for row in notice.rows() {
            for row in self.fitted(notice, row) {
                text.push_str(&painted(notice, &row, self.style));
                text.push('\n');
            }
        }
        self.backlog.fetch_add(text.len(), Ordering::Relaxed);
        if let Some(queue) = &self.queue {
            // The writer ends only after an error that has been reported.
            let _ = queue.send((text, owed));
        }
    }

    fn is_behind(&self) -> bool {
        self.backlog.load(Ordering::Relaxed) > BACKLOG_BYTES
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

/// A row with colour where that is wanted; colour never says what words do not.
fn painted(notice: &Notice, row: &str, style: Style) -> String {
    let (colour, row) = match notice {
        Notice::Said(_) | Notice::Answer(_) => ("", row.to_owned()),
        Notice::Info(_) => ("\x1b[2m", row.to_owned()),
        Notice::Trouble(_) => ("\x1b[31m", row.to_owned()),
    };
    match style {
        Style::Colour if !colour.is_empty() => format!("{colour}{row}\x1b[0m"),
        _ => row,
    }
}

/// Hours and minutes on the wall.
fn clock(unix_ms: u64) -> String {
    let stamp = jiff::Timestamp::from_millisecond(unix_ms.try_into().unwrap_or(0)).unwrap_or_default();
    stamp.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%H:%M").to_string()
}
