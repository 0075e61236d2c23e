//! Parser of templates and patterns (docs/SCRIPTS.md, sections 2.1 and 2.2).

use super::ast::{CaptureKind, Fragment};
use super::lexer::{SyntaxError, is_variable_name};

/// Kind of text that a template stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TemplateKind {
    /// Typed text: values only.
    Input,
    /// Pattern: values, captures and wildcards.
    Expect,
}

impl CaptureKind {
    /// Regular expression of the values.
    pub(super) fn regex(self) -> &'static str {
        match self {
            Self::Word => r"\S+",
            Self::Port => r"[0-9]{1,5}",
            Self::Number => r"[0-9]+",
            Self::Fingerprint => r"SHA256:[A-Za-z0-9+/]{43}",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "word" => Some(Self::Word),
            "port" => Some(Self::Port),
            "num" => Some(Self::Number),
            "fp" => Some(Self::Fingerprint),
            _ => None,
        }
    }
}

/// Parses a template that begins at byte `offset` of its line.
pub(super) fn parse(text: &str, offset: usize, kind: TemplateKind) -> Result<Vec<Fragment>, SyntaxError> {
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
fn code_point(inner: &str, at: usize) -> Result<(char, usize), SyntaxError> {
    let error = |length: usize| {
        SyntaxError::new(at..at + length, "no such character")
            .help("write its number in hexadecimal, as in $u{1b}; $$u{ is the text")
    };
    let digits = inner.split_once('}').map(|(digits, _)| digits).ok_or_else(|| error(3))?;
    let used = digits.len() + 4;
    let character = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    character.map(|character| (character, used)).ok_or_else(|| error(used))
}

/// `${name:kind}`, from after its brace: the variable, and the bytes of the whole.
fn variable(inner: &str, at: usize, template: TemplateKind) -> Result<(Fragment, usize), SyntaxError> {
    let Some((body, _)) = inner.split_once('}') else {
        return Err(SyntaxError::new(at..at + 2, "`${` without `}`").help("write `$${` for the text"));
    };
    let used = body.len() + 3;
    let error = |message: String, help: &str| Err(SyntaxError::new(at..at + used, message).help(help));
    let (name, kind) = match body.split_once(':') {
        None => (body, CaptureKind::Word),
        Some(_) if template == TemplateKind::Input => {
            return error("a kind is for expectations".into(), "write the name alone, as in ${x}");
        }
        Some((name, kind)) => match CaptureKind::parse(kind) {
            Some(kind) => (name, kind),
            None => return error(format!("no kind `{kind}`"), "kinds are port, word, num and fp"),
        },
    };
    if !is_variable_name(name) {
        let help = "a name begins with a letter; write `$${` for the text";
        return error(format!("`{name}` is no name"), help);
    }
    Ok((Fragment::Variable { name: name.to_owned(), kind, at: at..at + used }, used))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = match parse(text, 0, TemplateKind::Expect) {
            Ok(fragments) => fragments
                .iter()
                .map(|fragment| match fragment {
                    Fragment::Literal(text) => format!("[{text}]"),
                    Fragment::Variable { name, kind, at } => format!("<{name} {kind:?} {at:?}>"),
                    Fragment::Wildcard => "*".to_owned(),
                })
                .collect(),
            Err(error) => format!("{:?} {}", error.at, error.message),
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
