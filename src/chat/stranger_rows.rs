//! Rows about callers that nobody chose: each one's joining and leaving at first, then a count.

use crate::limits::{REPORT_EVERY_MS, STRANGER_ROW_MS, STRANGER_ROWS};
use crate::time::MonoMs;

/// Token bucket of rows, and what was held back meanwhile.
#[derive(Default)]
pub(crate) struct StrangerRows {
    /// Moment at which the bucket is full again; each row moves it on by the price of one.
    full_at: MonoMs,
    counts: StrangerCounts,
    /// Moment at which the counts are due.
    due: Option<MonoMs>,
}

/// Callers that joined and left without a row.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct StrangerCounts {
    /// Those that joined.
    pub(crate) joined: u64,
    /// Those that left.
    pub(crate) left: u64,
}

impl StrangerRows {
    /// Whether one more row may be shown now.
    pub(crate) fn admits(&mut self, now: MonoMs) -> bool {
        let full_at = self.full_at.max(now) + STRANGER_ROW_MS;
        let admitted = full_at <= now + STRANGER_ROWS * STRANGER_ROW_MS;
        if admitted {
            self.full_at = full_at;
        }
        admitted
    }

    /// Counts what has no row.
    pub(crate) fn count(&mut self, now: MonoMs, counts: StrangerCounts) {
        self.counts.joined += counts.joined;
        self.counts.left += counts.left;
        self.due.get_or_insert(now + REPORT_EVERY_MS);
    }

    /// The counts, once they are due.
    pub(crate) fn take_due(&mut self, now: MonoMs) -> Option<StrangerCounts> {
        self.due.take_if(|due| now >= *due)?;
        Some(std::mem::take(&mut self.counts))
    }

    pub(crate) fn poll_timeout(&self) -> Option<MonoMs> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_at_first_and_a_count_afterwards() {
        let mut rows = StrangerRows::default();
        let start = MonoMs(1_000_000);
        let shown = (0..200).filter(|number| rows.admits(start + number * 25)).count() as u64;
        assert_eq!(shown, STRANGER_ROWS + 4_975 / STRANGER_ROW_MS);
        let joined = StrangerCounts { joined: 1, left: 0 };
        for number in 0..5 {
            rows.count(start + number, joined);
        }
        assert_eq!(rows.take_due(start + 4), None);
        assert_eq!(rows.take_due(start + REPORT_EVERY_MS), Some(StrangerCounts { joined: 5, left: 0 }));
        assert_eq!((rows.poll_timeout(), rows.take_due(start + 10 * REPORT_EVERY_MS)), (None, None));
    }
}
