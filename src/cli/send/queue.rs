//! The messages of one run: which wait, which are on the way, and of which there is proof that they need no more care.
//! It knows neither where they come from nor the connection.

use std::collections::VecDeque;

use super::write_ledger::WriteLedger;
use crate::app::error::code;
use crate::chat::Protocol;
use crate::events::{Done, Event};
use crate::session::EXIT;

/// What says that a message needs no more care.
enum Proof {
    /// The other side says that it was shown.
    Receipts,
    /// The socket has taken it. The raw wire has nothing better.
    WriteLedger(WriteLedger),
}

/// What is known of everything that was sent, since the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Messages with a receipt.
    pub(crate) receipted: u64,
    /// Messages that went out on the raw wire.
    pub(crate) sent: u64,
    /// Bytes that no socket has taken.
    pub(crate) unsent_bytes: usize,
}

/// The message that ends a conversation on the raw wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exit {
    NotYet,
    /// It is the last of those that wait.
    Waits,
    WriteLedger,
}

/// A message after `exit`, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("message {0} and what follows were not sent: `exit` before it ends the conversation")]
pub(crate) struct PastExit(u64);

pub(crate) struct SendQueue {
    proof: Proof,
    /// Messages without proof, the oldest first.
    pending: VecDeque<String>,
    /// How many of these are on the way.
    handed: usize,
    /// Messages that were read, those that were refused included.
    read: u64,
    refused: u64,
    /// What there is proof of, `exit` included.
    proved: u64,
    delivered: u64,
    exit: Exit,
}

impl SendQueue {
    pub(crate) fn on(wire: Protocol) -> Self {
        Self {
            proof: if wire == Protocol::Native {
                Proof::Receipts
            } else {
                Proof::WriteLedger(WriteLedger::default())
            },
            pending: VecDeque::new(),
            handed: 0,
            read: 0,
            refused: 0,
            proved: 0,
            delivered: 0,
            exit: Exit::NotYet,
        }
    }

    pub(crate) fn is_raw(&self) -> bool {
        matches!(self.proof, Proof::WriteLedger(_))
    }

    /// Takes a message that was read. On the raw wire nothing can follow `exit`.
    pub(crate) fn take(&mut self, text: String) -> Result<(), PastExit> {
        if self.exit != Exit::NotYet {
            self.refuse();
            return Err(PastExit(self.read));
        }
        if self.is_raw() && text == EXIT {
            self.exit = Exit::Waits;
        } else {
            self.read += 1;
        }
        self.pending.push_back(text);
        Ok(())
    }

    /// Something that was read is no message.
    pub(crate) fn refuse(&mut self) {
        self.read += 1;
        self.refused += 1;
    }

    /// The input broke off.
    pub(crate) fn breaks_off(&mut self) {
        self.refused += 1;
    }

    /// Nothing more is read: on the raw wire the goodbye is a message like any other, behind all others.
    pub(crate) fn end(&mut self) {
        if self.is_raw() && self.exit == Exit::NotYet {
            self.exit = Exit::Waits;
            self.pending.push_back(EXIT.to_owned());
        }
    }

    /// The next message to hand over.
    pub(crate) fn next(&mut self) -> Option<&str> {
        let next = self.pending.get(self.handed)?;
        self.handed += 1;
        Some(next)
    }

    pub(crate) fn are_on_the_way(&self) -> bool {
        self.handed > 0
    }

    /// Whether nothing is left, the goodbye included.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether nothing is left but the goodbye.
    pub(crate) fn only_goodbye_is_left(&self) -> bool {
        self.pending.len() <= usize::from(self.exit == Exit::Waits)
    }

    /// The other side has ended it in order: no goodbye is missing.
    pub(crate) fn needs_no_goodbye(&mut self) {
        self.pending.clear();
        self.exit = Exit::NotYet;
    }

    /// Forgets what there is proof of by now; whether there is more than before.
    pub(crate) fn prove(&mut self, known: Known) -> bool {
        let now = match &mut self.proof {
            Proof::Receipts => known.receipted,
            Proof::WriteLedger(written) => written.count(known.sent, known.unsent_bytes),
        };
        let more = now > self.proved;
        for _ in self.proved..now {
            self.pending.pop_front();
            self.handed = self.handed.saturating_sub(1);
            if self.exit == Exit::Waits && self.pending.is_empty() {
                self.exit = Exit::WriteLedger;
            } else {
                self.delivered += 1;
            }
        }
        self.proved = now;
        more
    }

    /// The connection is gone: what there is no proof of is handed over again.
    pub(crate) fn again(&mut self) {
        self.handed = 0;
    }

    /// A connection begins: what the one before had not written by now was never written.
    pub(crate) fn begin(&mut self, known: Known) {
        if let Proof::WriteLedger(written) = &mut self.proof {
            written.begin(known.sent, known.unsent_bytes);
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        if self.is_raw() { "written" } else { "receipted" }
    }

    /// The exit code in the light of what became of the messages, what is to be said of that, and the counts.
    /// `unread` says that the input goes on.
    pub(crate) fn outcome(&self, code: u8, unread: &str) -> (Option<Event>, Done) {
        let missing = self.read - self.delivered;
        let code = match code {
            0 if self.is_raw() && !self.pending.is_empty() => code::LOST,
            0 if missing + self.refused > 0 => code::FAILED,
            code => code,
        };
        let goodbye = if self.exit == Exit::Waits { "; the goodbye was not written" } else { "" };
        let (delivered, word, were_not) = (self.delivered, self.word(), were(missing));
        let messages = if delivered == 1 { "message" } else { "messages" };
        let message = format!(
            "{delivered} {messages} {} {word}, {missing} {were_not} not{unread}{goodbye}",
            were(delivered)
        );
        let kind = if self.is_raw() { "not_written" } else { "not_receipted" };
        let error = (code != 0).then_some(Event::Error { kind, message, hint: None });
        let (receipted, written) =
            if self.is_raw() { (None, Some(self.delivered)) } else { (Some(self.delivered), None) };
        (error, Done { code, messages: Some(self.read), receipted, written, ..Done::default() })
    }
}

fn were(messages: u64) -> &'static str {
    if messages == 1 { "was" } else { "were" }
}
