//! Script language of `rsachat replay` (docs/SCRIPTS.md): parser, checks, matcher, renderer.
//!
//! A transcript is itself a script with the same meaning, whatever a peer may have said in it
//! ([`render`]).

mod ast;
pub(crate) mod diagnostic;
mod directive;
mod face;
mod files;
mod fragment;
mod key;
mod lexer;
mod lookalike;
pub(crate) mod markdown;
pub(crate) mod matcher;
mod merge;
mod parser;
mod regex_pattern;
pub mod render;
mod spawn;
mod spawned;
mod unordered;
pub(crate) mod update;
pub(crate) mod usage;

pub(crate) use crate::text::duration::{HOW_TO_WRITE, milliseconds};
pub use ast::{
    Directive, DiskRoom, Expectation, FaultInjection, FileCheck, FileContent, FrontEnd, HomeState, KillMode,
    Line, LineKind, Script, SourceFile, Span, SpawnedProgram, TerminalSize, TypeMode,
};
pub use diagnostic::Diagnostic;
pub(crate) use face::FaceSpec;
pub use fragment::Fragment;
pub use key::Key;
pub(crate) use lexer::is_variable_name;
pub(crate) use matcher::Bindings;
pub use parser::{Loader, Parser};
pub use regex_pattern::RegexPattern;
pub use render::canonical;
pub(crate) use spawned::closes_input;
