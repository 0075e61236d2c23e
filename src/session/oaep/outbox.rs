//! Send queue of a session on the raw wire: texts in parts, sealed one at a time, in order.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use crate::crypto::{PublicKey, RsaJob, Seed};
use crate::limits;
use crate::time::MonoMs;

/// How closely blocks may follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pace {
    /// As they come.
    Free,
    /// The next when the answer to the one before has come.
    OneByOne,
}

pub(super) struct Outbox {
    pace: Pace,
    seed: Seed,
    parts: VecDeque<Part>,
    /// The part that is being sealed.
    sealing: Option<Completes>,
    /// Time at which the block that still awaits an answer was sent.
    unanswered: Option<MonoMs>,
    /// The kernel takes no more for now.
    write_blocked: bool,
    closing: Closing,
    sent: u64,
    sealed: u64,
}

struct Part {
    text: Zeroizing<Vec<u8>>,
    completes: Completes,
}

/// Number of the text that a part completes, if it is the last one of a text.
#[derive(Clone, Copy)]
struct Completes(Option<u64>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// `exit` is the last of the parts; nothing was sent since.
    Queued {
        since: MonoMs,
    },
    /// `exit` is the only part.
    Immediate {
        since: MonoMs,
    },
    Done,
}

impl Outbox {
    pub(super) fn new(pace: Pace, seed: Seed) -> Self {
        Self {
            pace,
            seed,
            parts: VecDeque::new(),
            sealing: None,
            unanswered: None,
            write_blocked: false,
            closing: Closing::No,
            sent: 0,
            sealed: 0,
        }
    }

    /// Takes a text in its parts and gives its number.
    pub(super) fn send(&mut self, parts: &[&str]) -> u64 {
        self.sent += 1;
        let last = parts.len().saturating_sub(1);
        self.parts.extend(parts.iter().enumerate().map(|(index, part)| Part {
            text: Zeroizing::new(part.as_bytes().to_vec()),
            completes: Completes((index == last).then_some(self.sent)),
        }));
        self.sent
    }

    /// The last text that was sent ends the session.
    pub(super) fn close(&mut self, now: MonoMs) {
        self.closing = Closing::Queued { since: now };
    }

    /// Drops what waits and sends `exit` at once.
    pub(super) fn close_now(&mut self, exit: &str, now: MonoMs) {
        if matches!(self.closing, Closing::No | Closing::Queued { .. }) {
            let text = Zeroizing::new(exit.as_bytes().to_vec());
            self.parts = VecDeque::from([Part { text, completes: Completes(None) }]);
            self.closing = Closing::Immediate { since: now };
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing != Closing::No
    }

    /// Whether `exit` has been sent.
    pub(super) fn has_closed(&self) -> bool {
        self.closing == Closing::Done
    }

    /// Whether the time allowed for sending `exit` has expired.
    pub(super) fn is_overdue(&self, now: MonoMs) -> bool {
        self.exit_deadline().is_some_and(|due| now >= due)
    }

    /// Whether a text sent now would be the first to wait for an answer.
    pub(super) fn is_delayed(&self) -> bool {
        self.parts.is_empty()
            && (self.unanswered.is_some() || (self.pace == Pace::OneByOne && self.is_sealing()))
    }

    /// The next part as a job, if there is one and it may go.
    pub(super) fn next_job(&mut self, key: &PublicKey, now: MonoMs) -> Option<RsaJob> {
        if self.is_sealing() || self.write_blocked || self.must_wait(now) {
            return None;
        }
        let part = self.parts.pop_front()?;
        self.note_progress(now);
        self.sealing = Some(part.completes);
        self.sealed += 1;
        let coins = self.seed.derive(&format!("raw block {}", self.sealed));
        Some(RsaJob::SealBlock { key: key.clone(), text: part.text, coins })
    }

    /// The part has been sealed and is sent. Returns the number of the text that it completes.
    pub(super) fn handle_sealed(&mut self, now: MonoMs) -> Option<u64> {
        let Completes(number) = self.sealing.take()?;
        if self.pace == Pace::OneByOne {
            self.unanswered = Some(now);
        }
        self.note_progress(now);
        if self.is_closing() && self.parts.is_empty() {
            self.closing = Closing::Done;
        }
        number
    }

    pub(super) fn handle_answer(&mut self) {
        self.unanswered = None;
    }

    pub(super) fn write_blocked(&mut self) {
        self.write_blocked = true;
    }

    pub(super) fn write_drained(&mut self) {
        self.write_blocked = false;
    }

    /// Forgets what has not been sealed.
    pub(super) fn clear(&mut self) {
        self.parts.clear();
    }

    /// When a wait ends by itself.
    pub(super) fn poll_timeout(&self) -> Option<MonoMs> {
        let apart =
            self.unanswered.filter(|_| self.only_exit_waits()).map(|since| since + limits::OAEP_EXIT_GAP_MS);
        [apart, self.exit_deadline()].into_iter().flatten().min()
    }

    fn is_sealing(&self) -> bool {
        self.sealing.is_some()
    }

    /// Whether the answer to the block before must come first. `exit` needs none; but it must not
    /// arrive together with that block, since a peer that reads both at once could open neither.
    fn must_wait(&self, now: MonoMs) -> bool {
        match self.unanswered {
            Some(since) if self.only_exit_waits() => now < since + limits::OAEP_EXIT_GAP_MS,
            Some(_) => true,
            None => false,
        }
    }

    fn only_exit_waits(&self) -> bool {
        self.is_closing() && self.parts.len() == 1
    }

    /// Time at which an unsent `exit` is abandoned.
    fn exit_deadline(&self) -> Option<MonoMs> {
        match self.closing {
            Closing::Queued { since } if self.parts.len() <= 1 => Some(since + limits::SHUTDOWN_GRACE_MS),
            Closing::Immediate { since } => Some(since + limits::SHUTDOWN_GRACE_MS),
            Closing::No | Closing::Queued { .. } | Closing::Done => None,
        }
    }

    /// Something was sent: the time of a queued `exit` begins anew.
    fn note_progress(&mut self, now: MonoMs) {
        if let Closing::Queued { since } = &mut self.closing {
            *since = now;
        }
    }
}
