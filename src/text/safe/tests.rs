//! Tests of safe text, by example and by ten thousand random strings.

use proptest::prelude::*;

use super::SafeText;
use crate::fuzz::text::alphabet;

fn check(input: &str, expected: &str) {
    assert_eq!(SafeText::line(input).as_str(), expected, "{input:?}");
}

fn intact(text: &str) {
    check(text, text);
}

#[test]
fn control_characters_are_shown_not_obeyed() {
    check("\x1b[2J", "\\u{1b}[2J");
    check("\x1b]52;c;aGk=\x07", "\\u{1b}]52;c;aGk=\\u{7}");
    check("a\nb\rc\x0b\x0c", "a\\u{a}b\\u{d}c\\u{b}\\u{c}");
    check("\0\x7f\u{9b}31m\u{85}", "\\u{0}\\u{7f}\\u{9b}31m\\u{85}");
    check("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c");
}

#[test]
fn what_reorders_or_hides_is_shown() {
    let hidden = "\u{202a}\u{202e}\u{2066}\u{2069}\u{200b}\u{200c}\u{200d}\u{2060}\
        \u{2064}\u{feff}\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}\u{180e}\u{34f}\u{e0041}\u{e0001}\u{fe0f}\
        \u{e0100}\u{fdd0}\u{ffff}\u{e000}\u{10ffff}\u{378}\u{fff9}\u{17b4}\u{180b}\u{1d173}\u{206a}";
    for c in hidden.chars() {
        check(&format!("a{c}b"), &format!("a\\u{{{:x}}}b", u32::from(c)));
    }
}

#[test]
fn a_tab_is_blanks_to_the_next_stop_of_8_and_kept_where_the_text_is_exact() {
    check("\tx", "        x");
    check("a\tb\t\tc", "a       b               c");
    check("밥\t|", "밥      |");
    check("12345678\t|", "12345678        |");
    assert_eq!(SafeText::exact_line(b"a\tb\\\n").as_str(), "a\tb\\\\\\u{a}");
}

#[test]
fn what_only_spells_is_kept_or_dropped_and_never_escaped() {
    // Persian, Hindi and Sinhala words that are misspelt without them.
    for word in ["می\u{200c}خواهم", "कार्य\u{200d}क", "क्\u{200d}ष", "ශ්\u{200d}රී"]
    {
        intact(word);
        assert_eq!(SafeText::exact_line(word.as_bytes()).as_str(), word);
    }
    for mark in ["\u{200e}", "\u{200f}", "\u{61c}", "\u{ad}"] {
        check(&format!("a{mark}b{mark}"), "ab");
        check(&format!("e{mark}\u{301}"), "e\u{301}");
        let text = format!("a{mark}b");
        assert_eq!(SafeText::exact_line(text.as_bytes()).as_str(), text);
    }
    check("ها\u{200c} x", "ها x");
    check("a\u{200c}b", "a\\u{200c}b");
    check("می\u{200c}\u{200c}خ", "می\u{200c}خ");
    check("می\u{202e}خ", "می\\u{202e}خ");
}

#[test]
fn hangul_emoji_and_marks_stay_intact() {
    intact("안녕하세요, 밥! 한글 ㅋㅋㅋ ㅠㅠ");
    intact("\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}");
    intact("👩‍👩‍👧‍👦 👩🏻‍❤️‍💋‍👨🏼 🏳️‍🌈 👁️‍🗨️ 🕵🏻‍♂️ 👍🏽 🇰🇷 1️⃣ #️⃣ ❤️ ☺︎ ©️");
    intact("🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}");
    intact("e\u{301} q\u{307}\u{323} नमस्ते ไทย שָׁלוֹם");
    intact("漢\u{e0100}字 𠮷 ﷽ \\u{1b} %s {} %Y");
}

#[test]
fn the_ninth_mark_on_one_base_is_shown_as_an_escape() {
    let eight = "\u{301}".repeat(8);
    check(&format!("a{eight}\u{301}\u{302}b\u{301}"), &format!("a{eight}\\u{{301}}\\u{{302}}b\u{301}"));
    assert!(SafeText::line(&format!("가{}", "\u{1161}".repeat(1000))).width() > 7_000);
}

#[test]
fn nothing_combines_with_what_stands_before_the_row_and_a_flag_shows_strange_tags() {
    check("\u{301}a", "\\u{301}a");
    check("\u{1161}a", "\\u{1161}a");
    check("\u{200d}👩", "\\u{200d}👩");
    check("👩\u{200d}", "👩\\u{200d}");
    check("👩\u{200d}\u{200d}👩", "👩\\u{200d}\\u{200d}👩");
    check("a\u{200d}👩", "a\\u{200d}👩");
    check("1\u{fe0f}", "1\\u{fe0f}");
    check("🏴\u{e0067}\u{e007f}", "🏴\\u{e0067}\\u{e007f}");
}

#[test]
fn rows_are_the_lines_of_a_message() {
    let rows = |text| SafeText::rows(text).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(rows("a\r\nb\n\nc\n"), ["a", "b", "", "c"]);
    assert_eq!(rows("a\rbob> hi"), ["a\\u{d}bob> hi"]);
    assert_eq!(rows(""), [""]);
    assert_eq!(rows("a\n\u{301}b"), ["a", "\\u{301}b"]);
}

#[test]
fn each_bad_byte_is_shown_as_its_number() {
    let line = |bytes| SafeText::line_from_bytes(bytes).to_string();
    assert_eq!(line(b"a\xff\xfeb\xe2\x82"), "a\\xff\\xfeb\\xe2\\x82");
    assert_eq!(line(b"\xed\xa0\x80\xc0\xaf"), "\\xed\\xa0\\x80\\xc0\\xaf");
    // Nothing combines with what stands for a byte.
    assert_eq!(line("a\u{301}".as_bytes()), "a\u{301}");
    assert_eq!(line(b"\xff\xcc\x81\x1b"), "\\xff\\u{301}\\u{1b}");
    let rows = |bytes| SafeText::rows_from_bytes(bytes).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(rows(b"a\n\xff\r\n\nb\rc\n"), ["a", "\\xff", "", "b\\u{d}c"]);
}

#[test]
fn width_is_counted_in_cells() {
    assert_eq!(SafeText::line("안녕").width(), 4);
    assert_eq!(SafeText::line("e\u{301}a").width(), 2);
    assert_eq!(SafeText::line("\x1b").width(), 6);
}

const PIECES: &str = "\u{200d}|👩|🏻|\u{fe0f}|1|\u{20e3}|🇰|\u{301}|가|\u{1100}|\u{1161}|\u{11a8}|漢|\u{e0100}|🏴|\
    \u{e0067}|\u{e0062}|\u{e0065}|\u{e006e}|\u{e007f}|}|\\u{|\r|\n| |\t|\u{200c}|\u{200e}|\u{ad}|\u{202e}|م|ख|\u{94d}";

/// Random text with more of what is delicate than chance would bring.
fn delicate() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        any::<char>().prop_map(String::from),
        prop::sample::select(PIECES.split('|').collect::<Vec<_>>()).prop_map(String::from),
    ];
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_control_or_format_character_comes_through_and_twice_is_once(text in delicate()) {
        let once = SafeText::line(&text);
        alphabet(once.as_str());
        prop_assert_eq!(SafeText::line(once.as_str()), once.clone());
        for row in SafeText::rows(&text) {
            alphabet(row.as_str());
        }
    }

    #[test]
    fn any_bytes_become_safe_text(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        alphabet(SafeText::line_from_bytes(&bytes).as_str());
    }
}

#[test]
fn an_exact_line_is_another_one_for_every_other_text() {
    let line = |text: &[u8]| SafeText::exact_line(text).to_string();
    assert_eq!(line(b"a\nb"), "a\\u{a}b");
    assert_eq!(line(b"a\\u{a}b"), "a\\\\u{a}b");
    assert_eq!(line(b"\\x80\x80"), "\\\\x80\\x80");
    assert_eq!(line("안녕 \u{fffd}".as_bytes()), "안녕 \u{fffd}");
}
