//! Counts of bytes as people read them.

/// Units, each 1,024 of the one before.
const UNITS: [&str; 7] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A count in its largest whole unit: `17 bytes`, `361.8 GiB`.
#[must_use]
pub fn words(bytes: u64) -> String {
    match power(bytes) {
        0 if bytes == 1 => "1 byte".to_owned(),
        0 => format!("{bytes} bytes"),
        power => format!("{} {}", with_tenths(bytes, power), unit(power)),
    }
}

/// A count in few digits: `17 bytes`, `2.4 MiB`, `24 MiB`.
#[must_use]
pub fn rough(bytes: u64) -> String {
    match power(bytes) {
        0 => words(bytes),
        power => format!("{} {}", digits(bytes, power, bytes), unit(power)),
    }
}

/// A part of a count and the whole in one unit: `5/17 bytes`, `0.4/1.6 KiB`, `239/361 GiB`.
#[must_use]
pub fn part(bytes: u64, whole: u64) -> String {
    match power(whole) {
        0 if whole == 1 => format!("{bytes}/1 byte"),
        0 => format!("{bytes}/{whole} bytes"),
        power => format!("{}/{} {}", digits(bytes, power, whole), digits(whole, power, whole), unit(power)),
    }
}

/// Number of the largest unit of which a count has at least one, from 0.
fn power(bytes: u64) -> u32 {
    (1..7).rev().find(|power| bytes >> (10 * power) > 0).unwrap_or(0)
}

fn unit(power: u32) -> &'static str {
    UNITS.get(power as usize).copied().unwrap_or_default()
}

/// A count in a unit, with tenths where the whole has only one digit of it.
fn digits(bytes: u64, power: u32, whole: u64) -> String {
    if whole >> (10 * power) >= 10 { (bytes >> (10 * power)).to_string() } else { with_tenths(bytes, power) }
}

fn with_tenths(bytes: u64, power: u32) -> String {
    let tenths = ((bytes >> (10 * (power - 1))) & 1_023) * 10 / 1_024;
    format!("{}.{tenths}", bytes >> (10 * power))
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
        _ => (0_u32..7).zip(UNITS).skip(1).find(|(_, name)| is_unit(name)).map(|(power, _)| power),
    };
    let bytes = power.and_then(|power| number?.checked_mul(1_u64.checked_shl(10 * power)?));
    bytes.ok_or_else(|| HOW_TO_WRITE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{parse, part, rough, words};

    #[test]
    fn a_part_has_the_unit_of_the_whole_and_few_digits() {
        for (bytes, whole, expected) in [
            (0, 0, "0/0 bytes"),
            (1, 1, "1/1 byte"),
            (5, 17, "5/17 bytes"),
            (512, 1_536, "0.5/1.5 KiB"),
            (1_023, 10_240, "0/10 KiB"),
            (256_698_744_832, 387_620_798_464, "239/361 GiB"),
            (u64::MAX, u64::MAX, "15/15 EiB"),
        ] {
            assert_eq!(part(bytes, whole), expected);
        }
        for (bytes, expected) in
            [(0, "0 bytes"), (1_023, "1023 bytes"), (2_516_582, "2.3 MiB"), (24 << 20, "24 MiB")]
        {
            assert_eq!(rough(bytes), expected);
        }
    }

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
