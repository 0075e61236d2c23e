//! What a raw conversation still has to send: texts cut into parts, sealed one at a time and in order. It does not
//! know what arrives, nor whose key it seals to.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use crate::crypto::{OaepJob, PublicKey, Seed};
use crate::limits;

/// How fast blocks may follow each other.
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
    sealing: Option<QueuePlace>,
    /// When the block went whose answer has not come.
    unanswered: Option<u64>,
    flow: SocketState,
    farewell: Closing,
    said: u64,
    sealed: u64,
}

struct Part {
    text: Zeroizing<Vec<u8>>,
    place: QueuePlace,
}

/// Where a part stands in what was said.
#[derive(Clone, Copy)]
enum QueuePlace {
    /// More of the same text follows.
    Inside,
    /// It completes the text of this number.
    Completes(u64),
    /// It is the farewell of one who does not wait for what was said before.
    Closing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SocketState {
    Open,
    WriteBlocked,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    NotYet,
    /// `exit` is the last of the parts; since when nothing has moved.
    Said {
        since_ms: u64,
    },
    /// `exit` is the only part; since when.
    Hurried {
        since_ms: u64,
    },
    Sent,
}

impl Outbox {
    pub(super) fn new(pace: Pace, seed: Seed) -> Self {
        Self {
            pace,
            seed,
            parts: VecDeque::new(),
            sealing: None,
            unanswered: None,
            flow: SocketState::Open,
            farewell: Closing::NotYet,
            said: 0,
            sealed: 0,
        }
    }

    /// Takes a text in its parts and gives its number.
    pub(super) fn send(&mut self, parts: &[&str]) -> u64 {
        self.said += 1;
        let last = parts.len().saturating_sub(1);
        self.parts.extend(parts.iter().enumerate().map(|(index, part)| Part {
            text: Zeroizing::new(part.as_bytes().to_vec()),
            place: if index == last { QueuePlace::Completes(self.said) } else { QueuePlace::Inside },
        }));
        self.said
    }

    /// The last that was said ends the conversation.
    pub(super) fn close(&mut self, now_ms: u64) {
        self.farewell = Closing::Said { since_ms: now_ms };
    }

    /// Drops what waits and says the farewell at once.
    pub(super) fn hurry(&mut self, farewell: &str, now_ms: u64) {
        if matches!(self.farewell, Closing::NotYet | Closing::Said { .. }) {
            let text = Zeroizing::new(farewell.as_bytes().to_vec());
            self.parts = VecDeque::from([Part { text, place: QueuePlace::Closing }]);
            self.farewell = Closing::Hurried { since_ms: now_ms };
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.farewell != Closing::NotYet
    }

    /// Whether the farewell has been sent.
    pub(super) fn has_closed(&self) -> bool {
        self.farewell == Closing::Sent
    }

    /// Whether the farewell could have gone and did not.
    pub(super) fn is_overdue(&self, now_ms: u64) -> bool {
        self.overdue_ms().is_some_and(|due| now_ms >= due)
    }

    /// Whether a text said now is the first to wait for an answer.
    pub(super) fn is_held_up(&self) -> bool {
        self.parts.is_empty()
            && (self.unanswered.is_some() || (self.pace == Pace::OneByOne && self.is_sealing()))
    }

    /// The next part as a job, if there is one and it may go.
    pub(super) fn next(&mut self, key: &PublicKey, now_ms: u64) -> Option<OaepJob> {
        if self.is_sealing() || self.flow == SocketState::WriteBlocked || self.must_wait(now_ms) {
            return None;
        }
        let part = self.parts.pop_front()?;
        self.moved(now_ms);
        self.sealing = Some(part.place);
        self.sealed += 1;
        let coins = self.seed.derive(&format!("raw block {}", self.sealed));
        Some(OaepJob::Seal { key: key.clone(), text: part.text, coins })
    }

    /// The part has been sealed and goes out; the number of the text that is whole now, if one is.
    pub(super) fn sealed(&mut self, now_ms: u64) -> Option<u64> {
        let place = self.sealing.take()?;
        if self.pace == Pace::OneByOne {
            self.unanswered = Some(now_ms);
        }
        self.moved(now_ms);
        if self.is_closing() && self.parts.is_empty() {
            self.farewell = Closing::Sent;
        }
        match place {
            QueuePlace::Completes(number) => Some(number),
            QueuePlace::Inside | QueuePlace::Closing => None,
        }
    }

    pub(super) fn answered(&mut self) {
        self.unanswered = None;
    }

    pub(super) fn clogged(&mut self) {
        self.flow = SocketState::WriteBlocked;
    }

    pub(super) fn drained(&mut self) {
        self.flow = SocketState::Open;
    }

    /// Forgets what has not been sealed.
    pub(super) fn clear(&mut self) {
        self.parts.clear();
    }

    /// When waiting ends by itself, in monotonic milliseconds.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        let apart =
            self.unanswered.filter(|_| self.only_farewell_waits()).map(|since| since + limits::RAW_APART_MS);
        [apart, self.overdue_ms()].into_iter().flatten().min()
    }

    fn is_sealing(&self) -> bool {
        self.sealing.is_some()
    }

    /// Whether the answer to the block before must come first. The farewell needs none; but it must not arrive
    /// together with that block, since a peer that reads both with one call could open neither.
    fn must_wait(&self, now_ms: u64) -> bool {
        match self.unanswered {
            Some(since) if self.only_farewell_waits() => now_ms < since + limits::RAW_APART_MS,
            Some(_) => true,
            None => false,
        }
    }

    fn only_farewell_waits(&self) -> bool {
        self.is_closing() && self.parts.len() == 1
    }

    /// When a farewell that could go, but does not, is given up.
    fn overdue_ms(&self) -> Option<u64> {
        match self.farewell {
            Closing::Said { since_ms } if self.parts.len() <= 1 => Some(since_ms + limits::FAREWELL_MS),
            Closing::Hurried { since_ms } => Some(since_ms + limits::FAREWELL_MS),
            Closing::NotYet | Closing::Said { .. } | Closing::Sent => None,
        }
    }

    /// Something went: a farewell that stands behind it has not been waiting in vain.
    fn moved(&mut self, now_ms: u64) {
        if let Closing::Said { since_ms } = &mut self.farewell {
            *since_ms = now_ms;
        }
    }
}
