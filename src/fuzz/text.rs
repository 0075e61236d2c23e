//! Safe text and its rows on a screen: nothing that a terminal obeys, nothing lost, within bounds.

use jiff::tz::TimeZone;
use unicode_properties::{GeneralCategory as Gc, UnicodeGeneralCategory as _};
use unicode_width::UnicodeWidthStr as _;

use super::Choices;
use crate::chat::{Arrival, Message, Notice, TrustLevel};
use crate::config::TimeFormat;
use crate::limits::{MESSAGE_BYTES, MESSAGE_ROWS};
use crate::render::Size;
use crate::render::colour::ColourDepth;
use crate::render::cut::RowLimit;
use crate::render::layout::{Layout, OutputMode};
use crate::render::wrap::{LongUrls, prefix, wrap_answer, wrap_behind};
use crate::text::safe::SafeText;
use crate::text::{Wanted, cp949, duration, hangul_layout, suggest, utf8};
use crate::time::UnixMs;
use crate::wire::Lifetime;

/// Most bytes of one character as it is shown, which is `\u{10ffff}`.
const ESCAPE_BYTES: usize = 10;
/// Cells from which a screen has room for every character behind a short name.
const ROOMY_CELLS: usize = 60;
const NOON: UnixMs = UnixMs(1_764_072_000_000);
/// What chance would rarely bring.
const PIECES: &str = "\u{200d}|👩|🏻|\u{fe0f}|1|\u{20e3}|🇰|\u{301}|가|\u{1100}|\u{1161}|\u{11a8}|漢|\u{e0100}|🏴|\
    \u{e0067}|\u{e0062}|\u{e0065}|\u{e006e}|\u{e007f}|}|\\u{|\r|\n| |\t|\u{200c}|\u{200e}|\u{ad}|\u{202e}|م|ख|\u{94d}|\
    \\|\\x80|\x1b|https://a.kr/|xxxxxxxx|  |:|를|ﷺ|\u{e33}|\u{1f1e6}|ا|ل|☺|\u{fe0e}|한글|a";

/// Screens, outputs and the texts on them.
pub fn text(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (cells, form) = (usize::from(choices.byte()), choices.byte());
    let spelt: Vec<u8>;
    let text = if form.is_multiple_of(2) {
        choices.rest()
    } else {
        let pieces: Vec<_> = PIECES.split('|').collect();
        let piece = |byte: &u8| pieces[usize::from(*byte) % pieces.len()].bytes();
        spelt = choices.rest().iter().flat_map(piece).collect();
        &spelt
    };
    let text = &text[..text.len().min(MESSAGE_BYTES)];
    safe(text);
    exact(text);
    let rows = SafeText::rows_from_bytes(text);
    for row in &rows {
        alphabet(row.as_str());
    }
    wrapped(&rows, cells);
    shown(text, rows, cells);
    read(text);
}

fn safe(text: &[u8]) {
    let line = SafeText::line_from_bytes(text);
    alphabet(line.as_str());
    assert_eq!(SafeText::line(line.as_str()), line, "twice is once");
    assert!(line.as_str().len() <= ESCAPE_BYTES * text.len());
    if let Ok(text) = str::from_utf8(text) {
        assert_eq!(SafeText::line(text), line);
    }
}

/// No character that moves, hides or reorders.
pub(crate) fn alphabet(text: &str) {
    for c in text.chars() {
        let category = c.general_category();
        let tag_of_a_flag = matches!(c, '\u{e0061}'..='\u{e007f}') && text.contains('🏴');
        let format = category == Gc::Format && !matches!(c, '\u{200c}' | '\u{200d}') && !tag_of_a_flag;
        let other = [Gc::Control, Gc::PrivateUse, Gc::Unassigned, Gc::LineSeparator, Gc::ParagraphSeparator];
        assert!(!format && !other.contains(&category), "{c:?} in {text:?}");
    }
}

/// An exact line gives its bytes back.
fn exact(text: &[u8]) {
    let line = SafeText::exact_line(text);
    let mut bytes = Vec::new();
    let mut rest = line.as_str();
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else if let Some(behind) = rest.strip_prefix("u{") {
            let (digits, behind) = behind.split_once('}').unwrap();
            let c = char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap();
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix('x') {
            bytes.push(u8::from_str_radix(&behind[..2], 16).unwrap());
            rest = &behind[2..];
        } else {
            bytes.push(b'\\');
            rest = rest.strip_prefix('\\').unwrap();
        }
    }
    assert_eq!(bytes, text, "{line}");
}

fn flat(text: &str) -> String {
    text.replace(' ', "")
}

/// Nothing is lost by a wrap, and nothing but a URL stands at the left edge.
fn wrapped(rows: &[SafeText], cells: usize) {
    for row in rows {
        let row = row.as_str();
        for urls in [LongUrls::Wrapped, LongUrls::LeftToTerminal] {
            let wrapped = wrap_behind("", 5, row, 5, cells, urls);
            assert_eq!(flat(&wrapped.concat()), flat(row));
            for below in wrapped.iter().skip(1) {
                let is_url =
                    urls == LongUrls::LeftToTerminal && below.contains("://") && !below.contains(' ');
                assert!(below.starts_with(' ') || is_url, "{below:?}");
            }
        }
        assert_eq!(flat(&wrap_answer(row, cells).concat()), flat(row));
        let beginning = prefix(row, cells);
        assert!(row.starts_with(beginning) && beginning.width() <= cells, "{beginning:?}");
    }
}

/// Every row of a message begins with blanks or its name, and what is too long is cut.
fn shown(text: &[u8], rows: Vec<SafeText>, cells: usize) {
    let message = Message {
        to: Vec::new(),
        name: "bob".to_owned(),
        fingerprint: None,
        trust_level: TrustLevel::Unverified,
        lifetime: Lifetime::Lasting,
        arrived: NOON,
        sent: NOON,
        arrival: Arrival::Prompt,
        text: text.to_vec(),
        rows,
        number: 57,
    };
    for mode in [OutputMode::Screen, OutputMode::Lines, OutputMode::Words] {
        let layout = Layout::new(mode, ColourDepth::Monochrome, TimeFormat::none());
        let layout = layout.in_zone(TimeZone::UTC).with_limit(RowLimit::Terminal);
        let shown = layout.render(&Notice::Message(message.clone()), NOON, Size { cells, rows: 24 });
        for row in shown.lines() {
            alphabet(row);
        }
        assert!(shown.lines().count() <= MESSAGE_ROWS + 1, "{mode:?}");
        if mode == OutputMode::Screen && cells >= ROOMY_CELLS {
            for row in shown.lines().filter(|row| row.contains(' ')) {
                assert!(row.width() <= cells, "{} of {cells}: {row:?}", row.width());
                assert!(row.starts_with([' ', '…']) || row.contains("bob: "), "{row:?}");
            }
        }
    }
}

/// Readers of what people type.
fn read(text: &[u8]) {
    let _ = (utf8::decode(text), cp949::is_likely(text));
    let Ok(text) = str::from_utf8(text) else { return };
    let _ = (duration::milliseconds(text), hangul_layout::pressed_keys(text));
    let near = suggest::nearest(text, ["listen", "connect", "안녕"].into_iter());
    assert!(near.is_none_or(|near| near.len() > 1));
    if !text.contains('\n') {
        assert!(Wanted::new(text).is_in(text.as_bytes()), "{text:?} is not found in itself");
    }
}
