//! Wraps a text before the terminal does: what a terminal wraps begins at the left edge, where it could pass
//! for another sender's row, a notice or the prompt.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Cuts a text that begins right of `margin` cells so that nothing of it stands right of `cells`, between
/// words where that is possible and never inside a character. Pieces after the first begin with as many
/// blanks, or with a quarter of a very narrow screen.
pub(super) fn wrapped(text: &str, margin: usize, cells: usize) -> Vec<String> {
    let indent = margin.min(cells / 4 * 3).max(1);
    let mut pieces = vec![String::new()];
    let mut used = margin;
    let mut left = indent;
    for word in text.split_inclusive(' ') {
        let width = word.trim_end().graphemes(true).map(at_most).sum::<usize>();
        let fits_below = indent + width <= cells;
        if width > 0 && used + width > cells && used > left && fits_below {
            below(&mut pieces, indent);
            used = indent;
        }
        for cluster in word.graphemes(true) {
            let width = at_most(cluster);
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

/// Flows a notice of ours between words, below its first row `hanging` cells further right. A word that has no room, as a fingerprint, begins at the left edge and
/// is left whole: the terminal wraps it, and it can be copied from there.
pub(super) fn flowed(text: &str, margin: usize, hanging: usize, cells: usize) -> Vec<String> {
    let indent = (margin + hanging).min(cells / 4 * 3);
    let mut pieces = vec![String::new()];
    let mut used = margin;
    for word in text.split_inclusive(' ') {
        let width = word.trim_end().width();
        if used + width > cells && used > indent {
            let fits = indent + width <= cells;
            below(&mut pieces, if fits { indent } else { 0 });
            used = if fits { indent } else { 0 };
        }
        if let Some(last) = pieces.last_mut() {
            last.push_str(word);
        }
        used = if used + width > cells { (used + width) % cells.max(1) } else { used + width };
        used += word.width() - width;
    }
    pieces
}

/// Cells of a character on terminals that join emoji, and on those that set them side by side, whichever is
/// more: in doubt a row is shorter.
fn at_most(cluster: &str) -> usize {
    cluster.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>().max(cluster.width())
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
    fn a_notice_keeps_what_can_be_copied_whole() {
        let key = "k".repeat(20);
        assert_eq!(flowed("* one two three", 2, 2, 12), ["* one two", "    three"]);
        assert_eq!(flowed(&format!("new {key}, it is"), 4, 0, 12), ["new", &format!("{key}, it"), "    is"]);
        for cells in 0..40 {
            assert_eq!(flowed(&key, 5, 2, cells).concat().trim(), key);
        }
    }

    #[test]
    fn joined_emoji_are_given_the_room_that_they_take_side_by_side() {
        assert_eq!(wrapped("👩‍👩‍👧‍👧👩‍👩‍👧‍👧", 4, 12), ["👩‍👩‍👧‍👧", "    👩‍👩‍👧‍👧"]);
    }

    #[test]
    fn wide_characters_and_clusters_stay_whole() {
        let text = "가나다라마바사 👨‍👩‍👧‍👦 é";
        for cells in 1..40 {
            let pieces = wrapped(text, 12, cells);
            if cells > 20 {
                let widths = pieces.iter().enumerate().map(|(n, p)| p.width() + if n == 0 { 12 } else { 0 });
                assert!(widths.max() <= Some(cells), "{cells}: {pieces:?}");
            }
            assert_eq!(pieces.concat().replace(' ', ""), text.replace(' ', ""), "{cells}");
            assert!(pieces.iter().any(|piece| piece.contains("👨‍👩‍👧‍👦")), "{cells}: {pieces:?}");
        }
    }
}
