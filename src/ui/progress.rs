//! Progress of a transfer as it is measured for its row: when that is drawn anew, and the pace.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::chat::TransferProgress;
use crate::limits::PROGRESS_EVERY_MS;
use crate::render::progress_row::{Pace, ProgressRow};

/// Time after which a transfer has a row: many are over by then.
const FIRST_AFTER: Duration = Duration::from_millis(300);
/// Time between two drawings.
const DRAWN_EVERY: Duration = Duration::from_millis(PROGRESS_EVERY_MS);
/// The same while nothing moves: the pace becomes slower.
const STALLED_EVERY: Duration = Duration::from_secs(1);

/// Meter of the transfer that has the row.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    measured: Option<Measured>,
    /// When the row was drawn last, if it stands.
    drawn: Option<Instant>,
}

#[derive(Debug)]
struct Measured {
    progress: TransferProgress,
    /// Amount that was written as it began or went on.
    begun: u64,
    /// Estimator of the pace, which draws nothing.
    bar: ProgressBar,
    /// When the row is drawn next.
    due: Instant,
}

/// Change of the row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum RowChange {
    None,
    Draw(ProgressRow),
    Remove,
}

impl Meter {
    /// Takes how far the transfer is.
    pub(crate) fn take(&mut self, progress: Option<TransferProgress>, now: Instant) -> RowChange {
        let Some(progress) = progress else {
            self.measured = None;
            return self.drawn.take().map_or(RowChange::None, |_| RowChange::Remove);
        };
        match &mut self.measured {
            Some(measured) if measured.goes_on(&progress) => measured.take(progress, now),
            measured => {
                let due = self.drawn.map_or(now + FIRST_AFTER, |drawn| drawn + DRAWN_EVERY);
                let bar = ProgressBar::hidden();
                *measured = Some(Measured { begun: progress.written, progress, bar, due });
            }
        }
        self.draw(now)
    }

    /// Draws the row where it is due.
    pub(crate) fn draw(&mut self, now: Instant) -> RowChange {
        let Some(measured) = self.measured.as_mut().filter(|measured| measured.due <= now) else {
            return RowChange::None;
        };
        (self.drawn, measured.due) = (Some(now), now + STALLED_EVERY);
        RowChange::Draw(ProgressRow::new(&measured.progress, measured.pace()))
    }

    /// When [`Meter::draw`] has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.measured.as_ref().map(|measured| measured.due)
    }
}

impl Measured {
    /// Whether this is the same transfer further on.
    fn goes_on(&self, progress: &TransferProgress) -> bool {
        let TransferProgress { number, written, .. } = self.progress;
        progress.number == number && progress.written >= written
    }

    fn take(&mut self, progress: TransferProgress, now: Instant) {
        if progress.written > self.progress.written {
            self.bar.set_length(progress.total.saturating_sub(self.begun));
            self.bar.set_position(progress.written - self.begun);
            self.due = self.due.min(now + DRAWN_EVERY);
        }
        self.progress = progress;
    }

    /// What the estimator says, once something has come.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
    fn pace(&self) -> Option<Pace> {
        let is_known = self.progress.written > self.begun;
        let left_ms = u64::try_from(self.bar.eta().as_millis()).unwrap_or(u64::MAX);
        is_known.then(|| Pace { per_second: self.bar.per_sec() as u64, left_ms })
    }
}
