//! A script as values: its sources, its lines, and what each of them is.

use regex::Regex;

use super::diagnostic::Span;
use super::directive::Directive;
use super::template::Fragment;

/// A parsed script, files that it includes spliced in where they are named.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The files it came from; the first is the script itself.
    pub sources: Vec<Source>,
    /// Its lines, in the order in which they are played.
    pub lines: Vec<Line>,
    /// Who takes part, in the order of `@actors`. Without that line there is one actor without a name.
    pub actors: Vec<String>,
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// As it is to be named.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// One line of one source.
#[derive(Clone, Debug)]
pub struct Line {
    /// Which source.
    pub source: usize,
    /// Its number there, from 1.
    pub number: usize,
    /// As it stands there, without its line ending; a file given in place with all its rows.
    pub text: String,
    /// What it is.
    pub kind: LineKind,
}

/// What a line is.
#[derive(Clone, Debug)]
pub enum LineKind {
    /// Nothing, or blanks.
    Blank,
    /// `# …`
    Comment,
    /// `NAME> …`, or a bare line where there is one actor.
    Input {
        /// Whose prompt, as an index into [`Script::actors`].
        who: usize,
        /// What is typed.
        text: Vec<Fragment>,
        /// Byte of the line at which the text begins.
        at: usize,
    },
    /// `NAME| …`
    Expected {
        /// Who must see it.
        who: usize,
        /// What.
        what: Expectation,
        /// Byte of the line at which the pattern begins.
        at: usize,
    },
    /// `@…`
    Directive(Directive),
}

/// What an actor must see, or must not.
#[derive(Clone, Debug)]
pub enum Expectation {
    /// A row like this.
    Row(Vec<Fragment>),
    /// `$**`: any number of rows.
    Rows,
    /// `|~`: a row that this expression matches as a whole.
    Regex(Regex),
    /// `|!`: no row of the step is like this.
    Never(Vec<Fragment>),
    /// `|*`: something that is not a row, such as `exited 0`.
    Event(Vec<Fragment>),
}

impl Line {
    /// The whole line as a place.
    #[must_use]
    pub fn whole(&self) -> Span {
        let first = self.text.lines().next().unwrap_or_default();
        Span { source: self.source, line: self.number, span: 0..first.len() }
    }

    /// A stretch of this line.
    #[must_use]
    pub fn stretch(&self, span: std::ops::Range<usize>) -> Span {
        Span { source: self.source, line: self.number, span }
    }

    /// From a byte of this line to its end.
    #[must_use]
    pub fn from(&self, at: usize) -> Span {
        let end = self.whole().span.end;
        self.stretch(at.min(end)..end)
    }

    /// Whether this line does something that expectations can follow.
    #[must_use]
    pub fn is_step(&self) -> bool {
        match &self.kind {
            LineKind::Input { .. } => true,
            LineKind::Directive(directive) => directive.acts(),
            LineKind::Blank | LineKind::Comment | LineKind::Expected { .. } => false,
        }
    }
}

impl Script {
    /// What stands before `>` and `|` for an actor.
    #[must_use]
    pub fn label(&self, who: usize) -> &str {
        self.actors.get(who).map_or("", String::as_str)
    }

    /// Whether somebody is a program that is not ours.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.lines.iter().any(|line| matches!(line.kind, LineKind::Directive(Directive::Live(_))))
    }
}
