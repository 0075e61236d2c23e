//! Terminal interface of the prompt: line editor, screen and its size.

mod progress;
pub(crate) mod screen;
pub(crate) mod size;
pub(crate) mod terminal;
