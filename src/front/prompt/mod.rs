//! The prompt: a person who types, a file of typed lines, or a program that gives orders; and what each is shown.

mod history;
mod options;
mod orders;
mod prompting;
mod repl;
mod screen;
mod terminal;

pub(super) use options::Prompt;
pub(super) use repl::run;
