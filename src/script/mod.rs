//! The conversation language: one file says what several people type and what each must see. Parsing,
//! matching and rendering back; it knows nothing of sockets, files or of who runs it.
//!
//! The grammar stands in `docs/SCRIPTS.md`. The format is closed: what a run prints is itself a script that
//! means the same, whatever a peer may have said in it ([`render`]).

pub mod ast;
pub mod check;
pub mod diagnose;
mod diagnostic;
mod directive;
mod fmt;
pub mod matcher;
mod parser;
pub mod pattern;
pub mod render;
mod template;
pub mod update;

pub use crate::text::duration::{HOW_TO_WRITE, milliseconds};
pub use ast::{Expectation, Line, LineKind, Script, Source};
pub use diagnostic::{Diagnostic, Span};
pub use directive::{Directive, FaultInjection, FileContent, HomeState, KillMode};
pub use fmt::canonical;
pub use parser::{INCLUDE_DEPTH, Loader, Parser, is_name};
pub use pattern::Bindings;
pub use template::{Capture, Fragment};
