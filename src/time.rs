//! Moments of the two clocks, which are never mixed: monotonic and Unix time, both in milliseconds.

use std::ops::Add;

/// Milliseconds of a day.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A moment of the monotonic clock, in milliseconds. Its zero is arbitrary.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct MonoMs(pub u64);

/// A moment of the wall clock, in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct UnixMs(pub u64);

/// One moment on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// On the monotonic clock.
    pub mono: MonoMs,
    /// On the wall clock.
    pub unix: UnixMs,
}

impl MonoMs {
    /// Milliseconds from `earlier` to this moment; 0 if `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for MonoMs {
    type Output = Self;

    /// The moment so many milliseconds later.
    fn add(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl UnixMs {
    /// Milliseconds from `earlier` to this moment; 0 if `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
