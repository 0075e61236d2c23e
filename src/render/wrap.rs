//! Word wrap of a text by cells, done before the terminal does it.
//!
//! What a terminal wraps begins at the left edge, where it could pass for another sender's row, a
//! notice or the prompt. A long URL of a message is left to it all the same: there is no blank in
//! it, which every row of ours has near its beginning, and nothing else in its rows.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::url::url_in;

/// Indent of the continuation rows of an answer.
const ANSWER_CELLS: usize = 2;
/// Cells that the last column of an answer has at least; with fewer its text stands below.
const COLUMN_CELLS: usize = 18;

/// Wrap of a URL that no row has room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LongUrls {
    /// As any word.
    Wrapped,
    /// By the terminal, in a row of its own from the left edge: it can be clicked and copied.
    LeftToTerminal,
}

/// Wraps a text that begins right of `margin` cells so that nothing of it stands right of `cells`,
/// between words where that is possible and never inside a character. Rows after the first are
/// indented by `indent` cells, or by three quarters of a very narrow screen.
fn wrap(text: &str, margin: usize, indent: usize, cells: usize, urls: LongUrls) -> Vec<String> {
    let indent = indent.min(cells / 4 * 3).max(1);
    let mut wrapped = Wrapped { rows: vec![String::new()], used: margin, left: indent, indent, cells };
    for word in text.split_inclusive(' ') {
        let is_left = urls == LongUrls::LeftToTerminal && !wrapped.has_room(word);
        match is_left.then(|| url_in(word)).flatten() {
            Some((before, url, behind)) => {
                wrapped.push_word(before);
                wrapped.push_url(url);
                wrapped.push_word(behind);
            }
            None => wrapped.push_word(word),
        }
    }
    wrapped.rows
}

/// Rows of a text so far.
struct Wrapped {
    rows: Vec<String>,
    /// Cells that the last of them takes; more than there are behind a URL, which shares its row
    /// with nothing.
    used: usize,
    /// Cells before its text.
    left: usize,
    indent: usize,
    cells: usize,
}

impl Wrapped {
    /// Whether a word stands whole in this row or in the next.
    fn has_room(&self, word: &str) -> bool {
        self.used.min(self.indent) + width_of(word) <= self.cells
    }

    fn push_word(&mut self, word: &str) {
        let Self { indent, cells, .. } = *self;
        let width = width_of(word);
        if word.trim().is_empty() && self.used > cells {
            return;
        }
        // A word that no row can hold, as a fingerprint, begins where it is cut least.
        let better_below = indent + width <= cells || self.used > cells / 2;
        if width > 0 && self.used + width > cells && self.used > self.left && better_below {
            self.start_row();
        }
        for unit in units(word) {
            let width = max_width(unit);
            if self.used + width > cells && (self.used > self.left || self.rows.len() == 1) {
                self.start_row();
                self.left = indent;
                if unit == " " {
                    continue;
                }
            }
            if let Some(last) = self.rows.last_mut() {
                last.push_str(unit);
            }
            self.used += width;
        }
    }

    /// Puts a URL into a row of its own.
    fn push_url(&mut self, url: &str) {
        self.start_row();
        self.left = self.indent;
        let Some(row) = self.rows.last_mut() else { return };
        if self.indent + width_of(url) > self.cells {
            row.clear();
        }
        row.push_str(url);
        self.used = self.indent.max(self.cells) + 1;
    }

    fn start_row(&mut self) {
        // The blank that the break replaces.
        if let Some(last) = self.rows.last_mut().filter(|last| last.ends_with(' ') && !last.trim().is_empty())
        {
            last.pop();
        }
        self.rows.push(" ".repeat(self.indent));
        self.used = self.indent;
    }
}

/// Rows that a screen has of a row of so many cells: the terminal wraps a long URL.
pub(crate) fn rows_on_screen(width: usize, cells: usize) -> usize {
    width.div_ceil(cells.max(1)).max(1)
}

/// Cells of a word, without the blanks behind it.
fn width_of(word: &str) -> usize {
    word.trim_end().graphemes(true).map(max_width).sum()
}

/// Cells of the widest cluster that is kept whole: a family of four, each with a skin tone. Letters
/// of some scripts form one without an end, which would go on at the left edge of the next row.
const CLUSTER_CELLS: usize = 16;

/// The cluster that a text begins with, or as much of it as is kept whole.
fn cluster(text: &str) -> Option<&str> {
    let cluster = text.graphemes(true).next()?;
    let mut cells = 0;
    let is_too_wide = |(_, c): &(usize, char)| {
        cells += c.width().unwrap_or(0);
        cells > CLUSTER_CELLS
    };
    let end = cluster.char_indices().find(is_too_wide).map_or(cluster.len(), |(end, _)| end);
    cluster.get(..end)
}

/// Units that are never cut: grapheme clusters, and an escaped control character, `\u{1b}`.
fn units(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let escaped = rest.strip_prefix("\\u{").and_then(|code| code.find('}')).filter(|digits| *digits <= 6);
        let length = match escaped {
            Some(digits) => "\\u{".len() + digits + 1,
            None => cluster(rest)?.len(),
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
        return wrap_behind(&" ".repeat(margin), margin, text, indent, cells, LongUrls::Wrapped);
    };
    let (head, last) = (head.trim_end(), last.trim_start());
    let column = row.width() - last.width();
    if cells >= column + COLUMN_CELLS {
        let blanks = " ".repeat(column - margin - head.width());
        let before = format!("{:margin$}{head}{blanks}", "");
        return wrap_behind(&before, column, last, column, cells, LongUrls::Wrapped);
    }
    let below = margin + ANSWER_CELLS;
    let mut rows = wrap_behind(&" ".repeat(margin), margin, head, below, cells, LongUrls::Wrapped);
    rows.extend(wrap_behind(&" ".repeat(below), below, last, below, cells, LongUrls::Wrapped));
    rows
}

/// Wraps a text behind the beginning of its first row, which takes `margin` cells.
pub(crate) fn wrap_behind(
    before: &str,
    margin: usize,
    text: &str,
    indent: usize,
    cells: usize,
    urls: LongUrls,
) -> Vec<String> {
    let mut rows = wrap(text, margin, indent, cells, urls);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(text: &str, margin: usize, indent: usize, cells: usize) -> Vec<String> {
        wrap_behind("", margin, text, indent, cells, LongUrls::Wrapped)
    }

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
    fn a_cluster_without_an_end_is_cut_and_reaches_no_left_edge() {
        for letters in ["\u{1100}", "क\u{94d}", "\u{d4e}"] {
            let text = format!("bob {} * eve joined", letters.repeat(200));
            let rows = wrap(&text, 11, 11, 40);
            assert!(rows.iter().skip(1).all(|row| row.starts_with(' ') && row.width() <= 40), "{rows:?}");
            assert_eq!(rows.concat().replace(' ', ""), text.replace(' ', ""));
        }
    }

    #[test]
    fn an_answer_is_wrapped_in_its_last_column_or_below_it() {
        let row = ":peers     list everybody known and connected";
        assert_eq!(wrap_answer(row, 80), [row]);
        assert_eq!(wrap_answer(row, 36), [":peers     list everybody known and", "           connected"]);
        assert_eq!(wrap_answer(row, 28), [":peers", "  list everybody known and", "  connected"]);
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

    #[test]
    fn a_url_that_no_row_holds_has_rows_of_its_own_and_nothing_else_stands_in_them() {
        let of = |length: usize| format!("https://a.kr/{}", "x".repeat(length - 13));
        let wrapped = |text: &str| wrap_behind("", 10, text, 10, 40, LongUrls::LeftToTerminal);
        let (fits, below, edge, long) = (of(24), of(30), of(40), of(41));
        assert_eq!(wrapped(&format!("see {fits} now")), [format!("see {fits}"), "          now".to_owned()]);
        assert_eq!(
            wrapped(&format!("see {below} now")),
            ["see", &format!("          {below}"), "          now"]
        );
        for url in [&of(31), &edge, &long, &of(10_000), &format!("{long})."), &format!("{long}?a=b&c=[d]")] {
            assert_eq!(wrapped(url), ["", url]);
            assert_eq!(wrapped(&format!("{url}  ")), ["", url]);
            assert_eq!(wrapped(&format!("주소는 {url} 입니다")), ["주소는", url, "          입니다"]);
            assert_eq!(wrapped(&format!("(see:{url}」 x")), ["(see:", url, "          」 x"]);
            assert_eq!(wrapped(&format!("{url} {url} bob: hi")), ["", url, url, "          bob: hi"]);
        }
        // Brackets for which there is no room.
        let quoted = format!("\u{201c}{below}\u{201d}");
        assert_eq!(wrapped(&quoted), ["\u{201c}", &format!("          {below}"), "          \u{201d}"]);
        assert_eq!(wrapped(&format!("{long}를 보세요")), ["", &long, "          를 보세요"]);
        for text in
            [format!("{long}=한글"), format!("{long}/한글"), format!("{long}\\u{{1b}}x"), "x".repeat(80)]
        {
            let rows = wrapped(&text);
            assert!(rows.iter().skip(1).all(|row| row.starts_with(' ') && row.width() <= 40), "{rows:?}");
        }
        assert_eq!(
            wrap_behind("", 10, &long, 10, 40, LongUrls::Wrapped).len(),
            2,
            "in a notice it is a word"
        );
    }

    #[test]
    fn no_text_around_a_url_reaches_the_left_edge_and_nothing_is_lost() {
        let url = format!("https://a.kr/{}", "x".repeat(60));
        for text in [
            format!("{url} * eve joined, verified"),
            format!("  {url}   bob: hi  "),
            format!("a{}{url}> 12:00 eve: hi", " ".repeat(30)),
            format!("{url}{} x", " ".repeat(90)),
        ] {
            for cells in 0..90 {
                let rows = wrap_behind("", 12, &text, 12, cells, LongUrls::LeftToTerminal);
                let flat = |text: &str| text.replace(' ', "");
                assert_eq!(flat(&rows.concat()), flat(&text), "{cells}: {rows:?}");
                for row in rows.iter().skip(1).filter(|row| !row.starts_with(' ')) {
                    assert_eq!((row.contains(' '), row.starts_with("https://")), (false, true), "{cells}");
                }
            }
        }
    }
}
