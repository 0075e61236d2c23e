//! Syntax of the directives for programs that a script starts (docs/SCRIPTS.md, section 6.1),
//! and of masks.

use std::num::NonZeroU16;

use super::ast::{Directive, Expectation, KillMode, SpawnedProgram, TerminalSize};
use super::directive::{DirectiveArgs, Token};
use super::fragment::Fragment;
use super::lexer::{Result, SyntaxError, TemplateKind, is_variable_name, parse_template};
use super::regex_pattern::{Extent, RegexPattern};

/// Most columns, and most rows, of a terminal.
const CELLS_MAX: u16 = 500;
/// Signals that `@kill` sends.
const SIGNALS: [&str; 9] = ["HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "STOP", "CONT"];

impl Token<'_> {
    /// How `@kill` ends an actor.
    pub(super) fn kill_mode(&self) -> Result<KillMode> {
        if self.text == "rst" {
            return Ok(KillMode::Reset);
        }
        let name = self.text.strip_prefix("SIG").unwrap_or(self.text);
        let signal = SIGNALS.into_iter().find(|signal| *signal == name).map(KillMode::Signal);
        signal.ok_or_else(|| {
            let error = self.error(format!("no signal `{}`", self.text));
            error.help(format!("signals are {}; `rst` resets the connections", SIGNALS.join(", ")))
        })
    }
}

impl Token<'_> {
    /// `80x24`
    fn terminal_size(&self) -> Result<TerminalSize> {
        let cells = |text: &str| text.parse::<NonZeroU16>().ok().filter(|cells| cells.get() <= CELLS_MAX);
        let size = self
            .text
            .split_once('x')
            .and_then(|(columns, rows)| Some(TerminalSize { columns: cells(columns)?, rows: cells(rows)? }));
        size.ok_or_else(|| {
            let error = self.error(format!("`{}` is not a terminal size", self.text));
            error.help(format!("write columns and rows, as in 80x24, each at most {CELLS_MAX}"))
        })
    }
}

impl DirectiveArgs<'_> {
    /// `@spawn NAME COMMAND`, `@spawn NAME pty 80x24 COMMAND`
    pub(super) fn spawn(&self) -> Result<Directive> {
        let (name, terminal, first) = match self.tokens.as_slice() {
            [name, Token { text: "pty", .. }, size, first, ..] => (name, Some(size.terminal_size()?), first),
            [name, first, ..] if first.text != "pty" => (name, None, first),
            _ => return Err(self.usage("@spawn NAME COMMAND…, or @spawn NAME pty 80x24 COMMAND…")),
        };
        name.new_actor()?;
        let declared = self.actors.iter().position(|actor| actor == name.text);
        let program = SpawnedProgram { terminal, command: self.command(first.at)? };
        Ok(Directive::Spawn {
            actor: declared.unwrap_or(self.actors.len()),
            name: name.text.to_owned(),
            program,
        })
    }

    /// The command that begins at a byte of the row. Its words are cut before values are filled in,
    /// so that a value is never more than one word, or part of one.
    fn command(&self, at: usize) -> Result<Vec<Vec<Fragment>>> {
        let text = self.row.get(at..).unwrap_or_default();
        let words = shell_words::split(text).map_err(|_| {
            let error = SyntaxError::new(at..self.row.len(), "a quote is not closed");
            error.help("quote as in a shell; no shell reads it, so write sh -c '…' for one")
        })?;
        if words.is_empty() {
            return Err(SyntaxError::new(at..self.row.len(), "the command is missing"));
        }
        let place = |mut fragment: Fragment| {
            // Where it stands in the row, which may have quotes before it.
            if let Fragment::Variable { name, at: place, .. } = &mut fragment
                && let Some(found) = text.find(&format!("${{{name}"))
            {
                let length = place.len();
                *place = at + found..at + found + length;
            }
            fragment
        };
        words
            .iter()
            .map(|word| {
                let template = parse_template(word, 0, TemplateKind::Input);
                let template = template.map_err(|error| SyntaxError { at: at..self.row.len(), ..error })?;
                Ok(template.into_iter().map(place).collect())
            })
            .collect()
    }

    /// `@ready NAME REGEX`
    pub(super) fn ready(&self) -> Result<Directive> {
        let [name, first, ..] = self.tokens.as_slice() else { return Err(self.usage("@ready NAME REGEX")) };
        let actor = self.actor(name)?;
        let regex = self.row.get(first.at..).unwrap_or_default();
        let row = RegexPattern::parse(regex, first.at, Extent::Part).map(Expectation::Regex)?;
        Ok(Directive::Ready { actor, row })
    }

    /// `@mask REGEX`, `@mask REGEX = NAME`
    pub(super) fn mask(&self) -> Result<Directive> {
        let first = self.tokens.first().ok_or_else(|| self.usage("@mask REGEX [= NAME]"))?;
        let text = self.row.get(first.at..).unwrap_or_default();
        let named = text.rsplit_once(" = ").filter(|(_, name)| is_variable_name(name));
        let (regex, name) = named.map_or((text, None), |(regex, name)| (regex, Some(name.to_owned())));
        let regex = RegexPattern::parse(regex, first.at, Extent::Part)?;
        Ok(Directive::Mask { regex, name })
    }

    /// `@env NAME=VALUE`
    pub(super) fn env(&self) -> Result<Directive> {
        let usage = || self.usage("@env NAME=VALUE");
        let first = self.tokens.first().ok_or_else(usage)?;
        let (name, _) = first.text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(usage)?;
        let at = first.at + name.len() + 1;
        let value = parse_template(self.row.get(at..).unwrap_or_default(), at, TemplateKind::Input)?;
        Ok(Directive::Env { name: name.to_owned(), value })
    }
}
