//! What was said in this session, ours and theirs, for `:last` and `:search`. It lives in memory only, and
//! the oldest goes first; it knows nothing of files.

use std::collections::VecDeque;

use crate::chat::conversation::PeerId;
use crate::chat::notice::{Info, Message, Notice, Warning};
use crate::chat::state::Chat;
use crate::limits;
use crate::text::safe::SafeText;

/// Messages that one answer lists at most.
const LISTED: usize = 50;

/// The messages of this session, at most [`limits::MEMORY_MESSAGES`] and [`limits::MEMORY_BYTES`].
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: VecDeque<HistoryEntry>,
    bytes: usize,
}

/// One message and with whom it was exchanged.
#[derive(Debug)]
struct HistoryEntry {
    with: PeerId,
    said: Message,
}

impl HistoryEntry {
    fn bytes(&self) -> usize {
        self.said.rows.iter().map(|row| row.as_str().len()).sum::<usize>() + size_of::<Self>()
    }

    fn has(&self, wanted: &str) -> bool {
        self.said.rows.iter().any(|row| row.as_str().to_lowercase().contains(wanted))
    }
}

impl History {
    pub(crate) fn keep(&mut self, with: PeerId, said: &Message) {
        // As it is shown; what came is not kept twice.
        let said = Message { text: Vec::new(), ..said.clone() };
        let entry = HistoryEntry { with, said };
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > limits::MEMORY_MESSAGES || self.bytes > limits::MEMORY_BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
        }
    }

    /// The last `count` messages that fit, oldest first, and how many earlier ones fit besides.
    fn find(&self, count: usize, fits: impl Fn(&HistoryEntry) -> bool) -> (Vec<Message>, usize) {
        let mut found: Vec<_> = self.entries.iter().rev().filter(|entry| fits(entry)).collect();
        let earlier = found.len().saturating_sub(count);
        found.truncate(count);
        (found.into_iter().rev().map(|entry| entry.said.clone()).collect(), earlier)
    }
}

impl Chat {
    /// `:last [N] [NAME]`
    pub(crate) fn last(&mut self, count: usize, name: Option<&str>) {
        let with = match name {
            Some(name) => match self.find(name) {
                Some((_, peer_id)) => Some(peer_id),
                None => return,
            },
            None => None,
        };
        let (found, _) = self.memory.find(count, |entry| with.is_none_or(|with| entry.with == with));
        match with {
            None if found.is_empty() => self.info(Info::NothingSaid),
            _ => self.recall(found, 0),
        }
    }

    /// `:search TEXT`
    pub(crate) fn search(&mut self, text: &str) {
        // Compared as they are shown, so that what can be seen can be found.
        let wanted = SafeText::line(text).as_str().to_lowercase();
        let (found, earlier) = self.memory.find(LISTED, |entry| entry.has(&wanted));
        self.recall(found, earlier);
    }

    fn recall(&mut self, found: Vec<Message>, earlier: usize) {
        if found.is_empty() {
            self.warn(Warning::NothingFound);
        } else {
            self.show(Notice::History { said: found, earlier });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Fingerprint;

    fn said(text: &str) -> Message {
        Message {
            name: "bob".to_owned(),
            fingerprint: Some(Fingerprint::of(b"bob")),
            trust_level: crate::chat::TrustLevel::Unverified,
            arrived_ms: 0,
            sent_ms: 0,
            text: Vec::new(),
            rows: SafeText::rows(text),
        }
    }

    #[test]
    fn memory_is_bounded_in_messages_and_in_bytes() {
        let with = PeerId::Key(Fingerprint::of(b"bob"));
        let mut memory = History::default();
        for n in 0..limits::MEMORY_MESSAGES + 5 {
            memory.keep(with, &said(&n.to_string()));
        }
        assert_eq!(memory.entries.len(), limits::MEMORY_MESSAGES);
        assert_eq!(memory.find(limits::MEMORY_MESSAGES, |_| true).0.first(), Some(&said("5")));
        for _ in 0..2_000 {
            memory.keep(with, &said(&"x".repeat(limits::MESSAGE_BYTES)));
        }
        assert!(memory.bytes <= limits::MEMORY_BYTES);
        assert_eq!(memory.bytes, memory.entries.iter().map(HistoryEntry::bytes).sum::<usize>());
    }

    #[test]
    fn the_last_come_in_their_order_and_earlier_ones_are_counted() {
        let with = PeerId::Key(Fingerprint::of(b"bob"));
        let mut memory = History::default();
        for text in ["Eins", "zwei", "eine Drei"] {
            memory.keep(with, &said(text));
        }
        assert_eq!(memory.find(2, |_| true), (vec![said("zwei"), said("eine Drei")], 1));
        assert_eq!(memory.find(9, |entry| entry.has("ein")), (vec![said("Eins"), said("eine Drei")], 0));
    }
}
