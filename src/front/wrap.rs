//! Wraps a text before the terminal does: what a terminal wraps begins at the left edge, where it could pass
//! for another sender's row, a notice or the prompt.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Cuts a text that begins right of `margin` cells so that nothing of it stands right of `cells`, between
/// words where that is possible and never inside a character. Pieces after the first begin with as many
/// blanks, or with a quarter of a very narrow screen.
pub(super) fn wrapped(text: &str, margin: usize, cells: usize) -> Vec<String> {
    let indent = margin.min(cells / 4 * 3).max(1);
    let mut pieces = vec![String::new()];
    let mut used = margin;
    let mut left = indent;
    for word in text.split_inclusive(' ') {
        let width = word.trim_end().width();
        let fits_below = indent + width <= cells;
        if width > 0 && used + width > cells && used > left && fits_below {
            below(&mut pieces, indent);
            used = indent;
        }
        for cluster in word.graphemes(true) {
            let width = cluster.width();
            if used + width > cells && (used > left || pieces.len() == 1) {
                below(&mut pieces, indent);
                used = indent;
                left = indent;
                if cluster == " " {
                    continue;
                }
            }
            if let Some(last) = pieces.last_mut() {
                last.push_str(cluster);
            }
            used += width;
        }
    }
    pieces
}

fn below(pieces: &mut Vec<String>, indent: usize) {
    // The blank that the break replaces.
    if let Some(last) = pieces.last_mut().filter(|last| last.ends_with(' ') && !last.trim().is_empty()) {
        last.pop();
    }
    pieces.push(" ".repeat(indent));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_wrapped_text_reaches_the_left_edge() {
        let pieces = wrapped(&format!("x{}* eve joined, verified", " ".repeat(28)), 11, 40);
        assert!(pieces.len() > 1);
        assert!(pieces.iter().skip(1).all(|piece| piece.starts_with(&" ".repeat(11))), "{pieces:?}");
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrapped("one two three", 4, 12), ["one two", "    three"]);
        assert_eq!(wrapped("onetwothreefour", 4, 12), ["onetwoth", "    reefour"]);
        assert_eq!(wrapped("", 4, 12), [""]);
    }

    #[test]
    fn wide_characters_and_clusters_stay_whole() {
        let text = "가나다라마바사 👨‍👩‍👧‍👦 é";
        for cells in 1..40 {
            let pieces = wrapped(text, 12, cells);
            if cells > 13 {
                let widths = pieces.iter().enumerate().map(|(n, p)| p.width() + if n == 0 { 12 } else { 0 });
                assert!(widths.max() <= Some(cells), "{cells}: {pieces:?}");
            }
            assert_eq!(pieces.concat().replace(' ', ""), text.replace(' ', ""), "{cells}");
            assert!(pieces.iter().any(|piece| piece.contains("👨‍👩‍👧‍👦")), "{cells}: {pieces:?}");
        }
    }
}
