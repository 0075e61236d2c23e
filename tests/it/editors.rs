//! Grammars of `docs/editors/`: their expressions compile, lines of every kind are taken for what
//! they are, and all of them know the same directives as the parser.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;

use regex::Regex;
use serde_json::Value;

use crate::support::{read, root};

fn grammar() -> Value {
    serde_json::from_str(&read("docs/editors/rsachat.tmLanguage.json")).unwrap()
}

/// The directives that the parser knows.
pub(crate) fn directives() -> BTreeSet<String> {
    let source = read("src/script/directive.rs");
    let list = source.split_once("const DIRECTIVES").unwrap().1.split_once("= [").unwrap().1;
    let quoted = Regex::new(r#""([\w-]+)""#).unwrap();
    quoted.captures_iter(list.split_once(']').unwrap().0).map(|found| found[1].to_owned()).collect()
}

/// Every expression of a grammar. One that refers to what began a region has that put in.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if ["match", "begin", "end"].contains(&name.as_str()) => {
                        found.push(text.replace("\\3", "END"));
                    }
                    other => expressions(other, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

/// One rule of the grammar that a line can be under.
struct Rule {
    expression: Regex,
    /// The scope of the whole line, where it has one.
    whole: Option<String>,
    /// The scopes of its parts.
    parts: Value,
}

/// The grammar's rules for lines, in their order.
fn rules() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    RULES.get_or_init(|| {
        let of = |rule: &Value| {
            let (expression, parts) = match (&rule["match"], &rule["begin"]) {
                (Value::String(whole), _) => (whole, &rule["captures"]),
                (_, Value::String(begin)) => (begin, &rule["beginCaptures"]),
                _ => return None,
            };
            let whole = rule["name"].as_str().map(str::to_owned);
            Some(Rule { expression: Regex::new(expression).unwrap(), whole, parts: parts.clone() })
        };
        grammar()["patterns"].as_array().unwrap().iter().filter_map(of).collect()
    })
}

/// The parts of a line with the scopes that the first rule for it gives them.
fn parts(line: &str) -> Vec<(String, String)> {
    let first = rules().iter().find_map(|rule| Some((rule, rule.expression.captures(line)?)));
    let Some((rule, found)) = first else { return Vec::new() };
    if let Some(scope) = &rule.whole {
        return vec![(found[0].to_owned(), scope.clone())];
    }
    let part = |number: usize| {
        let text = found.get(number)?.as_str().to_owned();
        Some((text, rule.parts[number.to_string()]["name"].as_str()?.to_owned()))
    };
    (1..found.len()).filter_map(part).collect()
}

fn check(line: &str, expected: &[(&str, &str)]) {
    let expected: Vec<(String, String)> =
        expected.iter().map(|(text, scope)| ((*text).to_owned(), format!("{scope}.rsachat"))).collect();
    assert_eq!(parts(line), expected, "{line}");
}

#[test]
fn every_expression_compiles() {
    let mut found = Vec::new();
    expressions(&grammar(), &mut found);
    let sublime = read("docs/editors/rsachat.sublime-syntax");
    let matches = Regex::new(r"(?m)^ +- match: '(.*)'$").unwrap();
    for expression in matches.captures_iter(&sublime) {
        found.push(expression[1].replace("{{actor}}", r"[\p{L}_]+").replace("\\3", "END"));
    }
    assert_eq!(matches.find_iter(&sublime).count(), sublime.matches("match:").count());
    assert!(found.len() > 25, "the grammars have lost their rules");
    for expression in found {
        Regex::new(&expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    }
}

#[test]
fn a_line_is_taken_for_what_it_is() {
    let (actor, typed) = ("entity.name.tag.actor", "punctuation.separator.typed");
    let (who, seen) = ("variable.other.actor", "punctuation.separator.seen");
    check("# a > b", &[("# a > b", "comment.line.number-sign")]);
    check("@tick 30s", &[("@tick", "keyword.control.directive")]);
    check("@file x <<END", &[("@file", "keyword.control.directive")]);
    check("@kil bob", &[("@kil bob", "invalid.illegal.directive")]);
    check("서버> :listen 0", &[("서버", actor), (">", typed), (":listen", "support.function.command")]);
    check("bob-2> hi | you > me", &[("bob-2", actor), (">", typed)]);
    check("> # text", &[(">", typed)]);
    check("bob>", &[("bob", actor), (">", typed)]);
    check("손님| 서버: 안녕 > |", &[("손님", who), ("|", seen), ("서버: 안녕 > |", "string.unquoted.seen")]);
    check("bob|~ a|b", &[("bob", who), ("|~", seen), ("a|b", "string.regexp")]);
    check("bob|! $*", &[("bob", who), ("|!", seen), ("$*", "string.unquoted.seen")]);
    check("|* exited 0", &[("|*", seen), ("exited 0", "string.unquoted.seen")]);
    check(":help keygen", &[(":help", "support.function.command")]);
    check("hello?", &[]);
}

#[test]
fn all_know_the_directives_of_the_parser() {
    let list = Regex::new(r"\bactors\|[a-z|-]+").unwrap();
    for name in ["rsachat.vim", "rsachat.tmLanguage.json", "rsachat.sublime-syntax"] {
        let text = read(&format!("docs/editors/{name}")).replace("\\|", "|");
        let known: BTreeSet<String> =
            list.find(&text).unwrap().as_str().split('|').map(str::to_owned).collect();
        assert_eq!(known, directives(), "{name}");
    }
}

#[test]
fn every_line_of_the_conversations_has_a_rule() {
    let folder = root("scripts");
    let mut lines = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension() != Some("chat".as_ref()) || path.ends_with("alone.chat") {
            continue;
        }
        let mut inside = false;
        for line in fs::read_to_string(&path).unwrap().lines() {
            inside = if inside { line != "END" } else { line.ends_with("<<END") };
            if inside || line.is_empty() || line == "END" {
                continue;
            }
            let known = parts(line);
            assert!(!known.is_empty(), "{}: {line}", path.display());
            assert!(!known[0].1.contains("illegal"), "{}: {line}", path.display());
            lines += 1;
        }
    }
    assert!(lines > 200, "only {lines} lines");
}
