//! Faces of the actors of a script: front ends, and the widths of screens.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde::Deserialize;

use super::ast::{Directive, FrontEnd, Line, LineKind, Script, TypeMode};
use super::directive::{DirectiveArgs, Token};
use super::fragment::Fragment;
use super::lexer::Result;

/// Columns that a screen may have.
const COLUMNS: RangeInclusive<u16> = 20..=1000;

/// What an actor types into and sees of its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct FaceSpec {
    /// Front end, where it is not the prompt with its editor.
    pub(crate) front_end: Option<FrontEnd>,
    /// Columns of its screen; without any its rows are neither wrapped nor cut.
    pub(crate) columns: Option<u16>,
}

impl Script {
    /// Face of each actor.
    pub(crate) fn faces(&self) -> Vec<FaceSpec> {
        (0..self.actors.len().max(1)).map(|actor| self.face(actor)).collect()
    }

    /// Whether an actor is our program at the prompt with its editor.
    pub(crate) fn has_prompt(&self, actor: usize) -> bool {
        let is_foreign = Foreign::of(self).mistake(actor, String::new()).is_some();
        !is_foreign && self.face(actor).front_end.is_none()
    }

    pub(super) fn face(&self, actor: usize) -> FaceSpec {
        let columns_of = |wanted: Option<usize>| {
            self.directives().find_map(|directive| match directive {
                Directive::Width { actor, columns } if *actor == wanted => Some(*columns),
                _ => None,
            })
        };
        let front_end = self.directives().find_map(|directive| match directive {
            Directive::FrontEnd { actors, front_end } if actors.contains(&actor) => Some(*front_end),
            _ => None,
        });
        FaceSpec { front_end, columns: columns_of(Some(actor)).or_else(|| columns_of(None)) }
    }
}

impl DirectiveArgs<'_> {
    /// `@width N`, `@width A N`
    pub(super) fn width(&self) -> Result<Directive> {
        let (actor, columns) = match self.tokens.as_slice() {
            [columns] => (None, columns),
            [name, columns] => (Some(self.actor(name)?), columns),
            _ => return Err(self.usage("@width [NAME] COLUMNS")),
        };
        Ok(Directive::Width { actor, columns: columns.columns()? })
    }

    /// `@plain A B`, `@json A B`
    pub(super) fn front_end(&self, front_end: FrontEnd, usage: &str) -> Result<Directive> {
        if self.tokens.is_empty() {
            return Err(self.usage(usage));
        }
        let mut actors = Vec::new();
        for name in &self.tokens {
            let actor = self.actor(name)?;
            if actors.contains(&actor) {
                return Err(name.error(format!("`{}` is named twice", name.text)));
            }
            actors.push(actor);
        }
        Ok(Directive::FrontEnd { actors, front_end })
    }
}

impl Token<'_> {
    fn columns(&self) -> Result<u16> {
        self.text.parse().ok().filter(|columns| COLUMNS.contains(columns)).ok_or_else(|| {
            let error = self.error(format!("`{}` is not a screen width", self.text));
            error.help(format!("write {} to {} columns", COLUMNS.start(), COLUMNS.end()))
        })
    }
}

impl FrontEnd {
    /// The word of its directive and of its option.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Json => "json",
        }
    }
}

/// Mistake about the face of an actor.
pub(super) struct FaceMistake<'a> {
    pub(super) line: &'a Line,
    pub(super) message: String,
    pub(super) help: String,
}

const LEAVE_ONE_OUT: &str = "omit one of the two";

/// Mistakes about what actors type into and see.
pub(super) fn check(script: &Script) -> Vec<FaceMistake<'_>> {
    let mut widths = BTreeMap::new();
    let mut front_ends = BTreeMap::new();
    let foreign = Foreign::of(script);
    let mut mistakes = Vec::new();
    for line in &script.lines {
        let mut mistake = |message: String, help: String| mistakes.push(FaceMistake { line, message, help });
        match &line.kind {
            LineKind::Directive(Directive::Width { actor, columns }) => {
                if let Some(first) = widths.insert(*actor, line.number) {
                    let whom = actor.map_or("all actors", |actor| script.label(actor));
                    let message = format!("the width for {whom} is already set in line {first}");
                    mistake(message, LEAVE_ONE_OUT.to_owned());
                }
                let Some(actor) = actor else { continue };
                let program =
                    format!("`@spawn {} pty {columns}x24 …` says how wide it is", script.label(*actor));
                if let Some((message, help)) = foreign.mistake(*actor, program) {
                    mistake(message, help);
                } else if script.face(*actor).front_end == Some(FrontEnd::Json) {
                    let message =
                        format!("{} is a program with `@json`: it has no screen", script.label(*actor));
                    mistake(message, LEAVE_ONE_OUT.to_owned());
                }
            }
            LineKind::Directive(Directive::Type { actor, mode: TypeMode::Text, .. })
                if script.face(*actor).front_end == Some(FrontEnd::Json) =>
            {
                let label = script.label(*actor);
                let message = format!("{label} is a program with `@json`: its `say` is exact");
                mistake(message, format!("write `{label}> {{\"say\":\"…\"}}`"));
            }
            LineKind::Directive(Directive::FrontEnd { actors, front_end }) => {
                for actor in actors {
                    let (label, word) = (script.label(*actor), front_end.word());
                    if let Some((first, number)) = front_ends.insert(*actor, (word, line.number)) {
                        let message = format!("`@{first}` already names {label} in line {number}");
                        mistake(message, LEAVE_ONE_OUT.to_owned());
                    }
                    let program = format!("`@spawn {label} rsachat --{word}` starts ours");
                    if let Some((message, help)) = foreign.mistake(*actor, program) {
                        mistake(message, help);
                    }
                }
            }
            _ => {}
        }
    }
    mistakes
}

/// Actors whose screen is not of this program.
struct Foreign<'a> {
    script: &'a Script,
    spawned: BTreeSet<usize>,
    live: BTreeSet<usize>,
}

impl<'a> Foreign<'a> {
    fn of(script: &'a Script) -> Self {
        let live = script.directives().filter_map(Directive::live_actor).collect();
        Self { script, spawned: script.spawned(), live }
    }

    /// Message and help where a line is about the screen of such an actor.
    fn mistake(&self, actor: usize, program: String) -> Option<(String, String)> {
        let label = self.script.label(actor);
        if self.spawned.contains(&actor) {
            Some((format!("{label} is another program: its screen is its own"), program))
        } else if self.live.contains(&actor) {
            let help = "leave this line out".to_owned();
            Some((format!("{label} is live: its screen cannot be seen"), help))
        } else {
            None
        }
    }
}

/// What listens on any port, as it is typed into a front end.
pub(super) fn listen_on_any_port(front_end: Option<FrontEnd>) -> &'static str {
    match front_end {
        None | Some(FrontEnd::Plain) => ":listen 0",
        Some(FrontEnd::Json) => r#"{"command":"listen","arguments":["0"]}"#,
    }
}

/// Whether a typed line is a `:listen` on port 0, which gives its actor a port. An address that is
/// known only when the script runs may be one.
pub(super) fn assigns_port(front_end: Option<FrontEnd>, template: &[Fragment]) -> bool {
    let is_zero = |word: &str| word == "0" || word.ends_with(":0");
    if front_end == Some(FrontEnd::Json) {
        return listen_arguments(template).is_some_and(|words| words.iter().any(|word| is_zero(word)));
    }
    let Some((Fragment::Literal(text), rest)) = template.split_first() else { return false };
    let Some(arguments) = text.strip_prefix(":listen") else { return false };
    if !(arguments.is_empty() || arguments.starts_with(' ')) {
        return false;
    }
    !rest.is_empty() || arguments.split_whitespace().any(is_zero)
}

/// Arguments of a request to listen. A value that is not known yet may be a port of 0.
fn listen_arguments(template: &[Fragment]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Request {
        command: String,
        #[serde(default)]
        arguments: Vec<String>,
    }
    let part = |fragment: &Fragment| match fragment {
        Fragment::Literal(text) => text.clone(),
        _ => "0".to_owned(),
    };
    let text: String = template.iter().map(part).collect();
    let request: Request = serde_json::from_str(&text).ok()?;
    (request.command.trim_start_matches(':') == "listen").then_some(request.arguments)
}
