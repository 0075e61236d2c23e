//! Faces of the actors of a script: the width of a screen.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::ast::{Directive, Line, LineKind, Script};
use super::directive::{DirectiveArgs, Token};
use super::lexer::Result;

/// Columns that a screen may have.
const COLUMNS: RangeInclusive<u16> = 20..=1000;

/// What an actor sees of its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct FaceSpec {
    /// Columns of its screen; without any its rows are neither wrapped nor cut.
    pub(crate) columns: Option<u16>,
}

impl Script {
    /// What each actor sees of its session.
    pub(crate) fn faces(&self) -> Vec<FaceSpec> {
        (0..self.actors.len().max(1)).map(|actor| self.face(actor)).collect()
    }

    fn face(&self, actor: usize) -> FaceSpec {
        let columns_of = |wanted: Option<usize>| {
            self.directives().find_map(|directive| match directive {
                Directive::Width { actor, columns } if *actor == wanted => Some(*columns),
                _ => None,
            })
        };
        FaceSpec { columns: columns_of(Some(actor)).or_else(|| columns_of(None)) }
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
}

impl Token<'_> {
    fn columns(&self) -> Result<u16> {
        self.text.parse().ok().filter(|columns| COLUMNS.contains(columns)).ok_or_else(|| {
            let error = self.error(format!("`{}` is no width of a screen", self.text));
            error.help(format!("write {} to {} columns", COLUMNS.start(), COLUMNS.end()))
        })
    }
}

/// Mistake about the face of an actor.
pub(super) struct FaceMistake<'a> {
    pub(super) line: &'a Line,
    pub(super) message: String,
    pub(super) help: String,
}

/// Mistakes about what actors see.
pub(super) fn check(script: &Script) -> Vec<FaceMistake<'_>> {
    let spawned = script.spawned();
    let live: BTreeSet<usize> = script.directives().filter_map(Directive::live_actor).collect();
    let mut widths = BTreeMap::new();
    let mut mistakes = Vec::new();
    for line in &script.lines {
        let LineKind::Directive(Directive::Width { actor, columns }) = &line.kind else { continue };
        if let Some(first) = widths.insert(*actor, line.number) {
            let whom = actor.map_or("all actors", |actor| script.label(actor));
            let message = format!("the width for {whom} stands in line {first} already");
            mistakes.push(FaceMistake { line, message, help: "leave one of the two out".to_owned() });
        }
        let Some(actor) = actor else { continue };
        let label = script.label(*actor);
        if spawned.contains(actor) {
            let message = format!("{label} is another program: its screen is its own");
            let help = format!("`@spawn {label} pty {columns}x24 …` says how wide it is");
            mistakes.push(FaceMistake { line, message, help });
        } else if live.contains(actor) {
            let message = format!("{label} is live: its screen cannot be seen");
            mistakes.push(FaceMistake { line, message, help: "leave this line out".to_owned() });
        }
    }
    mistakes
}
