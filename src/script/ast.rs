//! Syntax tree of a script (docs/SCRIPTS.md, sections 2 and 4).

use std::num::NonZeroU16;
use std::ops::Range;

use super::fragment::Fragment;
use super::regex_pattern::RegexPattern;
use crate::time::UnixMs;

/// Parsed script, with the lines of included files after their `@include`.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Source files; the first is the script itself.
    pub sources: Vec<SourceFile>,
    /// Lines in the order of execution.
    pub lines: Vec<Line>,
    /// Names from `@actors`, in its order. Without that line there is one actor without a name.
    pub actors: Vec<String>,
}

/// Source file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceFile {
    /// Name for diagnostics.
    pub name: String,
    /// Content.
    pub text: String,
}

/// Line of a source.
#[derive(Clone, Debug)]
pub struct Line {
    /// Index into [`Script::sources`].
    pub source: usize,
    /// Line number, from 1.
    pub number: usize,
    /// Text without its line ending; a here-document with all its rows.
    pub text: String,
    /// Meaning.
    pub kind: LineKind,
}

/// Range of bytes in one line of a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// Index into [`Script::sources`].
    pub source: usize,
    /// Line number, from 1.
    pub line: usize,
    /// Bytes of the line; may be empty at its end.
    pub bytes: Range<usize>,
}

/// Meaning of a line. An actor is an index into [`Script::actors`].
#[derive(Clone, Debug)]
pub enum LineKind {
    /// Empty, or blanks.
    Blank,
    /// `# …`
    Comment,
    /// `NAME> …`, or a bare line where there is one actor.
    Input {
        /// Actor at whose prompt it is typed.
        actor: usize,
        /// Text to type.
        template: Vec<Fragment>,
    },
    /// `NAME| …`
    Expect {
        /// Actor on whose screen it is expected.
        actor: usize,
        /// Expected output.
        expectation: Expectation,
        /// Number of the `@unordered` block that it stands in.
        block: Option<usize>,
    },
    /// `@…`
    Directive(Directive),
}

/// Expected output of an actor.
#[derive(Clone, Debug)]
pub enum Expectation {
    /// Row that this pattern matches.
    Row(Vec<Fragment>),
    /// `$**`: any number of rows.
    AnyRows,
    /// `|~`: row that this expression matches from end to end.
    Regex(RegexPattern),
    /// `|!`: no row of the step matches this pattern.
    Absent(Vec<Fragment>),
    /// `|*`: event that is not a row, such as `exited 0`.
    Event(Vec<Fragment>),
}

/// Directive. Durations are in milliseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Directive {
    /// `@actors A B`: declares the actors, in the order of output.
    Actors(Vec<String>),
    /// `@seed N`: seed of all randomness.
    Seed(u64),
    /// `@exact`: every actor is checked after every step.
    Exact,
    /// `@lenient`: as `@open`, and a warning may go unexpected.
    Lenient,
    /// `@open`: an actor is checked in steps where it has expectations.
    Open,
    /// `@set NAME VALUE`
    Set {
        /// Variable.
        name: String,
        /// Value.
        value: Vec<Fragment>,
    },
    /// `@include FILE NAME=VALUE`: its lines follow, with the values in the place of the names.
    Include {
        /// Name of the file, as written.
        file: String,
        /// Names and values.
        values: Vec<(String, String)>,
    },
    /// `@width A N`, `@width N`: columns of the screen of an actor, or of all that have none of
    /// their own.
    Width {
        /// Actor; all, where none is named.
        actor: Option<usize>,
        /// Columns.
        columns: u16,
    },
    /// `@plain A B`, `@json A B`: actors that have another front end than the prompt.
    FrontEnd {
        /// Actors.
        actors: Vec<usize>,
        /// Their front end.
        front_end: FrontEnd,
    },
    /// `@at DATE TIME`: beginning of the clock.
    At(UnixMs),
    /// `@same`, `@absent`, `@expect-file`: what files below the folder of the run must be.
    CheckFile(FileCheck),
    /// `@file PATH …`: writes a file, and binds its content to a variable.
    File {
        /// Path below the folder of the run; an actor's home is the folder of its name.
        path: String,
        /// Content.
        content: FileContent,
    },
    /// `@together`: the inputs up to `@end` are typed before anything is delivered.
    Together,
    /// `@unordered`: the expectations up to `@end` may be matched in any order.
    Unordered,
    /// `@end`
    End,
    /// `@draft A TEXT`, `@say A TEXT`: types without Enter, or sends a text that may look like
    /// anything.
    Type {
        /// Actor at whose prompt it is typed.
        actor: usize,
        /// Text to type.
        template: Vec<Fragment>,
        /// How it is typed.
        mode: TypeMode,
    },
    /// `@tick D`: advances the virtual clock.
    Tick(u64),
    /// `@kill A [rst]`: the process of an actor dies.
    Kill(usize, KillMode),
    /// `@start A [fresh]`: an actor starts again.
    Start(usize, HomeState),
    /// `@disk A full|ok`: the disk under the home of an actor takes no messages, or does again.
    Disk(usize, DiskRoom),
    /// `@backup A`: keeps a copy of the home of an actor, with the messages in it.
    Backup(usize),
    /// `@restore A [B]`: the home of an actor becomes what was copied.
    Restore {
        /// Actor, which does not run.
        actor: usize,
        /// Whose copy it is.
        of: usize,
    },
    /// `@cut`, `@corrupt`, `@hold`, `@release`: injects a fault into the bytes in flight.
    InjectFault {
        /// Sending actor.
        from: usize,
        /// Receiving actor; any, where none is named.
        to: Option<usize>,
        /// Fault.
        fault: FaultInjection,
    },
    /// `@tag NAME…`: names by which scripts are chosen.
    Tag(Vec<String>),
    /// `@live A`: the actor is a foreign program, and the run is live.
    Live(usize),
    /// `@spawn A COMMAND`, `@spawn A pty 80x24 COMMAND`: starts another program as an actor.
    Spawn {
        /// Actor; a name that `@actors` does not declare is declared here.
        actor: usize,
        /// Its name.
        name: String,
        /// Program.
        program: SpawnedProgram,
    },
    /// `@env NAME=VALUE`: a variable in the environment of the programs that are started from here
    /// on.
    Env {
        /// Variable.
        name: String,
        /// Value.
        value: Vec<Fragment>,
    },
    /// `@mask REGEX = NAME`: what differs from one live run to the next, for an update.
    Mask {
        /// What is masked.
        regex: RegexPattern,
        /// Variable that is written for it; without one any text.
        name: Option<String>,
    },
    /// `@ready A REGEX`: waits for a row of a spawned program.
    Ready {
        /// Actor.
        actor: usize,
        /// Row that the expression is found in.
        row: Expectation,
    },
    /// `@timeout D`: how long an expectation waits in a live run.
    Timeout(u64),
    /// `@quiet D`: how long an absent row is waited for in a live run.
    Quiet(u64),
    /// `@wait D`: lets time pass in a live run.
    Wait(u64),
    /// `@skip REASON`: the script is not run.
    Skip(String),
    /// `@halt`: the lines that follow are not run.
    Halt,
}

/// Program that a script starts. Its command is in words, as a shell splits them, but no shell
/// reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpawnedProgram {
    /// Size of its terminal; without one it has pipes.
    pub terminal: Option<TerminalSize>,
    /// Its name, then its arguments.
    pub command: Vec<Vec<Fragment>>,
}

/// Size of a terminal in cells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TerminalSize {
    /// Columns.
    pub columns: NonZeroU16,
    /// Rows.
    pub rows: NonZeroU16,
}

/// Front end of an actor that is not the prompt with its editor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrontEnd {
    /// `rsachat --plain`: one event a line, in words.
    Plain,
    /// `rsachat --json`: requests in and events out, a JSON object a line.
    Json,
}

/// What files must be; paths are below the folder of the run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileCheck {
    /// Two files have the same bytes.
    Same(String, String),
    /// There is no such file.
    Absent(String),
    /// A file has rows like these.
    Rows {
        /// Its path.
        path: String,
        /// Rows as written, and their patterns.
        rows: Vec<(String, Vec<Fragment>)>,
    },
}

/// How a directive types a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TypeMode {
    /// Without Enter: the actor's next line continues it.
    Draft,
    /// As a text for the addressed peer, never as a command, and never held.
    Text,
}

/// Content of a file that a script writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileContent {
    /// Rows of the here-document.
    HereDocument(String),
    /// So many bytes of ASCII without a newline.
    Fill(usize),
}

/// How the connections of a killed process end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KillMode {
    /// FIN, as the kernel ends them.
    Fin,
    /// RST, as after a crash of the machine.
    Reset,
    /// This signal, to a spawned program.
    Signal(&'static str),
}

/// Home that a started process finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HomeState {
    /// The one that it had.
    Kept,
    /// A new, empty one.
    Fresh,
}

/// Room on a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskRoom {
    /// There is none.
    Full,
    /// There is enough.
    Free,
}

/// Fault in the bytes from one actor to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultInjection {
    /// The connection is cut after so many more bytes.
    Cut(u64),
    /// One bit of this byte, counted from 0 from here on, arrives flipped.
    Corrupt(u64),
    /// Bytes stay in flight, from this byte on, counted from 0 from here on.
    Hold(u64),
    /// Held bytes arrive.
    Release,
}

impl Script {
    /// Label of an actor before `>` and `|`.
    pub(crate) fn label(&self, actor: usize) -> &str {
        self.actors.get(actor).map_or("", String::as_str)
    }

    /// Whether a foreign program takes part.
    pub(crate) fn is_live(&self) -> bool {
        self.directives().any(|directive| matches!(directive, Directive::Live(_) | Directive::Spawn { .. }))
    }

    /// Seed that `@seed` names.
    pub(crate) fn seed(&self) -> Option<u64> {
        self.directives().find_map(|directive| match directive {
            Directive::Seed(seed) => Some(*seed),
            _ => None,
        })
    }

    /// Whether one of the tags of the script is this.
    pub(crate) fn has_tag(&self, tag: &str) -> bool {
        let is_it = |directive: &Directive| match directive {
            Directive::Tag(tags) => tags.iter().any(|one| one == tag),
            _ => false,
        };
        self.directives().any(is_it)
    }

    /// Directives, in their order.
    pub(crate) fn directives(&self) -> impl Iterator<Item = &Directive> {
        self.lines.iter().filter_map(|line| match &line.kind {
            LineKind::Directive(directive) => Some(directive),
            _ => None,
        })
    }
}

impl Line {
    /// Span of some bytes of this line.
    pub(crate) fn span(&self, bytes: Range<usize>) -> Span {
        Span { source: self.source, line: self.number, bytes }
    }

    /// Span of the whole line; of its first row, where it has several.
    pub(crate) fn full_span(&self) -> Span {
        self.span(0..self.text.lines().next().unwrap_or_default().len())
    }

    /// Whether this line begins a step, so that expectations may follow.
    pub(crate) fn is_step(&self) -> bool {
        match &self.kind {
            LineKind::Input { .. } => true,
            LineKind::Directive(directive) => directive.is_step(),
            LineKind::Blank | LineKind::Comment | LineKind::Expect { .. } => false,
        }
    }

    /// Expectation of this line and its actor, if it is one or waits for one.
    pub(crate) fn expectation(&self) -> Option<(usize, &Expectation)> {
        match &self.kind {
            LineKind::Expect { actor, expectation, .. } => Some((*actor, expectation)),
            LineKind::Directive(Directive::Ready { actor, row }) => Some((*actor, row)),
            _ => None,
        }
    }

    /// Number of the `@unordered` block in which this expectation stands.
    pub(crate) fn block(&self) -> Option<usize> {
        if let LineKind::Expect { block, .. } = self.kind { block } else { None }
    }

    /// Whether this stands among the expectations of a step: one of them, or the row above or below
    /// those of an `@unordered` block.
    pub(crate) fn is_in_tail(&self) -> bool {
        let is_edge = matches!(self.kind, LineKind::Directive(Directive::Unordered | Directive::End));
        is_edge || matches!(self.kind, LineKind::Expect { .. })
    }
}

impl Directive {
    /// The actor that this declares to be a foreign program.
    pub(super) fn live_actor(&self) -> Option<usize> {
        match self {
            Self::Live(actor) => Some(*actor),
            _ => None,
        }
    }

    /// Whether this is a step, so that expectations may follow.
    pub(crate) fn is_step(&self) -> bool {
        matches!(
            self,
            Self::Together
                | Self::Type { .. }
                | Self::Tick(_)
                | Self::Kill(..)
                | Self::Start(..)
                | Self::Disk(..)
                | Self::Backup(_)
                | Self::Restore { .. }
                | Self::InjectFault { .. }
                | Self::Wait(_)
                | Self::Spawn { .. }
                | Self::Ready { .. }
        )
    }
}

impl PartialEq for Expectation {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Row(one), Self::Row(other))
            | (Self::Absent(one), Self::Absent(other))
            | (Self::Event(one), Self::Event(other)) => one == other,
            (Self::Regex(one), Self::Regex(other)) => one == other,
            (Self::AnyRows, Self::AnyRows) => true,
            _ => false,
        }
    }
}

impl Eq for Expectation {}
