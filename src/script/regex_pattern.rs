//! Regular expressions of expectations (`|~`), with values of variables in them.

use regex::{Regex, RegexBuilder};
use regex_syntax::ast;

use super::fragment::Fragment;
use super::lexer::{Result, SyntaxError, is_variable_name};

/// Bytes that the compiled form of one regular expression may take.
const COMPILED_BYTES: usize = 1 << 20;

/// Part of a row that an expression matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    /// From end to end.
    Whole,
    Part,
}

/// Regular expression of a row; `${name}` in it stands for the value, letter for letter.
#[derive(Clone, Debug)]
pub struct RegexPattern {
    extent: Extent,
    /// The expression between the variables, and these.
    fragments: Vec<Fragment>,
    /// The whole, with letters in the place of the variables.
    outline: Regex,
}

impl PartialEq for RegexPattern {
    fn eq(&self, other: &Self) -> bool {
        (self.extent, &self.fragments) == (other.extent, &other.fragments)
    }
}

impl Eq for RegexPattern {}

impl RegexPattern {
    /// Parses an expression that begins at byte `at` of its line.
    pub(super) fn parse(text: &str, at: usize, extent: Extent) -> Result<Self> {
        let fragments = fragments(text, at);
        // As long as the text, so that the library's places are those of the line.
        let outline: String =
            fragments.iter().map(|fragment| source(fragment, |_, bytes| "x".repeat(bytes))).collect();
        let built = match regex_syntax::parse(&outline) {
            Ok(_) => compiled(&outline, extent).map_err(|error| too_large(text, at, &error)),
            Err(error) => Err(bad(text, at, &error)),
        };
        built.map(|outline| Self { extent, fragments, outline })
    }

    /// The expression and its variables.
    pub(crate) fn fragments(&self) -> &[Fragment] {
        &self.fragments
    }

    /// Names of the groups, which are captured.
    pub(crate) fn capture_names(&self) -> impl Iterator<Item = &str> {
        self.outline.capture_names().flatten()
    }

    /// The expression with values; `None` while a variable has none, or when it gets too large.
    pub(crate) fn with_values<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Option<Regex> {
        if let [] | [Fragment::Literal(_)] = self.fragments.as_slice() {
            return Some(self.outline.clone());
        }
        compiled(&self.source(value)?, self.extent).ok()
    }

    /// Bytes of a text that the longest beginning of the expression takes which takes any.
    pub(crate) fn matched_bytes<'v>(&self, text: &str, value: impl Fn(&str) -> Option<&'v str>) -> usize {
        let Some(source) = self.source(value) else { return 0 };
        let parsed = ast::parse::Parser::new().parse(&source);
        let Ok(ast::Ast::Concat(parts)) = &parsed else { return 0 };
        let beginnings = parts.asts.iter().rev().filter_map(|part| source.get(..part.span().end.offset));
        let mut regexes = beginnings.filter_map(|beginning| Regex::new(&format!("^(?:{beginning})")).ok());
        regexes.find_map(|regex| Some(regex.find(text)?.end())).unwrap_or(0)
    }

    fn source<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
        let has_values = self.fragments.iter().all(|fragment| match fragment {
            Fragment::Variable { name, .. } => value(name).is_some(),
            _ => true,
        });
        let escaped = |name: &str, _| value(name).map(regex::escape).unwrap_or_default();
        has_values.then(|| self.fragments.iter().map(|fragment| source(fragment, escaped)).collect())
    }
}

/// Text of a fragment; `variable` gives it for a name and the bytes that the variable takes in the
/// line.
fn source(fragment: &Fragment, variable: impl Fn(&str, usize) -> String) -> String {
    match fragment {
        Fragment::Literal(text) => text.clone(),
        Fragment::Variable { name, at, .. } => variable(name, at.len()),
        Fragment::Wildcard | Fragment::Key(_) => String::new(),
    }
}

/// A dollar sign before a brace has no meaning in an expression: there it begins a variable.
fn fragments(text: &str, at: usize) -> Vec<Fragment> {
    let mut fragments = Vec::new();
    let (mut literal, mut rest) = (String::new(), text);
    while let Some((before, inner)) = rest.split_once("${") {
        literal.push_str(before);
        let name = inner.split_once('}').map(|(name, _)| name).filter(|name| is_variable_name(name));
        if let Some(name) = name {
            let start = at + text.len() - inner.len() - 2;
            let after = inner.get(name.len() + 1..).unwrap_or_default();
            fragments.push(Fragment::Literal(std::mem::take(&mut literal)));
            let used = start..start + name.len() + 3;
            fragments.push(Fragment::Variable { name: name.to_owned(), values: "", at: used });
            rest = after;
        } else {
            literal.push_str("${");
            rest = inner;
        }
    }
    literal.push_str(rest);
    fragments.push(Fragment::Literal(literal));
    fragments
}

fn compiled(source: &str, extent: Extent) -> Result<Regex, regex::Error> {
    let source = match extent {
        Extent::Whole => format!("^(?:{source})$"),
        Extent::Part => source.to_owned(),
    };
    RegexBuilder::new(&source).size_limit(COMPILED_BYTES).build()
}

fn too_large(text: &str, at: usize, error: &regex::Error) -> SyntaxError {
    SyntaxError::new(at..at + text.len(), format!("bad regular expression: {error}"))
}

/// The error at the place that the library names.
fn bad(text: &str, at: usize, error: &regex_syntax::Error) -> SyntaxError {
    let (span, reason) = match error {
        regex_syntax::Error::Parse(error) => (Some(error.span()), error.kind().to_string()),
        regex_syntax::Error::Translate(error) => (Some(error.span()), error.kind().to_string()),
        other => (None, other.to_string()),
    };
    let whole = 0..text.len();
    let bytes = span.map_or(whole, |span| span.start.offset..span.end.offset);
    let error =
        SyntaxError::new(at + bytes.start..at + bytes.end, format!("bad regular expression: {reason}"));
    if text.starts_with("* ") { error.help("write `\\* ` for the star of a notice") } else { error }
}
