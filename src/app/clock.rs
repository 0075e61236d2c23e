//! Wall clock, and its moments as text for people and programs.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// Moment of the wall clock, in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Date of today, as it may stand in a file name.
pub(crate) fn today() -> String {
    local(unix_ms()).strftime("%Y-%m-%d").to_string()
}

/// Moment in the time zone of this machine.
pub(crate) fn local(unix_ms: u64) -> ZonedDateTime {
    timestamp(unix_ms).to_zoned_datetime(TimeZone::system())
}

/// Moment as events have it.
pub(crate) fn moment(unix_ms: u64) -> String {
    timestamp(unix_ms).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn timestamp(unix_ms: u64) -> Timestamp {
    Timestamp::from_millisecond(unix_ms.try_into().unwrap_or(0)).unwrap_or_default()
}
