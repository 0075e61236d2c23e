//! One side of a session, with its key and everything that it has given so far.

use std::sync::LazyLock;

use crate::crypto::{Identity, Seed, test_keys};
use crate::session::{CloseReason, Event, Output, RekeyThresholds, Session, SessionConfig};
use crate::time::MonoMs;
use crate::wire::{Count, Durability, FileTransfer, Letters, Lifetime, PairNumber, Purpose};

/// So few bytes that an input reaches a re-keying.
const REKEYING: RekeyThresholds = RekeyThresholds { bytes: 4_096, after_ms: 3_600_000 };
/// More outputs than one call can give: the drain has an end.
const OUTPUTS: usize = 10_000;

pub(super) static KEYS: LazyLock<[Identity; 2]> = LazyLock::new(|| {
    let pool = test_keys(2_048);
    [0, 1].map(|at| Identity::from_pem(pool[at], None).unwrap())
});

pub(super) fn seed(number: u8) -> Seed {
    Seed::new([number; 32])
}

pub(super) fn config(key: usize, purpose: Purpose, durability: Durability) -> SessionConfig {
    SessionConfig {
        key: KEYS[key].public().clone(),
        name: format!("side-{key}"),
        purpose,
        lifetime: Lifetime::Lasting,
        durability,
        file_transfer: FileTransfer::Unsupported,
        letters: Letters::Unsupported,
        introduction: None,
        rekeying: REKEYING,
    }
}

pub(super) struct Side {
    pub(super) session: Session,
    key: usize,
    pub(super) now: MonoMs,
    /// Bytes on their way, and all that were ever sent, and all that came.
    pub(super) out: Vec<u8>,
    emitted: Vec<u8>,
    arrived: Vec<u8>,
    /// Bytes that had come before the present ones, when it was established.
    arrived_before: Option<usize>,
    /// Texts that were sent, and that came.
    pub(super) said: Vec<String>,
    heard: Vec<Vec<u8>>,
    counts: Vec<Count>,
    answered: usize,
    /// Messages that the peer has acknowledged, as a number of this connection.
    acked: u64,
    /// Whether records that no session writes are among its own.
    pub(super) injected: bool,
    pub(super) rejects: bool,
    pub(super) closed: Option<CloseReason>,
    seeds: u8,
}

impl Side {
    pub(super) fn new(session: Session, key: usize) -> Self {
        Self {
            session,
            key,
            now: MonoMs(0),
            out: Vec::new(),
            emitted: Vec::new(),
            arrived: Vec::new(),
            arrived_before: None,
            said: Vec::new(),
            heard: Vec::new(),
            counts: Vec::new(),
            answered: 0,
            acked: 0,
            injected: false,
            rejects: false,
            closed: None,
            seeds: 0,
        }
    }

    pub(super) fn take_out(&mut self, count: usize) -> Vec<u8> {
        let rest = self.out.split_off(count.min(self.out.len()));
        std::mem::replace(&mut self.out, rest)
    }

    pub(super) fn handle_bytes(&mut self, bytes: &[u8]) {
        let before = self.arrived.len();
        self.arrived.extend_from_slice(bytes);
        let was_established = self.session.is_established();
        self.session.handle_bytes(self.now, bytes);
        self.drain();
        if !was_established && self.session.is_established() {
            self.arrived_before = Some(before);
        }
    }

    /// The next message that is not answered.
    pub(super) fn next_count(&mut self) -> Option<Count> {
        let count = self.counts.get(self.answered).copied()?;
        self.answered += 1;
        Some(count)
    }

    pub(super) fn drain(&mut self) {
        for _ in 0..OUTPUTS {
            let Some(output) = self.session.poll_output() else { return };
            match output {
                Output::Transmit(bytes) => {
                    assert_eq!(self.closed, None, "nothing is sent behind the end");
                    self.emitted.extend_from_slice(&bytes);
                    self.out.extend(bytes);
                }
                Output::Job(job) => self.session.handle_job(self.now, job.run(&KEYS[self.key])),
                Output::WantSeed => {
                    self.seeds = self.seeds.wrapping_add(1);
                    self.session.handle_seed(self.now, &seed(self.seeds));
                }
                Output::Event(event) => self.note(event),
            }
        }
        panic!("the outputs have no end");
    }

    fn note(&mut self, event: Event) {
        assert_eq!(self.closed, None, "{event:?} behind the end");
        match event {
            Event::PeerKey(_) if self.rejects => self.session.reject_key(),
            Event::PeerKey(_) => self.session.accept_key(self.now),
            Event::Message { count, text, .. } => {
                self.counts.push(count);
                self.heard.push(text);
            }
            Event::Skipped(number) => self.counts.push(Count::Pair(number)),
            Event::Acked { upto } => {
                if let Count::Connection(upto) = upto {
                    assert!(upto > self.acked, "{upto} after {}", self.acked);
                    self.acked = upto;
                }
            }
            Event::Closed(reason) => self.closed = Some(reason),
            Event::Kept { upto: PairNumber { .. } }
            | Event::Established { .. }
            | Event::Presented
            | Event::Introduced { .. }
            | Event::Resumed(_)
            | Event::ResumeDeclined
            | Event::HasRead
            | Event::NextKey(_)
            | Event::LetterKey(_)
            | Event::Transfer(_)
            | Event::Oaep(_) => {}
        }
    }

    /// What has come from the other side: nothing but what that one said, in its order.
    pub(super) fn check_against(&self, sender: &Self) {
        assert!(self.acked <= u64::try_from(self.said.len()).unwrap(), "what was not sent is acknowledged");
        if let Some(before) = self.arrived_before
            && !sender.injected
        {
            let arrived = &self.arrived[..before];
            assert!(sender.emitted.starts_with(arrived), "established though bytes were changed");
        }
        if !sender.injected {
            let said = sender.said.iter().map(String::as_bytes);
            assert!(said.zip(&self.heard).all(|(said, heard)| said == heard), "what was not said is heard");
            assert!(self.heard.len() <= sender.said.len());
        }
    }
}
