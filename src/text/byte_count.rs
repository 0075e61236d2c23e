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

#[cfg(test)]
mod tests {
    use super::words;

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
}
