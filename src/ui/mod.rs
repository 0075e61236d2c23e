//! The terminal: line editor, rendering and screen of the prompt.

pub(crate) mod prompt_sync;
pub(crate) mod render;
pub(crate) mod screen;
pub(crate) mod terminal;
