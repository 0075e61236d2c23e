//! Send queue of one run: messages that wait, those that are in flight, and the count of those that
//! are proved to be receipted or written.

use std::collections::VecDeque;

use crate::app::error::code;
use crate::chat::Protocol;
use crate::events::{Done, Event};
use crate::session::EXIT;

/// Totals of everything that was sent, since the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    /// Messages with a receipt.
    pub(crate) receipted: u64,
    /// Messages that went out on the raw wire.
    pub(crate) sent: u64,
    /// Bytes that no socket has taken.
    pub(crate) unsent_bytes: usize,
}

/// Messages that sockets have taken on the raw wire, which has no receipts, one connection after
/// the other.
#[derive(Debug, Default)]
struct WriteLedger {
    written: u64,
    /// Messages and bytes of earlier connections that no socket took.
    lost_messages: u64,
    lost_bytes: usize,
}

impl WriteLedger {
    /// Counts the messages that were written for certain: as long as one byte waits, none after the
    /// last count.
    fn count(&mut self, totals: Totals) -> u64 {
        if totals.unsent_bytes <= self.lost_bytes {
            self.written = totals.sent.saturating_sub(self.lost_messages);
        }
        self.written
    }

    /// Begins the next connection: bytes that no socket has taken by now are lost.
    fn begin(&mut self, totals: Totals) {
        self.lost_messages = totals.sent.saturating_sub(self.written);
        self.lost_bytes = totals.unsent_bytes;
    }
}

/// State of the message `exit`, which ends a conversation on the raw wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ExitMessage {
    NotQueued,
    /// Last of the pending messages.
    Queued,
    Written,
}

/// Message after `exit`, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("message {0} and what follows were not sent: `exit` before it ends the conversation")]
pub(crate) struct AfterExit(u64);

pub(crate) struct SendQueue {
    /// On the raw wire the proof of a message is that the socket has taken it, else a receipt.
    ledger: Option<WriteLedger>,
    /// Messages without proof, the oldest first.
    pending: VecDeque<String>,
    /// How many of these are in flight.
    in_flight: usize,
    /// Messages that were read, those that were refused included.
    read: u64,
    refused: u64,
    /// Messages with proof, `exit` included.
    proved: u64,
    delivered: u64,
    exit: ExitMessage,
}

impl SendQueue {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self {
            ledger: (protocol != Protocol::Native).then(WriteLedger::default),
            pending: VecDeque::new(),
            in_flight: 0,
            read: 0,
            refused: 0,
            proved: 0,
            delivered: 0,
            exit: ExitMessage::NotQueued,
        }
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.ledger.is_some()
    }

    /// Queues a message that was read. On the raw wire nothing can follow `exit`.
    pub(crate) fn push(&mut self, text: String) -> Result<(), AfterExit> {
        if self.exit != ExitMessage::NotQueued {
            self.refuse();
            return Err(AfterExit(self.read));
        }
        if self.is_raw() && text == EXIT {
            self.exit = ExitMessage::Queued;
        } else {
            self.read += 1;
        }
        self.pending.push_back(text);
        Ok(())
    }

    /// Counts a piece of input that is no message.
    pub(crate) fn refuse(&mut self) {
        self.read += 1;
        self.refused += 1;
    }

    /// Counts the part of the input that could not be read.
    pub(crate) fn break_off(&mut self) {
        self.refused += 1;
    }

    /// Queues `exit` at the end of the input: on the raw wire it is a message like any other.
    pub(crate) fn end(&mut self) {
        if self.is_raw() && self.exit == ExitMessage::NotQueued {
            self.exit = ExitMessage::Queued;
            self.pending.push_back(EXIT.to_owned());
        }
    }

    /// Next message to send.
    pub(crate) fn next(&mut self) -> Option<&str> {
        let next = self.pending.get(self.in_flight)?;
        self.in_flight += 1;
        Some(next)
    }

    pub(crate) fn has_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// Whether nothing is left, `exit` included.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether nothing is left but `exit`.
    pub(crate) fn only_exit_is_left(&self) -> bool {
        self.pending.len() <= usize::from(self.exit == ExitMessage::Queued)
    }

    /// Drops `exit`: the peer has ended the conversation in order.
    pub(crate) fn drop_exit(&mut self) {
        self.pending.clear();
        self.exit = ExitMessage::NotQueued;
    }

    /// Removes the messages that are proved by now. Returns whether there were any.
    pub(crate) fn prove(&mut self, totals: Totals) -> bool {
        let now = self.ledger.as_mut().map_or(totals.receipted, |ledger| ledger.count(totals));
        let more = now > self.proved;
        for _ in self.proved..now {
            self.pending.pop_front();
            self.in_flight = self.in_flight.saturating_sub(1);
            if self.exit == ExitMessage::Queued && self.pending.is_empty() {
                self.exit = ExitMessage::Written;
            } else {
                self.delivered += 1;
            }
        }
        self.proved = now;
        more
    }

    /// Sends pending messages again: their connection is lost.
    pub(crate) fn resend(&mut self) {
        self.in_flight = 0;
    }

    /// Begins a connection: what the one before has not written by now is lost.
    pub(crate) fn begin(&mut self, totals: Totals) {
        if let Some(ledger) = &mut self.ledger {
            ledger.begin(totals);
        }
    }

    /// Participle for a message with proof.
    pub(crate) fn word(&self) -> &'static str {
        if self.is_raw() { "written" } else { "receipted" }
    }

    /// Exit code by what became of the messages, the error event for it, and the counts.
    /// `unread` is the clause for an input that was not read to its end.
    pub(crate) fn outcome(&self, code: u8, unread: &str) -> (Option<Event>, Done) {
        let missing = self.read - self.delivered;
        let code = match code {
            0 if self.is_raw() && !self.pending.is_empty() => code::LOST,
            0 if missing + self.refused > 0 => code::FAILED,
            code => code,
        };
        let goodbye = if self.exit == ExitMessage::Queued { "; the goodbye was not written" } else { "" };
        let (delivered, word) = (self.delivered, self.word());
        let (messages, was) = if delivered == 1 { ("message", "was") } else { ("messages", "were") };
        let was_not = if missing == 1 { "was" } else { "were" };
        let message =
            format!("{delivered} {messages} {was} {word}, {missing} {was_not} not{unread}{goodbye}");
        let kind = if self.is_raw() { "not_written" } else { "not_receipted" };
        let error = (code != 0).then_some(Event::Error { kind, message, hint: None });
        let (receipted, written) =
            if self.is_raw() { (None, Some(self.delivered)) } else { (Some(self.delivered), None) };
        (error, Done { code, messages: Some(self.read), receipted, written, ..Done::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(sent: u64, unsent_bytes: usize) -> Totals {
        Totals { receipted: 0, sent, unsent_bytes }
    }

    #[test]
    fn what_a_socket_has_not_taken_is_not_written_and_is_not_counted_for_the_next_connection() {
        let mut ledger = WriteLedger::default();
        let counts = [(0, 0), (3, 0), (5, 512)].map(|(sent, unsent)| ledger.count(totals(sent, unsent)));
        assert_eq!(counts, [0, 3, 3]);
        assert_eq!(ledger.count(totals(5, 0)), 5);
        assert_eq!(ledger.count(totals(7, 300)), 5);
        // The connection is lost with these two, which are sent again.
        ledger.begin(totals(7, 300));
        let counts = [(7, 300), (8, 556), (9, 300)].map(|(sent, unsent)| ledger.count(totals(sent, unsent)));
        assert_eq!(counts, [5, 5, 7]);
    }
}
