//! Sentences of the questions that are asked before a text is sent.

use crate::chat::addressee::HoldReason;

impl HoldReason {
    pub(super) fn describe(&self, to: &str) -> String {
        match self {
            Self::BegunForAnother { name } => format!("this line was begun for {name} and would go to {to}"),
            Self::NamesAnother { name } => format!("plain text goes to {to}, and @{name} TEXT to {name}"),
            Self::SlashCommand { word } => format!("/{word} is text here; a command begins with a colon"),
            Self::EditorCommand { word } => format!(":{word} is text here (:quit leaves)"),
            Self::Invitation { of } => format!("this is an invitation of {of}"),
        }
    }

    /// The question, with the keys that answer it.
    pub(super) fn question(&self, to: &str) -> String {
        let keys = match self {
            Self::Invitation { .. } => {
                "Enter connects, Ctrl-C keeps the line; :: before it sends it as text".to_owned()
            }
            _ => format!("Enter sends to {to}, Ctrl-C keeps the line"),
        };
        format!("{}: {keys}", self.describe(to))
    }
}

/// Hint behind a pasted block that is not sent without asking.
pub(crate) fn block_hint(lines: usize) -> String {
    format!("  ({lines} lines: Enter asks first)")
}

/// Row in place of the lines that a sample of a block leaves out.
pub(crate) fn block_rest(lines: usize) -> String {
    format!("… and {lines} more lines")
}

/// Question about a block.
pub(crate) fn block_question(lines: usize) -> String {
    format!("{lines} lines: [s]end as one message, [e]dit, [d]rop? ")
}

/// Answers that the question about a block takes.
pub(crate) const BLOCK_ANSWERS: &str = "* answer s, e or d; Ctrl-C drops the block";
