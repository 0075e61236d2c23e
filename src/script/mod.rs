//! Script language of `rsachat replay` (docs/SCRIPTS.md): parser, checks, matcher, renderer.
//!
//! A transcript is itself a script with the same meaning, whatever a peer may have said in it
//! ([`render`]).

pub mod ast;
pub mod check;
pub mod diagnostic;
mod directive;
mod fmt;
mod lexer;
pub mod matcher;
mod parser;
pub mod render;
mod template;
pub mod update;

pub use crate::text::duration::{HOW_TO_WRITE, milliseconds};
pub use ast::{
    CaptureKind, Directive, Expectation, FaultInjection, FileContent, Fragment, HomeState, KillMode, Line,
    LineKind, Script, Source, Span,
};
pub use diagnostic::Diagnostic;
pub use fmt::canonical;
pub use lexer::is_variable_name;
pub use matcher::Bindings;
pub use parser::{INCLUDE_DEPTH, Loader, Parser};
