//! Transport phase of a session: sealed records, and the rules of their order
//! (`docs/PROTOCOL.md`, section 5). It is established once both sides' `Confirm` has been seen.

use super::keepalive::IdleRecordCount;
use super::rekeying::Rekeying;
use super::types::{CloseReason, Event, Output, Role, SendError, SessionConfig, Stage};
use crate::crypto::{Fingerprint, OpenKey, PublicKey, SealKey, Seed, Split, TranscriptHash};
use crate::limits::{self, TAG_BYTES};
use crate::time::{MonoMs, UnixMs};
use crate::wire::{
    ByeReason, Confirm, Frame, LENGTH_BYTES, Padding, Purpose, REKEYING, Record, WireError, begin_frame,
    end_frame,
};

/// Answers that are owed to the peer: state, one of each kind, so that a peer that asks and never
/// reads costs nothing more. They are sealed when the kernel has taken everything that was sent.
#[derive(Debug, Default)]
struct OwedAnswers {
    /// Number of the last `Ping` that is not answered.
    pong: Option<u64>,
    /// Number of a `Ping` of our own that is due.
    ping: Option<u64>,
    /// Number of the last `Ping` of our own, while it is not answered.
    unanswered: Option<u64>,
    /// Fingerprint of the key that takes the place of ours.
    next_key: Option<Fingerprint>,
    /// Highest number of the peer's that has been shown.
    shown: u64,
    /// Highest number of the peer's that we have acknowledged.
    acked: u64,
    /// Highest number of the peer's that nobody will see.
    forgone: u64,
}

impl OwedAnswers {
    /// The next answer, if one is owed.
    fn next(&mut self) -> Option<Record> {
        if let Some(number) = self.pong.take() {
            return Some(Record::Pong(number));
        }
        if let Some(receipt) = self.receipt() {
            return Some(receipt);
        }
        self.next_key().or_else(|| self.next_ping())
    }

    fn next_key(&mut self) -> Option<Record> {
        self.next_key.take().map(|fingerprint| Record::NextKey(*fingerprint.as_bytes()))
    }

    fn next_ping(&mut self) -> Option<Record> {
        self.unanswered = Some(self.ping.take()?);
        self.unanswered.map(Record::Ping)
    }

    /// Whether a `Pong` answers the last `Ping` of our own, for the first time.
    fn takes_pong(&mut self, number: u64) -> bool {
        self.unanswered.take_if(|asked| *asked == number).is_some()
    }

    /// One receipt for everything that was shown since the last.
    fn receipt(&mut self) -> Option<Record> {
        let upto = self.shown;
        let is_owed = upto > self.acked;
        self.acked = upto;
        is_owed.then_some(Record::Receipt { upto })
    }
}

/// Phase by what the side waits for.
enum Phase {
    /// Record 6, which is the responder's `Confirm`; ours, record 5, is out.
    Record6,
    /// Record 5, by which the initiator proves this key. Before it nothing of ours is sealed.
    Record5 { key: PublicKey, confirm: Record },
    /// The owner's judgement of the key that record 5 has proved; our own `Confirm` is record 6.
    Judgement { peer: Confirm, confirm: Record },
    /// Nothing: both sides have confirmed.
    Established,
}

pub(super) struct Transport {
    seal: SealKey,
    open: OpenKey,
    transcript: TranscriptHash,
    /// Re-keying, where both sides can.
    rekeying: Option<Rekeying>,
    /// Whether fresh randomness for it was asked for: what is owed waits behind it.
    seed_wanted: bool,
    now: MonoMs,
    purpose: Purpose,
    phase: Phase,
    /// Number of the last message that we sent.
    sent: u64,
    /// Highest number of ours that the peer has acknowledged.
    peer_acked: u64,
    /// Number of the last message that we received.
    received: u64,
    owed: OwedAnswers,
    idle: IdleRecordCount,
    nonce_exhausted: bool,
}

impl Transport {
    /// The initiator's, and its record 5.
    pub(super) fn initiator(split: Split, config: &SessionConfig) -> (Self, Option<Output>) {
        let confirm = confirm(&split, config);
        let mut transport = Self::new(Role::Initiator, split, config, Phase::Record6);
        let record_5 = transport.seal(&confirm);
        (transport, record_5)
    }

    /// Transport of the responder: its own `Confirm` is not sent before record 5 has opened, which
    /// proves that the initiator holds this key.
    pub(super) fn responder(split: Split, config: &SessionConfig, key: PublicKey) -> Self {
        let confirm = confirm(&split, config);
        Self::new(Role::Responder, split, config, Phase::Record5 { key, confirm })
    }

    fn new(role: Role, split: Split, config: &SessionConfig, phase: Phase) -> Self {
        let Split { seal, open, transcript, exporter } = split;
        Self {
            seal,
            open,
            transcript,
            rekeying: Some(Rekeying::new(role, &exporter, transcript, config.rekeying, MonoMs(0))),
            seed_wanted: false,
            now: MonoMs(0),
            purpose: config.purpose,
            phase,
            sent: 0,
            peer_acked: 0,
            received: 0,
            owed: OwedAnswers::default(),
            idle: IdleRecordCount::default(),
            nonce_exhausted: false,
        }
    }

    /// Takes the owner's consent to the key that record 5 has proved: sends record 6.
    pub(super) fn accept_key(&mut self, now: MonoMs) -> Vec<Output> {
        self.now = now;
        match std::mem::replace(&mut self.phase, Phase::Established) {
            Phase::Judgement { peer, confirm } => {
                let established = Output::Event(self.establish(peer));
                self.seal(&confirm).into_iter().chain([established]).collect()
            }
            phase => {
                self.phase = phase;
                Vec::new()
            }
        }
    }

    pub(super) fn awaits_judgement(&self) -> bool {
        matches!(self.phase, Phase::Judgement { .. })
    }

    pub(super) fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Established)
    }

    /// How far the handshake is, for the time that it may take.
    pub(super) fn stage(&self) -> Stage {
        match self.phase {
            Phase::Record5 { .. } => Stage::InitiatorJudges,
            Phase::Record6 | Phase::Judgement { .. } => Stage::ResponderJudges,
            Phase::Established => Stage::Established,
        }
    }

    /// Whether this is an established pipe: what follows belongs to its two halves.
    pub(super) fn is_pipe(&self) -> bool {
        self.is_established() && self.purpose == Purpose::Pipe
    }

    /// Keys of both directions, and the re-keying, for the halves of a pipe.
    pub(super) fn into_parts(self) -> (SealKey, OpenKey, Option<Rekeying>) {
        (self.seal, self.open, self.rekeying)
    }

    pub(super) fn is_nonce_exhausted(&self) -> bool {
        self.nonce_exhausted
    }

    /// Seals a message; its number, and the record.
    pub(super) fn send(&mut self, text: &str, now: UnixMs) -> Result<(u64, Option<Output>), SendError> {
        if !self.is_established() || self.is_pipe() {
            return Err(SendError::NotEstablished);
        }
        if text.len() > limits::MESSAGE_BYTES {
            return Err(SendError::TooLong { bytes: text.len() });
        }
        self.sent += 1;
        let record = Record::Text { seq: self.sent, time_ms: now.0, text: text.as_bytes().to_vec() };
        Ok((self.sent, self.seal(&record)))
    }

    pub(super) fn ack(&mut self, upto: u64) {
        self.owed.shown = self.owed.shown.max(upto.min(self.received));
    }

    pub(super) fn forgo(&mut self, upto: u64) {
        self.owed.forgone = self.owed.forgone.max(upto.min(self.received));
    }

    /// The receipt that is owed, sealed.
    pub(super) fn next_receipt(&mut self) -> Option<Output> {
        let receipt = self.owed.receipt()?;
        self.seal(&receipt)
    }

    /// Whether every message of the peer is acknowledged or given up.
    pub(super) fn owes_no_receipt(&self) -> bool {
        self.owed.acked.max(self.owed.forgone) >= self.received
    }

    pub(super) fn announce_key(&mut self, fingerprint: Fingerprint) {
        self.owed.next_key = Some(fingerprint);
    }

    pub(super) fn ping(&mut self, number: u64) {
        self.owed.ping = Some(number);
    }

    /// The next answer that is owed, sealed. A record of a re-keying comes before all others.
    pub(super) fn next_answer(&mut self) -> Option<Output> {
        if !self.is_established() || self.is_pipe() || self.seed_wanted {
            return None;
        }
        if self.rekeying.as_ref().is_some_and(|rekeying| rekeying.is_due(self.now, self.seal.bytes())) {
            self.seed_wanted = true;
            return Some(Output::WantSeed);
        }
        let record = self.owed.next()?;
        self.seal(&record)
    }

    /// Takes fresh randomness for the record of a re-keying that is due.
    pub(super) fn handle_seed(&mut self, now: MonoMs, seed: &Seed) -> Option<Output> {
        self.now = now;
        self.seed_wanted = false;
        let step = self.rekeying.as_mut()?.step(now, seed)?;
        let record = self.seal(&step.record);
        if let Some(next) = step.next {
            self.seal = next;
        }
        self.owed.ping = step.ping.or(self.owed.ping);
        record
    }

    /// Notes the time. Returns whether the peer owes its part of a re-keying for too long.
    pub(super) fn handle_timeout(&mut self, now: MonoMs) -> bool {
        self.now = now;
        self.rekeying.as_ref().is_some_and(|rekeying| rekeying.is_overdue(now))
    }

    /// When [`Transport::handle_timeout`] is next due.
    pub(super) fn poll_timeout(&self) -> Option<MonoMs> {
        // What is due already waits for the kernel, or for the seed.
        self.rekeying.as_ref()?.poll_timeout().filter(|due| *due > self.now)
    }

    /// The receipt and the next key that are owed, and `Bye`, if the peer has shown that it can
    /// open them.
    pub(super) fn bye(&mut self, reason: ByeReason) -> Vec<Output> {
        if !self.is_established() {
            return Vec::new();
        }
        let (receipt, next_key) = (self.owed.receipt(), self.owed.next_key());
        let records = receipt.into_iter().chain(next_key).chain([Record::Bye(reason)]);
        records.filter_map(|record| self.seal(&record)).collect()
    }

    /// Opens a frame and gives what its record causes.
    pub(super) fn handle_frame(&mut self, now: MonoMs, frame: Frame) -> Result<Vec<Output>, CloseReason> {
        self.now = now;
        let record = self.open(frame)?;
        if !self.is_established() {
            return self.handle_confirm(record);
        }
        let output = match record {
            Record::Text { seq, time_ms, text } if seq == self.received + 1 => {
                self.received = seq;
                self.idle.reset();
                Some(Output::Event(Event::Message { seq, sent: UnixMs(time_ms), text }))
            }
            Record::Receipt { upto } if upto > self.sent => return Err(CloseReason::ProtocolViolation),
            Record::Receipt { upto } if upto > self.peer_acked => {
                self.peer_acked = upto;
                self.idle.reset();
                Some(Output::Event(Event::Acked { upto }))
            }
            Record::Ping(number) => {
                self.idle.spend(now)?;
                self.owed.pong = Some(number);
                None
            }
            Record::NextKey(fingerprint) => {
                self.idle.spend(now)?;
                Some(Output::Event(Event::NextKey(Fingerprint::from_bytes(fingerprint))))
            }
            Record::Pong(number) => {
                if let Some(rekeying) = &mut self.rekeying {
                    rekeying.handle_pong(now, number);
                }
                // What we asked for ourselves is not the peer's doing.
                if !self.owed.takes_pong(number) {
                    self.idle.spend(now)?;
                }
                None
            }
            Record::Rekey(public) => {
                self.idle.spend(now)?;
                self.rekeying()?.handle_public(&public)?;
                None
            }
            Record::Rekeyed(body) => {
                self.open = self.rekeying()?.handle_answer(now, &body)?;
                None
            }
            Record::Receipt { .. } | Record::Ignorable => {
                self.idle.spend(now)?;
                None
            }
            Record::Bye(reason) => return Err(CloseReason::Bye(reason.in_conversation())),
            Record::Text { .. }
            | Record::Confirm(_)
            | Record::Data(_)
            | Record::End { .. }
            | Record::Stored { .. } => return Err(CloseReason::ProtocolViolation),
        };
        Ok(output.into_iter().collect())
    }

    fn handle_confirm(&mut self, record: Record) -> Result<Vec<Output>, CloseReason> {
        let peer = match record {
            Record::Confirm(peer) if self.transcript.ct_eq(&peer.transcript) => peer,
            _ => return Err(CloseReason::Handshake),
        };
        let (phase, event) = match std::mem::replace(&mut self.phase, Phase::Established) {
            Phase::Record5 { key, confirm } => (Phase::Judgement { peer, confirm }, Event::PeerKey(key)),
            _ => (Phase::Established, self.establish(peer)),
        };
        self.phase = phase;
        Ok(vec![Output::Event(event)])
    }

    /// Settles what both sides can do.
    fn establish(&mut self, peer: Confirm) -> Event {
        if peer.options & REKEYING == 0 {
            self.rekeying = None;
        }
        if let Some(rekeying) = &mut self.rekeying {
            rekeying.restart(self.now);
        }
        Event::Established { name: peer.name, options: peer.options }
    }

    /// The re-keying, of which records come only where both sides have said that they can.
    fn rekeying(&mut self) -> Result<&mut Rekeying, CloseReason> {
        self.rekeying.as_mut().ok_or(CloseReason::ProtocolViolation)
    }

    pub(super) fn seal(&mut self, record: &Record) -> Option<Output> {
        let padding = match self.purpose {
            Purpose::Chat => Padding::Chat,
            Purpose::Pipe => Padding::Bulk,
        };
        let frame = seal_frame(&mut self.seal, record, padding);
        self.nonce_exhausted |= frame.is_err();
        frame.ok().map(Output::Transmit)
    }

    fn open(&mut self, mut frame: Frame) -> Result<Record, CloseReason> {
        match self.open.open(&frame.length, &mut frame.body) {
            Ok(plaintext) => {
                let record = Record::read(plaintext).map_err(CloseReason::Wire);
                if let Some(rekeying) = &mut self.rekeying {
                    rekeying.note_opened(self.open.bytes());
                }
                record
            }
            Err(_) if self.is_established() => Err(CloseReason::Record),
            Err(_) => Err(CloseReason::Handshake),
        }
    }
}

/// Our own `Confirm`.
fn confirm(split: &Split, config: &SessionConfig) -> Record {
    Record::Confirm(Confirm {
        transcript: *split.transcript.as_bytes(),
        options: config.lifetime.options() | REKEYING,
        name: config.name.as_bytes().to_vec(),
    })
}

/// Seals one record as a frame, whose length is the associated data.
pub(super) fn seal_frame(key: &mut SealKey, record: &Record, padding: Padding) -> Result<Vec<u8>, WireError> {
    let mut frame = Vec::new();
    let at = begin_frame(&mut frame);
    record.write(padding, &mut frame)?;
    let end = frame.len();
    frame.resize(end + TAG_BYTES, 0);
    end_frame(&mut frame, at)?;
    frame.truncate(end);
    let (length, plaintext) = frame.split_first_chunk_mut::<LENGTH_BYTES>().ok_or(WireError::Malformed)?;
    let tag = key.seal(length, plaintext).map_err(|_| WireError::TooLong)?;
    frame.extend_from_slice(&tag);
    Ok(frame)
}
