//! URLs in a text, as RFC 3986 writes them.

use unicode_width::UnicodeWidthChar as _;

/// A word as what stands before an http or https URL in it, the URL, and what stands behind.
///
/// A URL has the characters of RFC 3986 alone, of which none is a blank; a bracket or a full stop
/// behind it counts as a part of it. A word that goes on behind them with a mark, a letter or a
/// digit has no URL, unless that is a Korean particle: an address in Korean goes on behind a sign
/// as well.
pub(super) fn url_in(word: &str) -> Option<(&str, &str, &str)> {
    let lower = word.to_ascii_lowercase();
    let start = ["http://", "https://"].iter().filter_map(|scheme| lower.find(scheme)).min()?;
    let (before, rest) = word.split_at_checked(start)?;
    let end = rest.find(|c| !is_of_rfc_3986(c)).unwrap_or(rest.len());
    let (url, behind) = rest.split_at_checked(end)?;
    let is_other_scheme = before.ends_with(|c: char| c.is_ascii_alphanumeric());
    let is_particle = url.ends_with(|c: char| c.is_ascii_alphanumeric())
        && behind.starts_with(|c| ('가'..='힣').contains(&c))
        && !behind.contains(is_of_rfc_3986);
    let is_combined = behind.starts_with(|c: char| c.width() == Some(0));
    let goes_on = is_combined || behind.chars().any(char::is_alphanumeric) && !is_particle;
    (!is_other_scheme && !goes_on && !url.ends_with("://")).then_some((before, url, behind))
}

fn is_of_rfc_3986(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_characters_of_rfc_3986_alone() {
        for (word, found) in [
            ("https://a.b/c?d=[e]%20", Some(("", "https://a.b/c?d=[e]%20", ""))),
            ("HTTP://a/b ", Some(("", "HTTP://a/b", " "))),
            ("(https://a/b).", Some(("(", "https://a/b).", ""))),
            ("<https://a/b>,", Some(("<", "https://a/b", ">,"))),
            ("주소:https://a/b」", Some(("주소:", "https://a/b", "」"))),
            ("https://a/b를", Some(("", "https://a/b", "를"))),
            ("https://a/b입니다」", Some(("", "https://a/b", "입니다」"))),
            ("https://a/를", None),
            ("https://a/b한국/c", None),
            ("https://a/\\u{1b}", None),
            ("https://a/b\u{301}c", None),
            ("https://a/1\u{20e3}", None),
            ("https://", None),
            ("xhttps://a", None),
            ("ftp://a", None),
            ("text", None),
        ] {
            assert_eq!(url_in(word), found, "{word}");
        }
    }
}
