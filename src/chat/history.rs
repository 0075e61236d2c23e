//! Message history of a session, for `:last` and `:search`: in memory only, the oldest goes first.

use std::collections::VecDeque;

use super::notice::Message;
use super::types::PeerId;
use crate::limits;
use crate::text::safe::SafeText;

/// Messages of this session, at most [`limits::HISTORY_MESSAGES`] and [`limits::HISTORY_BYTES`].
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: VecDeque<HistoryEntry>,
    bytes: usize,
}

/// One message and the peer it was exchanged with.
#[derive(Debug)]
struct HistoryEntry {
    peer: PeerId,
    message: Message,
}

impl HistoryEntry {
    fn bytes(&self) -> usize {
        self.message.rows.iter().map(|row| row.as_str().len()).sum::<usize>() + size_of::<Self>()
    }
}

impl History {
    pub(crate) fn push(&mut self, peer: PeerId, message: &Message) {
        // As it is shown; the exact text is not kept twice.
        let message = Message { text: Vec::new(), ..message.clone() };
        let entry = HistoryEntry { peer, message };
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > limits::HISTORY_MESSAGES || self.bytes > limits::HISTORY_BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
        }
    }

    /// The last `count` messages, of one peer or of all, oldest first.
    pub(crate) fn last(&self, count: usize, peer: Option<PeerId>) -> Vec<Message> {
        self.find(count, |entry| peer.is_none_or(|peer| entry.peer == peer)).0
    }

    /// The last `count` messages with a text in them, oldest first, and how many earlier ones
    /// match. Compared as they are shown, so that what can be seen can be found.
    pub(crate) fn search(&self, text: &str, count: usize) -> (Vec<Message>, usize) {
        let wanted = SafeText::line(text).as_str().to_lowercase();
        let has = |row: &SafeText| row.as_str().to_lowercase().contains(&wanted);
        self.find(count, |entry| entry.message.rows.iter().any(has))
    }

    fn find(&self, count: usize, matches: impl Fn(&HistoryEntry) -> bool) -> (Vec<Message>, usize) {
        let mut found: Vec<_> = self.entries.iter().rev().filter(|entry| matches(entry)).collect();
        let earlier = found.len().saturating_sub(count);
        found.truncate(count);
        (found.into_iter().rev().map(|entry| entry.message.clone()).collect(), earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Fingerprint;
    use crate::time::UnixMs;

    fn message(text: &str) -> Message {
        Message {
            name: "bob".to_owned(),
            fingerprint: Some(Fingerprint::of(b"bob")),
            trust_level: crate::chat::TrustLevel::Unverified,
            arrived: UnixMs(0),
            sent: UnixMs(0),
            text: Vec::new(),
            rows: SafeText::rows(text),
        }
    }

    #[test]
    fn history_is_bounded_in_messages_and_in_bytes() {
        let peer = PeerId::Key(Fingerprint::of(b"bob"));
        let mut history = History::default();
        for n in 0..limits::HISTORY_MESSAGES + 5 {
            history.push(peer, &message(&n.to_string()));
        }
        assert_eq!(history.entries.len(), limits::HISTORY_MESSAGES);
        assert_eq!(history.last(limits::HISTORY_MESSAGES, None).first(), Some(&message("5")));
        for _ in 0..2_000 {
            history.push(peer, &message(&"x".repeat(limits::MESSAGE_BYTES)));
        }
        assert!(history.bytes <= limits::HISTORY_BYTES);
        assert_eq!(history.bytes, history.entries.iter().map(HistoryEntry::bytes).sum::<usize>());
    }

    #[test]
    fn the_last_come_in_their_order_and_earlier_ones_are_counted() {
        let peer = PeerId::Key(Fingerprint::of(b"bob"));
        let mut history = History::default();
        for text in ["Eins", "zwei", "eine Drei"] {
            history.push(peer, &message(text));
        }
        assert_eq!(history.last(2, Some(peer)), [message("zwei"), message("eine Drei")]);
        assert_eq!(history.search("I", 2), (vec![message("zwei"), message("eine Drei")], 1));
        assert_eq!(history.search("ein", 9), (vec![message("Eins"), message("eine Drei")], 0));
    }
}
