//! The conversation language: one file says what several people type and what each must see. Parsing,
//! matching and rendering back; it knows nothing of sockets, files or of who runs it.
//!
//! The grammar stands in `docs/SCRIPTS.md`. The format is closed: what a run prints is itself a script that
//! means the same, whatever a peer may have said in it ([`render`]).

mod canonical;
pub mod check;
pub mod compare;
mod directive;
mod duration;
pub mod explain;
mod fault;
pub mod line;
pub mod matching;
mod parse;
pub mod render;
mod text;
pub mod update;

pub use canonical::canonical;
pub use directive::{Content, Death, Directive, HomeKept, Meddling};
pub use duration::{HOW_TO_WRITE, milliseconds};
pub use fault::{Fault, Place};
pub use line::{Expectation, Kind, Line, Script, Source};
pub use matching::Bindings;
pub use parse::{INCLUDE_DEPTH, Loader, Parser, is_name};
pub use text::{Capture, Piece};
