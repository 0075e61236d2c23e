//! Terminal interface of the prompt: line editor, rendering and screen.

pub(crate) mod render;
pub(crate) mod screen;
pub(crate) mod terminal;
