//! Answers that a side owes to its peer, and the probes that a `Ping` of ours is.

use crate::crypto::Fingerprint;
use crate::time::MonoMs;
use crate::wire::Record;

/// Answers that are owed to the peer beside those for its messages: state, one of each kind, so
/// that a peer that asks and never reads costs nothing more. They are sealed when the kernel has
/// taken everything that was sent.
#[derive(Debug, Default)]
pub(super) struct OwedAnswers {
    /// Number of the last `Ping` that is not answered.
    pub(super) pong: Option<u64>,
    /// Number of a `Ping` of our own that is due.
    pub(super) ping: Option<u64>,
    /// Number of the last `Ping` of our own, while it is not answered.
    pub(super) unanswered: Option<u64>,
    pub(super) resume_probe: Probe,
    pub(super) read_probe: Probe,
    /// Fingerprint of the key that takes the place of ours.
    pub(super) next_key: Option<Fingerprint>,
}

/// `Ping` behind which something is known by its answer: of a `Resume` of ours, that the peer has
/// none ready; of everything else, that the peer has read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Probe {
    #[default]
    None,
    /// The next `Ping` of ours.
    Due,
    Sent,
}

impl Probe {
    /// A `Ping` of ours is sealed.
    fn ping_sent(&mut self) {
        if *self == Self::Due {
            *self = Self::Sent;
        }
    }

    /// Whether its `Ping` was answered, now that the last one was.
    pub(super) fn take_answered(&mut self) -> bool {
        let is_answered = *self == Self::Sent;
        if is_answered {
            *self = Self::None;
        }
        is_answered
    }
}

/// Bit in the number of a `Ping` that is a probe, so that no other has this number.
const PROBE: u64 = 1 << 63;

impl OwedAnswers {
    pub(super) fn pong(&mut self) -> Option<Record> {
        self.pong.take().map(Record::Pong)
    }

    pub(super) fn next_key(&mut self) -> Option<Record> {
        self.next_key.take().map(|fingerprint| Record::NextKey(*fingerprint.as_bytes()))
    }

    pub(super) fn next_ping(&mut self) -> Option<Record> {
        self.unanswered = Some(self.ping.take()?);
        self.resume_probe.ping_sent();
        self.read_probe.ping_sent();
        self.unanswered.map(Record::Ping)
    }

    /// Whether a `Pong` answers the last `Ping` of our own, for the first time.
    pub(super) fn takes_pong(&mut self, number: u64) -> bool {
        self.unanswered.take_if(|asked| *asked == number).is_some()
    }

    /// Asks whether the peer has a `Resume` ready.
    pub(super) fn probe_resume(&mut self, now: MonoMs) {
        self.ping.get_or_insert(now.0 | PROBE);
        self.resume_probe = Probe::Due;
    }

    /// Asks when the peer has read what was sent before.
    pub(super) fn probe_reading(&mut self, now: MonoMs) {
        self.ping.get_or_insert(now.0 | PROBE);
        self.read_probe = Probe::Due;
    }
}
