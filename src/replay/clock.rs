//! The clock of a run: a virtual one in a closed world, that only `@tick` moves; the real one where a program
//! takes part that is not ours.

use crate::time::{MonoMs, Now, UnixMs};
use std::time::{Duration, Instant};

use crate::app::clock::unix_ms;

/// 2000-01-01 00:00 UTC, in milliseconds since 1970: when every closed world begins.
const BEGINNING_MS: u64 = 946_684_800_000;

/// How time goes.
pub(crate) enum Clock {
    Virtual { passed_ms: u64 },
    Real { since: Instant },
}

/// The time of a run.
pub(crate) struct RunClock {
    pub(crate) clock: Clock,
}

impl RunClock {
    pub(crate) fn closed() -> Self {
        Self { clock: Clock::Virtual { passed_ms: 0 } }
    }

    pub(crate) fn live() -> Self {
        Self { clock: Clock::Real { since: Instant::now() } }
    }

    pub(crate) fn now(&self) -> Now {
        match &self.clock {
            Clock::Virtual { passed_ms } => {
                Now { mono: MonoMs(*passed_ms), unix: UnixMs(BEGINNING_MS.saturating_add(*passed_ms)) }
            }
            Clock::Real { since } => Now { mono: MonoMs(millis(since.elapsed())), unix: UnixMs(unix_ms()) },
        }
    }

    /// Moves the virtual clock forward to this moment.
    pub(crate) fn move_to(&mut self, mono_ms: u64) {
        if let Clock::Virtual { passed_ms } = &mut self.clock {
            *passed_ms = mono_ms.max(*passed_ms);
        }
    }

    /// The real moment of this one, where time is real.
    pub(crate) fn instant(&self, mono_ms: u64) -> Option<Instant> {
        match &self.clock {
            Clock::Virtual { .. } => None,
            Clock::Real { since } => since.checked_add(Duration::from_millis(mono_ms)),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
