//! Lines that look like lines of a script and are none: full-width signs of Korean and Japanese
//! keyboards, blanks where none belong, a colon for a mark. They are mistakes, also where any other
//! line would be typed as it is.

use std::ops::Range;

use unicode_ident::is_xid_start;
use unicode_normalization::UnicodeNormalization as _;

use super::lexer::{SyntaxError, is_label};

/// Title of the mistake in a row without a name, where there are several actors.
pub(super) const NAME_MISSING: &str = "a script with several actors needs a name here";

/// The mistake in a row without a label, if it looks like a line with one, a directive or a
/// comment.
pub(super) fn mistake(row: &str, actors: &[String]) -> Option<SyntaxError> {
    let text = row.trim_start_matches(is_blank);
    let indent = row.len() - text.len();
    let first = text.chars().next()?;
    let rest = text.get(first.len_utf8()..).unwrap_or_default();
    let is_word = rest.starts_with(is_xid_start);
    let (sign, line) = match narrow(first) {
        '#' => (0..first.len_utf8(), format!("#{rest}")),
        '@' if is_word => (0..first.len_utf8(), format!("@{rest}")),
        // A colon behind blanks is text at the prompt too.
        ':' if is_word && first != ':' && actors.len() < 2 => (0..first.len_utf8(), format!(":{rest}")),
        _ => return marked(row, indent, actors).or_else(|| mode_alone(row, indent, actors)),
    };
    Some(error(row, indent, sign).help(format!("write `{line}`")))
}

/// The mistake in a row of a name and a mark.
fn marked(row: &str, indent: usize, actors: &[String]) -> Option<SyntaxError> {
    let text = row.get(indent..).unwrap_or_default();
    let (at, sign) = text.char_indices().find(|(_, c)| matches!(narrow(*c), '>' | '|' | ':'))?;
    let (before, mark) = (text.get(..at).unwrap_or_default(), narrow(sign));
    let label: String = before.trim_end_matches(is_blank).nfc().collect();
    let is_declared = actors.contains(&label);
    let after = text.get(at + sign.len_utf8()..).unwrap_or_default();
    if let ([first, _, ..], "", '>' | '|') = (actors, label.as_str(), mark) {
        let error = SyntaxError::new(0..indent + at + sign.len_utf8(), NAME_MISSING);
        return Some(error.help(format!("write `{}`", canonical(first, mark, after))));
    }
    let is_label = is_declared || is_label(&label);
    if !is_label || (mark == ':' && !is_declared) {
        return None;
    }
    if mark == ':' {
        let at = indent + at..indent + at + sign.len_utf8();
        let body = after.trim_start_matches(is_blank);
        let help = format!("`{label}> {body}` types it, `{label}| {body}` expects it");
        return Some(SyntaxError::new(at, format!("`{sign}` is not a mark of a script")).help(help));
    }
    let sign = label_end(before)..at + sign.len_utf8();
    Some(error(row, indent, sign).help(format!("write `{}`", canonical(&label, mark, after))))
}

/// The mistake in a row of a name and `~`, `!` or `*`, where the `|` between them is missing. With
/// one actor it may be said.
fn mode_alone(row: &str, indent: usize, actors: &[String]) -> Option<SyntaxError> {
    let text = row.get(indent..).unwrap_or_default();
    let (at, sign) = text.char_indices().find(|(_, c)| is_mode(narrow(*c)))?;
    let label = text.get(..at).map(|before| before.trim_end_matches(is_blank))?;
    if actors.len() < 2 || !actors.iter().any(|actor| actor == label) {
        return None;
    }
    let error = SyntaxError::new(
        indent + at..indent + at + sign.len_utf8(),
        format!("`|` is missing before `{sign}`"),
    );
    Some(error.help(format!("write `{}`", canonical(label, '|', text.get(at..).unwrap_or_default()))))
}

/// The bytes of a label without the blanks behind it.
fn label_end(before: &str) -> usize {
    before.trim_end_matches(is_blank).len()
}

/// The mistake at the first thing that is wrong; `sign` are bytes behind the indent.
fn error(row: &str, indent: usize, sign: Range<usize>) -> SyntaxError {
    if indent > 0 {
        return SyntaxError::new(0..indent, "a line of a script begins in its first column");
    }
    let text = row.get(sign.clone()).unwrap_or_default();
    match text.chars().next_back() {
        Some(wide) if narrow(wide) != wide => {
            let message = format!("`{wide}` is full-width, and the sign of a script is `{}`", narrow(wide));
            SyntaxError::new(sign.end - wide.len_utf8()..sign.end, message)
        }
        _ => SyntaxError::new(sign, "there is no blank between a name and its mark"),
    }
}

/// The error where a mark is followed by no blank: `after` is the text behind `mark` and `mode`,
/// which is `~`, `!`, `*` or nothing, and begins at byte `at` of the row.
pub(super) fn blank_missing(label: &str, mark: char, mode: &str, after: &str, at: usize) -> SyntaxError {
    let found = after.chars().next().unwrap_or_default();
    let message = match found {
        '\t' => "a blank belongs here, not a tab".to_owned(),
        '\u{a0}' => "a blank belongs here, not a no-break space (U+00A0)".to_owned(),
        '\u{3000}' => "a blank belongs here, and this is an ideographic space (U+3000)".to_owned(),
        wide if mark == '|' && mode.is_empty() && is_mode(narrow(wide)) && wide != narrow(wide) => {
            format!("`{wide}` is full-width, and the sign of a script is `{}`", narrow(wide))
        }
        _ => "a blank belongs here".to_owned(),
    };
    let line = canonical(label, mark, &format!("{mode}{after}"));
    let help = match found {
        '\t' => format!("write `{line}`; expand -t 1 FILE > NEW does it in a whole file"),
        '\u{a0}' => format!("write `{line}`; sed 's/\\xc2\\xa0/ /g' FILE > NEW does it in a whole file"),
        _ => format!("write `{line}`"),
    };
    SyntaxError::new(at..at + found.len_utf8(), message).help(help)
}

/// Line as it is meant: `after` is what follows the mark.
fn canonical(label: &str, mark: char, after: &str) -> String {
    let mode = after.chars().next().filter(|c| mark == '|' && is_mode(narrow(*c)));
    let body = mode.map_or(after, |c| after.get(c.len_utf8()..).unwrap_or_default());
    let body = body.strip_prefix(is_blank).unwrap_or(body);
    let mode = mode.map(narrow).map(String::from).unwrap_or_default();
    let blank = if body.is_empty() { "" } else { " " };
    format!("{label}{mark}{mode}{blank}{body}")
}

fn is_mode(c: char) -> bool {
    matches!(c, '~' | '!' | '*')
}

/// White space, and a byte order mark that is not at the beginning of a file.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

/// The character that a full-width sign is the wide form of (NFKC), else itself.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => std::iter::once(c).nfkc().next().unwrap_or(c),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_line_is_told_with_the_line_that_is_meant() {
        let two = ["alice".to_owned(), "민지".to_owned()];
        for (row, actors, wanted) in [
            ("alice＞ 안녕", &two[..], "write `alice> 안녕`"),
            ("alice｜ 안녕", &two, "write `alice| 안녕`"),
            ("alice｜！ 안녕", &two, "write `alice|! 안녕`"),
            ("민지 > hi", &two, "write `민지> hi`"),
            ("  민지> hi", &two, "write `민지> hi`"),
            ("\u{3000}민지|~ h.", &two, "write `민지|~ h.`"),
            ("alice: hi", &two, "`alice> hi` types it, `alice| hi` expects it"),
            ("alice：안녕", &two, "`alice> 안녕` types it, `alice| 안녕` expects it"),
            ("＠tick 5s", &two, "write `@tick 5s`"),
            (" @tick 5s", &[], "write `@tick 5s`"),
            ("＃ 설명", &[], "write `# 설명`"),
            (" # note", &[], "write `# note`"),
            ("：listen 0", &[], "write `:listen 0`"),
            ("＞ hi", &[], "write `> hi`"),
            ("bob > hi", &[], "write `bob> hi`"),
            ("bob ｜ hi", &[], "write `bob| hi`"),
            ("bob＞", &[], "write `bob>`"),
            ("＞ hi", &two, "write `alice> hi`"),
            ("alice! bob joined", &two, "write `alice|! bob joined`"),
            ("민지 * exited 0", &two, "write `민지|* exited 0`"),
        ] {
            let error = mistake(row, actors).unwrap_or_else(|| panic!("{row}"));
            assert_eq!(error.help.as_deref(), Some(wanted), "{row}");
            assert!(row.get(error.at.clone()).is_some_and(|part| !part.is_empty()), "{row} {:?}", error.at);
        }
        let (one, none) = (["alice".to_owned()], []);
        for row in [
            "hello there",
            "note: buy milk",
            "a b > c",
            ":listen 0",
            "  :listen 0",
            "3 > 2",
            "$5",
            "http://x|y",
        ] {
            for actors in [&two[..], &one, &none] {
                assert_eq!(mistake(row, actors), None, "{row}");
            }
        }
    }
}
