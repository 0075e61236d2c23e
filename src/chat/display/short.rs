//! Shorter sentences of rows that a screen has no room for: each caller is one row where that can
//! be. A fingerprint is never shortened; words are. That a key is new is always said, and that it
//! is unverified by the word, or by the sign that the prompt has for it, `bob?`.

use super::close_reason::first_words;
use crate::chat::notice::{Info, KeyStatus};
use crate::chat::probes::ProbeKind;
use crate::text::safe::safe_rows;

impl Info {
    /// The sentence, and what says less in fewer cells, longest first.
    pub(crate) fn sentences_by_length(&self) -> Vec<String> {
        let shorter = match self {
            Self::Joined { name, fingerprint, status: KeyStatus::New, .. } => vec![
                format!("{name} joined, new key {fingerprint}, unverified"),
                format!("{name}? new: {fingerprint}"),
            ],
            Self::NewSender { name, fingerprint } => vec![
                format!("{name}? (send) has a new key {fingerprint}"),
                format!("{name}? (send) new: {fingerprint}"),
            ],
            Self::Probe { remote, reason, .. } => {
                let sent = first_words(reason).map(|first| format!("{remote} sent \"{first}\""));
                let kind = ProbeKind::of(reason).map(|kind| format!("{remote} {}", kind.words()));
                let counted = |what: &String| format!("{what}; :status counts more");
                sent.iter().chain(&kind).map(counted).chain(kind.clone()).collect()
            }
            _ => Vec::new(),
        };
        std::iter::once(self.sentence()).chain(shorter.iter().map(|form| safe_rows(form))).collect()
    }
}
