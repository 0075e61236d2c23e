//! How far a pipe has come, for a person at a terminal. It reads counts and draws one row on standard error.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::fs::{FileType, SeekFrom, fstat, seek};

use super::counters::Counters;
use super::relay::{Count, Input};
use crate::app::print::eprint_line;
use crate::events::{Event, OutputFormat, tell};

/// When the row is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ProgressWhen {
    Always,
    /// If standard error is a terminal where nobody types and nothing arrives
    Auto,
    Never,
}

/// Time between two drawings, in milliseconds.
const EVERY_MS: u64 = 100;

/// Time between two events, in milliseconds.
const TELL_EVERY_MS: u64 = 250;
/// Time between two rows where nothing can be drawn over, in milliseconds.
const ROW_EVERY_MS: u64 = 1_000;

/// How somebody is shown the counts.
enum Shown {
    /// One row on a terminal, drawn anew.
    Bar(ProgressBar),
    /// A new row each time: it was asked for, but this is no terminal.
    Rows,
    Nowhere,
}

/// The counts on their way to a person.
pub(crate) struct Progress {
    shown: Shown,
    /// Whether a person types our stream, and wants to know when the other side has said all.
    typed: bool,
    form: OutputFormat,
    told: Option<Count>,
    drawn: Instant,
}

impl Progress {
    pub(crate) fn new(when: ProgressWhen, form: OutputFormat, input: Input) -> Self {
        let terminal = io::stderr().is_terminal();
        let typed = terminal && input == Input::Sent && io::stdin().is_terminal();
        let shown = match when {
            _ if form == OutputFormat::Json => Shown::Nowhere,
            ProgressWhen::Always if terminal => Shown::Bar(bar()),
            // What is typed would stand in the middle of the row.
            ProgressWhen::Auto if terminal && !typed => Shown::Bar(bar()),
            ProgressWhen::Always => Shown::Rows,
            ProgressWhen::Auto | ProgressWhen::Never => Shown::Nowhere,
        };
        let typed = typed && form != OutputFormat::Json && when != ProgressWhen::Never;
        Self { shown, typed, form, told: None, drawn: Instant::now() }
    }

    /// What takes the row away before the peer's bytes come onto the same terminal, unless it was asked for.
    pub(crate) fn yields(&self, when: ProgressWhen) -> ClearOnOutput {
        match &self.shown {
            Shown::Bar(bar) if when == ProgressWhen::Auto && io::stdout().is_terminal() => {
                ClearOnOutput(Some(bar.clone()))
            }
            _ => ClearOnOutput(None),
        }
    }

    /// When the loop is to look again: at what is due, or earlier to draw.
    pub(crate) fn next(&self, due_ms: u64, tally: &Counters) -> Instant {
        let due = tally.instant(due_ms);
        match self.every() {
            Some(every) => due.min(self.drawn + every),
            None => due,
        }
    }

    /// Time between two looks at the counts, if somebody looks.
    fn every(&self) -> Option<Duration> {
        match (&self.shown, self.form) {
            (Shown::Bar(_), _) => Some(Duration::from_millis(EVERY_MS)),
            (_, OutputFormat::Json) => Some(Duration::from_millis(TELL_EVERY_MS)),
            (Shown::Rows, _) => Some(Duration::from_millis(ROW_EVERY_MS)),
            (Shown::Nowhere, OutputFormat::Words(_)) => None,
        }
    }

    /// Draws the row, or tells the program that reads our events, when there is news.
    pub(crate) fn show(&mut self, count: Count) {
        if self.every().is_none_or(|every| self.drawn.elapsed() < every) {
            return;
        }
        self.drawn = Instant::now();
        if let Shown::Bar(bar) = &self.shown
            && bar.is_finished()
        {
            self.shown = Shown::Nowhere;
        }
        let bytes = |count| indicatif::BinaryBytes(count);
        match &self.shown {
            Shown::Bar(bar) => {
                bar.set_position(count.sent);
                bar.set_message(format!(
                    "{} confirmed, {} received",
                    bytes(count.stored),
                    bytes(count.received)
                ));
                bar.tick();
            }
            Shown::Rows => {
                let Count { sent, stored, received } = count;
                eprint_line(&format!(
                    "rsachat: {} sent, {} confirmed, {} received",
                    bytes(sent),
                    bytes(stored),
                    bytes(received)
                ));
            }
            Shown::Nowhere => {}
        }
        if self.form == OutputFormat::Json && self.told != Some(count) {
            self.told = Some(count);
            let Count { sent, stored, received } = count;
            tell(&Event::Progress { sent, stored, received }, self.form);
        }
    }

    /// The peer's stream is complete: a person who types may not know that theirs is awaited.
    pub(crate) fn peer_ended(&self) {
        const WORDS: &str = "rsachat: the other side has sent everything; Ctrl-D ends your side";
        match &self.shown {
            _ if !self.typed => {}
            Shown::Bar(bar) => bar.println(WORDS),
            Shown::Rows | Shown::Nowhere => eprint_line(WORDS),
        }
    }

    /// Takes the row away.
    pub(crate) fn clear(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
        self.shown = Shown::Nowhere;
    }
}

/// A row that makes room, once.
pub(crate) struct ClearOnOutput(Option<ProgressBar>);

impl ClearOnOutput {
    /// Makes room; there is no row from now on.
    pub(crate) fn make_room(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
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
    bar.set_draw_target(ProgressDrawTarget::stderr());
    // The templates are constants that parse.
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What is left of the input, if it is a file.
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
