//! Transport phase of a session: sealed records, and the rules of their order
//! (`docs/PROTOCOL.md`, section 5). It is established once both sides' `Confirm` has been seen.

mod letters;
mod lobby;

use super::keepalive::IdleRecordCount;
use super::letters::LetterExchange;
use super::numbers::{InboundNumbers, Novelty, OutboundNumbers};
use super::owed::{OwedAnswers, Probe};
use super::rekeying::Rekeying;
use super::types::{CloseReason, Event, Output, Role, SendError, SessionConfig, Stage};
use crate::crypto::{Fingerprint, OpenKey, PublicKey, SealKey, Seed, Split, TranscriptHash};
use crate::limits::{self, TAG_BYTES};
use crate::time::{MonoMs, UnixMs};
use crate::wire::{
    ByeReason, Confirm, Count, Durability, FileTransfer, Frame, Introduction, LENGTH_BYTES, LOBBY, Letters,
    Lifetime, Padding, PairNumber, Purpose, REKEYING, Record, Resume, TransferRecord, WireError, begin_frame,
    end_frame,
};

/// Whether our `Resume` is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OwnResume {
    NotDue,
    /// As soon as what it says is on disk.
    Due,
}

/// Phase by what the side waits for.
enum Phase {
    /// Record 6, which is the responder's `Confirm`; ours, record 5, is out.
    Record6,
    /// Record 5, by which the initiator proves this key. Before it nothing of ours is sealed.
    Record5 { key: PublicKey, confirm: Record },
    /// The owner's judgement of the key that record 5 has proved; our own `Confirm` is record 6.
    Judgement { peer: Confirm, confirm: Record },
    /// The responder's consent: both sides have confirmed, and this is the peer's `Confirm`.
    Lobby { peer: Confirm },
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
    resume: OwnResume,
    now: MonoMs,
    role: Role,
    purpose: Purpose,
    /// How long it stands, where we opened it.
    lifetime: Lifetime,
    /// What we can, and once it is established what both sides can.
    durability: Durability,
    /// The same about files.
    file_transfer: FileTransfer,
    /// The same about letters.
    letters: Option<LetterExchange>,
    phase: Phase,
    /// What we present in a lobby, or what a caller has presented in ours.
    introduction: Option<Introduction>,
    outbound: OutboundNumbers,
    inbound: InboundNumbers,
    owed: OwedAnswers,
    idle: IdleRecordCount,
    nonce_exhausted: bool,
}

impl Transport {
    /// The initiator's, and its record 5.
    pub(super) fn initiator(split: Split, config: &SessionConfig) -> (Self, Option<Output>) {
        let lobby = if config.introduction.is_some() { LOBBY } else { 0 };
        let confirm = confirm(&split, config, lobby);
        let mut transport = Self::new(Role::Initiator, split, config, Phase::Record6);
        let record_5 = transport.seal(&confirm);
        (transport, record_5)
    }

    /// Transport of the responder: its own `Confirm` is not sent before record 5 has opened, which
    /// proves that the initiator holds this key.
    pub(super) fn responder(split: Split, config: &SessionConfig, key: PublicKey) -> Self {
        let confirm = confirm(&split, config, 0);
        Self::new(Role::Responder, split, config, Phase::Record5 { key, confirm })
    }

    fn new(role: Role, split: Split, config: &SessionConfig, phase: Phase) -> Self {
        let Split { seal, open, transcript, exporter } = split;
        Self {
            seal,
            open,
            transcript,
            letters: LetterExchange::new(role, &exporter, config),
            rekeying: Some(Rekeying::new(role, &exporter, transcript, config.rekeying, MonoMs(0))),
            seed_wanted: false,
            resume: OwnResume::NotDue,
            now: MonoMs(0),
            role,
            purpose: config.purpose,
            lifetime: config.lifetime,
            durability: config.durability,
            file_transfer: config.file_transfer,
            phase,
            introduction: config.introduction.clone().filter(|_| role == Role::Initiator),
            outbound: OutboundNumbers::default(),
            inbound: InboundNumbers::default(),
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

    pub(super) fn is_in_lobby(&self) -> bool {
        matches!(self.phase, Phase::Lobby { .. })
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
            Phase::Lobby { .. } => Stage::Lobby(self.role),
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

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn seal_key(&mut self) -> &mut SealKey {
        &mut self.seal
    }

    pub(super) fn is_nonce_exhausted(&self) -> bool {
        self.nonce_exhausted
    }

    /// Whether files can be sent and received.
    pub(super) fn can_transfer_files(&self) -> bool {
        self.is_established() && self.file_transfer == FileTransfer::Supported
    }

    /// Seals a record of file transfer.
    pub(super) fn send_transfer(&mut self, record: TransferRecord) -> Result<Option<Output>, SendError> {
        if !self.can_transfer_files() {
            return Err(SendError::NoFiles);
        }
        Ok(self.seal(&Record::Transfer(record)))
    }

    /// Takes note of a record of file transfer that brought nothing new.
    pub(super) fn note_idle(&mut self, now: MonoMs) -> Result<(), CloseReason> {
        self.idle.spend(now)
    }

    /// Whether messages can count for the pair.
    pub(super) fn is_durable(&self) -> bool {
        self.is_established() && self.durability == Durability::Pair
    }

    /// Seals a message that counts for the connection; its number, and the record.
    pub(super) fn send(&mut self, text: &str, now: UnixMs) -> Result<(u64, Option<Output>), SendError> {
        self.check_text(text)?;
        let seq = self.outbound.count_for_connection()?;
        let record = Record::Text { seq, time_ms: now.0, text: text.as_bytes().to_vec() };
        Ok((seq, self.seal(&record)))
    }

    /// Seals a message with its number of the pair.
    pub(super) fn send_numbered(
        &mut self,
        seq: u64,
        text: &str,
        typed: UnixMs,
    ) -> Result<Option<Output>, SendError> {
        self.check_text(text)?;
        self.outbound.count_for_pair(seq)?;
        Ok(self.seal(&Record::Text { seq, time_ms: typed.0, text: text.as_bytes().to_vec() }))
    }

    /// Seals a message that was taken back.
    pub(super) fn skip(&mut self, seq: u64) -> Result<Option<Output>, SendError> {
        self.outbound.count_for_pair(seq)?;
        Ok(self.seal(&Record::Skip { seq }))
    }

    fn check_text(&self, text: &str) -> Result<(), SendError> {
        if !self.is_established() || self.is_pipe() {
            return Err(SendError::NotEstablished);
        }
        if text.len() > limits::MESSAGE_BYTES {
            return Err(SendError::TooLong { bytes: text.len() });
        }
        Ok(())
    }

    /// Notes that our `Resume` follows: until then no `Pong` tells the peer that there is none.
    pub(super) fn prepare_resume(&mut self) {
        self.resume = OwnResume::Due;
    }

    /// Seals our `Resume`.
    pub(super) fn resume(&mut self, now: MonoMs, resume: &Resume) -> Result<Option<Output>, SendError> {
        if !self.is_durable() {
            return Err(SendError::NotDurable);
        }
        self.outbound.resume(resume)?;
        self.resume = OwnResume::NotDue;
        self.inbound.resume(resume);
        if !self.inbound.is_resumed() {
            self.owed.probe_resume(now);
        }
        Ok(self.seal(&Record::Resume(*resume)))
    }

    pub(super) fn kept(&mut self, upto: PairNumber) {
        self.inbound.kept(upto);
    }

    pub(super) fn ack(&mut self, upto: Count) {
        self.inbound.ack(upto);
    }

    pub(super) fn forgo(&mut self, upto: Count) {
        self.inbound.forgo(upto);
    }

    /// The next answer that is owed for the peer's messages, sealed.
    pub(super) fn next_receipt(&mut self) -> Option<Output> {
        let answer = self.inbound.next_answer()?;
        self.seal(&answer)
    }

    /// Whether every message of the peer is acknowledged or given up.
    pub(super) fn owes_no_receipt(&self) -> bool {
        self.inbound.owes_no_receipt()
    }

    pub(super) fn announce_key(&mut self, fingerprint: Fingerprint) {
        self.owed.next_key = Some(fingerprint);
    }

    pub(super) fn probe_reading(&mut self, now: MonoMs) {
        self.owed.probe_reading(now);
    }

    pub(super) fn ping(&mut self, number: u64) {
        self.owed.ping.get_or_insert(number);
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
        let pong = if self.resume == OwnResume::Due { None } else { self.owed.pong() };
        let record = pong
            .or_else(|| self.inbound.next_answer())
            .or_else(|| self.owed.next_key())
            .or_else(|| self.owed.next_ping())?;
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

    /// What is owed for the peer's messages, the next key, and `Bye`, if the peer has shown that it
    /// can open them.
    pub(super) fn bye(&mut self, reason: ByeReason) -> Vec<Output> {
        if !self.is_established() && !self.is_in_lobby() {
            return Vec::new();
        }
        let mut records: Vec<_> = std::iter::from_fn(|| self.inbound.next_answer()).collect();
        records.extend(self.owed.next_key());
        records.push(Record::Bye(reason));
        records.iter().filter_map(|record| self.seal(record)).collect()
    }

    /// Opens a frame and gives what its record causes.
    pub(super) fn handle_frame(&mut self, now: MonoMs, frame: Frame<'_>) -> Result<Vec<Output>, CloseReason> {
        self.now = now;
        let record = self.open(frame)?;
        if self.is_in_lobby() {
            return self.handle_in_lobby(record);
        }
        if !self.is_established() {
            return self.handle_confirm(record);
        }
        let output = match record {
            Record::Text { seq, time_ms, text } => {
                let (count, novelty) = self.inbound.receive(seq)?;
                self.note(now, novelty)?;
                Some(Output::Event(Event::Message { count, sent: UnixMs(time_ms), text }))
            }
            Record::Receipt { upto } => {
                let upto = self.outbound.handle_receipt(upto)?;
                self.note(now, Novelty::of(upto.as_ref()))?;
                upto.map(|upto| Output::Event(Event::Acked { upto }))
            }
            Record::Resume(_) | Record::Kept { .. } | Record::Skip { .. } if !self.is_durable() => {
                return Err(CloseReason::ProtocolViolation);
            }
            Record::Resume(resume) => {
                self.idle.spend(now)?;
                self.inbound.handle_resume(&resume)?;
                self.outbound.handle_resume(&resume);
                self.owed.resume_probe = Probe::None;
                Some(Output::Event(Event::Resumed(resume)))
            }
            Record::Kept { upto } => {
                let upto = self.outbound.handle_kept(upto)?;
                self.note(now, Novelty::of(upto.as_ref()))?;
                upto.map(|upto| Output::Event(Event::Kept { upto }))
            }
            Record::Skip { seq } => {
                let (number, novelty) = self.inbound.receive_for_pair(seq)?;
                self.note(now, novelty)?;
                Some(Output::Event(Event::Skipped(number)))
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
                    return Ok(Vec::new());
                }
                let declined = self.owed.resume_probe.take_answered().then_some(Event::ResumeDeclined);
                let has_read = self.owed.read_probe.take_answered().then_some(Event::HasRead);
                return Ok(declined.into_iter().chain(has_read).map(Output::Event).collect());
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
            Record::LetterKey { key, expires_ms } => {
                Some(Output::Event(self.handle_letter_key(key.as_slice(), expires_ms)?))
            }
            Record::Ignorable => {
                self.idle.spend(now)?;
                None
            }
            // Whether it is idle, its owner knows: [`Transport::note_idle`].
            Record::Transfer(record) if self.can_transfer_files() => {
                Some(Output::Event(Event::Transfer(record)))
            }
            Record::Bye(reason) => return Err(CloseReason::Bye(reason.in_conversation())),
            Record::Confirm(_)
            | Record::Invite(_)
            | Record::Knock(_)
            | Record::Admitted
            | Record::Data(_)
            | Record::End { .. }
            | Record::Stored { .. }
            | Record::Transfer(_) => {
                return Err(CloseReason::ProtocolViolation);
            }
        };
        Ok(output.into_iter().collect())
    }

    /// Spends or renews the budget of idle records.
    fn note(&mut self, now: MonoMs, novelty: Novelty) -> Result<(), CloseReason> {
        match novelty {
            Novelty::New => self.idle.reset(),
            Novelty::Idle => self.idle.spend(now)?,
        }
        Ok(())
    }

    fn handle_confirm(&mut self, record: Record) -> Result<Vec<Output>, CloseReason> {
        let peer = match record {
            Record::Confirm(peer) if self.transcript.ct_eq(&peer.transcript) => peer,
            _ => return Err(CloseReason::Handshake),
        };
        match std::mem::replace(&mut self.phase, Phase::Established) {
            Phase::Record5 { key, confirm } => {
                self.phase = Phase::Judgement { peer, confirm };
                Ok(vec![Output::Event(Event::PeerKey(key))])
            }
            _ if peer.options & LOBBY != 0 && self.introduction.is_some() => {
                self.phase = Phase::Lobby { peer };
                let record = match self.introduction.clone() {
                    Some(Introduction::Invitation(token)) => self.seal(&Record::Invite(token)),
                    Some(Introduction::Knock(text)) => self.seal(&Record::Knock(text.into_bytes())),
                    None => None,
                };
                Ok(record.into_iter().chain([Output::Event(Event::Presented)]).collect())
            }
            _ => Ok(vec![Output::Event(self.establish(peer))]),
        }
    }

    /// Settles what both sides can do.
    fn establish(&mut self, peer: Confirm) -> Event {
        if peer.options & REKEYING == 0 {
            self.rekeying = None;
        }
        if let Some(rekeying) = &mut self.rekeying {
            rekeying.restart(self.now);
        }
        // Only who opened the connection says how long it stands.
        let lifetime = match self.role {
            Role::Initiator => self.lifetime,
            Role::Responder => Lifetime::of_options(peer.options),
        };
        if self.purpose == Purpose::Pipe || lifetime == Lifetime::Short {
            self.durability = Durability::Connection;
        } else if self.durability == Durability::Pair {
            self.durability = Durability::of_options(peer.options);
        }
        if self.purpose == Purpose::Pipe {
            self.file_transfer = FileTransfer::Unsupported;
        } else if self.file_transfer == FileTransfer::Supported {
            self.file_transfer = FileTransfer::of_options(peer.options);
        }
        self.letters = self.letters.take().filter(|_| {
            self.durability == Durability::Pair && Letters::of_options(peer.options) == Letters::Supported
        });
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

    fn open(&mut self, Frame { length, body }: Frame<'_>) -> Result<Record, CloseReason> {
        match self.open.open(&length, body) {
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
fn confirm(split: &Split, config: &SessionConfig, lobby: u32) -> Record {
    Record::Confirm(Confirm {
        transcript: *split.transcript.as_bytes(),
        options: config.lifetime.options()
            | config.durability.options()
            | config.file_transfer.options()
            | config.letters.options()
            | REKEYING
            | lobby,
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
