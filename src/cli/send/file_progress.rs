//! Bar of `rsachat send --file` on standard error: the transfer that is on its way.

use std::io;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::app::os::stderr_is_terminal;
use crate::app::output::is_writable;
use crate::chat::{TransferNumber, TransferProgress};
use crate::cli::pipe::progress::on_stderr;
use crate::wire::OfferKind;

/// Time between two drawings.
const EVERY: Duration = Duration::from_millis(200);

const OF_FILE: &str =
    "{prefix}  {percent} %  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta}";
const OF_FOLDER: &str = "{prefix}  {percent} %  {pos} of {len} files  {eta}";

/// Whether there is a bar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BarWhen {
    /// Where standard error is a terminal.
    AtTerminal,
    Never,
}

pub(super) struct FileBar {
    when: BarWhen,
    drawn: Instant,
    bar: Option<(TransferNumber, ProgressBar)>,
}

impl FileBar {
    pub(super) fn new(when: BarWhen) -> Self {
        let when = if stderr_is_terminal() { when } else { BarWhen::Never };
        Self { when, drawn: Instant::now(), bar: None }
    }

    /// Moment of the next drawing, while there is anything to draw.
    pub(super) fn due(&self) -> Option<Instant> {
        self.bar.as_ref().map(|_| self.drawn + EVERY)
    }

    /// Draws how far a transfer is, if it is time to.
    pub(super) fn update(&mut self, progress: Option<&TransferProgress>) {
        let Some(progress) = progress.filter(|_| self.when == BarWhen::AtTerminal) else {
            return self.clear();
        };
        if self.bar.as_ref().is_none_or(|(number, _)| *number != progress.number) {
            self.clear();
            let template = if progress.kind == OfferKind::File { OF_FILE } else { OF_FOLDER };
            let bar = on_stderr(ProgressBar::new(progress.total), template);
            bar.set_prefix(progress.name.to_string());
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
