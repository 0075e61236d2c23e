//! Headers of a message: the status of an answer, and named values.

use std::fmt::Write as _;
use std::str;

use super::error::CodecError;

const VERSION: &str = "NATS/1.0";

/// Headers of a message.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Headers {
    /// What a server says about a request, as HTTP does: 503, nobody answers; 404, not found.
    pub status: Option<u16>,
    /// The same in words; empty without any.
    pub text: String,
    /// Names and values in their order.
    pub fields: Vec<(String, String)>,
}

impl Headers {
    /// The same with another value, which has no end of a line.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The last value of a name.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&str> {
        let named = self.fields.iter().rfind(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// Reads the bytes between the first line of a message and its content.
    ///
    /// # Errors
    /// [`CodecError::Headers`] when they have another form.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, CodecError> {
        let text = str::from_utf8(bytes).map_err(|_| CodecError::Headers)?;
        let text = text.strip_suffix("\r\n\r\n").ok_or(CodecError::Headers)?;
        let mut lines = text.split("\r\n");
        let first = lines.next().and_then(|line| line.strip_prefix(VERSION)).ok_or(CodecError::Headers)?;
        let (status, words) = match first.trim().split_once(' ').unwrap_or((first.trim(), "")) {
            ("", _) => (None, ""),
            (status, words) => (Some(status.parse().map_err(|_| CodecError::Headers)?), words),
        };
        let field = |line: &str| {
            let (name, value) = line.split_once(':').ok_or(CodecError::Headers)?;
            Ok((name.to_owned(), value.trim().to_owned()))
        };
        Ok(Self {
            status,
            text: words.trim().to_owned(),
            fields: lines.map(field).collect::<Result<_, _>>()?,
        })
    }

    /// The bytes of what a client says; empty without a field.
    pub(super) fn bytes(&self) -> Vec<u8> {
        if self.fields.is_empty() {
            return Vec::new();
        }
        let mut out = format!("{VERSION}\r\n");
        for (name, value) in &self.fields {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        out.push_str("\r\n");
        out.into_bytes()
    }
}
