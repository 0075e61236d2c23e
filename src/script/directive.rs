//! Parser of directives and their arguments (docs/SCRIPTS.md, section 4).

use super::ast::{Directive, FaultInjection, FileContent, HomeState, KillMode};
use super::lexer::{LineReader, SyntaxError, is_name, is_variable_name};
use super::template::{self, TemplateKind};
use crate::peers::name::Name;
use crate::text::duration::{HOW_TO_WRITE, milliseconds};
use crate::text::suggest::nearest;

/// Most bytes that `@file NAME fill` writes.
const FILL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Every directive, for suggestions.
const DIRECTIVES: [&str; 22] = [
    "actors", "seed", "exact", "open", "set", "include", "file", "together", "end", "tick", "kill", "start",
    "cut", "corrupt", "hold", "release", "live", "timeout", "quiet", "wait", "skip", "halt",
];

/// Parses a directive from its first row, with its `@`; the rows of a here-document come from
/// `reader`.
pub(super) fn parse(
    row: &str,
    reader: &mut LineReader<'_>,
    actors: &[String],
) -> Result<Directive, SyntaxError> {
    let (word, rest) = row.split_once(char::is_whitespace).unwrap_or((row, ""));
    let name = word.get(1..).unwrap_or_default();
    let arguments = DirectiveArgs { row, rest, tokens: tokens(row, rest), actors };
    match name {
        "actors" => arguments.new_actors().map(Directive::Actors),
        "seed" => arguments.number().map(Directive::Seed),
        "exact" => arguments.none(Directive::Exact),
        "open" => arguments.none(Directive::Open),
        "set" => arguments.set(),
        "include" => arguments.text("the name of a file").map(Directive::Include),
        "file" => arguments.file(reader),
        "together" => arguments.none(Directive::Together),
        "end" => arguments.none(Directive::End),
        "tick" => arguments.duration().map(Directive::Tick),
        "timeout" => arguments.duration().map(Directive::Timeout),
        "quiet" => arguments.duration().map(Directive::Quiet),
        "wait" => arguments.duration().map(Directive::Wait),
        "kill" => {
            let (actor, mode) =
                arguments.actor_with("rst", "@kill NAME [rst]", KillMode::Fin, KillMode::Reset)?;
            Ok(Directive::Kill(actor, mode))
        }
        "start" => {
            let usage = "@start NAME [fresh]";
            let (actor, home) = arguments.actor_with("fresh", usage, HomeState::Kept, HomeState::Fresh)?;
            Ok(Directive::Start(actor, home))
        }
        "cut" => arguments.fault_at("after", "@cut NAME [NAME] after BYTES", FaultInjection::Cut),
        "corrupt" => arguments.fault_at("byte", "@corrupt NAME [NAME] byte NUMBER", FaultInjection::Corrupt),
        "hold" => arguments.fault(&arguments.tokens, "@hold NAME [NAME]", FaultInjection::Hold),
        "release" => arguments.fault(&arguments.tokens, "@release NAME [NAME]", FaultInjection::Release),
        "live" => match arguments.tokens.as_slice() {
            [name] => arguments.actor(name).map(Directive::Live),
            _ => Err(arguments.usage("@live NAME")),
        },
        "skip" => arguments.text("a reason").map(Directive::Skip),
        "halt" => arguments.none(Directive::Halt),
        _ => {
            let error = SyntaxError::new(0..word.len(), format!("unknown directive @{name}"));
            Err(match nearest(name, DIRECTIVES.into_iter()) {
                Some(near) => error.help(format!("did you mean @{near}?")),
                None => error.help("docs/SCRIPTS.md lists them; in a script with one actor, `> @…` types it"),
            })
        }
    }
}

/// Arguments of a directive.
struct DirectiveArgs<'a> {
    row: &'a str,
    /// Text after the directive's name.
    rest: &'a str,
    /// Its words.
    tokens: Vec<Token<'a>>,
    actors: &'a [String],
}

/// Word of a row, and the byte at which it begins.
#[derive(Clone, Copy)]
struct Token<'a> {
    at: usize,
    text: &'a str,
}

fn tokens<'a>(row: &'a str, rest: &'a str) -> Vec<Token<'a>> {
    let at = |text: &str| text.as_ptr() as usize - row.as_ptr() as usize;
    rest.split_whitespace().map(|text| Token { at: at(text), text }).collect()
}

impl Token<'_> {
    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.at..self.at + self.text.len(), message)
    }

    fn number(&self) -> Result<u64, SyntaxError> {
        self.text.parse().map_err(|_| self.error(format!("`{}` is no number", self.text)))
    }

    /// `100`, `100KiB`, `2MiB`.
    fn fill_bytes(&self) -> Result<usize, SyntaxError> {
        let (digits, unit) = match self.text {
            text if text.ends_with("KiB") => (text.trim_end_matches("KiB"), 1024),
            text if text.ends_with("MiB") => (text.trim_end_matches("MiB"), 1024 * 1024),
            text => (text, 1),
        };
        let bytes = digits.parse::<usize>().ok().and_then(|count| count.checked_mul(unit));
        bytes.filter(|bytes| *bytes <= FILL_BYTES_MAX).ok_or_else(|| {
            let error = self.error(format!("`{}` is no such size", self.text));
            error.help("write 100, 100KiB or 2MiB, at most 16MiB")
        })
    }
}

impl DirectiveArgs<'_> {
    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(0..self.row.len(), message)
    }

    fn usage(&self, usage: &str) -> SyntaxError {
        self.error(format!("write {usage}"))
    }

    fn none(&self, directive: Directive) -> Result<Directive, SyntaxError> {
        match self.tokens.first() {
            None => Ok(directive),
            Some(word) => Err(word.error("nothing follows this directive")),
        }
    }

    fn text(&self, wanted: &str) -> Result<String, SyntaxError> {
        match self.rest.trim() {
            "" => Err(self.error(format!("{wanted} is missing"))),
            text => Ok(text.to_owned()),
        }
    }

    fn new_actors(&self) -> Result<Vec<String>, SyntaxError> {
        if self.tokens.is_empty() {
            return Err(self.usage("@actors NAME…"));
        }
        if !self.actors.is_empty() {
            return Err(self.error("the actors are named already"));
        }
        let mut names: Vec<String> = Vec::new();
        for word in &self.tokens {
            let name = Name::parse(word.text);
            if !is_name(word.text) || name.is_err() {
                let help = name.err().map(|error| error.to_string());
                let error = word.error(format!("`{}` is no name for an actor", word.text));
                return Err(SyntaxError { help, ..error });
            }
            if names.iter().any(|name| name == word.text) {
                return Err(word.error(format!("`{}` is named twice", word.text)));
            }
            names.push(word.text.to_owned());
        }
        Ok(names)
    }

    fn number(&self) -> Result<u64, SyntaxError> {
        match self.tokens.as_slice() {
            [word] => word.number(),
            _ => Err(self.usage("a number here")),
        }
    }

    fn duration(&self) -> Result<u64, SyntaxError> {
        let Some(first) = self.tokens.first() else {
            return Err(self.usage("a duration here, such as 30s"));
        };
        let text = self.tokens.iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
        let error = || first.error(format!("`{text}` is no duration")).help(HOW_TO_WRITE);
        milliseconds(&text).ok_or_else(error)
    }

    fn set(&self) -> Result<Directive, SyntaxError> {
        let [name, _, ..] = self.tokens.as_slice() else { return Err(self.usage("@set NAME VALUE")) };
        if !is_variable_name(name.text) {
            return Err(name.error(format!("`{}` is no name", name.text)));
        }
        let at = name.at + name.text.len() + 1;
        let value = template::parse(self.row.get(at..).unwrap_or_default(), at, TemplateKind::Input)?;
        Ok(Directive::Set { name: name.text.to_owned(), value })
    }

    fn file(&self, reader: &mut LineReader<'_>) -> Result<Directive, SyntaxError> {
        let usage = || self.usage("@file NAME <<TAG, or @file NAME fill 100KiB");
        let (path, content) = self.tokens.split_first().ok_or_else(usage)?;
        if path.text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            let error = path.error(format!("`{}` is no such path", path.text));
            return Err(error.help("write a path below the folder of the run, as in alice/peers"));
        }
        let content = match content {
            [Token { text: "fill", .. }, size] => FileContent::Fill(size.fill_bytes()?),
            [word] => {
                let tag = word.text.strip_prefix("<<").filter(|tag| !tag.is_empty()).ok_or_else(usage)?;
                let body = reader.here_document(tag);
                let error = || word.error(format!("no line `{tag}` ends this file"));
                FileContent::HereDocument(body.ok_or_else(error)?)
            }
            _ => return Err(usage()),
        };
        Ok(Directive::File { path: path.text.to_owned(), content })
    }

    fn actor(&self, word: &Token<'_>) -> Result<usize, SyntaxError> {
        find_actor(word.text, word.at, self.actors)
    }

    /// An actor, and one value or, where `option` follows, the other.
    fn actor_with<T>(&self, option: &str, usage: &str, plain: T, with: T) -> Result<(usize, T), SyntaxError> {
        match self.tokens.as_slice() {
            [actor] => Ok((self.actor(actor)?, plain)),
            [actor, word] if word.text == option => Ok((self.actor(actor)?, with)),
            _ => Err(self.usage(usage)),
        }
    }

    /// A fault in the bytes from one actor to another, or to any.
    fn fault(
        &self,
        actors: &[Token<'_>],
        usage: &str,
        fault: FaultInjection,
    ) -> Result<Directive, SyntaxError> {
        let (from, to) = match actors {
            [from] => (from, None),
            [from, to] => (from, Some(to)),
            _ => return Err(self.usage(usage)),
        };
        let from = self.actor(from)?;
        Ok(Directive::InjectFault { from, to: to.map(|to| self.actor(to)).transpose()?, fault })
    }

    /// The same with a position in the stream, which stands behind a preposition.
    fn fault_at(
        &self,
        preposition: &str,
        usage: &str,
        fault: impl Fn(u64) -> FaultInjection,
    ) -> Result<Directive, SyntaxError> {
        match self.tokens.as_slice() {
            [actors @ .., word, position] if word.text == preposition => {
                self.fault(actors, usage, fault(position.number()?))
            }
            _ => Err(self.usage(usage)),
        }
    }
}

/// The declared actor of a name, which stands at byte `at` of its line.
pub(super) fn find_actor(name: &str, at: usize, actors: &[String]) -> Result<usize, SyntaxError> {
    actors.iter().position(|actor| actor == name).ok_or_else(|| {
        let error = SyntaxError::new(at..at + name.len(), format!("no actor `{name}`"));
        if actors.is_empty() {
            return error.help(format!("no actors are declared; @actors {name} does it"));
        }
        let declared = format!("declared here: {}", actors.join(", "));
        error.help(match nearest(name, actors.iter().map(String::as_str)) {
            Some(near) => format!("{declared}; did you mean {near}?"),
            None => declared,
        })
    })
}
