//! Directives of scripts (docs/SCRIPTS.md, section 4): their words and arguments.

use std::iter::Enumerate;
use std::str::Lines;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use super::ast::{Directive, DiskRoom, FaultInjection, FileContent, FrontEnd, HomeState, KillMode, TypeMode};
use super::lexer::{Result, SyntaxError, TemplateKind, is_name, is_variable_name, parse_template};
use crate::peers::name::Name;
use crate::text::duration::{HOW_TO_WRITE, milliseconds};
use crate::text::suggest::nearest;

/// Most bytes that `@file NAME fill` writes.
const FILL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Every directive, for suggestions.
const DIRECTIVES: [&str; 41] = [
    "draft",
    "say",
    "actors",
    "seed",
    "exact",
    "open",
    "set",
    "include",
    "file",
    "together",
    "end",
    "tick",
    "kill",
    "start",
    "disk",
    "backup",
    "restore",
    "cut",
    "corrupt",
    "hold",
    "release",
    "live",
    "timeout",
    "quiet",
    "wait",
    "skip",
    "halt",
    "spawn",
    "ready",
    "env",
    "lenient",
    "mask",
    "tag",
    "at",
    "same",
    "absent",
    "expect-file",
    "width",
    "unordered",
    "plain",
    "json",
];

/// Reader of the rows of a source. A line with a here-document spans several.
pub(super) struct SourceReader<'a> {
    pub(super) rows: Enumerate<Lines<'a>>,
    /// Rows of the current line so far.
    pub(super) line: String,
}

impl SourceReader<'_> {
    /// Rows of a here-document, up to the row that is `tag` alone; `None` without such a row.
    fn here_document(&mut self, tag: &str) -> Option<String> {
        let mut body = String::new();
        for (_, row) in self.rows.by_ref() {
            self.line.extend(["\n", row]);
            if row == tag {
                return Some(body);
            }
            body.extend([row, "\n"]);
        }
        None
    }
}

/// Parses a directive from its first row, with its `@`; the rows of a here-document come from
/// `reader`.
pub(super) fn parse_directive(
    row: &str,
    reader: &mut SourceReader<'_>,
    actors: &[String],
) -> Result<Directive> {
    let (word, rest) = row.split_once(char::is_whitespace).unwrap_or((row, ""));
    let name = word.get(1..).unwrap_or_default();
    let at = |text: &str| text.as_ptr() as usize - row.as_ptr() as usize;
    let tokens = rest.split_whitespace().map(|text| Token { at: at(text), text }).collect();
    let arguments = DirectiveArgs { row, rest, tokens, actors };
    match name {
        "actors" => arguments.new_actors().map(Directive::Actors),
        "seed" => arguments.number().map(Directive::Seed),
        "exact" => arguments.none(Directive::Exact),
        "open" => arguments.none(Directive::Open),
        "lenient" => arguments.none(Directive::Lenient),
        "set" => arguments.set(),
        "include" => arguments.include(),
        "at" => arguments.start().map(Directive::At),
        "width" => arguments.width(),
        "plain" => arguments.front_end(FrontEnd::Plain, "@plain NAME…"),
        "json" => arguments.front_end(FrontEnd::Json, "@json NAME…"),
        "same" => arguments.same(),
        "absent" => arguments.absent(),
        "expect-file" => arguments.expected_file(reader),
        "file" => arguments.file(reader),
        "together" => arguments.none(Directive::Together),
        "unordered" => arguments.none(Directive::Unordered),
        "end" => arguments.none(Directive::End),
        "draft" => arguments.typed(TypeMode::Draft, "@draft NAME TEXT"),
        "say" => arguments.typed(TypeMode::Text, "@say NAME TEXT"),
        "tick" => arguments.duration().map(Directive::Tick),
        "timeout" => arguments.waiting_time().map(Directive::Timeout),
        "quiet" => arguments.waiting_time().map(Directive::Quiet),
        "wait" => arguments.duration().map(Directive::Wait),
        "kill" => match arguments.tokens.as_slice() {
            [name] => Ok(Directive::Kill(arguments.actor(name)?, KillMode::Fin)),
            [name, mode] => Ok(Directive::Kill(arguments.actor(name)?, mode.kill_mode()?)),
            _ => Err(arguments.usage("@kill NAME [rst], or @kill NAME [SIGNAL] of a spawned program")),
        },
        "start" => match arguments.tokens.as_slice() {
            [name] => Ok(Directive::Start(arguments.actor(name)?, HomeState::Kept)),
            [name, Token { text: "fresh", .. }] => {
                Ok(Directive::Start(arguments.actor(name)?, HomeState::Fresh))
            }
            _ => Err(arguments.usage("@start NAME [fresh]")),
        },
        "disk" => match arguments.tokens.as_slice() {
            [name, Token { text: "full", .. }] => Ok(Directive::Disk(arguments.actor(name)?, DiskRoom::Full)),
            [name, Token { text: "ok", .. }] => Ok(Directive::Disk(arguments.actor(name)?, DiskRoom::Free)),
            _ => Err(arguments.usage("@disk NAME full, or @disk NAME ok")),
        },
        "backup" => match arguments.tokens.as_slice() {
            [name] => arguments.actor(name).map(Directive::Backup),
            _ => Err(arguments.usage("@backup NAME")),
        },
        "restore" => match arguments.tokens.as_slice() {
            [name] => arguments.actor(name).map(|actor| Directive::Restore { actor, of: actor }),
            [name, of] => Ok(Directive::Restore { actor: arguments.actor(name)?, of: arguments.actor(of)? }),
            _ => Err(arguments.usage("@restore NAME, or @restore NAME NAME with the copy of another home")),
        },
        "cut" => arguments.fault_at("after", "@cut NAME [NAME] after BYTES", FaultInjection::Cut),
        "corrupt" => arguments.fault_at("byte", "@corrupt NAME [NAME] byte NUMBER", FaultInjection::Corrupt),
        "hold" => arguments.hold(),
        "release" => arguments.fault(&arguments.tokens, "@release NAME [NAME]", FaultInjection::Release),
        "live" => match arguments.tokens.as_slice() {
            [name] => arguments.actor(name).map(Directive::Live),
            _ => Err(arguments.usage("@live NAME")),
        },
        "spawn" => arguments.spawn(),
        "ready" => arguments.ready(),
        "env" => arguments.env(),
        "mask" => arguments.mask(),
        "tag" => arguments
            .text("a tag")
            .map(|tags| Directive::Tag(tags.split_whitespace().map(str::to_owned).collect())),
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
pub(super) struct DirectiveArgs<'a> {
    pub(super) row: &'a str,
    /// Text after the directive's name.
    pub(super) rest: &'a str,
    /// Its words.
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) actors: &'a [String],
}

/// Word of a row, and the byte at which it begins.
pub(super) struct Token<'a> {
    pub(super) at: usize,
    pub(super) text: &'a str,
}

impl Token<'_> {
    pub(super) fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.at..self.at + self.text.len(), message)
    }

    /// The word as a path below the folder of the run.
    pub(super) fn path(&self) -> Result<String> {
        if self.text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            let error = self.error(format!("`{}` is not a valid path", self.text));
            return Err(error.help("write a path below the folder of the run, as in alice/peers"));
        }
        Ok(self.text.to_owned())
    }

    /// Rows of the here-document that `<<TAG` begins; `None` where the word is none.
    pub(super) fn here_document(&self, reader: &mut SourceReader<'_>) -> Option<Result<String>> {
        let tag = self.text.strip_prefix("<<").filter(|tag| !tag.is_empty())?;
        let error = || self.error(format!("no line `{tag}` ends this file"));
        Some(reader.here_document(tag).ok_or_else(error))
    }

    fn number(&self) -> Result<u64> {
        self.text.parse().map_err(|_| self.error(format!("`{}` is not a number", self.text)))
    }

    /// Checks that this may be the name of an actor.
    pub(super) fn new_actor(&self) -> Result<()> {
        let name = Name::parse(self.text);
        if is_name(self.text) && name.is_ok() {
            return Ok(());
        }
        let help = name.err().map(|error| error.to_string());
        let error = self.error(format!("`{}` is not a valid actor name", self.text));
        Err(SyntaxError { help, ..error })
    }

    /// `100`, `100KiB`, `2MiB`.
    fn fill_bytes(&self) -> Result<usize> {
        let (digits, unit) = match self.text {
            text if text.ends_with("KiB") => (text.trim_end_matches("KiB"), 1024),
            text if text.ends_with("MiB") => (text.trim_end_matches("MiB"), 1024 * 1024),
            text => (text, 1),
        };
        let bytes = digits.parse::<usize>().ok().and_then(|count| count.checked_mul(unit));
        bytes.filter(|bytes| *bytes <= FILL_BYTES_MAX).ok_or_else(|| {
            let error = self.error(format!("`{}` is not a valid size", self.text));
            error.help("write 100, 100KiB or 2MiB, at most 16MiB")
        })
    }
}

impl DirectiveArgs<'_> {
    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(0..self.row.len(), message)
    }

    pub(super) fn usage(&self, usage: &str) -> SyntaxError {
        self.error(format!("write {usage}"))
    }

    fn none(&self, directive: Directive) -> Result<Directive> {
        match self.tokens.first() {
            None => Ok(directive),
            Some(word) => Err(word.error("this directive takes no arguments")),
        }
    }

    pub(super) fn text(&self, wanted: &str) -> Result<String> {
        match self.rest.trim() {
            "" => Err(self.error(format!("{wanted} is missing"))),
            text => Ok(text.to_owned()),
        }
    }

    fn new_actors(&self) -> Result<Vec<String>> {
        if self.tokens.is_empty() {
            return Err(self.usage("@actors NAME…"));
        }
        if !self.actors.is_empty() {
            return Err(self.error("the actors are already named"));
        }
        let mut names: Vec<String> = Vec::new();
        for word in &self.tokens {
            word.new_actor()?;
            if names.iter().any(|name| name == word.text) {
                return Err(word.error(format!("`{}` is named twice", word.text)));
            }
            names.push(word.text.to_owned());
        }
        Ok(names)
    }

    fn number(&self) -> Result<u64> {
        match self.tokens.as_slice() {
            [word] => word.number(),
            _ => Err(self.usage("a number here")),
        }
    }

    fn duration(&self) -> Result<u64> {
        let first = self.tokens.first().ok_or_else(|| self.usage("a duration here, such as 30s"))?;
        let text = self.tokens.iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
        let error = || first.error(format!("`{text}` is not a duration")).help(HOW_TO_WRITE);
        milliseconds(&text).ok_or_else(error)
    }

    /// A duration within which something can happen.
    fn waiting_time(&self) -> Result<u64> {
        let none = || self.error("nothing can be waited for in no time").help(HOW_TO_WRITE);
        self.duration().and_then(|ms| if ms == 0 { Err(none()) } else { Ok(ms) })
    }

    fn set(&self) -> Result<Directive> {
        let [name, _, ..] = self.tokens.as_slice() else { return Err(self.usage("@set NAME VALUE")) };
        if !is_variable_name(name.text) {
            return Err(name.error(format!("`{}` is not a valid name", name.text)));
        }
        let at = name.at + name.text.len() + 1;
        let value = parse_template(self.row.get(at..).unwrap_or_default(), at, TemplateKind::Input)?;
        Ok(Directive::Set { name: name.text.to_owned(), value })
    }

    /// Text behind the name of an actor and one blank.
    fn typed(&self, mode: TypeMode, usage: &str) -> Result<Directive> {
        let [name, _, ..] = self.tokens.as_slice() else { return Err(self.usage(usage)) };
        let at = name.at + name.text.len() + 1;
        let template = parse_template(self.row.get(at..).unwrap_or_default(), at, TemplateKind::Input)?;
        Ok(Directive::Type { actor: self.actor(name)?, template, mode })
    }

    fn file(&self, reader: &mut SourceReader<'_>) -> Result<Directive> {
        let usage = || self.usage("@file NAME <<TAG, or @file NAME fill 100KiB");
        let (path, content) = self.tokens.split_first().ok_or_else(usage)?;
        path.path()?;
        let content = match content {
            [Token { text: "fill", .. }, size] => FileContent::Fill(size.fill_bytes()?),
            [word] => FileContent::HereDocument(word.here_document(reader).unwrap_or_else(|| Err(usage()))?),
            _ => return Err(usage()),
        };
        Ok(Directive::File { path: path.text.to_owned(), content })
    }

    pub(super) fn actor(&self, word: &Token<'_>) -> Result<usize> {
        find_actor(word.text, word.at, self.actors)
    }

    /// A fault in the bytes from one actor to another, or to any.
    fn fault(&self, actors: &[Token<'_>], usage: &str, fault: FaultInjection) -> Result<Directive> {
        let (from, to) = match actors {
            [from] => (from, None),
            [from, to] => (from, Some(to)),
            _ => return Err(self.usage(usage)),
        };
        let from = self.actor(from)?;
        Ok(Directive::InjectFault { from, to: to.map(|to| self.actor(to)).transpose()?, fault })
    }

    /// `@hold`, from now on or from a position on.
    fn hold(&self) -> Result<Directive> {
        let usage = "@hold NAME [NAME] [after BYTES]";
        match self.tokens.as_slice() {
            [_] | [_, _] => self.fault(&self.tokens, usage, FaultInjection::Hold(0)),
            _ => self.fault_at("after", usage, FaultInjection::Hold),
        }
    }

    /// The same with a position in the stream, which stands behind a preposition.
    fn fault_at(
        &self,
        preposition: &str,
        usage: &str,
        fault: fn(u64) -> FaultInjection,
    ) -> Result<Directive> {
        match self.tokens.as_slice() {
            [actors @ .., word, position] if word.text == preposition => {
                self.fault(actors, usage, fault(position.number()?))
            }
            _ => Err(self.usage(usage)),
        }
    }
}

/// The declared actor of a name, which stands at byte `at` of its line.
pub(super) fn find_actor(name: &str, at: usize, actors: &[String]) -> Result<usize> {
    actors.iter().position(|actor| actor == name).ok_or_else(|| {
        let error = SyntaxError::new(at..at + name.len(), format!("no actor `{name}`"));
        if let Some(same) = actors.iter().find(|actor| actor.nfc().eq(name.nfc())) {
            let which = if is_nfc(name) { "`@actors` spells it" } else { "it is spelt" };
            let message = format!("no actor `{name}`: {which} in decomposed letters (NFD)");
            return SyntaxError { message, ..error }
                .help(format!("declared here: {same}; uconv -x nfc FILE > NEW composes a whole file"));
        }
        if actors.is_empty() {
            return error.help(format!("no actors are declared; @actors {name} declares it"));
        }
        let declared = format!("declared here: {}", actors.join(", "));
        error.help(match nearest(name, actors.iter().map(String::as_str)) {
            Some(near) => format!("{declared}; did you mean {near}?"),
            None => declared,
        })
    })
}
