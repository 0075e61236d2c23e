//! Fragment of a line: literal text, a variable, a wildcard or a key.

use std::ops::Range;

use super::key::Key;

/// Fragment of a template (typed text) or of a pattern (expected text).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fragment {
    /// Literal text.
    Literal(String),
    /// `${name}` or `${name:kind}`: a value; in a pattern also a capture.
    Variable {
        /// Name.
        name: String,
        /// Regular expression of the values that a capture takes.
        values: &'static str,
        /// Bytes of the line.
        at: Range<usize>,
    },
    /// `$*`: any text.
    Wildcard,
    /// `$key{up}`: a key of a terminal, in typed text.
    Key(Key),
}

impl Fragment {
    /// Name of a variable.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Variable { name, .. } => Some(name),
            Self::Literal(_) | Self::Wildcard | Self::Key(_) => None,
        }
    }
}
