//! Counts of bytes as people read them.

/// Units from the second on, each 1,024 of the one before.
const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A count in its largest whole unit: `17 bytes`, `361.8 GiB`.
#[must_use]
pub fn words(bytes: u64) -> String {
    let mut units = (1_u32..7).zip(UNITS).rev();
    match units.find(|(power, _)| bytes >> (10 * power) > 0) {
        Some((power, unit)) => {
            let whole = bytes >> (10 * power);
            let tenths = ((bytes >> (10 * (power - 1))) & 1_023) * 10 / 1_024;
            format!("{whole}.{tenths} {unit}")
        }
        None if bytes == 1 => "1 byte".to_owned(),
        None => format!("{bytes} bytes"),
    }
}

/// How a count is to be written.
pub const HOW_TO_WRITE: &str = "write bytes, or a unit behind the number: 500000, 100 MiB, 2 GiB";

/// Reads a count: bytes, or so many of a unit, of which the first letter is enough.
///
/// # Errors
/// [`HOW_TO_WRITE`]
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.trim().trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.trim().strip_suffix(digits).and_then(|number| number.parse::<u64>().ok());
    let unit = digits.trim_start();
    let is_unit = |name: &str| {
        unit.eq_ignore_ascii_case(name) || name.get(..1).is_some_and(|k| unit.eq_ignore_ascii_case(k))
    };
    let power = match unit {
        "" | "byte" | "bytes" => Some(0),
        _ => (1_u32..7).zip(UNITS).find(|(_, name)| is_unit(name)).map(|(power, _)| power),
    };
    let bytes = power.and_then(|power| number?.checked_mul(1_u64.checked_shl(10 * power)?));
    bytes.ok_or_else(|| HOW_TO_WRITE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{parse, words};

    #[test]
    fn a_count_is_in_its_largest_whole_unit() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1_023, "1023 bytes"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (1_048_575, "1023.9 KiB"),
            (388_482_000_000, "361.8 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(words(bytes), expected);
        }
    }

    #[test]
    fn a_count_is_read_with_or_without_its_unit_and_never_wraps() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1 byte", Some(1)),
            ("500000 bytes", Some(500_000)),
            ("100 MiB", Some(100 << 20)),
            ("2gib", Some(2 << 30)),
            ("3k", Some(3 << 10)),
            (" 1 T ", Some(1 << 40)),
            ("15 EiB", Some(15 << 60)),
            ("16 EiB", None),
            ("18446744073709551616", None),
            ("100 MB", None),
            ("1.5 MiB", None),
            ("-1", None),
            ("MiB", None),
            ("", None),
        ] {
            assert_eq!(parse(text).ok(), expected, "{text}");
        }
    }
}
