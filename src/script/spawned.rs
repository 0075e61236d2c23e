//! Actors that are other programs, as a script names them, and the checks of them.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{Directive, KillMode, Line, LineKind, Script, SpawnedProgram, TypeMode};
use super::fragment::Fragment;

impl Script {
    /// Actors that are other programs.
    pub(crate) fn spawned(&self) -> BTreeSet<usize> {
        let actor = |directive: &Directive| match directive {
            Directive::Spawn { actor, .. } => Some(*actor),
            _ => None,
        };
        self.directives().filter_map(actor).collect()
    }

    /// Lines that start a program, each with its actor and its command as it is written.
    pub(crate) fn spawns(&self) -> impl Iterator<Item = (&Line, &str, &str)> {
        self.lines.iter().filter_map(|line| match &line.kind {
            LineKind::Directive(Directive::Spawn { name, .. }) => {
                let command = line.text.split_whitespace().nth(2)?;
                let at = command.as_ptr() as usize - line.text.as_ptr() as usize;
                Some((line, name.as_str(), line.text.get(at..)?))
            }
            _ => None,
        })
    }
}

/// Mistake about an actor that is another program, or is none.
pub(super) struct SpawnMistake<'a> {
    pub(super) line: &'a Line,
    pub(super) message: String,
    pub(super) help: String,
}

/// Mistakes about actors that are other programs.
pub(super) fn check(script: &Script) -> Vec<SpawnMistake<'_>> {
    let spawned = script.spawned();
    let mut started = BTreeMap::new();
    let mut mistakes = Vec::new();
    for line in &script.lines {
        let label = |actor: &usize| script.label(*actor);
        if let Some(help) = misplaced_key(line, &started) {
            let message = "keys are only for programs on a terminal".to_owned();
            mistakes.push(SpawnMistake { line, message, help: help.to_owned() });
        }
        let mistake = match &line.kind {
            LineKind::Directive(Directive::Spawn { actor, program, .. }) => {
                started.insert(*actor, program);
                None
            }
            LineKind::Input { actor, .. } | LineKind::Directive(Directive::Type { actor, .. })
                if spawned.contains(actor) && !started.contains_key(actor) =>
            {
                let help = format!("`@spawn {} COMMAND…` starts it, above", label(actor));
                Some((format!("{} is not started yet", label(actor)), help))
            }
            LineKind::Directive(Directive::Type { actor, mode: TypeMode::Text, .. })
                if spawned.contains(actor) =>
            {
                let help = format!("`{}> …` types a line", label(actor));
                Some((format!("{} is another program: it has no `@say`", label(actor)), help))
            }
            LineKind::Directive(Directive::Kill(actor, KillMode::Reset)) if spawned.contains(actor) => {
                let help =
                    format!("`@kill {} SIGNAL` sends it a signal, TERM where none is named", label(actor));
                Some((format!("{} is another program: its connections are its own", label(actor)), help))
            }
            LineKind::Directive(Directive::Kill(actor, KillMode::Signal(_))) if !spawned.contains(actor) => {
                let help = format!("`@kill {}` ends it, as KILL does", label(actor));
                Some((format!("{} is our own: it gets no signals", label(actor)), help))
            }
            LineKind::Directive(Directive::Ready { actor, .. }) if !spawned.contains(actor) => {
                let help = format!("`{}| …` expects a row", label(actor));
                Some((format!("{} is not a program spawned here", label(actor)), help))
            }
            LineKind::Directive(Directive::Ready { actor, .. } | Directive::Start(actor, _))
                if spawned.contains(actor) && !started.contains_key(actor) =>
            {
                let help = format!("`@spawn {} COMMAND…` starts it, above", label(actor));
                Some((format!("{} is not started yet", label(actor)), help))
            }
            LineKind::Directive(
                Directive::Disk(actor, _) | Directive::Backup(actor) | Directive::Restore { actor, .. },
            ) if spawned.contains(actor) => {
                let help = "`@disk`, `@backup` and `@restore` are for those whose homes are ours";
                Some((format!("{} is another program: its files are its own", label(actor)), help.to_owned()))
            }
            LineKind::Directive(Directive::Live(actor)) if spawned.contains(actor) => {
                Some((format!("{} is spawned here", label(actor)), "omit one of the two".to_owned()))
            }
            _ => None,
        };
        if let Some((message, help)) = mistake {
            mistakes.push(SpawnMistake { line, message, help });
        }
    }
    mistakes
}

/// Advice for a line that types a key where there is no terminal. Over pipes Ctrl-D at the end
/// closes the input.
fn misplaced_key(line: &Line, started: &BTreeMap<usize, &SpawnedProgram>) -> Option<&'static str> {
    let (LineKind::Input { actor, template } | LineKind::Directive(Directive::Type { actor, template, .. })) =
        &line.kind
    else {
        return None;
    };
    let keys = || template.iter().filter(|fragment| matches!(fragment, Fragment::Key(_))).count();
    match started.get(actor) {
        Some(program) if program.terminal.is_some() => None,
        Some(_) if keys() == usize::from(closes_input(template)) => None,
        Some(_) => {
            Some("over pipes, `$key{ctrl-d}` at the end closes the input; `@spawn NAME pty 80x24 …` has keys")
        }
        None if keys() == 0 => None,
        None => Some("`@spawn NAME pty 80x24 rsachat …` has keys; `$$key{` is the text"),
    }
}

/// Whether a typed text ends with Ctrl-D.
pub(crate) fn closes_input(template: &[Fragment]) -> bool {
    matches!(template.last(), Some(Fragment::Key(key)) if key.ends_input())
}
