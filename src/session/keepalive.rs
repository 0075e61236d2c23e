//! Records that carry nothing for anybody: a quiet link pings three times a minute; more than
//! [`limits::IDLE_RECORDS`] within the time between two pings is a peer that only makes work.

use super::CloseReason;
use crate::limits;

/// How many records in a row carried nothing, and since when they are counted.
#[derive(Debug, Default)]
pub(super) struct IdleBudget {
    records: u32,
    since_ms: u64,
}

impl IdleBudget {
    /// A record that carried something ends the row.
    pub(super) fn interrupt(&mut self) {
        self.records = 0;
    }

    /// One more record that carried nothing.
    pub(super) fn count(&mut self, now_ms: u64) -> Result<(), CloseReason> {
        if now_ms >= self.since_ms + limits::PING_AFTER_MS {
            *self = Self { records: 0, since_ms: now_ms };
        }
        self.records += 1;
        if self.records > limits::IDLE_RECORDS { Err(CloseReason::ProtocolViolation) } else { Ok(()) }
    }
}
