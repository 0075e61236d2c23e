//! Word wrap of a text by cells, done before the terminal does it.
//!
//! What a terminal wraps begins at the left edge, where it could pass for another sender's row, a
//! notice or the prompt.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Indent of the continuation rows of an answer.
const ANSWER_CELLS: usize = 2;
/// Cells that the last column of an answer has at least; with fewer its text stands below.
const COLUMN_CELLS: usize = 20;

/// Wraps a text that begins right of `margin` cells so that nothing of it stands right of `cells`,
/// between words where that is possible and never inside a character. Rows after the first are
/// indented by `indent` cells, or by three quarters of a very narrow screen.
pub(crate) fn wrap(text: &str, margin: usize, indent: usize, cells: usize) -> Vec<String> {
    let indent = indent.min(cells / 4 * 3).max(1);
    let mut rows = vec![String::new()];
    let mut used = margin;
    let mut left = indent;
    for word in text.split_inclusive(' ') {
        let width = word.trim_end().graphemes(true).map(max_width).sum::<usize>();
        // A word that no row can hold, as a fingerprint, begins where it is cut least.
        let better_below = indent + width <= cells || used > cells / 2;
        if width > 0 && used + width > cells && used > left && better_below {
            start_row(&mut rows, indent);
            used = indent;
        }
        for unit in units(word) {
            let width = max_width(unit);
            if used + width > cells && (used > left || rows.len() == 1) {
                start_row(&mut rows, indent);
                used = indent;
                left = indent;
                if unit == " " {
                    continue;
                }
            }
            if let Some(last) = rows.last_mut() {
                last.push_str(unit);
            }
            used += width;
        }
    }
    rows
}

/// Units that are never cut: grapheme clusters, and an escaped control character, `\u{1b}`.
fn units(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let escaped = rest.strip_prefix("\\u{").and_then(|code| code.find('}')).filter(|digits| *digits <= 6);
        let length = match escaped {
            Some(digits) => "\\u{".len() + digits + 1,
            None => rest.graphemes(true).next()?.len(),
        };
        let (unit, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(unit)
    })
}

/// The beginning of a text that takes at most so many cells, and ends with a whole unit.
pub(crate) fn prefix(text: &str, cells: usize) -> &str {
    let (mut used, mut end) = (0, 0);
    for unit in units(text) {
        used += max_width(unit);
        if used > cells {
            break;
        }
        end += unit.len();
    }
    text.get(..end).unwrap_or(text)
}

/// Wraps a row of an answer of ours in its last column, or below it where there is no room. A word
/// that no row can hold, as a key, is left whole: the terminal wraps it, and it can be copied.
pub(crate) fn wrap_answer(row: &str, cells: usize) -> Vec<String> {
    let has_room = |word: &str| word.width() <= cells;
    if has_room(row) || !row.split(' ').all(has_room) {
        return vec![row.to_owned()];
    }
    let text = row.trim_start();
    let margin = row.width() - text.width();
    let Some((head, last)) = text.rsplit_once("  ").filter(|(head, _)| !head.trim().is_empty()) else {
        let indent = if margin == 0 { ANSWER_CELLS } else { margin };
        return wrap_behind(&" ".repeat(margin), margin, text, indent, cells);
    };
    let (head, last) = (head.trim_end(), last.trim_start());
    let column = row.width() - last.width();
    if cells >= column + COLUMN_CELLS {
        let blanks = " ".repeat(column - margin - head.width());
        let before = format!("{:margin$}{head}{blanks}", "");
        return wrap_behind(&before, column, last, column, cells);
    }
    let below = margin + ANSWER_CELLS;
    let mut rows = wrap_behind(&" ".repeat(margin), margin, head, below, cells);
    rows.extend(wrap_behind(&" ".repeat(below), below, last, below, cells));
    rows
}

/// Wraps a text behind the beginning of its first row, which takes `margin` cells.
pub(crate) fn wrap_behind(
    before: &str,
    margin: usize,
    text: &str,
    indent: usize,
    cells: usize,
) -> Vec<String> {
    let mut rows = wrap(text, margin, indent, cells);
    if let Some(first) = rows.first_mut() {
        first.insert_str(0, before);
    }
    rows
}

/// Cells of a character on terminals that join emoji, and on those that set them side by side,
/// whichever is more: in doubt a row is shorter.
fn max_width(cluster: &str) -> usize {
    cluster.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>().max(cluster.width())
}

fn start_row(rows: &mut Vec<String>, indent: usize) {
    // The blank that the break replaces.
    if let Some(last) = rows.last_mut().filter(|last| last.ends_with(' ') && !last.trim().is_empty()) {
        last.pop();
    }
    rows.push(" ".repeat(indent));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_wrapped_text_reaches_the_left_edge() {
        let rows = wrap(&format!("x{}* eve joined, verified", " ".repeat(28)), 11, 11, 40);
        assert!(rows.len() > 1);
        assert!(rows.iter().skip(1).all(|row| row.starts_with(&" ".repeat(11))), "{rows:?}");
    }

    #[test]
    fn words_emoji_and_visible_controls_stay_whole_where_they_can_and_a_long_name_leaves_room_below() {
        assert_eq!(wrap("one two three", 4, 4, 12), ["one two", "    three"]);
        assert_eq!(wrap("onetwothreefour", 4, 4, 12), ["onetwoth", "    reefour"]);
        assert_eq!(wrap("", 4, 4, 12), [""]);
        assert_eq!(wrap("abcd\\u{202e}efgh", 4, 4, 14), ["abcd", "    \\u{202e}ef", "    gh"]);
        assert_eq!(units("a\\u{1b}\\u{x\\u가").count(), 9, "others are text");
        assert_eq!(wrap("👩‍👩‍👧‍👧👩‍👩‍👧‍👧", 4, 4, 12), ["👩‍👩‍👧‍👧", "    👩‍👩‍👧‍👧"], "side by side");
        assert_eq!(wrap("one two three", 10, 4, 12), ["", "    one two", "    three"]);
    }

    #[test]
    fn an_answer_is_wrapped_in_its_last_column_or_below_it() {
        let row = ":peers     list everybody known and connected";
        assert_eq!(wrap_answer(row, 80), [row]);
        assert_eq!(wrap_answer(row, 36), [":peers     list everybody known and", "           connected"]);
        assert_eq!(wrap_answer(row, 30), [":peers", "  list everybody known and", "  connected"]);
        assert_eq!(wrap_answer("  a port, host:port or", 12), ["  a port,", "  host:port", "  or"]);
        assert_eq!(wrap_answer("listening on [::1]:8000", 16), ["listening on", "  [::1]:8000"]);
        let key = format!("ssh-rsa {} bob", "A".repeat(90));
        assert_eq!(wrap_answer(&key, 40), [key], "and can be copied");
    }

    #[test]
    fn nothing_of_an_answer_is_lost() {
        for row in [":a [B]  does it well", "  own text of mine", "가나다 라마바사  아자차카 타파하"]
        {
            for cells in 0..40 {
                let flat = |text: &str| text.replace(' ', "");
                assert_eq!(flat(&wrap_answer(row, cells).concat()), flat(row), "{cells}");
            }
        }
    }

    #[test]
    fn wide_characters_and_clusters_stay_whole() {
        let text = "가나다라마바사 👨‍👩‍👧‍👦 é";
        for cells in 1..40 {
            let rows = wrap(text, 12, 12, cells);
            if cells > 20 {
                let widths = rows.iter().enumerate().map(|(n, p)| p.width() + if n == 0 { 12 } else { 0 });
                assert!(widths.max() <= Some(cells), "{cells}: {rows:?}");
            }
            assert_eq!(rows.concat().replace(' ', ""), text.replace(' ', ""), "{cells}");
            assert!(rows.iter().any(|row| row.contains("👨‍👩‍👧‍👦")), "{cells}: {rows:?}");
        }
    }
}
