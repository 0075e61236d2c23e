//! Trouble that strangers can cause at will is shown at most once a second, and the rest is counted.

use super::notice::Warning;

/// Time between two reports, in milliseconds.
const EVERY_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    shown_ms: Option<u64>,
    suppressed: u64,
}

impl RateLimiter {
    /// The trouble back, if it may be shown now.
    pub(crate) fn admit(&mut self, trouble: Warning, now_ms: u64) -> Option<Warning> {
        if self.shown_ms.is_some_and(|shown| now_ms < shown + EVERY_MS) {
            self.suppressed += 1;
            return None;
        }
        self.shown_ms = Some(now_ms);
        Some(trouble)
    }

    /// How many were kept back, once their time has come.
    pub(crate) fn overdue(&mut self, now_ms: u64) -> Option<u64> {
        if self.poll_timeout().is_none_or(|due| now_ms < due) {
            return None;
        }
        self.shown_ms = Some(now_ms);
        Some(std::mem::take(&mut self.suppressed))
    }

    /// When the count of what was kept back is due.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        (self.suppressed > 0).then(|| self.shown_ms.unwrap_or(0) + EVERY_MS)
    }
}
