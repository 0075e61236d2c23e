//! One conversation on the raw wire (`docs/RAW.md`), as the Python tutorial has it: a PEM, then RSA-OAEP blocks.
//! Nobody is authenticated, nothing is ordered, counted or acknowledged. Like a `Session` it knows no socket and
//! no clock; bytes and milliseconds come in, [`Output`]s come out, and its drain and poison laws hold here too.

mod outbox;
mod state;
#[cfg(test)]
mod tests;
mod types;

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::{CloseReason, Event, Output, SendError};
use crate::crypto::{JobResult, OaepJob, OaepJobResult, PublicKey, RsaJob, Seed};
use crate::limits;
use crate::wire::{ByeReason, OaepStream, PREFACE_BYTES, StreamStart, split_text};
use outbox::{Outbox, Pace};
use state::{Expecting, PeerState};
pub use types::{OaepCloseReason, OaepEvent, OaepRole};

/// The message that ends a conversation.
pub const EXIT: &str = "exit";

/// One conversation on the raw wire.
#[expect(missing_debug_implementations, reason = "holds text")]
pub struct OaepSession {
    side: OaepRole,
    peer: Option<PublicKey>,
    hearing: Expecting,
    stream: OaepStream,
    presence: PeerState,
    heard: u64,
    unread: u32,
    answered: u64,
    outbox: Outbox,
    outputs: VecDeque<Output>,
    started_ms: u64,
    now_ms: u64,
}

impl OaepSession {
    /// Begins as `side`. `seed` is this connection's only randomness; `now_ms` is monotonic.
    #[must_use]
    pub fn new(side: OaepRole, seed: Seed, now_ms: u64) -> Self {
        let pace = match side {
            OaepRole::OneWay => Pace::OneByOne,
            OaepRole::Listener(_) | OaepRole::Dialer(_) => Pace::Free,
        };
        let mut session = Self {
            side,
            peer: None,
            hearing: Expecting::Start,
            stream: OaepStream::default(),
            presence: PeerState::Unknown,
            heard: 0,
            unread: 0,
            answered: 0,
            outbox: Outbox::new(pace, seed),
            outputs: VecDeque::new(),
            started_ms: now_ms,
            now_ms,
        };
        if let OaepRole::Listener(own) = &session.side {
            let pem = pem_of(own);
            session.outputs.push_back(Output::Transmit(pem));
        }
        session
    }

    /// The next output, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes what has arrived on the socket, in whatever pieces.
    pub fn handle_bytes(&mut self, now_ms: u64, bytes: &[u8]) {
        self.now_ms = now_ms;
        if self.hearing != Expecting::Over {
            self.stream.push(bytes);
            self.advance();
        }
    }

    /// Takes the result of a job that was asked for.
    pub fn handle_job(&mut self, now_ms: u64, result: JobResult) {
        self.now_ms = now_ms;
        let JobResult::Oaep(result) = result else { return };
        match (self.hearing, result) {
            (Expecting::Over, _) => return,
            (_, OaepJobResult::Sealed(block)) => self.sealed(block),
            (Expecting::Checking, OaepJobResult::KeyChecked(Ok(key))) => self.met(key),
            (Expecting::Checking, OaepJobResult::KeyChecked(Err(error))) => {
                self.over(raw(OaepCloseReason::Key(error)));
            }
            (Expecting::Trying { skipped }, OaepJobResult::Opened(None))
                if skipped < self.stream.line_ends() =>
            {
                self.hearing = Expecting::First { skipped: skipped + 1 };
            }
            (Expecting::Trying { skipped }, OaepJobResult::Opened(text)) => {
                self.stream.take(skipped + self.block_bytes());
                self.opened(text);
            }
            (Expecting::Reading, OaepJobResult::Opened(text)) => self.opened(text),
            _ => {}
        }
        self.advance();
    }

    /// Whether bytes can be used now. While a job is pending they cannot: do not read.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        !self.hearing.is_work() && self.hearing != Expecting::Over
    }

    /// Sends a message and returns its number. `exit` ends the conversation once it has been sent.
    ///
    /// # Errors
    /// [`SendError`] when there is no key to seal to, or the text exceeds [`limits::MESSAGE_BYTES`].
    pub fn send(&mut self, text: &str) -> Result<u64, SendError> {
        let Some(peer) = self.peer.as_ref().filter(|_| !self.outbox.is_closing()) else {
            return Err(match self.presence {
                PeerState::Joined if self.peer.is_none() => SendError::NoKey,
                _ => SendError::NotStanding,
            });
        };
        if text.len() > limits::MESSAGE_BYTES {
            return Err(SendError::TooLong { bytes: text.len() });
        }
        let parts = split_text(text, peer.block_room(), EXIT);
        if parts.len() > 1 {
            self.outputs.push_back(event(OaepEvent::Parts(parts.len())));
        }
        let held_up = self.outbox.is_held_up();
        let number = self.outbox.send(&parts);
        if text == EXIT {
            self.outbox.close(self.now_ms);
        } else if held_up {
            self.outputs.push_back(event(OaepEvent::Waits));
        }
        self.pump();
        Ok(number)
    }

    /// Ends the conversation: with `exit` where the peer can read it, otherwise by hanging up.
    pub fn close(&mut self) {
        if self.peer.is_none() || self.has_ended() {
            self.over(CloseReason::LocalClose);
        } else {
            self.outbox.hurry(EXIT, self.now_ms);
            self.pump();
        }
    }

    /// The kernel takes no more of what we send: nothing more is sealed until [`OaepSession::drained`].
    pub fn clogged(&mut self) {
        self.outbox.clogged();
    }

    /// The kernel has taken everything.
    pub fn drained(&mut self) {
        self.outbox.drained();
        self.pump();
    }

    /// The peer's stream has ended. What came before is still opened and told.
    pub fn handle_eof(&mut self) {
        if self.hearing != Expecting::Over && !self.has_ended() {
            self.presence = PeerState::Ended { joined: self.presence == PeerState::Joined };
            self.advance();
        }
    }

    /// The machine could not keep up.
    pub fn overloaded(&mut self) {
        self.over(CloseReason::Overloaded);
    }

    /// When [`OaepSession::handle_timeout`] is next due, in the monotonic milliseconds of `now_ms`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        if self.hearing == Expecting::Over {
            return None;
        }
        let due = self.due().map(|(due, _)| due);
        [due, self.outbox.poll_timeout()].into_iter().flatten().min()
    }

    /// Lets time pass: gives up who sends no key, an unending PEM, a silent caller, and a goodbye that does not go.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        if self.hearing == Expecting::Over {
            return;
        }
        if self.outbox.is_overdue(now_ms) {
            self.over(CloseReason::LocalClose);
        }
        if let Some((_, ending)) = self.due().filter(|(due, _)| now_ms >= *due) {
            self.over(raw(ending));
        }
        self.pump();
    }

    /// What is waited for, until when, and what its absence means.
    fn due(&self) -> Option<(u64, OaepCloseReason)> {
        match (&self.hearing, &self.side) {
            (Expecting::Pem { since_ms }, _) => {
                Some((since_ms + limits::HANDSHAKE_TIMEOUT_MS, OaepCloseReason::EndlessKey))
            }
            (_, OaepRole::Listener(_)) if self.presence == PeerState::Unknown => {
                Some((self.started_ms + limits::RAW_MUTE_MS, OaepCloseReason::NoData))
            }
            (Expecting::Start, OaepRole::Dialer(_) | OaepRole::OneWay) => {
                Some((self.started_ms + limits::RAW_KEY_MS, OaepCloseReason::NoKey))
            }
            _ => None,
        }
    }

    /// Makes what it can of the bytes that wait.
    fn advance(&mut self) {
        while self.step() {}
        if self.has_ended() && !self.hearing.is_work() && self.hearing != Expecting::Over {
            self.over(self.cut_ending());
        }
    }

    /// One step; whether there may be another.
    fn step(&mut self) -> bool {
        match self.hearing {
            Expecting::Start => match self.stream.start() {
                StreamStart::Undecided => return false,
                StreamStart::Pem => self.hearing = Expecting::Pem { since_ms: self.now_ms },
                StreamStart::Native => self.over(raw(OaepCloseReason::Native)),
                StreamStart::Other if matches!(self.side, OaepRole::Listener(_)) => {
                    self.hearing = Expecting::Blocks;
                }
                StreamStart::Other => {
                    let first = self.stream.buffered().iter().copied().take(PREFACE_BYTES).collect();
                    self.over(raw(OaepCloseReason::NoPem(first)));
                }
            },
            Expecting::Pem { .. } => match self.stream.take_pem(limits::RAW_PEM_BYTES) {
                Ok(None) => return false,
                Ok(Some(pem)) => {
                    self.need(OaepJob::CheckKey { pem: Zeroizing::new(pem) }, Expecting::Checking)
                }
                Err(_) => self.over(raw(OaepCloseReason::EndlessKey)),
            },
            Expecting::First { skipped } => {
                let Some(block) = self.stream.block_after(skipped, self.block_bytes()) else { return false };
                let block = block.to_vec();
                self.need(OaepJob::Open { block }, Expecting::Trying { skipped });
            }
            Expecting::Blocks | Expecting::Answers => {
                let size = self.block_bytes();
                if self.stream.block_after(0, size).is_none() {
                    return false;
                }
                let block = self.stream.take(size);
                match self.hearing {
                    Expecting::Answers => self.answer(),
                    _ => self.need(OaepJob::Open { block }, Expecting::Reading),
                }
            }
            Expecting::Checking | Expecting::Trying { .. } | Expecting::Reading | Expecting::Over => {
                return false;
            }
        }
        true
    }

    /// The peer's key is sound.
    fn met(&mut self, key: PublicKey) {
        self.hearing = Expecting::First { skipped: 0 };
        match &self.side {
            OaepRole::Listener(_) => {}
            OaepRole::Dialer(own) => self.outputs.push_back(Output::Transmit(pem_of(own))),
            OaepRole::OneWay => self.hearing = Expecting::Answers,
        }
        self.peer = Some(key.clone());
        self.join(Some(key));
    }

    fn join(&mut self, key: Option<PublicKey>) {
        self.presence = match self.presence {
            PeerState::Unknown => PeerState::Joined,
            PeerState::Ended { joined: false } => PeerState::Ended { joined: true },
            PeerState::Joined | PeerState::Ended { .. } => return,
        };
        self.outputs.push_back(event(OaepEvent::Joined(key)));
    }

    fn opened(&mut self, text: Option<Zeroizing<Vec<u8>>>) {
        self.hearing = Expecting::Blocks;
        let Some(text) = text else {
            self.unread += 1;
            self.outputs.push_back(event(OaepEvent::Unread { in_a_row: self.unread }));
            if self.unread >= limits::RAW_UNREAD {
                self.over(raw(OaepCloseReason::OutOfStep));
            }
            return;
        };
        self.unread = 0;
        self.heard += 1;
        self.join(None);
        if text.as_slice() == EXIT.as_bytes() {
            self.over(CloseReason::Bye(ByeReason::Leaving));
        } else {
            self.outputs.push_back(event(OaepEvent::Heard(text.to_vec())));
        }
    }

    fn answer(&mut self) {
        self.answered += 1;
        if self.answered == 1 {
            self.outputs.push_back(event(OaepEvent::Answered));
        }
        self.outbox.answered();
        self.pump();
    }

    fn sealed(&mut self, block: Vec<u8>) {
        self.outputs.push_back(Output::Transmit(block));
        if let Some(upto) = self.outbox.sealed(self.now_ms) {
            self.outputs.push_back(event(OaepEvent::Sent { upto }));
        }
        if self.outbox.has_closed() {
            self.over(CloseReason::LocalClose);
        }
        self.pump();
    }

    /// Has the next part sealed, if one may go.
    fn pump(&mut self) {
        if self.hearing == Expecting::Over {
            return;
        }
        if let Some(job) = self.peer.as_ref().and_then(|key| self.outbox.next(key, self.now_ms)) {
            self.outputs.push_back(Output::Job(RsaJob::Oaep(job)));
        }
    }

    fn need(&mut self, job: OaepJob, hearing: Expecting) {
        self.hearing = hearing;
        self.outputs.push_back(Output::Job(RsaJob::Oaep(job)));
    }

    /// Bytes of every block that comes: those of the key that it is sealed to.
    fn block_bytes(&self) -> usize {
        match (&self.side, &self.peer) {
            (OaepRole::Listener(own) | OaepRole::Dialer(own), _) => own.block_bytes(),
            (OaepRole::OneWay, Some(peer)) => peer.block_bytes(),
            (OaepRole::OneWay, None) => usize::MAX,
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.presence, PeerState::Ended { .. })
    }

    fn is_unheard(&self) -> bool {
        matches!(self.side, OaepRole::Dialer(_)) && self.heard == 0
    }

    fn cut_ending(&self) -> CloseReason {
        match self.presence {
            _ if self.outbox.is_closing() => CloseReason::LocalClose,
            PeerState::Ended { joined: true } if self.is_unheard() => raw(OaepCloseReason::Unheard),
            PeerState::Joined | PeerState::Ended { joined: true } => {
                CloseReason::ConnectionLost { mid_record: !self.stream.buffered().is_empty() }
            }
            _ if matches!(self.side, OaepRole::Listener(_)) => raw(OaepCloseReason::Gone),
            _ => raw(OaepCloseReason::NoKey),
        }
    }

    fn over(&mut self, ending: CloseReason) {
        if self.hearing != Expecting::Over {
            self.hearing = Expecting::Over;
            self.stream = OaepStream::default();
            self.outbox.clear();
            self.outputs.push_back(Output::Event(Event::Closed(ending)));
        }
    }
}

fn event(event: OaepEvent) -> Output {
    Output::Event(Event::Oaep(event))
}

fn raw(ending: OaepCloseReason) -> CloseReason {
    CloseReason::Oaep(ending)
}

/// As the tutorial sends it: without a newline at its end.
fn pem_of(key: &PublicKey) -> Vec<u8> {
    key.to_spki_pem().trim_ascii_end().into()
}
