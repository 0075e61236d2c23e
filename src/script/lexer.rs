//! Lexical rules of scripts (docs/SCRIPTS.md, section 2): names, templates and patterns.

use std::ops::Range;

use unicode_ident::{is_xid_continue, is_xid_start};

use super::fragment::Fragment;
use super::key::{self, Key};

/// Result of parsing.
pub(super) type Result<T, E = SyntaxError> = std::result::Result<T, E>;

/// Syntax error with its place: bytes of the line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SyntaxError {
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl SyntaxError {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), help: None }
    }

    /// Adds advice.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Whether a text is a name: `XID_Start`, then `XID_Continue` or `-` (UAX #31).
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_xid_start) && chars.all(|c| c == '-' || is_xid_continue(c))
}

/// Whether a text may stand before the mark of a line.
pub(super) fn is_label(text: &str) -> bool {
    text.is_empty() || is_name(text)
}

/// Whether a text is the name of a variable: names joined by dots, as in `alice.port`.
pub(crate) fn is_variable_name(text: &str) -> bool {
    text.split('.').all(is_name)
}

/// Kinds of captures, and the regular expression of what each takes.
pub(super) const KINDS: [(&str, &str); 4] =
    [("port", "[0-9]{1,5}"), ("num", "[0-9]+"), ("fp", "SHA256:[A-Za-z0-9+/]{43}"), ("word", r"\S+")];

/// Kind of text that a template stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TemplateKind {
    /// Typed text: values only.
    Input,
    /// Pattern: values, captures and wildcards.
    Expect,
}

/// Parses a template that begins at byte `offset` of its line.
pub(super) fn parse_template(text: &str, offset: usize, kind: TemplateKind) -> Result<Vec<Fragment>> {
    let mut fragments = Vec::new();
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
            let (character, used) = code_point(inner, at)?;
            literal.push(character);
            used
        } else if let Some(inner) = after.strip_prefix("key{").filter(|_| kind == TemplateKind::Input) {
            let (key, used) = key(inner, at)?;
            flush(&mut literal, &mut fragments);
            fragments.push(key);
            used
        } else if let Some(inner) = after.strip_prefix('{') {
            let (variable, used) = variable(inner, at, kind)?;
            flush(&mut literal, &mut fragments);
            fragments.push(variable);
            used
        } else if after.starts_with('*') && kind == TemplateKind::Expect {
            flush(&mut literal, &mut fragments);
            fragments.push(Fragment::Wildcard);
            2
        } else {
            literal.push('$');
            1
        };
        rest = dollar.get(used..).unwrap_or_default();
    }
    literal.push_str(rest);
    flush(&mut literal, &mut fragments);
    Ok(fragments)
}

fn flush(literal: &mut String, fragments: &mut Vec<Fragment>) {
    if !literal.is_empty() {
        fragments.push(Fragment::Literal(std::mem::take(literal)));
    }
}

/// `$u{1b}`, from after its brace: the character, and the bytes of the whole.
fn code_point(inner: &str, at: usize) -> Result<(char, usize)> {
    let error = |length: usize| {
        SyntaxError::new(at..at + length, "no such character")
            .help("write its number in hexadecimal, as in $u{1b}; $$u{ is the text")
    };
    let digits = inner.split_once('}').map(|(digits, _)| digits).ok_or_else(|| error(3))?;
    let used = digits.len() + 4;
    let character = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    character.map(|character| (character, used)).ok_or_else(|| error(used))
}

/// `$key{up}`, from after its brace: the key, and the bytes of the whole.
fn key(inner: &str, at: usize) -> Result<(Fragment, usize)> {
    let name = inner.split_once('}').map(|(name, _)| name);
    let used = name.map_or("$key{".len(), |name| name.len() + "$key{}".len());
    let key = name.and_then(Key::named).map(Fragment::Key);
    key.map(|key| (key, used)).ok_or_else(|| SyntaxError::new(at..at + used, "no such key").help(key::ADVICE))
}

/// `${name:kind}`, from after its brace: the variable, and the bytes of the whole.
fn variable(inner: &str, at: usize, template: TemplateKind) -> Result<(Fragment, usize)> {
    let Some((body, _)) = inner.split_once('}') else {
        return Err(SyntaxError::new(at..at + 2, "`${` without `}`").help("write `$${` for the text"));
    };
    let used = body.len() + 3;
    let error = |message: String, help: &str| Err(SyntaxError::new(at..at + used, message).help(help));
    let (name, kind) = match body.split_once(':') {
        None => (body, "word"),
        Some(_) if template == TemplateKind::Input => {
            return error("a kind is for expectations".into(), "write the name alone, as in ${x}");
        }
        Some(parts) => parts,
    };
    let Some((_, values)) = KINDS.iter().find(|(known, _)| *known == kind) else {
        return error(format!("no kind `{kind}`"), "kinds are port, word, num and fp");
    };
    if !is_variable_name(name) {
        let help = "a name begins with a letter; write `$${` for the text";
        return error(format!("`{name}` is not a valid name"), help);
    }
    Ok((Fragment::Variable { name: name.to_owned(), values, at: at..at + used }, used))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = match parse_template(text, 0, TemplateKind::Expect) {
            Ok(fragments) => fragments
                .iter()
                .map(|fragment| match fragment {
                    Fragment::Literal(text) => format!("[{text}]"),
                    Fragment::Variable { name, values, at } => format!("<{name} {values} {at:?}>"),
                    Fragment::Wildcard => "*".to_owned(),
                    Fragment::Key(key) => format!("{key:?}"),
                })
                .collect(),
            Err(error) => format!("{:?} {}", error.at, error.message),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn a_dollar_is_special_before_few_things_only() {
        check("$5 or $$5", "[$5 or $5]");
        check("가 ${x} 나", r"[가 ]<x \S+ 4..8>[ 나]");
        check("${b.port:port}$*", "<b.port [0-9]{1,5} 0..14>*");
        check("$$*$${x}", "[$*${x}]");
        check("a$u{1b}b$u{a}", "[a\u{1b}b\n]");
        check("$", "[$]");
        check("", "");
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        check("x ${y", "2..4 `${` without `}`");
        check("${x:thing}", "0..10 no kind `thing`");
        check("${5}", "0..4 `5` is not a valid name");
        check("$u{110000}", "0..10 no such character");
        check("$u{", "0..3 no such character");
        let typed = |text: &str| parse_template(text, 0, TemplateKind::Input);
        assert_eq!(typed("a$$key{up}").unwrap(), [Fragment::Literal("a$key{up}".to_owned())]);
        assert_eq!(typed("a$key{up}b").unwrap().len(), 3);
        assert_eq!(typed("a$key{upp}").unwrap_err().at, 1..10);
        assert_eq!(typed("a$key{up").unwrap_err().at, 1..6);
    }
}
