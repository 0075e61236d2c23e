//! Display of `rsachat send --file` on standard error: how far the transfer is that is on its way,
//! by a bar at a terminal, by events for a program.

use std::io;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::app::os::stderr_is_terminal;
use crate::app::output::is_writable;
use crate::chat::{ProgressUnit, TransferNumber, TransferProgress};
use crate::cli::pipe::progress::on_stderr;
use crate::events::of_files::of_progress;
use crate::events::{OutputFormat, emit};

/// Time between two drawings.
const EVERY: Duration = Duration::from_millis(250);

const OF_FILE: &str =
    "{prefix}  {percent} %  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta}";
const OF_FOLDER: &str = "{prefix}  {percent} %  {pos} of {len} files  {eta}";

/// What is wished for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    Progress,
    Quiet,
}

/// What is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shown {
    Bar,
    Events,
    Nothing,
}

pub(super) struct FileDisplay {
    shown: Shown,
    drawn: Instant,
    /// What was written as that was told last.
    told: (TransferNumber, u64),
    bar: Option<(TransferNumber, ProgressBar)>,
}

impl FileDisplay {
    /// A bar where standard error is a terminal, unless there is to be none.
    pub(super) fn new(format: OutputFormat, wish: Wish) -> Self {
        let shown = match format {
            OutputFormat::Json => Shown::Events,
            _ if wish == Wish::Quiet || !stderr_is_terminal() => Shown::Nothing,
            _ => Shown::Bar,
        };
        Self { shown, drawn: Instant::now(), told: (0, 0), bar: None }
    }

    /// Moment of the next drawing, while there is anything to draw.
    pub(super) fn due(&self) -> Option<Instant> {
        self.bar.as_ref().map(|_| self.drawn + EVERY)
    }

    /// Draws how far a transfer is, if it is time to.
    pub(super) fn update(&mut self, progress: Option<&TransferProgress>) {
        let Some(progress) = progress.filter(|_| self.shown != Shown::Nothing) else { return self.clear() };
        if self.shown == Shown::Events {
            let now = (progress.number, progress.written);
            if self.told != now && self.drawn.elapsed() >= EVERY {
                (self.told, self.drawn) = (now, Instant::now());
                emit(&of_progress(progress), OutputFormat::Json);
            }
            return;
        }
        if self.bar.as_ref().is_none_or(|(number, _)| *number != progress.number) {
            self.clear();
            let template = match progress.unit {
                ProgressUnit::Bytes => OF_FILE,
                ProgressUnit::Entries => OF_FOLDER,
            };
            let name = progress.name.clone();
            let bar = on_stderr(ProgressBar::new(progress.total), template, &name);
            bar.set_prefix(name);
            // What was there before counts for no rate.
            bar.set_position(progress.written);
            bar.reset_eta();
            self.bar = Some((progress.number, bar));
        } else if self.drawn.elapsed() < EVERY {
            return;
        }
        self.drawn = Instant::now();
        // A terminal that has stopped holds nothing up.
        if let Some((_, bar)) = self.bar.as_ref().filter(|_| is_writable(&io::stderr(), 0)) {
            bar.set_position(progress.written);
            bar.tick();
        }
    }

    /// Removes the bar, before a row is written in its place.
    pub(super) fn clear(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
