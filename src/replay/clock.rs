//! Clock of a run: virtual, advanced by `@tick` alone, or real, where a foreign program takes part.

use std::time::{Duration, Instant};

use crate::app::os::unix_ms;
use crate::time::{MonoMs, Now, UnixMs};

/// 2000-01-01 00:00 UTC, when every closed run begins.
const START: UnixMs = UnixMs(946_684_800_000);

/// Clock of a run.
pub(crate) enum RunClock {
    Virtual { elapsed_ms: u64 },
    Real { start: Instant },
}

impl RunClock {
    pub(crate) fn closed() -> Self {
        Self::Virtual { elapsed_ms: 0 }
    }

    pub(crate) fn live() -> Self {
        Self::Real { start: Instant::now() }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Real { .. })
    }

    pub(crate) fn now(&self) -> Now {
        match self {
            Self::Virtual { elapsed_ms } => {
                Now { mono: MonoMs(*elapsed_ms), unix: UnixMs(START.0.saturating_add(*elapsed_ms)) }
            }
            Self::Real { start } => {
                let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                Now { mono: MonoMs(elapsed_ms), unix: UnixMs(unix_ms()) }
            }
        }
    }

    /// Advances the virtual clock to a moment.
    pub(crate) fn advance_to(&mut self, moment: MonoMs) {
        if let Self::Virtual { elapsed_ms } = self {
            *elapsed_ms = moment.0.max(*elapsed_ms);
        }
    }

    /// The instant of a moment, on the real clock.
    pub(crate) fn instant(&self, moment: MonoMs) -> Option<Instant> {
        match self {
            Self::Virtual { .. } => None,
            Self::Real { start } => start.checked_add(Duration::from_millis(moment.0)),
        }
    }
}
