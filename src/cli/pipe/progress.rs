//! Progress of a pipe: counters and clock that its threads share without waiting for each other,
//! and the display on standard error: a bar on a terminal, rows elsewhere, or JSON events.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{BinaryBytes, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use rustix::fs::{FileType, SeekFrom, fstat, seek};
use unicode_width::UnicodeWidthStr as _;

use crate::app::os::{eprint, eprint_line};
use crate::app::output::is_writable;
use crate::events::{OutputEvent, OutputFormat, emit};
use crate::session::pipe::ReadState;
use crate::time::MonoMs;

/// Source of our stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamSource {
    Stdin,
    /// Standard input is not read; our stream is empty.
    Empty,
}

/// Progress in bytes: sent, confirmed by the peer as stored, and received from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ByteCounts {
    pub(crate) sent: u64,
    pub(crate) stored: u64,
    pub(crate) received: u64,
}

pub(crate) struct Counters {
    start: Instant,
    sent: AtomicU64,
    /// Length of our stream, set once and before its end is sent: the peer's answer may be here
    /// before the thread that sent it goes on.
    pub(crate) total: OnceLock<u64>,
    written: AtomicU64,
    unconfirmed: AtomicBool,
    last_read_ms: AtomicU64,
    writing: AtomicBool,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            sent: AtomicU64::new(0),
            total: OnceLock::new(),
            written: AtomicU64::new(0),
            unconfirmed: AtomicBool::new(false),
            last_read_ms: AtomicU64::new(0),
            writing: AtomicBool::new(false),
        }
    }

    /// Time since the pipe was established.
    pub(crate) fn now(&self) -> MonoMs {
        MonoMs(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn instant(&self, at: MonoMs) -> Instant {
        self.start + Duration::from_millis(at.0)
    }

    /// Bytes of our stream that are with the kernel.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes of the peer's stream that are written and flushed.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Notes that written bytes are to be confirmed, and returns whether they are the first since
    /// [`Counters::written_to_confirm`].
    pub(crate) fn mark_unconfirmed(&self) -> bool {
        !self.unconfirmed.swap(true, Ordering::AcqRel)
    }

    /// Bytes to confirm to the peer. The mark is cleared before the count is read, so that bytes
    /// written after that set it anew.
    pub(crate) fn written_to_confirm(&self) -> u64 {
        self.unconfirmed.store(false, Ordering::SeqCst);
        self.written()
    }

    /// Notes that bytes have come from the peer.
    pub(crate) fn mark_read(&self) {
        self.last_read_ms.store(self.now().0, Ordering::Relaxed);
    }

    /// Runs a write of the peer's bytes, during which nothing is read.
    pub(crate) fn while_writing(
        &self,
        bytes: usize,
        write: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        self.writing.store(true, Ordering::Relaxed);
        let written = write();
        self.writing.store(false, Ordering::Relaxed);
        written.map(|()| _ = self.written.fetch_add(bytes as u64, Ordering::Release))
    }

    /// Whether the peer is read at this moment.
    pub(crate) fn read_state(&self) -> ReadState {
        if self.writing.load(Ordering::Relaxed) {
            ReadState::Paused
        } else {
            ReadState::ReceivedAt(MonoMs(self.last_read_ms.load(Ordering::Relaxed)))
        }
    }
}

/// Value of `--progress`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ProgressWhen {
    Always,
    /// If standard error is a terminal on which nobody types and nothing arrives
    Auto,
    Never,
}

/// Time between two drawings of the bar.
const BAR_EVERY: Duration = Duration::from_millis(100);
/// Time between two events.
const EVENT_EVERY: Duration = Duration::from_millis(250);
/// Time between two rows.
const ROW_EVERY: Duration = Duration::from_secs(1);

enum Display {
    /// One row on a terminal, drawn anew.
    Bar(ProgressBar),
    /// A new row each time: it was asked for, but this is no terminal.
    Rows,
    /// A JSON event each time, with the counts of the last one.
    Events(Option<ByteCounts>),
    Hidden,
}

pub(crate) struct Progress {
    display: Display,
    clear_on_output: ClearOnOutput,
    /// The user types our stream, and is told when the other side has sent everything.
    typed: bool,
    updated: Instant,
}

impl Progress {
    pub(crate) fn new(when: ProgressWhen, format: OutputFormat, source: StreamSource) -> Self {
        let terminal = io::stderr().is_terminal();
        let typed = terminal && source == StreamSource::Stdin && io::stdin().is_terminal();
        let mut clear_on_output = ClearOnOutput(None);
        let display = match when {
            _ if format == OutputFormat::Json => Display::Events(None),
            ProgressWhen::Always if terminal => Display::Bar(bar()),
            ProgressWhen::Always => Display::Rows,
            // What is typed would stand in the middle of the row.
            ProgressWhen::Auto if terminal && !typed => {
                let bar = bar();
                clear_on_output = ClearOnOutput(Some(bar.clone()).filter(|_| io::stdout().is_terminal()));
                Display::Bar(bar)
            }
            ProgressWhen::Auto | ProgressWhen::Never => Display::Hidden,
        };
        let typed = typed && format != OutputFormat::Json && when != ProgressWhen::Never;
        Self { display, clear_on_output, typed, updated: Instant::now() }
    }

    /// Clears the bar before the peer's bytes come onto the same terminal, unless it was asked for.
    pub(crate) fn clear_on_output(&mut self) -> ClearOnOutput {
        std::mem::take(&mut self.clear_on_output)
    }

    /// The earlier of a deadline and the next update.
    pub(crate) fn deadline(&self, deadline: Instant) -> Instant {
        self.interval().map_or(deadline, |every| deadline.min(self.updated + every))
    }

    fn interval(&self) -> Option<Duration> {
        match self.display {
            Display::Bar(_) => Some(BAR_EVERY),
            Display::Rows => Some(ROW_EVERY),
            Display::Events(_) => Some(EVENT_EVERY),
            Display::Hidden => None,
        }
    }

    /// Shows the counts, if it is time to.
    pub(crate) fn update(&mut self, counts: ByteCounts) {
        if self.interval().is_none_or(|every| self.updated.elapsed() < every) {
            return;
        }
        self.updated = Instant::now();
        let ByteCounts { sent, stored, received } = counts;
        let (confirmed, arrived) = (BinaryBytes(stored), BinaryBytes(received));
        match &mut self.display {
            Display::Bar(bar) if bar.is_finished() => self.display = Display::Hidden,
            // A terminal that has stopped holds nothing up.
            Display::Bar(_) if !is_writable(&io::stderr(), 0) => {}
            Display::Bar(bar) => {
                bar.set_position(sent);
                bar.set_message(format!("{confirmed} confirmed, {arrived} received"));
                bar.tick();
            }
            Display::Rows => {
                let sent = BinaryBytes(sent);
                eprint_line(&format!("rsachat: {sent} sent, {confirmed} confirmed, {arrived} received"));
            }
            Display::Events(last) if *last != Some(counts) => {
                *last = Some(counts);
                emit(&OutputEvent::Progress { sent, stored, received }, OutputFormat::Json);
            }
            Display::Events(_) | Display::Hidden => {}
        }
    }

    /// The peer's stream is complete: a user who types may not know that it waits for the end.
    pub(crate) fn peer_ended(&self) {
        const SENTENCE: &str = "rsachat: the other side has sent everything; Ctrl-D ends your side";
        match &self.display {
            _ if !self.typed => {}
            Display::Bar(bar) => bar.println(SENTENCE),
            _ => eprint_line(SENTENCE),
        }
    }

    pub(crate) fn clear(&mut self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
        self.display = Display::Hidden;
    }
}

/// Bar that is cleared before the first output.
#[derive(Default)]
pub(crate) struct ClearOnOutput(Option<ProgressBar>);

impl ClearOnOutput {
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

/// Terminal of the bar, whose every drawing is one text for standard error: whole also where
/// another program has made that non-blocking, and in its place among the other rows.
#[derive(Default, Debug)]
struct BarTerminal {
    drawing: Mutex<String>,
    /// Cells that its row takes beyond one for each character.
    wide: u16,
}

impl BarTerminal {
    fn draw(&self, text: &str) {
        self.drawing.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
    }

    /// Moves the cursor, in a direction by its final byte (ECMA-48).
    fn move_cursor(&self, cells: usize, direction: char) {
        if cells > 0 {
            self.draw(&format!("\x1b[{cells}{direction}"));
        }
    }
}

impl TermLike for BarTerminal {
    fn width(&self) -> u16 {
        let size = rustix::termios::tcgetwinsize(io::stderr());
        let cells = size.map(|size| size.ws_col).ok().filter(|cells| *cells > 0).unwrap_or(80);
        cells.saturating_sub(self.wide)
    }

    fn move_cursor_up(&self, rows: usize) -> io::Result<()> {
        self.move_cursor(rows, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, rows: usize) -> io::Result<()> {
        self.move_cursor(rows, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, cells: usize) -> io::Result<()> {
        self.move_cursor(cells, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, cells: usize) -> io::Result<()> {
        self.move_cursor(cells, 'D');
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(&format!("{text}\n"));
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw("\r\x1b[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let drawing = std::mem::take(&mut *self.drawing.lock().unwrap_or_else(PoisonError::into_inner));
        if !drawing.is_empty() {
            eprint(&drawing);
        }
        Ok(())
    }
}

fn bar() -> ProgressBar {
    let (bar, template) = match input_bytes() {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{binary_bytes} of {binary_total_bytes} sent, {binary_bytes_per_sec}, {eta} left; {msg}",
        ),
        None => (ProgressBar::no_length(), "{binary_bytes} sent, {binary_bytes_per_sec}; {msg}"),
    };
    on_stderr(bar, template, "")
}

/// A bar that is drawn on standard error, by a template that parses. The name in it may have wide
/// characters, which the bar counts as one cell.
pub(crate) fn on_stderr(bar: ProgressBar, template: &str, name: &str) -> ProgressBar {
    let wide = name.width().saturating_sub(name.chars().count());
    let wide = wide.try_into().unwrap_or(u16::MAX);
    bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(BarTerminal {
        wide,
        ..BarTerminal::default()
    })));
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Bytes that are left of the input, if it is a file.
fn input_bytes() -> Option<u64> {
    let input = io::stdin();
    let input = input.as_fd();
    let about = fstat(input).ok()?;
    if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
        return None;
    }
    let at = seek(input, SeekFrom::Current(0)).ok()?;
    u64::try_from(about.st_size).ok()?.checked_sub(at)
}
