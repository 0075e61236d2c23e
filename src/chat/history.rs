//! Message history of a session, for `:last` and `:search`: in memory only, the oldest goes first.

use std::collections::{BTreeMap, VecDeque};

use super::notice::{Message, TAKEN_BACK, with_remark};
use super::types::PeerId;
use crate::delivery;
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
    /// Messages of earlier sessions that were listed last.
    recalled: Vec<Message>,
}

/// Whether messages are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Retention {
    #[default]
    Kept,
    /// Nobody can ask for them.
    Dropped,
}

/// Place where a message is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Here only.
    Memory,
    /// In the history on disk too.
    Disk,
}

/// Messages that are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sources {
    /// Those that are in no history on disk.
    Memory,
    /// All that are here.
    Everywhere,
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
    place: Place,
    fate: Fate,
    /// Without its rows and its exact text.
    head: Message,
    /// The rows as they are shown, joined by newlines: a row of its own would take more than it
    /// says.
    rows: Box<str>,
    exact: ExactText,
}

/// What is known of a message besides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Said,
    /// It is ours, and was taken back.
    TakenBack,
}

/// Exact text of a message, told by what is kept of it anyway.
#[derive(Debug)]
enum ExactText {
    /// That of its rows.
    Rows,
    /// The same with a newline behind it.
    RowsAndNewline,
    /// Another, as where a character is shown as an escape.
    Other(Box<[u8]>),
}

impl ExactText {
    fn new(text: &[u8], rows: &str) -> Self {
        match text.strip_prefix(rows.as_bytes()) {
            Some(b"") => Self::Rows,
            Some(b"\n") => Self::RowsAndNewline,
            _ => Self::Other(text.into()),
        }
    }

    /// Heap that it takes.
    fn bytes(&self) -> usize {
        if let Self::Other(text) = self { text.len() } else { 0 }
    }

    fn behind(&self, rows: &str) -> Vec<u8> {
        match self {
            Self::Rows => rows.into(),
            Self::RowsAndNewline => [rows.as_bytes(), b"\n"].concat(),
            Self::Other(text) => text.to_vec(),
        }
    }
}

impl HistoryEntry {
    fn new(peer: PeerId, acquaintance: Acquaintance, place: Place, message: &Message) -> Self {
        let rows: Vec<_> = message.rows.iter().map(SafeText::as_str).collect();
        let rows = rows.join("\n").into_boxed_str();
        let (name, to) = (message.name.clone(), message.to.clone());
        let head = Message { name, to, text: Vec::new(), rows: Vec::new(), ..*message };
        let exact = ExactText::new(&message.text, &rows);
        Self { peer, acquaintance, place, fate: Fate::Said, head, rows, exact }
    }

    fn bytes(&self) -> usize {
        let to: usize = self.head.to.iter().map(|name| name.capacity() + size_of::<String>()).sum();
        self.rows.len() + self.exact.bytes() + self.head.name.capacity() + to + size_of::<Self>()
    }

    fn message(&self) -> Message {
        let rows = self.rows.split('\n').map(SafeText::line).collect();
        let rows = if self.fate == Fate::TakenBack { with_remark(rows, TAKEN_BACK) } else { rows };
        let text = self.exact.behind(&self.rows);
        Message { text, rows, ..self.head.clone() }
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

    pub(crate) fn push(&mut self, peer: PeerId, acquaintance: Acquaintance, place: Place, message: &Message) {
        if self.retention == Retention::Dropped {
            return;
        }
        let entry = HistoryEntry::new(peer, acquaintance, place, message);
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

    /// Marks a text of ours that was taken back: the first of those that are the same that was
    /// accepted since it was typed.
    pub(crate) fn mark(&mut self, mark: &delivery::HistoryEntry) {
        let (peer, at) = (PeerId::Key(mark.peer), mark.row.at);
        let is_meant = |entry: &&mut HistoryEntry| {
            let is_ours = entry.peer == peer && !entry.head.to.is_empty() && entry.fate == Fate::Said;
            is_ours && entry.head.arrived >= at && *entry.exact.behind(&entry.rows) == *mark.row.text
        };
        if let Some(entry) = self.entries.iter_mut().find(is_meant) {
            entry.fate = Fate::TakenBack;
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

    /// Numbers the messages of earlier sessions that are about to be listed, in the place of those
    /// that were listed before.
    pub(crate) fn recall(&mut self, messages: Vec<Message>) -> Vec<Message> {
        let mut numbered = messages;
        for message in numbered.iter_mut().filter(|message| message.number == 0) {
            message.number = self.next_number();
        }
        self.recalled.clone_from(&numbered);
        numbered
    }

    /// The message of this number, if it is still kept.
    pub(crate) fn by_number(&self, number: u64) -> Option<Message> {
        let here = self.entries.iter().rev().find(|entry| entry.head.number == number);
        let recalled = || self.recalled.iter().find(|message| message.number == number).cloned();
        here.map(HistoryEntry::message).or_else(recalled)
    }

    /// The last `count` messages, of one peer or of all, oldest first.
    pub(crate) fn last(&self, count: usize, peer: Option<PeerId>, sources: Sources) -> Vec<Message> {
        self.find(count, sources, |entry| peer.is_none_or(|peer| entry.peer == peer)).0
    }

    /// The last `count` messages, oldest first, and how many came before them.
    pub(crate) fn last_and_earlier(&self, count: usize) -> (Vec<Message>, usize) {
        self.find(count, Sources::Everywhere, |_| true)
    }

    /// The last `count` messages with a text in them, oldest first, and how many earlier ones
    /// match. Compared as they are shown, so that what can be seen can be found; composed, so that
    /// it does not count which of two canonically equivalent forms (Unicode Standard Annex #15) a
    /// keyboard gives.
    pub(crate) fn search(&self, text: &str, count: usize, sources: Sources) -> (Vec<Message>, usize) {
        let wanted = Wanted::new(text);
        self.find(count, sources, |entry| entry.rows.split('\n').any(|row| wanted.is_in_row(row)))
    }

    fn find(
        &self,
        count: usize,
        sources: Sources,
        matches: impl Fn(&HistoryEntry) -> bool,
    ) -> (Vec<Message>, usize) {
        let is_looked_at =
            |entry: &&HistoryEntry| sources == Sources::Everywhere || entry.place == Place::Memory;
        let looked_at = self.entries.iter().rev().filter(is_looked_at);
        let mut found: Vec<_> = looked_at.filter(|entry| matches(entry)).collect();
        let earlier = found.len().saturating_sub(count);
        found.truncate(count);
        (found.into_iter().rev().map(HistoryEntry::message).collect(), earlier)
    }
}

/// A message of bob's.
#[cfg(test)]
pub(super) fn said_by_bob(text: &str) -> Message {
    Message {
        name: "bob".to_owned(),
        to: Vec::new(),
        fingerprint: Some(crate::crypto::Fingerprint::of(b"bob")),
        trust_level: crate::chat::TrustLevel::Unverified,
        lifetime: crate::wire::Lifetime::Lasting,
        arrived: crate::time::UnixMs(0),
        sent: crate::time::UnixMs(0),
        arrival: crate::chat::Arrival::Prompt,
        text: text.into(),
        rows: SafeText::rows(text),
        number: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::said_by_bob as message;
    use super::*;
    use crate::crypto::Fingerprint;

    use Acquaintance::{Chosen, Met};

    #[test]
    fn history_is_bounded_in_messages_and_in_bytes() {
        let peer = PeerId::Key(Fingerprint::of(b"bob"));
        let mut history = History::default();
        for n in 0..limits::HISTORY_MESSAGES + 5 {
            history.push(peer, Chosen, Place::Memory, &message(&n.to_string()));
        }
        assert_eq!(history.entries.len(), limits::HISTORY_MESSAGES);
        assert_eq!(
            history.last(limits::HISTORY_MESSAGES, None, Sources::Everywhere).first(),
            Some(&message("5"))
        );
        for _ in 0..2_000 {
            history.push(peer, Chosen, Place::Memory, &message(&"x".repeat(limits::MESSAGE_BYTES)));
        }
        assert!(history.bytes <= limits::HISTORY_BYTES);
        assert_eq!(history.bytes, history.entries.iter().map(HistoryEntry::bytes).sum::<usize>());
    }

    #[test]
    fn a_peer_that_nobody_chose_has_a_mebibyte_and_drives_nobody_else_out() {
        let peers = [b"bob", b"eve"].map(|name| PeerId::Key(Fingerprint::of(name)));
        let mut history = History::default();
        history.push(peers[0], Chosen, Place::Memory, &message("kept"));
        // Each row of a message costs more than its one byte, unless it is counted and kept well.
        for _ in 0..150 {
            history.push(peers[1], Met, Place::Memory, &message(&"\n".repeat(limits::MESSAGE_BYTES)));
        }
        assert!(history.met[&peers[1]] <= limits::HISTORY_MET_BYTES);
        assert!(history.entries.len() > 50, "{}", history.entries.len());
        assert_eq!(history.last(1, Some(peers[0]), Sources::Everywhere), [message("kept")]);
        let newlines = history.last(1, Some(peers[1]), Sources::Everywhere).remove(0);
        assert_eq!(newlines.rows.len(), limits::MESSAGE_BYTES);
    }

    #[test]
    fn the_exact_text_of_a_message_is_kept_and_counted_once() {
        let peer = PeerId::Key(Fingerprint::of(b"bob"));
        let texts: [&[u8]; 7] =
            [b"", b"\n", b"a\nb", b"a\r\nb\n\n", b"\xff\xfe", b"\tx", "\u{202e}한".as_bytes()];
        for text in texts {
            let mut history = History::default();
            let rows = SafeText::rows_from_bytes(text);
            let said = Message { text: text.into(), rows, ..message("") };
            history.push(peer, Chosen, Place::Memory, &said);
            let kept = history.last(1, None, Sources::Everywhere).remove(0);
            assert_eq!(kept.text, text, "{said:?}");
            let most = size_of::<HistoryEntry>() + said.name.len() + 3 * text.len().max(4);
            assert!(history.bytes <= most, "{said:?}: {}", history.bytes);
        }
    }

    #[test]
    fn a_history_that_keeps_nothing_still_numbers() {
        let mut history = History::none();
        history.push(PeerId::Key(Fingerprint::of(b"bob")), Chosen, Place::Memory, &message("x"));
        assert_eq!((history.bytes, history.next_number(), history.next_number()), (0, 1, 2));
    }

    #[test]
    fn the_last_come_in_their_order_and_earlier_ones_are_counted() {
        let peer = PeerId::Key(Fingerprint::of(b"bob"));
        let mut history = History::default();
        for text in ["Eins", "zwei", "eine Drei"] {
            history.push(peer, Chosen, Place::Memory, &message(text));
        }
        assert_eq!(history.last(2, Some(peer), Sources::Everywhere), [message("zwei"), message("eine Drei")]);
        assert_eq!(
            history.search("I", 2, Sources::Everywhere),
            (vec![message("zwei"), message("eine Drei")], 1)
        );
        assert_eq!(
            history.search("ein", 9, Sources::Everywhere),
            (vec![message("Eins"), message("eine Drei")], 0)
        );
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
            history.push(peer, Chosen, Place::Memory, &message(said));
            assert_eq!(
                history.search(wanted, 9, Sources::Everywhere).0,
                [message(said)],
                "{wanted} in {said}"
            );
            assert_eq!(history.search("x", 9, Sources::Everywhere).0, [], "{said}");
        }
    }
}
