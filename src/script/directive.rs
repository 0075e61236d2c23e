//! Directives: the lines that begin with `@`. What they mean to a run is the runner's matter.

use super::parser::{Cursor, is_name};
use super::template::{Fragment, TemplateError, TemplateKind, is_value_name, pieces};
use crate::text::duration::{HOW_TO_WRITE, milliseconds};

/// One directive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Directive {
    /// `@actors A B`: who takes part, in the order of output.
    Actors(Vec<String>),
    /// `@seed N`: where all randomness comes from.
    Seed(u64),
    /// `@exact`: every actor is checked after every step.
    Exact,
    /// `@open`: who has expectations in a step is checked there.
    Open,
    /// `@set NAME VALUE`
    Set {
        /// The name.
        name: String,
        /// Its value.
        value: Vec<Fragment>,
    },
    /// `@include FILE`: its lines follow.
    Include(String),
    /// `@file NAME …`: a file beside the actors' homes, and a value by its name.
    File {
        /// Path below the folder of the run; an actor's home is the folder of its name.
        name: String,
        /// What is in it.
        content: FileContent,
    },
    /// `@together`: the inputs up to `@end` are typed before anything is delivered.
    Together,
    /// `@end`
    End,
    /// `@tick D`: the virtual clock moves, in milliseconds.
    Tick(u64),
    /// `@kill A [rst]`: the process of an actor dies.
    Kill {
        /// Whose.
        who: usize,
        /// How its connections end.
        death: KillMode,
    },
    /// `@start A [fresh]`: it runs again.
    Start {
        /// Who.
        who: usize,
        /// With which home.
        home: HomeState,
    },
    /// `@cut`, `@corrupt`, `@hold`, `@release`: something happens to bytes on the way.
    Meddle {
        /// Whose bytes.
        from: usize,
        /// To whom; everybody where nobody is named.
        to: Option<usize>,
        /// What.
        what: FaultInjection,
    },
    /// `@live A`: a program that is not ours.
    Live(usize),
    /// `@timeout D`: how long an expectation waits in a live world, in milliseconds.
    Timeout(u64),
    /// `@quiet D`: how long what must not appear is waited for in a live world, in milliseconds.
    Quiet(u64),
    /// `@wait D`: lets time pass in a live world, in milliseconds.
    Wait(u64),
    /// `@skip REASON`: this script is not run.
    Skip(String),
    /// `@halt`: what follows is not run.
    Halt,
}

/// What a file of a script holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileContent {
    /// The lines that stand there.
    Given(String),
    /// So many bytes of ASCII without a newline.
    Fill(usize),
}

/// How the connections of a killed process end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KillMode {
    /// As the kernel ends them: FIN.
    Fin,
    /// As a crashed machine's: RST.
    Reset,
}

/// Which home a started process finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HomeState {
    /// The one it had.
    Kept,
    /// A new one, empty.
    Fresh,
}

/// What happens to bytes on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultInjection {
    /// The connection is cut after so many more bytes.
    Cut(u64),
    /// One bit of that byte, counted from here beginning with 0, arrives flipped.
    Corrupt(u64),
    /// Bytes stay on the way.
    Hold,
    /// Bytes that were held arrive.
    Release,
}

/// Bytes that `@file NAME fill` may ask for.
const FILL_MAX: usize = 16 * 1024 * 1024;
/// Every directive, for advice.
const WORDS: [&str; 22] = [
    "actors", "seed", "exact", "open", "set", "include", "file", "together", "end", "tick", "kill", "start",
    "cut", "corrupt", "hold", "release", "live", "timeout", "quiet", "wait", "skip", "halt",
];

impl Directive {
    /// Whether it is a step that expectations can follow.
    #[must_use]
    pub fn acts(&self) -> bool {
        matches!(
            self,
            Self::Together
                | Self::Tick(_)
                | Self::Kill { .. }
                | Self::Start { .. }
                | Self::Meddle { .. }
                | Self::Wait(_)
        )
    }
}

/// What is wrong with a directive, with bytes of the line.
pub(super) type ArgumentError = TemplateError;

/// Reads one directive; `line` is the whole line with its `@`. The rows of a file given in place are taken
/// from `rows`.
pub(super) fn directive(
    line: &str,
    rows: &mut Cursor<'_>,
    actors: &[String],
) -> Result<Directive, ArgumentError> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let name = word.get(1..).unwrap_or_default();
    let offset = word.len() + 1;
    let arguments = Arguments { line, offset: offset.min(line.len()), text: rest, actors };
    match name {
        "actors" => arguments.new_names().map(Directive::Actors),
        "seed" => arguments.number().map(Directive::Seed),
        "exact" => arguments.none(Directive::Exact),
        "open" => arguments.none(Directive::Open),
        "set" => arguments.set(),
        "include" => arguments.text("the name of a file").map(Directive::Include),
        "file" => arguments.file(rows),
        "together" => arguments.none(Directive::Together),
        "end" => arguments.none(Directive::End),
        "tick" => arguments.duration().map(Directive::Tick),
        "timeout" => arguments.duration().map(Directive::Timeout),
        "quiet" => arguments.duration().map(Directive::Quiet),
        "wait" => arguments.duration().map(Directive::Wait),
        "kill" => match arguments.words().as_slice() {
            [who] => Ok(Directive::Kill { who: arguments.actor(who)?, death: KillMode::Fin }),
            [who, (_, "rst")] => Ok(Directive::Kill { who: arguments.actor(who)?, death: KillMode::Reset }),
            _ => Err(arguments.usage("@kill NAME [rst]")),
        },
        "start" => match arguments.words().as_slice() {
            [who] => Ok(Directive::Start { who: arguments.actor(who)?, home: HomeState::Kept }),
            [who, (_, "fresh")] => {
                Ok(Directive::Start { who: arguments.actor(who)?, home: HomeState::Fresh })
            }
            _ => Err(arguments.usage("@start NAME [fresh]")),
        },
        "cut" => arguments.meddle("after", "@cut NAME [NAME] after BYTES", FaultInjection::Cut),
        "corrupt" => arguments.meddle("byte", "@corrupt NAME [NAME] byte NUMBER", FaultInjection::Corrupt),
        "hold" => arguments.pair("@hold NAME [NAME]", FaultInjection::Hold),
        "release" => arguments.pair("@release NAME [NAME]", FaultInjection::Release),
        "live" => match arguments.words().as_slice() {
            [who] => Ok(Directive::Live(arguments.actor(who)?)),
            _ => Err(arguments.usage("@live NAME")),
        },
        "skip" => arguments.text("a reason").map(Directive::Skip),
        "halt" => arguments.none(Directive::Halt),
        _ => {
            let near = crate::text::suggest::nearest(name, WORDS.into_iter());
            Err(ArgumentError {
                at: 0..word.len(),
                what: format!("unknown directive @{name}"),
                help: Some(match near {
                    Some(near) => format!("did you mean @{near}?"),
                    None => "docs/SCRIPTS.md lists them; in a script with one actor, `> @…` types it".into(),
                }),
            })
        }
    }
}

/// What follows the word of a directive.
struct Arguments<'a> {
    line: &'a str,
    offset: usize,
    text: &'a str,
    actors: &'a [String],
}

/// A word and the byte of the line at which it begins.
type Word<'a> = (usize, &'a str);

impl<'a> Arguments<'a> {
    fn words(&self) -> Vec<Word<'a>> {
        let start = self.text.as_ptr() as usize;
        let words = self.text.split_whitespace();
        words.map(|word| (self.offset + (word.as_ptr() as usize - start), word)).collect()
    }

    fn usage(&self, usage: &str) -> ArgumentError {
        ArgumentError { at: 0..self.line.len(), what: format!("write {usage}"), help: None }
    }

    fn wrong(word: &Word<'_>, what: String, help: Option<String>) -> ArgumentError {
        ArgumentError { at: word.0..word.0 + word.1.len(), what, help }
    }

    fn none(&self, directive: Directive) -> Result<Directive, ArgumentError> {
        match self.words().first() {
            None => Ok(directive),
            Some(word) => Err(Self::wrong(word, "nothing follows this directive".into(), None)),
        }
    }

    fn text(&self, wanted: &str) -> Result<String, ArgumentError> {
        let text = self.text.trim();
        if text.is_empty() {
            return Err(ArgumentError {
                at: 0..self.line.len(),
                what: format!("{wanted} is missing"),
                help: None,
            });
        }
        Ok(text.to_owned())
    }

    fn new_names(&self) -> Result<Vec<String>, ArgumentError> {
        let words = self.words();
        if words.is_empty() {
            return Err(self.usage("@actors NAME…"));
        }
        if !self.actors.is_empty() {
            let what = "the actors are named already".to_owned();
            return Err(ArgumentError { at: 0..self.line.len(), what, help: None });
        }
        let mut names: Vec<String> = Vec::new();
        for word in &words {
            let name = crate::peers::name::Name::parse(word.1);
            if !is_name(word.1) || name.is_err() {
                let why = name.err().map(|error| error.to_string());
                return Err(Self::wrong(word, format!("`{}` is no name for an actor", word.1), why));
            }
            if names.iter().any(|name| name == word.1) {
                return Err(Self::wrong(word, format!("`{}` is named twice", word.1), None));
            }
            names.push(word.1.to_owned());
        }
        Ok(names)
    }

    fn number(&self) -> Result<u64, ArgumentError> {
        match self.words().as_slice() {
            [word] => number(word),
            _ => Err(self.usage("a number here")),
        }
    }

    fn duration(&self) -> Result<u64, ArgumentError> {
        let words = self.words();
        let [first, ..] = words.as_slice() else { return Err(self.usage("a duration here, such as 30s")) };
        let text = words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" ");
        milliseconds(&text).ok_or_else(|| {
            Self::wrong(first, format!("`{text}` is no duration"), Some(HOW_TO_WRITE.to_owned()))
        })
    }

    fn set(&self) -> Result<Directive, ArgumentError> {
        let words = self.words();
        let Some(name) = words.first().filter(|_| words.len() > 1) else {
            return Err(self.usage("@set NAME VALUE"));
        };
        if !is_value_name(name.1) {
            return Err(Self::wrong(name, format!("`{}` is no name", name.1), None));
        }
        let at = name.0 + name.1.len() + 1;
        let value = self.line.get(at..).unwrap_or_default();
        Ok(Directive::Set { name: name.1.to_owned(), value: pieces(value, at, TemplateKind::Typed)? })
    }

    fn file(&self, rows: &mut Cursor<'_>) -> Result<Directive, ArgumentError> {
        let usage = "@file NAME <<TAG, or @file NAME fill 100KiB";
        let words = self.words();
        let Some(name) = words.first() else { return Err(self.usage(usage)) };
        let inside = name.1.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !inside {
            let help = "write a path below the folder of the run, as in alice/peers".to_owned();
            return Err(Self::wrong(name, format!("`{}` is no such path", name.1), Some(help)));
        }
        let content = match words.get(1..).unwrap_or_default() {
            [(_, "fill"), size] => FileContent::Fill(bytes(size)?),
            [(at, tag)] if tag.len() > 2 && tag.starts_with("<<") => {
                let end = tag.get(2..).unwrap_or_default();
                let given = rows.until(end).ok_or_else(|| ArgumentError {
                    at: *at..at + tag.len(),
                    what: format!("no line `{end}` ends this file"),
                    help: None,
                })?;
                FileContent::Given(given)
            }
            _ => return Err(self.usage(usage)),
        };
        Ok(Directive::File { name: name.1.to_owned(), content })
    }

    fn actor(&self, word: &Word<'_>) -> Result<usize, ArgumentError> {
        who(word.1, self.actors)
            .map_err(|help| Self::wrong(word, format!("no actor `{}`", word.1), Some(help)))
    }

    fn pair(&self, usage: &str, what: FaultInjection) -> Result<Directive, ArgumentError> {
        match self.words().as_slice() {
            [from] => Ok(Directive::Meddle { from: self.actor(from)?, to: None, what }),
            [from, to] => Ok(Directive::Meddle { from: self.actor(from)?, to: Some(self.actor(to)?), what }),
            _ => Err(self.usage(usage)),
        }
    }

    fn meddle(
        &self,
        preposition: &str,
        usage: &str,
        what: impl Fn(u64) -> FaultInjection,
    ) -> Result<Directive, ArgumentError> {
        let words = self.words();
        let (people, count) = match words.as_slice() {
            [people @ .., (_, before), count] if *before == preposition => (people, count),
            _ => return Err(self.usage(usage)),
        };
        let what = what(number(count)?);
        match people {
            [from] => Ok(Directive::Meddle { from: self.actor(from)?, to: None, what }),
            [from, to] => Ok(Directive::Meddle { from: self.actor(from)?, to: Some(self.actor(to)?), what }),
            _ => Err(self.usage(usage)),
        }
    }
}

/// The actor of a name, or advice.
pub(super) fn who(name: &str, actors: &[String]) -> Result<usize, String> {
    actors.iter().position(|actor| actor == name).ok_or_else(|| {
        let declared = if actors.is_empty() {
            return format!("no actors are declared; @actors {name} does it");
        } else {
            format!("declared here: {}", actors.join(", "))
        };
        match crate::text::suggest::nearest(name, actors.iter().map(String::as_str)) {
            Some(near) => format!("{declared}; did you mean {near}?"),
            None => declared,
        }
    })
}

fn number(word: &Word<'_>) -> Result<u64, ArgumentError> {
    word.1.parse().map_err(|_| Arguments::wrong(word, format!("`{}` is no number", word.1), None))
}

/// `100`, `100KiB`, `2MiB`.
fn bytes(word: &Word<'_>) -> Result<usize, ArgumentError> {
    let (digits, unit) = match word.1 {
        text if text.ends_with("KiB") => (text.trim_end_matches("KiB"), 1024),
        text if text.ends_with("MiB") => (text.trim_end_matches("MiB"), 1024 * 1024),
        text => (text, 1),
    };
    let size = digits.parse::<usize>().ok().and_then(|n| n.checked_mul(unit)).filter(|n| *n <= FILL_MAX);
    size.ok_or_else(|| {
        let help = "write 100, 100KiB or 2MiB, at most 16MiB".to_owned();
        Arguments::wrong(word, format!("`{}` is no such size", word.1), Some(help))
    })
}
