//! Session on the raw wire (`docs/RAW.md`), the Python tutorial's protocol: a PEM, then RSA-OAEP
//! blocks. Nobody is authenticated, nothing is ordered, counted or acknowledged. Like
//! [`super::Session`] it does no I/O, and its drain and poison laws hold here too.

mod outbox;
#[cfg(test)]
mod tests;
pub(super) mod types;

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::types::{CloseReason, Event, Output, SendError};
use crate::crypto::{JobResult, PublicKey, RsaJob, Seed};
use crate::limits;
use crate::time::MonoMs;
use crate::wire::{ByeReason, OaepStream, PREFACE_BYTES, StreamStart, split_text};
use outbox::{Outbox, Pace};
pub use types::{OaepCloseReason, OaepEvent, OaepRole};
use types::{PeerState, RecvState};

/// The message that ends a session.
pub const EXIT: &str = "exit";

/// Session on the raw wire.
#[expect(missing_debug_implementations, reason = "holds text")]
pub struct OaepSession {
    role: OaepRole,
    peer_key: Option<PublicKey>,
    peer: PeerState,
    recv: RecvState,
    stream: OaepStream,
    /// Blocks that opened.
    received: u64,
    /// Blocks in a row that did not open.
    not_opened: u32,
    answered: bool,
    outbox: Outbox,
    outputs: VecDeque<Output>,
    started: MonoMs,
    /// Moment at which the block that is not whole yet was begun.
    block_begun: Option<MonoMs>,
    now: MonoMs,
}

impl OaepSession {
    /// Begins a session. `seed` is its only randomness.
    #[must_use]
    pub fn new(role: OaepRole, seed: Seed, now: MonoMs) -> Self {
        let (pace, first) = match &role {
            OaepRole::Listener(own) => (Pace::Free, Some(pem_of(own))),
            OaepRole::Dialer(_) => (Pace::Free, None),
            OaepRole::OneWay => (Pace::OneByOne, None),
        };
        Self {
            role,
            peer_key: None,
            peer: PeerState::Unknown,
            recv: RecvState::Start,
            stream: OaepStream::default(),
            received: 0,
            not_opened: 0,
            answered: false,
            outbox: Outbox::new(pace, seed),
            outputs: first.into_iter().map(Output::Transmit).collect(),
            started: now,
            block_begun: None,
            now,
        }
    }

    /// The next output, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes bytes that have arrived, in whatever pieces.
    pub fn handle_bytes(&mut self, now: MonoMs, bytes: &[u8]) {
        self.now = now;
        if self.recv != RecvState::Closed {
            self.stream.push(bytes);
            self.advance();
        }
    }

    /// Takes the result of a job that was asked for.
    pub fn handle_job(&mut self, now: MonoMs, result: JobResult) {
        self.now = now;
        match (self.recv, result) {
            (RecvState::Closed, _) => return,
            (_, JobResult::BlockSealed(block)) => self.transmit_block(block),
            (RecvState::CheckingKey, JobResult::PemChecked(Ok(key))) => self.take_peer_key(key),
            (RecvState::CheckingKey, JobResult::PemChecked(Err(error))) => {
                self.end(OaepCloseReason::Key(error));
            }
            (RecvState::OpeningFirst { skipped }, JobResult::BlockOpened(None))
                if skipped < self.stream.line_ends() =>
            {
                self.recv = RecvState::FirstBlock { skipped: skipped + 1 };
            }
            (RecvState::OpeningFirst { skipped }, JobResult::BlockOpened(text)) => {
                self.stream.take(skipped + self.block_bytes());
                self.handle_opened(text);
            }
            (RecvState::Opening, JobResult::BlockOpened(text)) => self.handle_opened(text),
            _ => {}
        }
        self.advance();
    }

    /// Takes the end of the peer's stream. What came before is still opened.
    pub fn handle_eof(&mut self, now: MonoMs) {
        self.now = now;
        if self.recv != RecvState::Closed && !self.has_ended() {
            self.peer = PeerState::Ended { joined: self.peer == PeerState::Joined };
            self.advance();
        }
    }

    /// Does what is due: ends the session with a peer that sends no key, no end of its PEM, or
    /// nothing at all, or that does not take our `exit`.
    pub fn handle_timeout(&mut self, now: MonoMs) {
        self.now = now;
        if self.outbox.is_overdue(now) {
            self.end(CloseReason::LocalClose);
        }
        if let Some((_, reason)) = self.recv_deadline().filter(|(due, _)| now >= *due) {
            self.end(reason);
        }
        self.seal_next();
    }

    /// Ends a session whose job was refused, or that has to make room for another.
    pub fn handle_overload(&mut self) {
        self.end(CloseReason::Overloaded);
    }

    /// When [`OaepSession::handle_timeout`] is next due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoMs> {
        if self.recv == RecvState::Closed {
            return None;
        }
        let due = self.recv_deadline().map(|(due, _)| due);
        [due, self.outbox.poll_timeout()].into_iter().flatten().min()
    }

    /// Whether to read. While a job is pending, bytes cannot be used.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        !self.recv.awaits_job() && self.recv != RecvState::Closed
    }

    /// Sends a message and returns its number. `exit` ends the session once it has been sent.
    ///
    /// # Errors
    /// [`SendError`] when there is no key to seal to, or the text exceeds
    /// [`limits::MESSAGE_BYTES`].
    pub fn send(&mut self, now: MonoMs, text: &str) -> Result<u64, SendError> {
        self.now = now;
        let Some(key) = self.peer_key.as_ref().filter(|_| !self.outbox.is_closing()) else {
            return Err(match self.peer {
                PeerState::Joined if self.peer_key.is_none() => SendError::NoKey,
                _ => SendError::NotEstablished,
            });
        };
        if text.len() > limits::MESSAGE_BYTES {
            return Err(SendError::TooLong { bytes: text.len() });
        }
        let parts = split_text(text, key.block_room(), EXIT);
        if parts.len() > 1 {
            self.outputs.push_back(event(OaepEvent::Split(parts.len())));
        }
        let is_delayed = self.outbox.is_delayed();
        let number = self.outbox.send(&parts);
        if text == EXIT {
            self.outbox.close(self.now);
        } else if is_delayed {
            self.outputs.push_back(event(OaepEvent::Delayed));
        }
        self.seal_next();
        Ok(number)
    }

    /// Ends the session: with `exit` if the peer can read it, otherwise by closing the connection.
    pub fn close(&mut self, now: MonoMs) {
        self.now = now;
        if self.peer_key.is_none() || self.has_ended() {
            self.end(CloseReason::LocalClose);
        } else {
            self.outbox.close_now(EXIT, self.now);
            self.seal_next();
        }
    }

    /// The kernel takes no more: nothing is sealed until [`OaepSession::write_drained`].
    pub fn write_blocked(&mut self) {
        self.outbox.write_blocked();
    }

    /// The kernel has taken everything.
    pub fn write_drained(&mut self, now: MonoMs) {
        self.now = now;
        self.outbox.write_drained();
        self.seal_next();
    }

    /// Deadline of what the peer must send next, and the reason if it does not.
    fn recv_deadline(&self) -> Option<(MonoMs, OaepCloseReason)> {
        match (&self.recv, &self.role) {
            (RecvState::Closed, _) => None,
            (RecvState::Pem { since }, _) => {
                Some((*since + limits::HANDSHAKE_TIMEOUT_MS, OaepCloseReason::EndlessKey))
            }
            (_, OaepRole::Listener(_)) if self.peer == PeerState::Unknown => {
                Some((self.started + limits::OAEP_SILENT_MS, OaepCloseReason::NoData))
            }
            (RecvState::Start, OaepRole::Dialer(_) | OaepRole::OneWay) => {
                Some((self.started + limits::OAEP_KEY_MS, OaepCloseReason::NoKey))
            }
            // Bytes that come one by one are no sign of life.
            _ => Some((self.block_begun? + limits::OAEP_BLOCK_MS, OaepCloseReason::UnfinishedBlock)),
        }
    }

    /// Whether a part of a block has come. Line ends behind a PEM belong to that.
    fn has_partial_block(&self) -> bool {
        let bytes = self.stream.buffered().len();
        match self.recv {
            RecvState::FirstBlock { .. } => bytes > self.stream.line_ends(),
            RecvState::Blocks | RecvState::Answers => bytes > 0,
            _ => false,
        }
    }

    /// Uses what has arrived, as far as the state can.
    fn advance(&mut self) {
        while self.take_next().is_some() {}
        let begun = self.block_begun.unwrap_or(self.now);
        self.block_begun = self.has_partial_block().then_some(begun);
        if self.has_ended() && self.wants_read() {
            self.end(self.eof_reason());
        }
    }

    /// Takes the next unit of the stream; `None` until more has arrived or a job is done.
    fn take_next(&mut self) -> Option<()> {
        match self.recv {
            RecvState::Start => match self.stream.start() {
                StreamStart::Undecided => return None,
                StreamStart::Pem => self.recv = RecvState::Pem { since: self.now },
                StreamStart::Native => self.end(OaepCloseReason::Native),
                StreamStart::Other if matches!(self.role, OaepRole::Listener(_)) => {
                    self.recv = RecvState::Blocks;
                }
                StreamStart::Other => {
                    let first = self.stream.buffered().iter().copied().take(PREFACE_BYTES).collect();
                    self.end(OaepCloseReason::NoPem(first));
                }
            },
            RecvState::Pem { .. } => match self.stream.take_pem(limits::OAEP_PEM_BYTES) {
                Ok(pem) => {
                    let pem = Zeroizing::new(pem?);
                    self.start_job(RsaJob::CheckPem { pem }, RecvState::CheckingKey);
                }
                Err(_) => self.end(OaepCloseReason::EndlessKey),
            },
            RecvState::FirstBlock { skipped } => {
                let block = self.stream.block_after(skipped, self.block_bytes())?.to_vec();
                self.start_job(RsaJob::OpenBlock { block }, RecvState::OpeningFirst { skipped });
            }
            RecvState::Blocks => {
                let block = self.take_block()?;
                self.start_job(RsaJob::OpenBlock { block }, RecvState::Opening);
            }
            RecvState::Answers => {
                self.take_block()?;
                self.handle_answer();
            }
            RecvState::CheckingKey
            | RecvState::OpeningFirst { .. }
            | RecvState::Opening
            | RecvState::Closed => return None,
        }
        Some(())
    }

    fn take_block(&mut self) -> Option<Vec<u8>> {
        let size = self.block_bytes();
        self.stream.block_after(0, size)?;
        self.block_begun = None;
        Some(self.stream.take(size))
    }

    /// The peer's key has passed all checks.
    fn take_peer_key(&mut self, key: PublicKey) {
        self.recv = RecvState::FirstBlock { skipped: 0 };
        match &self.role {
            OaepRole::Listener(_) => {}
            OaepRole::Dialer(own) => self.outputs.push_back(Output::Transmit(pem_of(own))),
            OaepRole::OneWay => self.recv = RecvState::Answers,
        }
        self.peer_key = Some(key.clone());
        self.join(Some(key));
    }

    fn join(&mut self, key: Option<PublicKey>) {
        self.peer = match self.peer {
            PeerState::Unknown => PeerState::Joined,
            PeerState::Ended { joined: false } => PeerState::Ended { joined: true },
            PeerState::Joined | PeerState::Ended { .. } => return,
        };
        self.outputs.push_back(event(OaepEvent::Joined(key)));
    }

    fn handle_opened(&mut self, text: Option<Zeroizing<Vec<u8>>>) {
        self.recv = RecvState::Blocks;
        let Some(text) = text else {
            self.not_opened += 1;
            self.outputs.push_back(event(OaepEvent::NotOpened { in_a_row: self.not_opened }));
            if self.not_opened >= limits::OAEP_UNDECRYPTED {
                self.end(OaepCloseReason::OutOfStep);
            }
            return;
        };
        self.not_opened = 0;
        self.received += 1;
        self.join(None);
        if text.as_slice() == EXIT.as_bytes() {
            self.end(CloseReason::Bye(ByeReason::Leaving));
        } else {
            self.outputs.push_back(event(OaepEvent::Message(text.to_vec())));
        }
    }

    fn handle_answer(&mut self) {
        if !std::mem::replace(&mut self.answered, true) {
            self.outputs.push_back(event(OaepEvent::Answered));
        }
        self.outbox.handle_answer();
        self.seal_next();
    }

    fn transmit_block(&mut self, block: Vec<u8>) {
        self.outputs.push_back(Output::Transmit(block));
        if let Some(upto) = self.outbox.handle_sealed(self.now) {
            self.outputs.push_back(event(OaepEvent::Sent { upto }));
        }
        if self.outbox.has_closed() {
            self.end(CloseReason::LocalClose);
        }
        self.seal_next();
    }

    /// Has the next part sealed, if one may go.
    fn seal_next(&mut self) {
        if self.recv == RecvState::Closed {
            return;
        }
        if let Some(job) = self.peer_key.as_ref().and_then(|key| self.outbox.next_job(key, self.now)) {
            self.outputs.push_back(Output::Job(job));
        }
    }

    fn start_job(&mut self, job: RsaJob, recv: RecvState) {
        self.recv = recv;
        self.outputs.push_back(Output::Job(job));
    }

    /// Bytes of every block that comes: those of the key that it is sealed to.
    fn block_bytes(&self) -> usize {
        match (&self.role, &self.peer_key) {
            (OaepRole::Listener(own) | OaepRole::Dialer(own), _) => own.block_bytes(),
            (OaepRole::OneWay, Some(peer)) => peer.block_bytes(),
            (OaepRole::OneWay, None) => usize::MAX,
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.peer, PeerState::Ended { .. })
    }

    /// Why the session ends with the peer's stream.
    fn eof_reason(&self) -> CloseReason {
        let joined = self.peer == PeerState::Ended { joined: true };
        match &self.role {
            _ if self.outbox.is_closing() => CloseReason::LocalClose,
            OaepRole::Dialer(_) if joined && self.received == 0 => OaepCloseReason::NoReply.into(),
            _ if joined => CloseReason::ConnectionLost { mid_record: !self.stream.buffered().is_empty() },
            OaepRole::Listener(_) => OaepCloseReason::Gone.into(),
            OaepRole::Dialer(_) | OaepRole::OneWay => OaepCloseReason::NoKey.into(),
        }
    }

    fn end(&mut self, reason: impl Into<CloseReason>) {
        if self.recv != RecvState::Closed {
            self.recv = RecvState::Closed;
            self.stream = OaepStream::default();
            self.outbox.clear();
            self.outputs.push_back(Output::Event(Event::Closed(reason.into())));
        }
    }
}

fn event(event: OaepEvent) -> Output {
    Output::Event(Event::Oaep(event))
}

/// A PEM as the tutorial sends it: without a newline at its end.
fn pem_of(key: &PublicKey) -> Vec<u8> {
    key.to_spki_pem().trim_ascii_end().into()
}
