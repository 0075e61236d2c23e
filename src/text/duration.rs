//! Durations as users write them, in scripts and on the command line.
//!
//! Stricter than the friendly format of `jiff`, which also takes `1.5h`, `5 s`, `5min` and `-5s`.

/// Milliseconds of each unit, the longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Advice where a text is no duration.
pub const HOW_TO_WRITE: &str = "write 200ms, 30s, 5m, 1h 30m or 2d; a number alone is seconds";

/// A span of time in its largest whole unit: a table shows how long ago, which needs no time zone.
pub(crate) fn span(ms: u64) -> String {
    match ms / 1_000 {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ ..3_600 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// A span of time that is estimated: `12 s`, `5 min`, `1 h 41 min`.
pub(crate) fn rough_span(ms: u64) -> String {
    match ms / 60_000 {
        minutes @ 60..2_880 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => span(ms),
    }
}

/// Reads a duration in milliseconds: `200ms`, `30s`, `5m`, `1h 30m`, `1h30m`, `2d`, longer units
/// first; `30` is seconds.
#[must_use]
pub fn milliseconds(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse::<u64>() {
        return text.starts_with(|c: char| c.is_ascii_digit()).then(|| seconds.checked_mul(1_000)).flatten();
    }
    let (mut rest, mut units, mut sum) = (text, UNITS.as_slice(), 0_u64);
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let word = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(word);
        let place = units.iter().position(|(name, _)| *name == unit)?;
        let (_, factor) = units.get(place)?;
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        units = units.get(place + 1..)?;
        if after.is_empty() {
            return Some(sum);
        }
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, ms) in [
            ("200ms", 200),
            ("30s", 30_000),
            ("30", 30_000),
            ("0", 0),
            ("5m", 300_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            ("2d 1ms", 172_800_001),
        ] {
            assert_eq!(milliseconds(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn an_estimate_has_hours_and_minutes() {
        for (ms, words) in [
            (999, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_600_000, "1 h 0 min"),
            (6_060_000, "1 h 41 min"),
            (172_800_000, "2 days"),
            (u64::MAX, "213503982334 days"),
        ] {
            assert_eq!(rough_span(ms), words);
        }
    }

    #[test]
    fn what_is_no_duration_is_none() {
        let wrong = "| |s|-5s|+5|+5s|5 s|30m 1h|1s 1s|1s  2ms|5s |1.5h|5min|5S|٣s|1h 30|\
            18446744073709551615|18446744073709551615d";
        for text in wrong.split('|') {
            assert_eq!(milliseconds(text), None, "{text:?}");
        }
    }
}
