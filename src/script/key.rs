//! Keys of a terminal by name (`$key{up}` in docs/SCRIPTS.md, section 6.2), and what each sends.

/// Key of a terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key(String);

/// Keys with a name, and what each sends to a program (ECMA-48, xterm).
const NAMED: [(&str, &str); 28] = [
    ("tab", "\t"),
    ("shift-tab", "\x1b[Z"),
    ("enter", "\r"),
    ("esc", "\x1b"),
    ("backspace", "\x7f"),
    ("delete", "\x1b[3~"),
    ("insert", "\x1b[2~"),
    ("up", "\x1b[A"),
    ("down", "\x1b[B"),
    ("right", "\x1b[C"),
    ("left", "\x1b[D"),
    ("home", "\x1b[H"),
    ("end", "\x1b[F"),
    ("pageup", "\x1b[5~"),
    ("pagedown", "\x1b[6~"),
    ("f1", "\x1bOP"),
    ("f2", "\x1bOQ"),
    ("f3", "\x1bOR"),
    ("f4", "\x1bOS"),
    ("f5", "\x1b[15~"),
    ("f6", "\x1b[17~"),
    ("f7", "\x1b[18~"),
    ("f8", "\x1b[19~"),
    ("f9", "\x1b[20~"),
    ("f10", "\x1b[21~"),
    ("f11", "\x1b[23~"),
    ("f12", "\x1b[24~"),
    ("ctrl-space", "\0"),
];
/// Names, for advice.
pub(super) const ADVICE: &str = "keys are tab, shift-tab, enter, esc, backspace, delete, insert, up, down, left, \
    right, home, end, pageup, pagedown, f1 to f12, ctrl-X and alt-X; `$$key{` is the text";

impl Key {
    /// The key of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        if let Some((_, bytes)) = NAMED.iter().find(|(known, _)| *known == name) {
            return Some(Self((*bytes).to_owned()));
        }
        let one = |text: &str| text.chars().next().filter(|c| text.len() == c.len_utf8());
        if let Some(letter) = name.strip_prefix("ctrl-").and_then(one) {
            let letter = letter.to_ascii_uppercase();
            let code = u8::try_from(letter).ok().filter(|code| (b'@'..=b'_').contains(code))?;
            return Some(Self(char::from(code & 0x1f).to_string()));
        }
        let letter = name.strip_prefix("alt-").and_then(one).filter(|letter| !letter.is_control())?;
        Some(Self(format!("\x1b{letter}")))
    }

    /// What it sends to a program.
    #[must_use]
    pub fn sequence(&self) -> &str {
        &self.0
    }

    /// Whether it is Ctrl-D, which ends the input of a program.
    #[must_use]
    pub fn ends_input(&self) -> bool {
        self.0 == "\x04"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_names() {
        for (name, sequence) in [
            ("up", "\x1b[A"),
            ("ctrl-r", "\x12"),
            ("ctrl-[", "\x1b"),
            ("alt-f", "\x1bf"),
            ("alt-가", "\x1b가"),
        ] {
            assert_eq!(Key::named(name).unwrap().sequence(), sequence, "{name}");
        }
        assert!(Key::named("ctrl-d").unwrap().ends_input());
        for name in ["", "UP", "ctrl-", "ctrl-가", "ctrl-ab", "alt-", "f13", "alt-\x1b"] {
            assert_eq!(Key::named(name), None, "{name}");
        }
    }
}
