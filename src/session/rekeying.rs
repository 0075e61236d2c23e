//! Re-keying of an established session (`docs/PROTOCOL.md`, section 5.6): who sends what, and when
//! each direction changes its key. The two halves of a pipe share it.

use super::types::{CloseReason, RekeyThresholds, Role};
use crate::crypto::{
    ChainSecret, ExporterSecret, NewKeys, OpenKey, RekeyingKey, RekeyingPublicKey, SealKey, Seed,
    TranscriptHash,
};
use crate::limits;
use crate::time::MonoMs;
use crate::wire::Record;

/// Progress of the re-keyings of a session.
pub(super) struct Rekeying {
    role: Role,
    chain: ChainSecret,
    transcript: TranscriptHash,
    thresholds: RekeyThresholds,
    phase: Phase,
    /// Moment of the last change of keys.
    changed: MonoMs,
    /// Whether as many bytes as the threshold were opened.
    much: bool,
    probe: Probe,
}

enum Phase {
    /// No re-keying is under way.
    Idle,
    /// Responder: record 33 is due for this key.
    Asked(RekeyingPublicKey),
    /// Initiator: record 32 is out, and 33 is awaited.
    AwaitsCiphertext(RekeyingKey),
    /// Initiator: its own 33 is due, behind which this key seals.
    AnswerDue(SealKey),
    /// Responder: its 33 is out, and the initiator's awaited, behind which this key opens.
    AwaitsMark(OpenKey),
}

/// `Ping` behind our own record: a side that does not read is given time, one that reads is not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Probe {
    None,
    /// Sent with this number.
    Sent(u64),
    /// Answered, so the peer has read our record: the time runs from here.
    Answered(MonoMs),
}

/// What a re-keying sends.
pub(super) struct RekeyStep {
    /// Record under the key before.
    pub(super) record: Record,
    /// Key of what is sealed behind it, if it changes.
    pub(super) next: Option<SealKey>,
    /// Number of the `Ping` behind it, if the peer owes something then.
    pub(super) ping: Option<u64>,
}

impl Rekeying {
    pub(super) fn new(
        role: Role,
        exporter: &ExporterSecret,
        transcript: TranscriptHash,
        thresholds: RekeyThresholds,
        now: MonoMs,
    ) -> Self {
        let chain = ChainSecret::new(exporter);
        Self {
            role,
            chain,
            transcript,
            thresholds,
            phase: Phase::Idle,
            changed: now,
            much: false,
            probe: Probe::None,
        }
    }

    /// Begins to count time, on this clock.
    pub(super) fn restart(&mut self, now: MonoMs) {
        self.changed = now;
    }

    /// Bytes in one direction after which this side re-keys, if it is the one that does.
    pub(super) fn threshold(&self) -> Option<u64> {
        (self.role == Role::Initiator).then_some(self.thresholds.bytes)
    }

    /// Takes note of the bytes that were opened under one key. Returns whether that is a reason to
    /// re-key which was not there before.
    pub(super) fn note_opened(&mut self, bytes: u64) -> bool {
        let is_much = self.threshold().is_some_and(|threshold| bytes >= threshold);
        is_much && matches!(self.phase, Phase::Idle) && !std::mem::replace(&mut self.much, true)
    }

    /// Whether a record is due, after so many bytes that were sealed under one key.
    pub(super) fn is_due(&self, now: MonoMs, sealed: u64) -> bool {
        match self.phase {
            Phase::Idle => {
                let is_much = self.much || sealed >= self.thresholds.bytes;
                self.role == Role::Initiator && (is_much || now >= self.changed + self.thresholds.after_ms)
            }
            Phase::Asked(_) | Phase::AnswerDue(_) => true,
            Phase::AwaitsCiphertext(_) | Phase::AwaitsMark(_) => false,
        }
    }

    /// The record that is due, if one is, made with fresh randomness.
    pub(super) fn step(&mut self, now: MonoMs, seed: &Seed) -> Option<RekeyStep> {
        self.much = false;
        let (phase, record, next) = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle if self.role == Role::Initiator => {
                let (key, public) = RekeyingKey::generate(seed);
                (Phase::AwaitsCiphertext(key), Record::Rekey(public), None)
            }
            Phase::Asked(public) => {
                let (ciphertext, NewKeys { seal, open }) = self.chain.answer(&self.transcript, &public, seed);
                (Phase::AwaitsMark(open), Record::Rekeyed(ciphertext), Some(seal))
            }
            Phase::AnswerDue(seal) => {
                self.changed = now;
                (Phase::Idle, Record::Rekeyed(Vec::new()), Some(seal))
            }
            phase => {
                self.phase = phase;
                return None;
            }
        };
        let ping = (!matches!(phase, Phase::Idle)).then_some(now.0);
        self.phase = phase;
        self.probe = ping.map_or(Probe::None, Probe::Sent);
        Some(RekeyStep { record, next, ping })
    }

    /// Takes record 32.
    pub(super) fn handle_public(&mut self, public: &[u8]) -> Result<(), CloseReason> {
        let key = RekeyingPublicKey::read(public).map_err(|_| CloseReason::ProtocolViolation)?;
        match (self.role, &self.phase) {
            (Role::Responder, Phase::Idle) => {
                self.phase = Phase::Asked(key);
                Ok(())
            }
            // A second one before the initiator's 33, or one of the responder.
            _ => Err(CloseReason::ProtocolViolation),
        }
    }

    /// Takes record 33; the key that opens what comes behind it.
    pub(super) fn handle_answer(&mut self, now: MonoMs, body: &[u8]) -> Result<OpenKey, CloseReason> {
        self.probe = Probe::None;
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::AwaitsCiphertext(key) => {
                let keys = self.chain.finish(&self.transcript, &key, body);
                let NewKeys { seal, open } = keys.map_err(|_| CloseReason::ProtocolViolation)?;
                self.phase = Phase::AnswerDue(seal);
                Ok(open)
            }
            Phase::AwaitsMark(open) if body.is_empty() => {
                self.changed = now;
                Ok(open)
            }
            _ => Err(CloseReason::ProtocolViolation),
        }
    }

    /// Takes a `Pong` of our own `Ping`.
    pub(super) fn handle_pong(&mut self, now: MonoMs, number: u64) {
        if self.probe == Probe::Sent(number) {
            self.probe = Probe::Answered(now);
        }
    }

    /// When [`Rekeying::is_overdue`] or [`Rekeying::is_due`] is next to be looked at.
    pub(super) fn poll_timeout(&self) -> Option<MonoMs> {
        match (&self.phase, self.probe) {
            (_, Probe::Answered(since)) => Some(since + limits::REKEY_TIMEOUT_MS),
            (Phase::Idle, _) if self.role == Role::Initiator => Some(self.changed + self.thresholds.after_ms),
            _ => None,
        }
    }

    /// Whether the peer reads and owes its part for too long.
    pub(super) fn is_overdue(&self, now: MonoMs) -> bool {
        matches!(self.probe, Probe::Answered(since) if now >= since + limits::REKEY_TIMEOUT_MS)
    }
}
