//! Text with its one special character, the dollar: values, captures, wildcards, characters by number. A
//! dollar before anything else is itself.

use std::ops::Range;

use super::parser::is_name;

/// A part of a typed text or of a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fragment {
    /// Text as it is.
    Literal(String),
    /// `${name}` or `${name:kind}`: a value; in an expectation one that may be bound there.
    Named {
        /// The name.
        name: String,
        /// What may be bound to it.
        capture: Capture,
        /// Bytes of the line that it takes.
        at: Range<usize>,
    },
    /// `$*`: any text.
    Any,
}

/// What a name may be bound to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Capture {
    /// A run without blanks.
    Word,
    /// A TCP port: one to five digits.
    Port,
    /// Digits.
    Number,
    /// A fingerprint, `SHA256:` and 43 characters.
    Fingerprint,
}

/// In which kind of text a dollar stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TemplateKind {
    /// Typed: values only.
    Typed,
    /// Expected: values, captures and wildcards.
    Expected,
}

/// Why a text cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TemplateError {
    pub(super) at: Range<usize>,
    pub(super) what: String,
    pub(super) help: Option<String>,
}

impl Capture {
    /// Its regular expression.
    #[must_use]
    pub fn regex(self) -> &'static str {
        match self {
            Self::Word => r"\S+",
            Self::Port => r"[0-9]{1,5}",
            Self::Number => r"[0-9]+",
            Self::Fingerprint => r"SHA256:[A-Za-z0-9+/]{43}",
        }
    }

    fn of(word: &str) -> Option<Self> {
        match word {
            "word" => Some(Self::Word),
            "port" => Some(Self::Port),
            "num" => Some(Self::Number),
            "fp" => Some(Self::Fingerprint),
            _ => None,
        }
    }
}

/// Reads a text that begins at byte `offset` of its line.
pub(super) fn pieces(
    text: &str,
    offset: usize,
    reading: TemplateKind,
) -> Result<Vec<Fragment>, TemplateError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(found) = rest.find('$') {
        let (before, dollar) = rest.split_at(found);
        literal.push_str(before);
        let at = offset + text.len() - dollar.len();
        let after = dollar.get(1..).unwrap_or_default();
        let used = if after.starts_with('$') {
            literal.push('$');
            2
        } else if let Some(inner) = after.strip_prefix("u{") {
            let (character, used) = by_number(inner, at)?;
            literal.push(character);
            used
        } else if let Some(inner) = after.strip_prefix('{') {
            let (piece, used) = named(inner, at, reading)?;
            flush(&mut literal, &mut pieces);
            pieces.push(piece);
            used
        } else if after.starts_with('*') && reading == TemplateKind::Expected {
            flush(&mut literal, &mut pieces);
            pieces.push(Fragment::Any);
            2
        } else {
            literal.push('$');
            1
        };
        rest = dollar.get(used..).unwrap_or_default();
    }
    literal.push_str(rest);
    flush(&mut literal, &mut pieces);
    Ok(pieces)
}

fn flush(literal: &mut String, pieces: &mut Vec<Fragment>) {
    if !literal.is_empty() {
        pieces.push(Fragment::Literal(std::mem::take(literal)));
    }
}

/// `$u{1b}`, from after its brace: the character, and the bytes of the whole.
fn by_number(inner: &str, at: usize) -> Result<(char, usize), TemplateError> {
    let error = |length: usize| TemplateError {
        at: at..at + length,
        what: "no such character".into(),
        help: Some("write its number in hexadecimal, as in $u{1b}; $$u{ is the text".into()),
    };
    let digits = inner.split_once('}').map(|(digits, _)| digits).ok_or_else(|| error(3))?;
    let used = digits.len() + 4;
    let number = u32::from_str_radix(digits, 16).map_err(|_| error(used))?;
    char::from_u32(number).map(|c| (c, used)).ok_or_else(|| error(used))
}

/// `${name:kind}`, from after its brace: the piece, and the bytes of the whole.
fn named(inner: &str, at: usize, reading: TemplateKind) -> Result<(Fragment, usize), TemplateError> {
    let Some((body, _)) = inner.split_once('}') else {
        return Err(TemplateError {
            at: at..at + 2,
            what: "`${` without `}`".into(),
            help: Some("write `$${` for the text".into()),
        });
    };
    let used = body.len() + 3;
    let error = |what: String, help: &str| TemplateError { at: at..at + used, what, help: Some(help.into()) };
    let (name, capture) = match body.split_once(':') {
        None => (body, Capture::Word),
        Some(_) if reading == TemplateKind::Typed => {
            return Err(error("a kind is for expectations".into(), "write the name alone, as in ${x}"));
        }
        Some((name, kind)) => match Capture::of(kind) {
            Some(capture) => (name, capture),
            None => return Err(error(format!("no kind `{kind}`"), "kinds are port, word, num and fp")),
        },
    };
    if !is_value_name(name) {
        return Err(error(
            format!("`{name}` is no name"),
            "a name begins with a letter; write `$${` for the text",
        ));
    }
    Ok((Fragment::Named { name: name.to_owned(), capture, at: at..at + used }, used))
}

/// A name with parts, as in `alice.port`.
pub(super) fn is_value_name(name: &str) -> bool {
    name.split('.').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = match pieces(text, 0, TemplateKind::Expected) {
            Ok(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Fragment::Literal(text) => format!("[{text}]"),
                    Fragment::Named { name, capture, at } => format!("<{name} {capture:?} {at:?}>"),
                    Fragment::Any => "*".to_owned(),
                })
                .collect(),
            Err(error) => format!("{:?} {}", error.at, error.what),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn a_dollar_is_special_before_few_things_only() {
        check("$5 or $$5", "[$5 or $5]");
        check("가 ${x} 나", "[가 ]<x Word 4..8>[ 나]");
        check("${b.port:port}$*", "<b.port Port 0..14>*");
        check("$$*$${x}", "[$*${x}]");
        check("a$u{1b}b$u{a}", "[a\u{1b}b\n]");
        check("$", "[$]");
        check("", "");
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        check("x ${y", "2..4 `${` without `}`");
        check("${x:thing}", "0..10 no kind `thing`");
        check("${5}", "0..4 `5` is no name");
        check("$u{110000}", "0..10 no such character");
        check("$u{", "0..3 no such character");
    }
}
