//! What an editor says and asks at the prompt itself: sentences, like those of `words.rs`.

use crate::text::safe::SafeText;

/// Behind a pasted block that is not sent without asking.
#[must_use]
pub fn block_hint(lines: usize) -> String {
    format!("  ({lines} lines: Enter asks what to do with them)")
}

/// In the place of what a sample leaves out.
#[must_use]
pub fn block_rest(lines: usize) -> String {
    format!("… and {lines} more lines")
}

/// The question about a block, before its answer.
#[must_use]
pub fn block_question(lines: usize) -> String {
    format!("{lines} lines: [s]end as one message, [e]dit, [d]rop? ")
}

/// The answers that the question takes.
#[must_use]
pub fn block_answers() -> &'static str {
    "* answer s, e or d; Ctrl-C drops the block"
}

/// After a block or an edited text was dropped.
#[must_use]
pub fn dropped() -> &'static str {
    "* dropped; nothing was sent"
}

/// An external editor did not do its work.
#[must_use]
pub fn editor_failed(editor: &str, why: &str) -> String {
    let editor = SafeText::line(editor);
    format!("! the editor {editor} failed ({why}); nothing was sent; VISUAL or EDITOR names another")
}
