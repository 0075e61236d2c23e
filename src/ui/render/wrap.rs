//! Wraps a text before the terminal does: what a terminal wraps begins at the left edge, where it could pass
//! for another sender's row, a notice or the prompt.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Blanks before what belongs to the row above, in an answer.
const ANSWER_CELLS: usize = 2;
/// Cells that the last column of an answer has at least; with fewer its text stands below.
const COLUMN_CELLS: usize = 20;

/// Cuts a text that begins right of `margin` cells so that nothing of it stands right of `cells`, between
/// words where that is possible and never inside a character. Pieces after the first begin with `below`
/// blanks, or with three quarters of a very narrow screen.
pub(crate) fn wrapped(text: &str, margin: usize, below: usize, cells: usize) -> Vec<String> {
    let indent = below.min(cells / 4 * 3).max(1);
    let mut pieces = vec![String::new()];
    let mut used = margin;
    let mut left = indent;
    for word in text.split_inclusive(' ') {
        let width = word.trim_end().graphemes(true).map(at_most).sum::<usize>();
        // What no row can hold, as a fingerprint, begins where it is cut least.
        let better_below = indent + width <= cells || used > cells / 2;
        if width > 0 && used + width > cells && used > left && better_below {
            go_on(&mut pieces, indent);
            used = indent;
        }
        for cluster in units(word) {
            let width = at_most(cluster);
            if used + width > cells && (used > left || pieces.len() == 1) {
                go_on(&mut pieces, indent);
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

/// What is never cut: characters as they are seen, and a control character in its visible form, `\u{1b}`.
fn units(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let visible = rest.strip_prefix("\\u{").and_then(|code| code.find('}')).filter(|digits| *digits <= 6);
        let length = match visible {
            Some(digits) => "\\u{".len() + digits + 1,
            None => rest.graphemes(true).next()?.len(),
        };
        let (unit, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(unit)
    })
}

/// A row of an answer of ours: what stands in its last column is wrapped in that column, or below it where
/// there is no room. What no row can hold, as a key, is left whole: the terminal wraps it, and it can be copied.
pub(crate) fn answered(row: &str, cells: usize) -> Vec<String> {
    let has_room = |word: &str| word.width() <= cells;
    if has_room(row) || !row.split(' ').all(has_room) {
        return vec![row.to_owned()];
    }
    let text = row.trim_start();
    let margin = row.width() - text.width();
    let Some((head, last)) = text.rsplit_once("  ").filter(|(head, _)| !head.trim().is_empty()) else {
        let pieces = wrapped(text, margin, if margin == 0 { ANSWER_CELLS } else { margin }, cells);
        return set_in(margin, pieces);
    };
    let (head, last) = (head.trim_end(), last.trim_start());
    let column = row.width() - last.width();
    if cells >= column + COLUMN_CELLS {
        let blanks = " ".repeat(column - margin - head.width());
        let mut pieces = wrapped(last, column, column, cells);
        if let Some(first) = pieces.first_mut() {
            first.insert_str(0, &format!("{head}{blanks}"));
        }
        return set_in(margin, pieces);
    }
    let below = margin + ANSWER_CELLS;
    let mut rows = set_in(margin, wrapped(head, margin, below, cells));
    rows.extend(set_in(below, wrapped(last, below, below, cells)));
    rows
}

fn set_in(margin: usize, mut pieces: Vec<String>) -> Vec<String> {
    if let Some(first) = pieces.first_mut() {
        first.insert_str(0, &" ".repeat(margin));
    }
    pieces
}

/// Cells of a character on terminals that join emoji, and on those that set them side by side, whichever is
/// more: in doubt a row is shorter.
fn at_most(cluster: &str) -> usize {
    cluster.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>().max(cluster.width())
}

fn go_on(pieces: &mut Vec<String>, indent: usize) {
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
        let pieces = wrapped(&format!("x{}* eve joined, verified", " ".repeat(28)), 11, 11, 40);
        assert!(pieces.len() > 1);
        assert!(pieces.iter().skip(1).all(|piece| piece.starts_with(&" ".repeat(11))), "{pieces:?}");
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrapped("one two three", 4, 4, 12), ["one two", "    three"]);
        assert_eq!(wrapped("onetwothreefour", 4, 4, 12), ["onetwoth", "    reefour"]);
        assert_eq!(wrapped("", 4, 4, 12), [""]);
    }

    #[test]
    fn a_control_character_in_its_visible_form_stays_whole() {
        assert_eq!(wrapped("abcd\\u{202e}efgh", 4, 4, 14), ["abcd", "    \\u{202e}ef", "    gh"]);
        assert_eq!(units("a\\u{1b}\\u{x\\u가").count(), 9, "others are text");
    }

    #[test]
    fn a_long_name_leaves_the_rows_below_their_room() {
        assert_eq!(wrapped("one two three", 10, 4, 12), ["", "    one two", "    three"]);
    }

    #[test]
    fn an_answer_is_wrapped_in_its_last_column_or_below_it() {
        let row = ":peers     list everybody known and connected";
        assert_eq!(answered(row, 80), [row]);
        assert_eq!(answered(row, 36), [":peers     list everybody known and", "           connected"]);
        assert_eq!(answered(row, 30), [":peers", "  list everybody known and", "  connected"]);
        assert_eq!(answered("  a port, host:port or", 12), ["  a port,", "  host:port", "  or"]);
        assert_eq!(answered("listening on [::1]:8000", 16), ["listening on", "  [::1]:8000"]);
        let key = format!("ssh-rsa {} bob", "A".repeat(90));
        assert_eq!(answered(&key, 40), [key], "and can be copied");
    }

    #[test]
    fn nothing_of_an_answer_is_lost() {
        for row in [":a [B]  does it well", "  own text of mine", "가나다 라마바사  아자차카 타파하"]
        {
            for cells in 0..40 {
                let flat = |text: &str| text.replace(' ', "");
                assert_eq!(flat(&answered(row, cells).concat()), flat(row), "{cells}");
            }
        }
    }

    #[test]
    fn joined_emoji_are_given_the_room_that_they_take_side_by_side() {
        assert_eq!(wrapped("👩‍👩‍👧‍👧👩‍👩‍👧‍👧", 4, 4, 12), ["👩‍👩‍👧‍👧", "    👩‍👩‍👧‍👧"]);
    }

    #[test]
    fn wide_characters_and_clusters_stay_whole() {
        let text = "가나다라마바사 👨‍👩‍👧‍👦 é";
        for cells in 1..40 {
            let pieces = wrapped(text, 12, 12, cells);
            if cells > 20 {
                let widths = pieces.iter().enumerate().map(|(n, p)| p.width() + if n == 0 { 12 } else { 0 });
                assert!(widths.max() <= Some(cells), "{cells}: {pieces:?}");
            }
            assert_eq!(pieces.concat().replace(' ', ""), text.replace(' ', ""), "{cells}");
            assert!(pieces.iter().any(|piece| piece.contains("👨‍👩‍👧‍👦")), "{cells}: {pieces:?}");
        }
    }
}
