//! Filter of what a terminal sends (ECMA-48 and xterm's control sequences): keys go to the line
//! editor, answers and reports are dropped whole, and so is every sequence in a paste. What is no
//! UTF-8 becomes U+FFFD, since rustyline would end.
//!
//! Of an unknown sequence rustyline reads only the beginning, and takes the rest for text.

use std::time::{Duration, Instant};

use super::key_code;

const ESCAPE: u8 = 0x1b;
const BELL: u8 = 0x07;
/// The C1 control character that ends a control string (ST).
const STRING_ENDS: u8 = 0x9c;
/// First byte of U+0080 to U+00BF in UTF-8, the C1 control characters among them.
const LATIN: u8 = 0xc2;
/// Time within which a terminal goes on with a control string: what comes later is typed.
pub(crate) const STRING_PAUSE: Duration = Duration::from_millis(500);
/// Time that is always between two keys of a person.
const KEY_PAUSE: Duration = Duration::from_millis(20);
const PASTE_BEGINS: &[u8] = b"[200~";
const PASTE_ENDS: &[u8] = b"[201~";
/// Bytes of a sequence that are looked at; no key has so many.
const KEPT_BYTES: usize = 64;

/// Place in the grammar of sequences.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Ground,
    /// Behind [`LATIN`].
    Latin,
    /// Behind ESC.
    Escape,
    /// In a control sequence, behind `ESC [`.
    Control,
    /// In a function key of the Linux console, behind `ESC [ [`.
    Console,
    /// In a report whose last bytes are data: so many of them are to come.
    Data(u8),
    /// In a key of the application keypad, behind `ESC O`.
    Keypad,
    /// Behind the first two bytes of a control string, which may be a key with Alt as well.
    StringOrKey,
    /// In the number that begins an OSC, whose end tells it from a key with Alt and digits.
    Number,
    /// In what may be a string of SOS, PM or APC, or a key with Alt and text: its end tells.
    StringOrText,
    /// Behind ESC there.
    StringOrTextEscape,
    /// In a control string.
    String,
    /// Behind ESC in a control string.
    StringEscape,
    /// In the designation of a character set, in a paste.
    Charset,
}

/// What the bytes are; only keys of the line editor may be sequences.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Input {
    #[default]
    Keys,
    Paste,
    /// Lines that the terminal edits itself.
    Lines,
}

/// Filter of the bytes of a terminal. A sequence may be cut anywhere between two reads.
#[derive(Debug, Default)]
pub(crate) struct KeyFilter {
    state: State,
    input: Input,
    /// The sequence so far without its first ESC, as far as it is looked at.
    sequence: Vec<u8>,
    /// Whether another ESC came before it: some terminals send that for Alt.
    is_alt: bool,
    /// The byte before this one.
    last: u8,
    /// The character so far that is not whole.
    partial: Vec<u8>,
    /// What was taken for keys since nothing followed it.
    released: Vec<u8>,
    /// The moment of the bytes that were fed last.
    fed_at: Option<Instant>,
    /// The moment at which several characters of a control string came at once, or it began.
    string_at: Option<Instant>,
    /// What has come of the string since then, each character by itself.
    typed: Vec<u8>,
    /// Whether a control string was given up since nothing followed it.
    is_cut: bool,
}

impl KeyFilter {
    /// Filter for a program without a line editor.
    pub(crate) fn of_lines() -> Self {
        Self { input: Input::Lines, ..Self::default() }
    }

    /// What goes to the editor of these bytes, which came at this moment.
    pub(crate) fn feed(&mut self, bytes: &[u8], now: Instant) -> Vec<u8> {
        let mut keys = Vec::new();
        let released = std::mem::take(&mut self.released);
        // More bytes at once than a person types: the rest of a sequence that was cut.
        let goes_on = match released.as_slice() {
            [_] => matches!(bytes, [b'[' | b']' | b'P' | b'_' | b'X' | b'^', _, ..]),
            [_, b']' | b'P', ..] => matches!(bytes, [b' '..=b'?', _, ..]),
            _ => !released.is_empty() && ends_string(bytes),
        };
        for byte in released.into_iter().filter(|_| goes_on) {
            self.step(byte, &mut Vec::new());
        }
        if std::mem::take(&mut self.is_cut) && ends_string(bytes) {
            self.state = State::String;
        }
        self.part_typed(bytes, now, &mut keys);
        for byte in bytes {
            self.step(*byte, &mut keys);
        }
        if self.is_in_string() {
            self.string_at.get_or_insert(now);
        }
        keys
    }

    /// Parts what a person types from a control string that has not ended: it comes later, one
    /// character at a time.
    fn part_typed(&mut self, bytes: &[u8], now: Instant, keys: &mut Vec<u8>) {
        let before = self.fed_at.replace(now);
        let Some(since) = self.string_at.filter(|_| self.is_in_string()) else { return };
        let has_passed = |time, since| now.saturating_duration_since(since) >= time;
        let is_typed = before.is_some_and(|before| has_passed(KEY_PAUSE, before))
            && str::from_utf8(bytes)
                .is_ok_and(|text| text.chars().count() == 1 && !text.contains(char::is_control));
        if has_passed(STRING_PAUSE, since) && (is_typed || !ends_string(bytes)) {
            keys.extend(self.give_up());
            self.is_cut = false;
        } else if is_typed {
            self.typed.extend(bytes);
        } else if !matches!(bytes, [] | [_] | [ESCAPE, ..]) {
            (self.string_at, self.typed) = (Some(now), Vec::new());
        }
    }

    /// Whether what was fed last may be a key, or the beginning of a sequence.
    pub(crate) fn holds_key(&self) -> bool {
        let is_key = match self.state {
            State::Escape | State::StringOrKey => true,
            State::StringOrText => self.sequence.len() == 1,
            _ => false,
        };
        is_key && self.input == Input::Keys
    }

    /// Whether a control string has begun, or may have, and has not ended.
    pub(crate) fn is_in_string(&self) -> bool {
        let is_string = matches!(
            self.state,
            State::StringOrKey
                | State::Number
                | State::StringOrText
                | State::StringOrTextEscape
                | State::String
                | State::StringEscape
        );
        is_string && self.input == Input::Keys
    }

    /// The key that was held, since nothing has followed it.
    pub(crate) fn release(&mut self) -> Vec<u8> {
        self.released = self.held();
        let mut keys = Vec::new();
        self.key_and_text(&mut keys);
        keys
    }

    /// What a person has typed of a control string that is given up, since nothing has ended it.
    pub(crate) fn give_up(&mut self) -> Vec<u8> {
        if !matches!(self.state, State::String | State::StringEscape) {
            return self.release();
        }
        let mut keys = Vec::new();
        self.end_unended(&mut keys);
        self.is_cut = true;
        keys
    }

    /// A control string ends that nothing has ended; what was typed meanwhile is none of it.
    fn end_unended(&mut self, keys: &mut Vec<u8>) {
        let typed = std::mem::take(&mut self.typed);
        self.end();
        for byte in typed {
            self.text(byte, keys);
        }
    }

    /// Hands on what is held: a key with Alt, and the text behind it.
    fn key_and_text(&mut self, keys: &mut Vec<u8>) {
        let held = self.held();
        let (key, text) = held.split_at(held.len().min(if self.is_alt { 3 } else { 2 }));
        keys.extend(key);
        self.end();
        for byte in text {
            self.text(*byte, keys);
        }
    }

    /// What is held, as it came.
    fn held(&self) -> Vec<u8> {
        let escapes = if self.is_alt { 2 } else { 1 };
        [&[ESCAPE].repeat(escapes), self.sequence.as_slice()].concat()
    }

    fn end(&mut self) {
        self.state = State::Ground;
        self.sequence.clear();
        self.typed.clear();
        (self.is_alt, self.string_at) = (false, None);
    }

    /// A byte of a character. Lines that the terminal edits are judged where they are read.
    fn text(&mut self, byte: u8, keys: &mut Vec<u8>) {
        if self.input == Input::Lines {
            return keys.push(byte);
        }
        self.partial.push(byte);
        match str::from_utf8(&self.partial) {
            Ok(_) => keys.append(&mut self.partial),
            Err(error) if error.error_len().is_none() => {}
            Err(_) if self.partial.len() == 1 => self.replace_partial(keys),
            Err(_) => {
                self.partial.pop();
                self.replace_partial(keys);
                self.step(byte, keys);
            }
        }
    }

    /// Puts a replacement in the place of a character that is never whole.
    fn replace_partial(&mut self, keys: &mut Vec<u8>) {
        if !self.partial.is_empty() {
            self.partial.clear();
            keys.extend(char::REPLACEMENT_CHARACTER.to_string().bytes());
        }
    }

    /// A C1 control character: ESC and another one in one byte (ECMA-48, section 5.3).
    fn c1(&mut self, byte: u8, keys: &mut Vec<u8>) {
        self.state = State::Ground;
        match byte {
            0x8f | 0x9b => self.introduce(byte - 0x40, keys),
            0x90 | 0x98 | 0x9d..=0x9f => self.state = State::String,
            _ => {}
        }
    }

    fn step(&mut self, byte: u8, keys: &mut Vec<u8>) {
        if !matches!(byte, 0x80..=0xbf) {
            self.replace_partial(keys);
        }
        let before = std::mem::replace(&mut self.last, byte);
        // Behind another byte it may be one of a character.
        let ends_string = byte == STRING_ENDS && (before < 0x80 || before == LATIN);
        match self.state {
            State::Ground if byte == ESCAPE => self.state = State::Escape,
            State::Ground
                if matches!(byte, 0x80..=0x9f) && self.partial.is_empty() && self.input != Input::Lines =>
            {
                self.c1(byte, keys);
            }
            State::Ground if byte == LATIN => self.state = State::Latin,
            State::Ground => self.text(byte, keys),
            State::Latin if matches!(byte, 0x80..=0x9f) => self.c1(byte, keys),
            State::Latin => {
                self.state = State::Ground;
                self.text(LATIN, keys);
                self.step(byte, keys);
            }
            State::Escape if byte == ESCAPE => {
                if self.is_alt {
                    keys.push(ESCAPE);
                }
                self.is_alt = self.input == Input::Keys;
            }
            State::Escape => self.introduce(byte, keys),
            State::StringEscape | State::StringOrTextEscape if byte == b'\\' => self.end(),
            State::StringOrTextEscape => {
                self.key_and_text(keys);
                self.state = State::Escape;
                self.step(byte, keys);
            }
            // A string that is cut off by another sequence.
            State::StringEscape => {
                self.end_unended(keys);
                self.state = State::Escape;
                self.step(byte, keys);
            }
            State::String if byte == ESCAPE => self.state = State::StringEscape,
            State::String if byte == BELL || ends_string => self.end(),
            State::StringOrText if byte == ESCAPE => self.state = State::StringOrTextEscape,
            State::StringOrText if ends_string => self.end(),
            State::StringOrText if byte < b' ' || byte == 0x7f => {
                self.key_and_text(keys);
                self.step(byte, keys);
            }
            State::StringOrText => self.keep_text(byte),
            State::String if byte >= b' ' && byte != 0x7f => {}
            State::String => {
                self.end_unended(keys);
                self.step(byte, keys);
            }
            State::StringOrKey => self.begin_string(byte, keys),
            State::Number if byte == b';' => self.state = State::String,
            State::Number if byte.is_ascii_digit() => self.keep(byte),
            State::Number if byte != ESCAPE => {
                keys.append(&mut self.held());
                self.end();
                self.step(byte, keys);
            }
            _ if byte == ESCAPE => {
                self.end();
                self.state = State::Escape;
            }
            // A control character is none of a sequence, and ends it.
            _ if byte < b' ' || byte == 0x7f => {
                self.end();
                keys.push(byte);
            }
            State::Data(more @ 2..) => self.state = State::Data(more - 1),
            State::Charset if byte < b'0' => {}
            State::Keypad if byte.is_ascii_digit() => self.keep(byte),
            State::Keypad | State::Console => self.end_sequence(byte, keys),
            State::Control => self.control(byte, keys),
            State::Number | State::Data(_) | State::Charset => self.end(),
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.sequence.len() < KEPT_BYTES {
            self.sequence.push(byte);
        }
    }

    /// A byte of what may be text; a person types less than a string has.
    fn keep_text(&mut self, byte: u8) {
        if self.sequence.len() < KEPT_BYTES { self.sequence.push(byte) } else { self.state = State::String }
    }

    /// The byte behind ESC.
    fn introduce(&mut self, byte: u8, keys: &mut Vec<u8>) {
        let is_text = self.input != Input::Keys;
        let state = match byte {
            b'[' => State::Control,
            b'O' => State::Keypad,
            b']' | b'P' | b'_' | b'X' | b'^' if is_text => State::String,
            b']' | b'P' | b'_' => State::StringOrKey,
            b'X' | b'^' => State::StringOrText,
            b' '..=b'/' if is_text => State::Charset,
            _ => State::Ground,
        };
        if state != State::Ground {
            self.state = state;
            return self.keep(byte);
        }
        match (is_text, byte) {
            (true, b' '..=b'~') => {}
            (true, _) => self.text(byte, keys),
            // A character with Alt.
            (false, _) => {
                keys.append(&mut self.held());
                self.text(byte, keys);
            }
        }
        self.end();
    }

    /// The first byte of what may be a control string: only a string goes on like this.
    fn begin_string(&mut self, byte: u8, keys: &mut Vec<u8>) {
        self.state = match (self.sequence.as_slice(), byte) {
            (b"]", b'0'..=b'9') => State::Number,
            (b"P", b' '..=b'?') | (b"_", b'G') => State::String,
            (b"_", b' '..=b'~' | 0x80..) => State::StringOrText,
            _ => {
                keys.append(&mut self.held());
                self.end();
                return self.step(byte, keys);
            }
        };
        self.keep(byte);
    }

    /// A byte of a control sequence.
    fn control(&mut self, byte: u8, keys: &mut Vec<u8>) {
        let so_far = self.sequence.get(1..).unwrap_or_default();
        let is_number = !so_far.is_empty() && so_far.iter().all(u8::is_ascii_digit);
        match byte {
            b'[' if so_far.is_empty() => {
                self.state = State::Console;
                self.keep(byte);
            }
            // Mouse reports of the oldest kind.
            b'M' if so_far.is_empty() => self.state = State::Data(3),
            b't' if so_far.is_empty() => self.state = State::Data(2),
            b'T' if so_far.is_empty() => self.state = State::Data(6),
            // rxvt's Shift with a key; in an answer more stands before it.
            b'$' if is_number => self.end_sequence(byte, keys),
            b' '..=b'?' => self.keep(byte),
            _ => self.end_sequence(byte, keys),
        }
    }

    /// The last byte of a sequence that ends by itself.
    fn end_sequence(&mut self, byte: u8, keys: &mut Vec<u8>) {
        self.keep(byte);
        let known = match self.sequence.as_slice() {
            PASTE_BEGINS if self.input == Input::Keys => {
                self.input = Input::Paste;
                Some(self.held())
            }
            PASTE_ENDS if self.input == Input::Paste => {
                self.input = Input::Keys;
                Some(self.held())
            }
            _ if self.input != Input::Keys => None,
            sequence if key_code::is_known(sequence) => Some(self.held()),
            sequence => key_code::decoded(sequence),
        };
        keys.extend(known.unwrap_or_default());
        self.end();
    }
}

/// Whether bytes that came at once have the end of a control string.
fn ends_string(bytes: &[u8]) -> bool {
    let is_end = |pair: &[u8]| matches!(pair, [ESCAPE, b'\\'] | [LATIN, STRING_ENDS] | [_, BELL]);
    bytes.windows(2).any(is_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers and reports, and sequences of keys that the editor cannot use.
    const DROPPED: [&str; 34] = [
        "\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\",
        "\x1b]10;rgb:ffff/ffff/ffff\x07",
        "\x1b]4;1;rgb:cd/00/00\x1b\\",
        "\x1b]52;c;aGVsbG8=\x1b\\",
        "\x1b[?62;22;52c",
        "\x1b[>1;4000;29c",
        "\x1bP!|464f4f54\x1b\\",
        "\x1b[?2026;2$y",
        "\x1b[4;1$y",
        "\x1bP>|foot(1.16.2)\x1b\\",
        "\x1bP1$r0m\x1b\\",
        "\x1b_Gi=31;OK\x1b\\",
        "\x1bXany string\x1b\\",
        "\x1b^a private message\x1b\\",
        "\x1b_an application's\x1b\\",
        "\u{9d}11;rgb:1e1e/1e1e/1e1e\u{9c}",
        "\u{9d}2;ㅜㅜ\x07",
        "\u{90}>|foot(1.16.2)\u{9c}",
        "\u{98}any string\u{9c}",
        "\u{9e}a private message\u{9c}",
        "\u{9f}an application's\u{9c}",
        "\u{9b}?62;22;52c",
        "\x1b[?1u",
        "\x1b[?997;1n",
        "\x1b[0n",
        "\x1b[12;40R",
        "\x1b[8;24;80t",
        "\x1b[<0;12;7M",
        "\x1b[<0;12;7m",
        "\x1b[32;12;7M",
        "\x1b[M !A",
        "\x1b[I",
        "\x1b[57441;2u",
        "\x1b[13;2:3u",
    ];

    /// The keys of these bytes in one read, which have to be the same however they are cut.
    fn keys(bytes: &str) -> String {
        let of = |pieces: &[&[u8]]| {
            let mut filter = KeyFilter::default();
            let now = Instant::now();
            let keys: Vec<u8> = pieces.iter().flat_map(|piece| filter.feed(piece, now)).collect();
            String::from_utf8(keys).unwrap()
        };
        let bytes = bytes.as_bytes();
        let whole = of(&[bytes]);
        for at in 0..bytes.len() {
            let (before, after) = bytes.split_at(at);
            assert_eq!(of(&[before, after]), whole, "{:?}", String::from_utf8_lossy(before));
        }
        assert_eq!(of(&bytes.chunks(1).collect::<Vec<_>>()), whole);
        whole
    }

    #[test]
    fn an_answer_of_the_terminal_is_dropped_whole_wherever_it_is_cut_and_in_a_paste() {
        for sequence in DROPPED {
            assert_eq!(keys(&format!("a{sequence}b")), "ab", "{sequence:?}");
            let pasted = keys(&format!("\x1b[200~a{sequence}b\x1b[201~"));
            assert_eq!(pasted, "\x1b[200~ab\x1b[201~", "{sequence:?}");
        }
    }

    #[test]
    fn lines_that_the_terminal_edits_have_no_sequence_at_all() {
        let mut filter = KeyFilter::of_lines();
        let typed = format!("안{}\x1b[A\x1b[201~녕\n", DROPPED.concat());
        assert_eq!(String::from_utf8(filter.feed(typed.as_bytes(), Instant::now())).unwrap(), "안녕\n");
    }

    #[test]
    fn keys_that_the_editor_reads_pass_as_they_are() {
        for key in [
            "안녕",
            "\r",
            "\x1b\r",
            "\x1bf",
            "\x1b\x7f",
            "\x1b[A",
            "\x1bOA",
            "\x1bOP",
            "\x1b[[A",
            "\x1b[3~",
            "\x1b[24~",
            "\x1b[1;5C",
            "\x1b[3;5~",
            "\x1b[5$",
            "\x1b[7^",
            "\x1b[Z",
            "\x1b\x1b[A",
            "\x1b가",
            "\x1b]x",
            "\x1bPx",
            "\x1b]12 apples",
        ] {
            assert_eq!(keys(&format!("a{key}")), format!("a{key}"), "{key:?}");
        }
    }

    #[test]
    fn keys_that_only_newer_protocols_have_become_those_that_every_terminal_has() {
        for (key, plain) in [
            ("\x1b[27;2;13~", "\x1b\r"),
            ("\x1b[13;2u", "\x1b\r"),
            ("\x1b[13;5u", "\x1b\r"),
            ("\x1b[13u", "\r"),
            ("\x1b[13;65u", "\r"),
            ("\x1b[27;2;32~", " "),
            ("\x1b[32;2u", " "),
            ("\x1b[97:65;2u", "A"),
            ("\x1b[97;5u", "\x01"),
            ("\x1b[27;5;99~", "\x03"),
            ("\x1b[102;3u", "\x1bf"),
            ("\x1b[9;2u", "\x1b[Z"),
            ("\x1b[127;2u", "\x7f"),
            ("\x1b[44032;2u", "가"),
            ("\x1b[27;5;9~", ""),
            ("\x1b[105;9u", ""),
        ] {
            assert_eq!(keys(key), plain, "{key:?}");
            assert_eq!(keys(&format!("\x1b[200~{key}\x1b[201~")), "\x1b[200~\x1b[201~", "{key:?} pasted");
        }
    }

    #[test]
    fn a_paste_has_no_sequence_and_a_sequence_that_does_not_end_takes_no_other_row() {
        for (pasted, text) in [
            ("\x1b[38;5;12mred\x1b(B\x1b[m", "red"),
            ("\x1b]8;;http://a/\x07link\x1b]8;;\x07", "link"),
            ("\x1b]0;title\nrow", "\nrow"),
            ("\x1b[1;\nrow", "\nrow"),
            ("a\x1b", "a"),
            ("a\x1b가", "a가"),
            ("\x1b[200~a", "a"),
        ] {
            assert_eq!(keys(&format!("\x1b[200~{pasted}\x1b[201~")), format!("\x1b[200~{text}\x1b[201~"));
        }
        assert_eq!(keys("\x1b]11;rgb:\rb"), "\rb");
    }

    #[test]
    fn what_is_no_utf_8_is_replaced_wherever_it_is_cut() {
        for (bytes, expected) in [
            (&b"caf\xe9\r"[..], "caf\u{fffd}\r"),
            (b"\xea\xb0zz", "\u{fffd}zz"),
            (b"\xea\xb0\xea\xb0\x80", "\u{fffd}가"),
            (b"a\xff\xfeb", "a\u{fffd}\u{fffd}b"),
            (b"\xed\xa0\x80b", "\u{fffd}\u{fffd}b"),
            (b"\x1b\xe9x", "\x1b\u{fffd}x"),
            (b"\x1b[200~caf\xe9\x1b[201~", "\x1b[200~caf\u{fffd}\x1b[201~"),
            // In the place of ESC and another one.
            (b"a\x9b1;2cb", "ab"),
            (b"a\x9b13~b", "a\x1b[13~b"),
            (b"a\x9d11;rgb:0/0/0\x9cb", "ab"),
            (b"a\x90>|foot\x9cb", "ab"),
            (b"a\x84b", "ab"),
            ("a가\u{9b}?1cb\u{85}\u{e9}".as_bytes(), "a가b\u{e9}"),
            ("a\u{9d}2;ㅜㅜ\u{9c}b".as_bytes(), "ab"),
            (b"a\x98any\x9cb\x9eany\x9cc\x9fany\x9cd", "abcd"),
            ("\x1b]1가".as_bytes(), "\x1b]1가"),
        ] {
            for at in 0..=bytes.len() {
                let (before, after) = bytes.split_at(at);
                let mut filter = KeyFilter::default();
                let keys = [filter.feed(before, Instant::now()), filter.feed(after, Instant::now())];
                for keys in &keys {
                    assert!(str::from_utf8(keys).is_ok(), "{bytes:?} cut at {at}");
                }
                assert_eq!(String::from_utf8(keys.concat()).unwrap(), expected, "{bytes:?} cut at {at}");
            }
        }
        let mut lines = KeyFilter::of_lines();
        assert_eq!(lines.feed(b"caf\xe9\n", Instant::now()), b"caf\xe9\n", "refused where the line is read");
    }

    #[test]
    fn escape_is_a_key_once_nothing_follows_and_what_comes_late_is_no_text() {
        for (first, rest) in
            [("\x1b", "[27;2;13~"), ("\x1b", "]11;rgb:0/0/0\x07"), ("\x1b]", "11;rgb:0/0/0\x07")]
        {
            let mut filter = KeyFilter::default();
            assert_eq!(filter.feed(first.as_bytes(), Instant::now()), b"");
            assert!(filter.holds_key());
            assert_eq!(filter.release(), first.as_bytes());
            let late = filter.feed(rest.as_bytes(), Instant::now());
            assert!([&b"\x1b\r"[..], b""].contains(&late.as_slice()), "{late:?}");
        }
        let mut filter = KeyFilter::default();
        filter.feed(b"\x1b", Instant::now());
        filter.release();
        assert_eq!(filter.feed("가".as_bytes(), Instant::now()), "가".as_bytes());
    }

    /// What goes to the editor where these pieces come so many milliseconds after one another, and
    /// nothing for long after the last.
    fn in_time(pieces: &[(u64, &str)]) -> String {
        let mut filter = KeyFilter::default();
        let (mut now, mut keys) = (Instant::now(), Vec::new());
        for (pause_ms, piece) in pieces {
            let pause = Duration::from_millis(*pause_ms);
            if pause >= STRING_PAUSE && filter.is_in_string() {
                keys.extend(filter.give_up());
            }
            now += pause;
            keys.extend(filter.feed(piece.as_bytes(), now));
        }
        if filter.is_in_string() {
            keys.extend(filter.give_up());
        }
        String::from_utf8(keys).unwrap()
    }

    #[test]
    fn what_a_person_types_behind_a_string_that_does_not_end_is_never_lost() {
        for unended in ["\x1b]11;rgb:1e1e", "\x1bP>|foot", "\x1b_Gi=31", "\u{9d}11;rgb:1e1e", "\u{9f}any"] {
            for (typed, keys) in [
                (&[(600, "한"), (90, "글"), (90, "\r")][..], "한글\r"),
                (&[(600, "한글"), (90, "\r")], "한글\r"),
                // Before it is clear that the string does not go on.
                (&[(90, "a"), (90, "b"), (90, "\r")], "ab\r"),
                (&[(90, "a"), (90, "b")], "ab"),
                (&[(90, "a"), (90, "\x1b[D"), (90, "b")], "a\x1b[Db"),
                (&[(90, "a"), (150, "b"), (150, "c"), (150, "d"), (90, "e"), (90, "f")], "abcdef"),
                // The rest of the string, early and late.
                (&[(90, "/1e1e"), (90, "/1e1e\x1b\\"), (90, "a")], "a"),
                (&[(600, "/1e1e/1e1e\x1b\\"), (90, "a")], "a"),
                (&[(600, "\x1b[200~a\x1b[201~")], "\x1b[200~a\x1b[201~"),
            ] {
                let pieces = [&[(0, unended)], typed].concat();
                assert_eq!(in_time(&pieces), keys, "{unended:?} {typed:?}");
            }
        }
    }

    #[test]
    fn a_key_with_alt_that_may_begin_a_string_is_one_where_no_string_comes() {
        for key in ["\x1bX", "\x1b^", "\x1b_", "\x1b]", "\x1bP", "\x1b\x1bX"] {
            for text in ["", "x", "가나", "x\r", "x\x1b[D"] {
                let expected = format!("{key}{text}");
                assert_eq!(in_time(&[(0, key), (0, text)]), expected, "{key:?} {text:?} at once");
                assert_eq!(in_time(&[(0, key), (600, text)]), expected, "{key:?} {text:?} later");
            }
        }
        let long = "x".repeat(KEPT_BYTES);
        assert_eq!(in_time(&[(0, "\x1bX"), (0, &long), (0, "y\x1b\\"), (0, "z")]), "z");
    }
}
