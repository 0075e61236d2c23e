//! Encrypted session with one peer, without I/O: bytes and moments come in, [`Output`]s come out.
//!
//! Laws:
//! - **Drain**: after every call, [`Session::poll_output`] until `None` before the next call.
//! - **Poison**: after a failure comes [`Event::Closed`], once, and everything after is ignored.
//! - **Trust pause**: between [`Event::PeerKey`] and [`Session::accept_key`] nothing is sealed, and
//!   nothing that the peer sends is opened. The initiator pauses before it seals anything to the
//!   responder's key; the responder when record 5 has proved the initiator's: until then it answers
//!   every key alike, so that nobody learns who is in its book.
//! - **The lobby is silent**: between [`Session::accept_into_lobby`] and [`Session::admit`] a
//!   caller presents itself, once, and nothing else passes.
//! - **A pipe is two halves**: once established, a session of that purpose takes no more bytes; its
//!   owner turns it into a [`Pipe`].
//! - **A cut is not a close**: only a `Bye` record ends a session in an orderly way; the end of the
//!   stream alone is [`CloseReason::ConnectionLost`].
//! - **The end comes last**: what the peer did to end the session is told once every record before
//!   it was used, and every message of it acknowledged, or given up by [`Session::forgo`].

mod any;
mod handshake;
mod judgement;
mod keepalive;
mod letters;
mod numbers;
mod oaep;
mod owed;
pub mod pipe;
mod rekeying;
#[cfg(test)]
mod tests;
mod transport;
mod types;
#[cfg(any(test, feature = "fuzzing"))]
mod unsealed;

use std::collections::VecDeque;

use crate::crypto::{Fingerprint, JobResult, Seed};
use crate::limits;
use crate::time::{MonoMs, UnixMs};
use crate::wire::{
    ByeReason, Count, Frames, LENGTH_BYTES, PREFACE_BYTES, PairNumber, PrefaceProgress, Resume,
    TransferRecord, WireError,
};
pub(crate) use any::AnySession;
use handshake::{Handshake, HandshakeInput, Step};
use keepalive::{Keepalive, KeepaliveAction, ReadState};
pub use oaep::{EXIT, OaepCloseReason, OaepEvent, OaepRole, OaepSession};
use pipe::Pipe;
use transport::Transport;
use types::Stage;
pub use types::{CloseReason, Event, Output, RekeyThresholds, Role, SendError, SessionConfig};

/// Encrypted session with one peer.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct Session {
    state: State,
    frames: Frames,
    outputs: VecDeque<Output>,
    stage: Stage,
    handshake_deadline: MonoMs,
    keepalive: Keepalive,
    write: WriteState,
    peer_stream: PeerStream,
    /// Why the peer ended the established session, while messages of it are not acknowledged.
    ending: Option<CloseReason>,
}

/// Whether the kernel has taken everything that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum WriteState {
    Drained,
    /// Bytes wait: answers that are owed are not sealed.
    Blocked,
}

/// The peer's direction of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PeerStream {
    Open,
    /// Nothing follows what has arrived.
    Ended,
}

enum State {
    Handshake(Box<Handshake>),
    Transport(Box<Transport>),
    Closed,
}

/// The handshake's alert: a frame of no bytes.
const ALERT: [u8; LENGTH_BYTES] = [0; LENGTH_BYTES];
/// Answer of a busy listener, in the place of message 2 or 4: a frame of one byte.
const BUSY: [u8; LENGTH_BYTES + 1] = [0, 1, BUSY_BODY];
const BUSY_BODY: u8 = 1;

impl Session {
    /// Begins a session. `seed` is its only randomness.
    #[must_use]
    pub fn new(role: Role, config: SessionConfig, seed: Seed, now: MonoMs) -> Self {
        let (handshake, first) = Handshake::new(role, config, seed);
        Self {
            state: State::Handshake(Box::new(handshake)),
            frames: Frames::default(),
            outputs: first.into_iter().collect(),
            stage: Stage::Opening,
            handshake_deadline: now + limits::HANDSHAKE_TIMEOUT_MS,
            keepalive: Keepalive::new(now),
            write: WriteState::Drained,
            peer_stream: PeerStream::Open,
            ending: None,
        }
    }

    /// The next output, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            self.seal_owed();
        }
        let output = self.outputs.pop_front();
        if self.outputs.is_empty() {
            // An idle session keeps no queue.
            self.outputs = VecDeque::new();
        }
        output
    }

    /// Takes bytes that have arrived, in whatever pieces.
    pub fn handle_bytes(&mut self, now: MonoMs, bytes: &[u8]) {
        if matches!(self.state, State::Closed) {
            return;
        }
        self.frames.push(bytes);
        self.advance(now);
    }

    /// Takes the result of the job that was asked for.
    pub fn handle_job(&mut self, now: MonoMs, result: JobResult) {
        self.step(HandshakeInput::Job(result));
        self.enter_stage(now);
        self.advance(now);
    }

    /// Takes the fresh randomness that was asked for.
    pub fn handle_seed(&mut self, now: MonoMs, seed: &Seed) {
        if let State::Transport(transport) = &mut self.state
            && self.ending.is_none()
        {
            self.outputs.extend(transport.handle_seed(now, seed));
        }
    }

    /// Takes the end of the peer's stream, orderly or by an error. Unless a `Bye` came before, both
    /// are a cut, which is judged when no record is left that can be used.
    pub fn handle_eof(&mut self) {
        self.peer_stream = PeerStream::Ended;
        self.judge_eof();
    }

    /// Does what is due: ends a late handshake, pings a silent peer, gives it up.
    pub fn handle_timeout(&mut self, now: MonoMs) {
        let is_ending = self.is_ending();
        match &mut self.state {
            State::Closed => {}
            State::Transport(_) if is_ending => {}
            State::Transport(transport) if transport.is_established() => {
                if transport.handle_timeout(now) {
                    return self.end(CloseReason::RekeyTimeout);
                }
                match self.keepalive.handle_timeout(now) {
                    KeepaliveAction::Wait(_) => {}
                    KeepaliveAction::Ping => transport.ping(now.0),
                    KeepaliveAction::GiveUp => self.end(CloseReason::IdleTimeout),
                }
            }
            _ if now < self.handshake_deadline => {}
            State::Handshake(handshake)
                if handshake.awaits_preface() && self.frames.buffered().is_empty() =>
            {
                self.end(CloseReason::NoData);
            }
            _ if self.stage == Stage::Opening => self.end(CloseReason::HandshakeTimeout),
            State::Transport(transport) if transport.is_in_lobby() => {
                self.outputs.extend(transport.bye(ByeReason::Refused));
                self.end(CloseReason::LobbyTimeout);
            }
            _ => self.end(CloseReason::JudgementTimeout),
        }
    }

    /// Ends a handshake whose job was refused, or that has to make room for another.
    pub fn handle_overload(&mut self) {
        self.end(CloseReason::Overloaded);
    }

    /// When [`Session::handle_timeout`] is next due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoMs> {
        match &self.state {
            State::Closed => None,
            State::Transport(_) if self.is_ending() => None,
            State::Transport(t) if t.is_established() => {
                t.poll_timeout().into_iter().chain([self.keepalive.poll_timeout()]).min()
            }
            _ => Some(self.handshake_deadline),
        }
    }

    /// Whether to read. While a job or a judgement is pending, bytes cannot be used.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match &self.state {
            State::Handshake(handshake) => handshake.awaits_bytes(),
            State::Transport(transport) => {
                !transport.is_pipe() && !transport.awaits_judgement() && !self.is_ending()
            }
            State::Closed => false,
        }
    }

    /// Takes note that the owner does not read, since it cannot use more: silence is not the
    /// peer's. The peer is pinged nevertheless.
    pub fn reading_paused(&mut self, now: MonoMs) {
        self.keepalive.observe(now, ReadState::Paused);
    }

    /// Takes note that the kernel takes no more: what is owed to the peer waits, as one answer of
    /// each kind, for [`Session::write_drained`].
    pub fn write_blocked(&mut self) {
        self.write = WriteState::Blocked;
    }

    /// Takes note that the kernel has taken everything that was sent.
    pub fn write_drained(&mut self) {
        self.write = WriteState::Drained;
    }

    /// Whether the kernel has taken everything that was sent.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.write == WriteState::Drained
    }

    /// Whether both sides have confirmed.
    #[must_use]
    pub fn is_established(&self) -> bool {
        matches!(&self.state, State::Transport(transport) if transport.is_established())
    }

    /// Whether the peer has ended the session, so that nothing can be sent any more but receipts.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// The two halves of an established pipe; `None` for anything else.
    #[must_use]
    pub fn into_pipe(self) -> Option<Pipe> {
        match self.state {
            State::Transport(transport) if transport.is_pipe() => {
                Some(Pipe::new(transport.into_parts(), self.frames.buffered().to_vec()))
            }
            _ => None,
        }
    }

    /// Whether messages can count for the pair: both sides can, on a lasting conversation.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        matches!(&self.state, State::Transport(transport) if transport.is_durable())
    }

    /// Sends a message that counts for the connection, typed `now`, and returns its number.
    ///
    /// # Errors
    /// [`SendError`] when the session is not established, after [`Session::resume`], or when the
    /// text exceeds [`limits::MESSAGE_BYTES`].
    pub fn send(&mut self, text: &str, now: UnixMs) -> Result<u64, SendError> {
        let (number, record) = self.sender()?.send(text, now)?;
        self.outputs.extend(record);
        Ok(number)
    }

    /// Notes that [`Session::resume`] follows, once what it says is on disk.
    pub fn prepare_resume(&mut self) {
        if let State::Transport(transport) = &mut self.state {
            transport.prepare_resume();
        }
    }

    /// Tells the peer what we have of both directions, first when our user has chosen the peer.
    /// What we send behind it counts for the pair. It is told again with another count of ours, and
    /// in answer to another one of the peer's; at most [`limits::RESUMES`] times.
    ///
    /// # Errors
    /// [`SendError`] when the session is not durable, or the same was told before.
    pub fn resume(&mut self, now: MonoMs, resume: &Resume) -> Result<(), SendError> {
        let record = self.sender()?.resume(now, resume)?;
        self.outputs.extend(record);
        Ok(())
    }

    /// Sends a message with its number for the pair.
    ///
    /// # Errors
    /// [`SendError`] as [`Session::send`] has it, and before [`Session::resume`].
    pub fn send_numbered(&mut self, seq: u64, text: &str, typed: UnixMs) -> Result<(), SendError> {
        let record = self.sender()?.send_numbered(seq, text, typed)?;
        self.outputs.extend(record);
        Ok(())
    }

    /// Sends a message that was taken back, in its place.
    ///
    /// # Errors
    /// [`SendError`] before [`Session::resume`].
    pub fn skip(&mut self, seq: u64) -> Result<(), SendError> {
        let record = self.sender()?.skip(seq)?;
        self.outputs.extend(record);
        Ok(())
    }

    /// Whether files can be sent and received: both sides can, on a conversation.
    #[must_use]
    pub fn can_transfer_files(&self) -> bool {
        matches!(&self.state, State::Transport(transport) if transport.can_transfer_files())
    }

    /// Sends a record of file transfer. Chunks are for a socket that has taken everything before,
    /// so that a conversation does not wait for them.
    ///
    /// # Errors
    /// [`SendError`] when the session is not established, or one side takes no files.
    pub fn send_transfer(&mut self, record: TransferRecord) -> Result<(), SendError> {
        let record = self.sender()?.send_transfer(record)?;
        self.outputs.extend(record);
        Ok(())
    }

    /// Takes note of a record of file transfer that brought nothing new: a peer that sends more
    /// than [`limits::IDLE_RECORDS`] of these in a row has broken a rule.
    pub fn note_idle(&mut self, now: MonoMs) {
        if let State::Transport(transport) = &mut self.state
            && let Err(reason) = transport.note_idle(now)
        {
            self.end_by_peer(reason);
        }
    }

    /// Notes that the peer's messages up to `upto` are on disk.
    pub fn kept(&mut self, upto: PairNumber) {
        if let State::Transport(transport) = &mut self.state {
            transport.kept(upto);
        }
    }

    /// Acknowledges the peer's messages up to `upto`, and what came before it: they have been
    /// shown, or written and flushed.
    pub fn ack(&mut self, upto: Count) {
        if let State::Transport(transport) = &mut self.state {
            transport.ack(upto);
        }
    }

    /// Ends the session because the peer has broken a rule that the owner keeps.
    pub fn violate(&mut self) {
        if self.ending.is_none() {
            self.end_by_peer(CloseReason::ProtocolViolation);
        }
    }

    /// Whether a message of the peer is neither acknowledged nor given up.
    #[must_use]
    pub fn awaits_ack(&self) -> bool {
        matches!(&self.state, State::Transport(transport) if !transport.owes_no_receipt())
    }

    /// Gives up the peer's messages up to `upto`: nobody will see them, so no receipt follows, and
    /// the end of the session does not wait for one.
    pub fn forgo(&mut self, upto: Count) {
        if let State::Transport(transport) = &mut self.state {
            transport.forgo(upto);
        }
    }

    /// Asks to be told by [`Event::HasRead`] when the peer has read what was sent before. A peer
    /// that answers no `Ping` never tells.
    pub fn probe_reading(&mut self, now: MonoMs) {
        if let State::Transport(transport) = &mut self.state {
            transport.probe_reading(now);
        }
    }

    /// Tells the peer the fingerprint of the key that takes the place of ours.
    pub fn announce_key(&mut self, fingerprint: Fingerprint) {
        if let State::Transport(transport) = &mut self.state {
            transport.announce_key(fingerprint);
        }
    }

    /// Ends the session in an orderly way, with the reason for the peer.
    pub fn close(&mut self, reason: ByeReason) {
        if let State::Transport(transport) = &mut self.state {
            self.outputs.extend(transport.bye(reason));
        }
        self.end(CloseReason::LocalClose);
    }

    /// The transport, while something can be sent.
    fn sender(&mut self) -> Result<&mut Transport, SendError> {
        match &mut self.state {
            State::Transport(transport) if self.ending.is_none() => Ok(transport),
            _ => Err(SendError::NotEstablished),
        }
    }

    /// Uses what has arrived, as far as the state can.
    fn advance(&mut self, now: MonoMs) {
        while self.wants_read() && self.take_next(now).is_some() {
            self.enter_stage(now);
        }
        self.judge_eof();
    }

    /// Judges the end of the peer's stream, unless what came before waits for something of ours. A
    /// pipe's is judged by its receiving half.
    fn judge_eof(&mut self) {
        if self.peer_stream == PeerStream::Open || !self.wants_read() {
            return;
        }
        if self.is_established() {
            let mid_record = !self.frames.buffered().is_empty();
            self.end_by_peer(CloseReason::ConnectionLost { mid_record });
        } else {
            self.end(CloseReason::LostInHandshake);
        }
    }

    /// Seals what is owed to the peer, and tells the end of a session once nothing is.
    fn seal_owed(&mut self) {
        let State::Transport(transport) = &mut self.state else { return };
        if self.ending.is_some() {
            // A few records more are no matter for a kernel that takes nothing: the session ends.
            self.outputs.extend(std::iter::from_fn(|| transport.next_receipt()));
            if transport.owes_no_receipt()
                && let Some(reason) = self.ending.take()
            {
                self.end(reason);
            }
            return;
        }
        if self.write == WriteState::Drained {
            self.outputs.extend(transport.next_answer());
        }
        if self.outputs.is_empty() && transport.is_nonce_exhausted() {
            self.end(CloseReason::NonceExhausted);
        }
    }

    /// Gives each stage of the handshake its time.
    fn enter_stage(&mut self, now: MonoMs) {
        let stage = match &self.state {
            State::Handshake(handshake) => handshake.stage(),
            State::Transport(transport) => transport.stage(),
            State::Closed => return,
        };
        if stage != self.stage {
            self.stage = stage;
            self.handshake_deadline = now
                + match stage {
                    Stage::Lobby(Role::Initiator) => limits::LOBBY_PATIENCE_MS,
                    Stage::Lobby(Role::Responder) => limits::LOBBY_TIMEOUT_MS,
                    _ => limits::JUDGEMENT_TIMEOUT_MS,
                };
        }
    }

    /// Takes the preface or a frame; `None` until more has arrived.
    fn take_next(&mut self, now: MonoMs) -> Option<()> {
        let limit = match &self.state {
            State::Handshake(handshake) if handshake.awaits_preface() => return self.take_preface(),
            State::Handshake(_) => limits::HANDSHAKE_MESSAGE_BYTES,
            State::Transport(transport) if !transport.is_established() => limits::HANDSHAKE_MESSAGE_BYTES,
            State::Transport(_) | State::Closed => limits::CHAT_FRAME_BYTES,
        };
        let (is_established, awaits_listener) = (self.is_established(), self.awaits_answer_of_listener());
        let frame = match self.frames.take(limit) {
            Ok(None) => return None,
            Ok(Some(frame)) => frame,
            Err(error) => {
                self.end_by_peer(CloseReason::Wire(error));
                return Some(());
            }
        };
        match &mut self.state {
            _ if *frame.body == [BUSY_BODY] && awaits_listener => self.end(CloseReason::PeerBusy),
            // Until the session is established an empty frame is the handshake's alert.
            _ if frame.body.is_empty() && !is_established => self.end(CloseReason::PeerAbort),
            State::Transport(transport) => match transport.handle_frame(now, frame) {
                Ok(outputs) => {
                    // The sign of life is a record that opened: bytes alone are none.
                    self.keepalive.observe(now, ReadState::ReceivedAt(now));
                    self.outputs.extend(outputs);
                }
                Err(reason) => self.end_by_peer(reason),
            },
            State::Handshake(_) | State::Closed => {
                let message = frame.body.to_vec();
                self.step(HandshakeInput::Message(&message));
            }
        }
        Some(())
    }

    /// Whether message 2 or 4 is due, in whose place a listener may say that it is busy.
    fn awaits_answer_of_listener(&self) -> bool {
        matches!(&self.state, State::Handshake(handshake) if !handshake.is_responder())
    }

    fn take_preface(&mut self) -> Option<()> {
        let State::Handshake(handshake) = &self.state else { return None };
        let arrived = self.frames.buffered();
        // A listener of before answers a message 1 that it refuses with the alert alone.
        if !handshake.is_responder() && arrived.starts_with(&ALERT) {
            self.end(CloseReason::PeerAbort);
            return Some(());
        }
        if !handshake.is_responder() && !arrived.is_empty() && ALERT.starts_with(arrived) {
            return None;
        }
        match handshake.preface().greet(arrived) {
            Ok(PrefaceProgress::Incomplete) => return None,
            Ok(PrefaceProgress::Agreed) => {
                self.frames.skip(PREFACE_BYTES);
                self.step(HandshakeInput::Preface);
            }
            Err(WireError::NotRsachat) => {
                let first = self.frames.buffered().iter().copied().take(PREFACE_BYTES).collect();
                self.end(CloseReason::NotRsachat(first));
            }
            Err(error) => {
                self.outputs.extend(handshake.answer_to_mismatch());
                self.end(CloseReason::VersionMismatch(error));
            }
        }
        Some(())
    }

    /// Makes one step of the handshake.
    fn step(&mut self, input: HandshakeInput<'_>) {
        let State::Handshake(handshake) = &mut self.state else { return };
        match handshake.handle(input) {
            Ok(Step::Wait(state, output)) => {
                handshake.state = state;
                self.outputs.extend(output);
            }
            Ok(Step::Finish(transport, output)) => {
                self.state = State::Transport(transport);
                self.outputs.extend(output);
            }
            Err(reason) => self.end(reason),
        }
    }

    /// Ends the session by what the peer did, once its messages are acknowledged.
    fn end_by_peer(&mut self, reason: CloseReason) {
        match &self.state {
            State::Transport(transport) if transport.is_established() => {
                self.frames = Frames::default();
                self.ending = Some(reason);
            }
            _ => self.end(reason),
        }
    }

    fn end(&mut self, reason: CloseReason) {
        match &self.state {
            State::Closed => return,
            State::Handshake(handshake) if !handshake.awaits_preface() => {
                let answer = match reason {
                    CloseReason::Overloaded if handshake.is_responder() => Some(BUSY.to_vec()),
                    _ if reason.sends_alert() => Some(ALERT.to_vec()),
                    _ => None,
                };
                self.outputs.extend(answer.map(Output::Transmit));
            }
            // In the place of record 6: the initiator has proved its key.
            State::Transport(transport)
                if reason == CloseReason::LocalReject && transport.awaits_judgement() =>
            {
                self.outputs.push_back(Output::Transmit(ALERT.to_vec()));
            }
            State::Handshake(_) | State::Transport(_) => {}
        }
        self.state = State::Closed;
        self.ending = None;
        self.frames = Frames::default();
        self.outputs.push_back(Output::Event(Event::Closed(reason)));
    }
}
