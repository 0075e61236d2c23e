//! Message history of a session, for `:last` and `:search`: in memory only, the oldest goes first.

use std::collections::{BTreeMap, VecDeque};

use super::notice::Message;
use super::types::PeerId;
use crate::limits;
use crate::text::Wanted;
use crate::text::safe::SafeText;

/// Messages of this session, at most [`limits::HISTORY_MESSAGES`] and [`limits::HISTORY_BYTES`], of
/// one peer that nobody chose at most [`limits::HISTORY_MET_BYTES`]; counted in the heap that they
/// take.
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: VecDeque<HistoryEntry>,
    bytes: usize,
    /// Bytes of each peer that nobody chose.
    met: BTreeMap<PeerId, usize>,
    retention: Retention,
    /// Number of the last message, kept or not.
    last_number: u64,
}

/// Whether messages are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Retention {
    #[default]
    Kept,
    /// Nobody can ask for them.
    Dropped,
}

/// Whether the user chose the peer of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Acquaintance {
    /// Dialled, or verified.
    Chosen,
    /// It called, and nobody chose it: it has a share of its own.
    Met,
}

/// One message and the peer it was exchanged with.
#[derive(Debug)]
struct HistoryEntry {
    peer: PeerId,
    acquaintance: Acquaintance,
    /// Without its rows and its exact text.
    head: Message,
    /// The rows as they are shown, joined by newlines: a row of its own would take more than it
    /// says.
    rows: Box<str>,
}

impl HistoryEntry {
    fn new(peer: PeerId, acquaintance: Acquaintance, message: &Message) -> Self {
        let rows: Vec<_> = message.rows.iter().map(SafeText::as_str).collect();
        let rows = rows.join("\n").into_boxed_str();
        let (name, to) = (message.name.clone(), message.to.clone());
        let head = Message { name, to, text: Vec::new(), rows: Vec::new(), ..*message };
        Self { peer, acquaintance, head, rows }
    }

    fn bytes(&self) -> usize {
        let to: usize = self.head.to.iter().map(|name| name.capacity() + size_of::<String>()).sum();
        self.rows.len() + self.head.name.capacity() + to + size_of::<Self>()
    }

    fn message(&self) -> Message {
        let rows = self.rows.split('\n').map(SafeText::line).collect();
        Message { rows, ..self.head.clone() }
    }
}

impl History {
    /// A history that keeps nothing.
    pub(crate) fn none() -> Self {
        Self { retention: Retention::Dropped, ..Self::default() }
    }

    /// Number of the next message of this session, from 1.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn push(&mut self, peer: PeerId, acquaintance: Acquaintance, message: &Message) {
        if self.retention == Retention::Dropped {
            return;
        }
        let entry = HistoryEntry::new(peer, acquaintance, message);
        self.bytes += entry.bytes();
        if acquaintance == Acquaintance::Met {
            *self.met.entry(peer).or_default() += entry.bytes();
        }
        self.entries.push_back(entry);
        while self.met.get(&peer).is_some_and(|bytes| *bytes > limits::HISTORY_MET_BYTES) {
            let is_its = |entry: &HistoryEntry| entry.peer == peer && entry.acquaintance == Acquaintance::Met;
            let Some(oldest) = self.entries.iter().position(is_its) else { break };
            self.remove(oldest);
        }
        while self.entries.len() > limits::HISTORY_MESSAGES || self.bytes > limits::HISTORY_BYTES {
            self.remove(0);
        }
    }

    fn remove(&mut self, index: usize) {
        let Some(entry) = self.entries.remove(index) else { return };
        self.bytes = self.bytes.saturating_sub(entry.bytes());
        if entry.acquaintance == Acquaintance::Met
            && let Some(bytes) = self.met.get_mut(&entry.peer)
        {
            *bytes = bytes.saturating_sub(entry.bytes());
            if *bytes == 0 {
                self.met.remove(&entry.peer);
            }
        }
    }

    /// The message of this number, if it is still kept.
    pub(crate) fn by_number(&self, number: u64) -> Option<Message> {
        self.entries.iter().rev().find(|entry| entry.head.number == number).map(HistoryEntry::message)
    }

    /// The last `count` messages, of one peer or of all, oldest first.
    pub(crate) fn last(&self, count: usize, peer: Option<PeerId>) -> Vec<Message> {
        self.find(count, |entry| peer.is_none_or(|peer| entry.peer == peer)).0
    }

    /// The last `count` messages with a text in them, oldest first, and how many earlier ones
    /// match. Compared as they are shown, so that what can be seen can be found; composed, so that
    /// it does not count which of two canonically equivalent forms (Unicode Standard Annex #15) a
    /// keyboard gives.
    pub(crate) fn search(&self, text: &str, count: usize) -> (Vec<Message>, usize) {
        let wanted = Wanted::new(text);
        self.find(count, |entry| entry.rows.split('\n').any(|row| wanted.is_in_row(row)))
    }

    fn find(&self, count: usize, matches: impl Fn(&HistoryEntry) -> bool) -> (Vec<Message>, usize) {
        let mut found: Vec<_> = self.entries.iter().rev().filter(|entry| matches(entry)).collect();
        let earlier = found.len().saturating_sub(count);
        found.truncate(count);
        (found.into_iter().rev().map(HistoryEntry::message).collect(), earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Fingerprint;
    use crate::time::UnixMs;
    use crate::wire::Lifetime;

    fn message(text: &str) -> Message {
        Message {
            name: "bob".to_owned(),
            to: Vec::new(),
            fingerprint: Some(Fingerprint::of(b"bob")),
            trust_level: crate::chat::TrustLevel::Unverified,
            lifetime: Lifetime::Lasting,
            arrived: UnixMs(0),
            sent: UnixMs(0),
            text: Vec::new(),
            rows: SafeText::rows(text),
            number: 0,
        }
    }

    use Acquaintance::{Chosen, Met};

    #[test]
    fn history_is_bounded_in_messages_and_in_bytes() {
        let peer = PeerId::Key(Fingerprint::of(b"bob"));
        let mut history = History::default();
        for n in 0..limits::HISTORY_MESSAGES + 5 {
            history.push(peer, Chosen, &message(&n.to_string()));
        }
        assert_eq!(history.entries.len(), limits::HISTORY_MESSAGES);
        assert_eq!(history.last(limits::HISTORY_MESSAGES, None).first(), Some(&message("5")));
        for _ in 0..2_000 {
            history.push(peer, Chosen, &message(&"x".repeat(limits::MESSAGE_BYTES)));
        }
        assert!(history.bytes <= limits::HISTORY_BYTES);
        assert_eq!(history.bytes, history.entries.iter().map(HistoryEntry::bytes).sum::<usize>());
    }

    #[test]
    fn a_peer_that_nobody_chose_has_a_mebibyte_and_drives_nobody_else_out() {
        let peers = [b"bob", b"eve"].map(|name| PeerId::Key(Fingerprint::of(name)));
        let mut history = History::default();
        history.push(peers[0], Chosen, &message("kept"));
        // Each row of a message costs more than its one byte, unless it is counted and kept well.
        for _ in 0..150 {
            history.push(peers[1], Met, &message(&"\n".repeat(limits::MESSAGE_BYTES)));
        }
        assert!(history.met[&peers[1]] <= limits::HISTORY_MET_BYTES);
        assert!(history.entries.len() > 50, "{}", history.entries.len());
        assert_eq!(history.last(1, Some(peers[0])), [message("kept")]);
        let newlines = history.last(1, Some(peers[1])).remove(0);
        assert_eq!(newlines.rows.len(), limits::MESSAGE_BYTES);
    }

    #[test]
    fn a_history_that_keeps_nothing_still_numbers() {
        let mut history = History::none();
        history.push(PeerId::Key(Fingerprint::of(b"bob")), Chosen, &message("x"));
        assert_eq!((history.bytes, history.next_number(), history.next_number()), (0, 1, 2));
    }

    #[test]
    fn the_last_come_in_their_order_and_earlier_ones_are_counted() {
        let peer = PeerId::Key(Fingerprint::of(b"bob"));
        let mut history = History::default();
        for text in ["Eins", "zwei", "eine Drei"] {
            history.push(peer, Chosen, &message(text));
        }
        assert_eq!(history.last(2, Some(peer)), [message("zwei"), message("eine Drei")]);
        assert_eq!(history.search("I", 2), (vec![message("zwei"), message("eine Drei")], 1));
        assert_eq!(history.search("ein", 9), (vec![message("Eins"), message("eine Drei")], 0));
    }

    #[test]
    fn composed_and_decomposed_text_find_each_other_in_either_case() {
        let peer = PeerId::Key(Fingerprint::of(b"bob"));
        for (said, wanted) in [
            ("\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}", "한글"),
            ("한글", "\u{1112}\u{1161}\u{11ab}"),
            ("Cafe\u{301}", "CAFÉ"),
            ("CAFÉ", "cafe\u{301}"),
            ("İzmir", "i\u{307}zmir"),
        ] {
            let mut history = History::default();
            history.push(peer, Chosen, &message(said));
            assert_eq!(history.search(wanted, 9).0, [message(said)], "{wanted} in {said}");
            assert_eq!(history.search("x", 9).0, [], "{said}");
        }
    }
}
