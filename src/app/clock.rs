//! The wall clock, and moments as people and programs read them.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// The wall clock, in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Today, as it may stand in a file name.
pub(crate) fn today() -> String {
    jiff::ZonedDateTime::now().strftime("%Y-%m-%d").to_string()
}

/// A moment on the wall.
pub(crate) fn local(unix_ms: u64) -> ZonedDateTime {
    let stamp = Timestamp::from_millisecond(unix_ms.try_into().unwrap_or(0)).unwrap_or_default();
    stamp.to_zoned_datetime(TimeZone::system())
}

/// A moment as events have it.
pub(crate) fn moment(unix_ms: u64) -> String {
    let stamp = jiff::Timestamp::from_millisecond(unix_ms.try_into().unwrap_or(0)).unwrap_or_default();
    stamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
