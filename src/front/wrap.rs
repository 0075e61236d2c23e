//! Wraps a peer's rows before the terminal does: what a terminal wraps begins at the left edge, where it
//! could pass for another sender's row, a notice or the prompt.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Cuts a row so that nothing of it stands right of `cells`; rows after the first begin with `indent`
/// blanks, or with a quarter of a very narrow screen.
pub(super) fn wrapped(row: &str, indent: usize, cells: usize) -> Vec<String> {
    let indent = indent.min(cells / 4).max(1);
    let mut rows = vec![String::new()];
    let mut used = 0;
    for cluster in row.graphemes(true) {
        let width = cluster.width();
        if used + width > cells && used > indent {
            rows.push(" ".repeat(indent));
            used = indent;
        }
        if let Some(last) = rows.last_mut() {
            last.push_str(cluster);
        }
        used += width;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_wrapped_row_reaches_the_left_edge() {
        let row = format!("12:00 bob: x{}* eve joined, verified", " ".repeat(28));
        let rows = wrapped(&row, 11, 40);
        assert!(rows.len() > 1);
        assert!(rows.iter().skip(1).all(|row| row.starts_with("          ")), "{rows:?}");
    }

    #[test]
    fn wide_characters_and_clusters_stay_whole() {
        let rows = wrapped("12:00 손님: 가나다라마바사 👨‍👩‍👧‍👦 é", 12, 20);
        assert!(rows.iter().all(|row| row.width() <= 20), "{rows:?}");
        assert_eq!(rows.concat().replace(' ', ""), "12:00손님:가나다라마바사👨‍👩‍👧‍👦é");
        for cells in 1..12 {
            assert!(!wrapped("12:00 bob: 가나다", 11, cells).is_empty());
        }
    }
}
