//! How far a pipe has come, for a person at a terminal. It reads counts and draws one row on standard error.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::fs::{FileType, SeekFrom, fstat, seek};

use super::flow::Count;
use super::tally::Tally;
use crate::front::events::{Event, Form, tell};

/// When the row is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum When {
    Always,
    /// If standard error is a terminal
    Auto,
    Never,
}

/// Time between two drawings, in milliseconds.
const EVERY_MS: u64 = 100;

/// The row, if there is one.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    form: Form,
    told: Option<Count>,
    drawn: Instant,
}

impl Progress {
    pub(super) fn new(when: When, form: Form) -> Self {
        let wanted = match when {
            When::Always => true,
            When::Auto => form != Form::Json && io::stderr().is_terminal(),
            When::Never => false,
        };
        Self { bar: wanted.then(bar), form, told: None, drawn: Instant::now() }
    }

    /// When the loop is to look again: at what is due, or earlier to draw.
    pub(super) fn next(&self, due_ms: u64, tally: &Tally) -> Instant {
        let due = tally.instant(due_ms);
        match self.bar {
            Some(_) => due.min(self.drawn + Duration::from_millis(EVERY_MS)),
            None => due,
        }
    }

    /// Draws the row, or tells the program that reads our events, when there is news.
    pub(super) fn show(&mut self, count: Count) {
        if self.drawn.elapsed() < Duration::from_millis(EVERY_MS) {
            return;
        }
        self.drawn = Instant::now();
        if let Some(bar) = &self.bar {
            bar.set_position(count.sent);
            bar.set_message(format!(
                "{} confirmed, {} received",
                indicatif::BinaryBytes(count.stored),
                indicatif::BinaryBytes(count.received)
            ));
            bar.tick();
        }
        if self.form == Form::Json && self.told != Some(count) {
            self.told = Some(count);
            let Count { sent, stored, received } = count;
            tell(&Event::Progress { sent, stored, received }, self.form);
        }
    }

    /// The peer's stream is complete: a person who types may not know that theirs is awaited.
    pub(super) fn peer_ended(&self) {
        if let Some(bar) = &self.bar
            && io::stdin().is_terminal()
        {
            bar.println("rsachat: the other side has sent everything; Ctrl-D ends your side");
        }
    }

    /// Takes the row away.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
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
