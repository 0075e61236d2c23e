//! Progress row of a transfer: name, share, amounts, rate and time left, as far as there is room.

use unicode_width::UnicodeWidthStr as _;

use super::wrap::prefix;
use crate::chat::{ProgressUnit, TransferProgress};
use crate::text::byte_count;
use crate::text::duration::rough_span;

/// Cells of a name that a column is left out for.
const NAME_CELLS: usize = 10;
const GAP: &str = "  ";

/// Estimate from how it went so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pace {
    pub(crate) per_second: u64,
    pub(crate) left_ms: u64,
}

/// Row with its columns, the first of which is never left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ProgressRow {
    name: String,
    columns: Vec<String>,
}

impl ProgressRow {
    /// The row of a transfer, and its pace once that is known.
    pub(crate) fn new(progress: &TransferProgress, pace: Option<Pace>) -> Self {
        let TransferProgress { name, unit, written, total, .. } = progress;
        let percent = (u128::from(*written) * 100).checked_div(u128::from(*total)).unwrap_or(100);
        let (name, amounts, rate) = match unit {
            ProgressUnit::Bytes => {
                let rate = pace.map(|pace| format!("{}/s", byte_count::rough(pace.per_second)));
                (name.clone(), byte_count::part(*written, *total), rate)
            }
            ProgressUnit::Entries => (format!("{name}/"), format!("{written}/{total} files"), None),
        };
        let left = pace.filter(|pace| pace.per_second > 0).map(|pace| rough_span(pace.left_ms));
        let columns = [format!("{percent} %"), amounts].into_iter().chain(rate).chain(left);
        Self { name, columns: columns.collect() }
    }

    /// The row for a screen of so many cells, the last of which stays free: the columns for which
    /// there is room, and then as much of the name.
    pub(crate) fn fitted(&self, cells: usize) -> String {
        let cells = cells.saturating_sub(1);
        let rests = (1..=self.columns.len()).rev().map(|columns| {
            let columns = self.columns.iter().take(columns);
            columns.fold(String::new(), |rest, column| rest + GAP + column)
        });
        let least = self.name.width().min(NAME_CELLS);
        let rests: Vec<_> = rests.collect();
        let fits = rests.iter().find(|rest| rest.width() + least <= cells);
        let rest = fits.or(rests.last()).map_or("", String::as_str);
        let room = cells.saturating_sub(rest.width());
        if self.name.width() <= room {
            return format!("{}{rest}", self.name);
        }
        let name = prefix(&self.name, room.saturating_sub(1));
        prefix(&format!("{name}…{rest}"), cells).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const PACE: Pace = Pace { per_second: 24 << 20, left_ms: 6_060_000 };

    fn row(name: &str, unit: ProgressUnit, (written, total): (u64, u64)) -> ProgressRow {
        let name = name.to_owned();
        ProgressRow::new(&TransferProgress { number: 1, name, unit, written, total }, Some(PACE))
    }

    #[test]
    fn columns_are_left_out_from_the_right_and_then_the_name_is_cut() {
        let movie = row("movie.mkv", ProgressUnit::Bytes, (220 * GIB, 361 * GIB));
        let folder = row("사진", ProgressUnit::Entries, (240, 2_000));
        let long = row("아주아주긴한국어이름입니다.mkv", ProgressUnit::Bytes, (5, 17));
        for (row, cells, expected) in [
            (&movie, 80, "movie.mkv  60 %  220/361 GiB  24 MiB/s  1 h 41 min"),
            (&movie, 40, "movie.mkv  60 %  220/361 GiB  24 MiB/s"),
            (&movie, 30, "movie.mkv  60 %  220/361 GiB"),
            (&movie, 20, "movie.mkv  60 %"),
            (&movie, 12, "movi…  60 %"),
            (&folder, 40, "사진/  12 %  240/2000 files  1 h 41 min"),
            (&long, 40, "아주아주긴…  29 %  5/17 bytes  24 MiB/s"),
            (&long, 30, "아주아주긴…  29 %  5/17 bytes"),
        ] {
            assert_eq!(row.fitted(cells), expected, "{cells}");
        }
        for cells in 0..90 {
            for row in [&movie, &folder, &long] {
                assert!(row.fitted(cells).width() <= cells.saturating_sub(1), "{cells}");
            }
        }
    }

    #[test]
    fn nothing_is_estimated_before_anything_has_come_and_an_empty_file_is_whole() {
        let name = "a".to_owned();
        let empty = TransferProgress { number: 1, name, unit: ProgressUnit::Bytes, written: 0, total: 0 };
        assert_eq!(ProgressRow::new(&empty, None).fitted(80), "a  100 %  0/0 bytes");
        let stalled = Pace { per_second: 0, left_ms: 0 };
        assert_eq!(ProgressRow::new(&empty, Some(stalled)).fitted(80), "a  100 %  0/0 bytes  0 bytes/s");
    }
}
