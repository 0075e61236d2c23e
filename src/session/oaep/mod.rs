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

use super::{Ending, Event, Output, SayFault};
use crate::crypto::{Job, JobResult, PublicKey, RawJob, RawResult, Seed};
use crate::limits;
use crate::wire::{ByeReason, Opening, PREFACE_BYTES, RawStream, split_text};
use outbox::{Outbox, Pace};
use state::{Hearing, Presence};
pub use types::{RawEnding, RawEvent, RawSide};

/// The message that ends a conversation.
pub const EXIT: &str = "exit";

/// One conversation on the raw wire.
#[expect(missing_debug_implementations, reason = "holds text")]
pub struct RawSession {
    side: RawSide,
    peer: Option<PublicKey>,
    hearing: Hearing,
    stream: RawStream,
    presence: Presence,
    heard: u64,
    unread: u32,
    answered: u64,
    outbox: Outbox,
    outputs: VecDeque<Output>,
    started_ms: u64,
    now_ms: u64,
}

impl RawSession {
    /// Begins as `side`. `seed` is this connection's only randomness; `now_ms` is monotonic.
    #[must_use]
    pub fn new(side: RawSide, seed: Seed, now_ms: u64) -> Self {
        let pace = match side {
            RawSide::OneWay => Pace::OneByOne,
            RawSide::Listener(_) | RawSide::Dialler(_) => Pace::Free,
        };
        let mut session = Self {
            side,
            peer: None,
            hearing: Hearing::Opening,
            stream: RawStream::default(),
            presence: Presence::Unknown,
            heard: 0,
            unread: 0,
            answered: 0,
            outbox: Outbox::new(pace, seed),
            outputs: VecDeque::new(),
            started_ms: now_ms,
            now_ms,
        };
        if let RawSide::Listener(own) = &session.side {
            let pem = pem_of(own);
            session.outputs.push_back(Output::Transmit(pem));
        }
        session
    }

    /// The next output, until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes what has arrived on the socket, in whatever pieces.
    pub fn feed(&mut self, now_ms: u64, bytes: &[u8]) {
        self.now_ms = now_ms;
        if self.hearing != Hearing::Over {
            self.stream.push(bytes);
            self.advance();
        }
    }

    /// Takes the result of a job that was asked for.
    pub fn done(&mut self, now_ms: u64, result: JobResult) {
        self.now_ms = now_ms;
        let JobResult::Raw(result) = result else { return };
        match (self.hearing, result) {
            (Hearing::Over, _) => return,
            (_, RawResult::Sealed(block)) => self.sealed(block),
            (Hearing::Checking, RawResult::Checked(Ok(key))) => self.met(key),
            (Hearing::Checking, RawResult::Checked(Err(fault))) => self.over(raw(RawEnding::Key(fault))),
            (Hearing::Trying { skipped }, RawResult::Opened(None)) if skipped < self.stream.line_ends() => {
                self.hearing = Hearing::First { skipped: skipped + 1 };
            }
            (Hearing::Trying { skipped }, RawResult::Opened(text)) => {
                self.stream.take(skipped + self.block_bytes());
                self.opened(text);
            }
            (Hearing::Reading, RawResult::Opened(text)) => self.opened(text),
            _ => {}
        }
        self.advance();
    }

    /// Whether bytes can be used now. While a job is pending they cannot: do not read.
    #[must_use]
    pub fn wants_bytes(&self) -> bool {
        !self.hearing.is_work() && self.hearing != Hearing::Over
    }

    /// Sends a message and returns its number. `exit` ends the conversation once it has been sent.
    ///
    /// # Errors
    /// [`SayFault`] when there is no key to seal to, or the text exceeds [`limits::MESSAGE_BYTES`].
    pub fn say(&mut self, text: &str) -> Result<u64, SayFault> {
        let Some(peer) = self.peer.as_ref().filter(|_| !self.outbox.is_closing()) else {
            return Err(match self.presence {
                Presence::Joined if self.peer.is_none() => SayFault::NoKey,
                _ => SayFault::NotStanding,
            });
        };
        if text.len() > limits::MESSAGE_BYTES {
            return Err(SayFault::TooLong { bytes: text.len() });
        }
        let parts = split_text(text, peer.block_room(), EXIT);
        if parts.len() > 1 {
            self.outputs.push_back(event(RawEvent::Parts(parts.len())));
        }
        let held_up = self.outbox.is_held_up();
        let number = self.outbox.say(&parts);
        if text == EXIT {
            self.outbox.close(self.now_ms);
        } else if held_up {
            self.outputs.push_back(event(RawEvent::Waits));
        }
        self.pump();
        Ok(number)
    }

    /// Ends the conversation: with `exit` where the peer can read it, otherwise by hanging up.
    pub fn close(&mut self) {
        if self.peer.is_none() || self.has_ended() {
            self.over(Ending::WeLeft);
        } else {
            self.outbox.hurry(EXIT, self.now_ms);
            self.pump();
        }
    }

    /// The kernel takes no more of what we send: nothing more is sealed until [`RawSession::drained`].
    pub fn clogged(&mut self) {
        self.outbox.clogged();
    }

    /// The kernel has taken everything.
    pub fn drained(&mut self) {
        self.outbox.drained();
        self.pump();
    }

    /// The peer's stream has ended. What came before is still opened and told.
    pub fn cut(&mut self) {
        if self.hearing != Hearing::Over && !self.has_ended() {
            self.presence = Presence::Ended { joined: self.presence == Presence::Joined };
            self.advance();
        }
    }

    /// The machine could not keep up.
    pub fn overloaded(&mut self) {
        self.over(Ending::Overloaded);
    }

    /// When [`RawSession::tick`] is next due, in the monotonic milliseconds of `now_ms`.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        if self.hearing == Hearing::Over {
            return None;
        }
        let due = self.due().map(|(due, _)| due);
        [due, self.outbox.deadline_ms()].into_iter().flatten().min()
    }

    /// Lets time pass: gives up who sends no key, an unending PEM, a silent caller, and a goodbye that does not go.
    pub fn tick(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        if self.hearing == Hearing::Over {
            return;
        }
        if self.outbox.is_overdue(now_ms) {
            self.over(Ending::WeLeft);
        }
        if let Some((_, ending)) = self.due().filter(|(due, _)| now_ms >= *due) {
            self.over(raw(ending));
        }
        self.pump();
    }

    /// What is waited for, until when, and what its absence means.
    fn due(&self) -> Option<(u64, RawEnding)> {
        match (&self.hearing, &self.side) {
            (Hearing::Pem { since_ms }, _) => {
                Some((since_ms + limits::HANDSHAKE_TIMEOUT_MS, RawEnding::EndlessKey))
            }
            (_, RawSide::Listener(_)) if self.presence == Presence::Unknown => {
                Some((self.started_ms + limits::RAW_MUTE_MS, RawEnding::Mute))
            }
            (Hearing::Opening, RawSide::Dialler(_) | RawSide::OneWay) => {
                Some((self.started_ms + limits::RAW_KEY_MS, RawEnding::NoKey))
            }
            _ => None,
        }
    }

    /// Makes what it can of the bytes that wait.
    fn advance(&mut self) {
        while self.step() {}
        if self.has_ended() && !self.hearing.is_work() && self.hearing != Hearing::Over {
            self.over(self.cut_ending());
        }
    }

    /// One step; whether there may be another.
    fn step(&mut self) -> bool {
        match self.hearing {
            Hearing::Opening => match self.stream.opening() {
                Opening::Undecided => return false,
                Opening::Pem => self.hearing = Hearing::Pem { since_ms: self.now_ms },
                Opening::Native => self.over(raw(RawEnding::Native)),
                Opening::Other if matches!(self.side, RawSide::Listener(_)) => self.hearing = Hearing::Blocks,
                Opening::Other => {
                    let first = self.stream.waiting().iter().copied().take(PREFACE_BYTES).collect();
                    self.over(raw(RawEnding::NoPem(first)));
                }
            },
            Hearing::Pem { .. } => match self.stream.take_pem(limits::RAW_PEM_BYTES) {
                Ok(None) => return false,
                Ok(Some(pem)) => self.need(RawJob::Check { pem: Zeroizing::new(pem) }, Hearing::Checking),
                Err(_) => self.over(raw(RawEnding::EndlessKey)),
            },
            Hearing::First { skipped } => {
                let Some(block) = self.stream.block_after(skipped, self.block_bytes()) else { return false };
                let block = block.to_vec();
                self.need(RawJob::Open { block }, Hearing::Trying { skipped });
            }
            Hearing::Blocks | Hearing::Answers => {
                let size = self.block_bytes();
                if self.stream.block_after(0, size).is_none() {
                    return false;
                }
                let block = self.stream.take(size);
                match self.hearing {
                    Hearing::Answers => self.answer(),
                    _ => self.need(RawJob::Open { block }, Hearing::Reading),
                }
            }
            Hearing::Checking | Hearing::Trying { .. } | Hearing::Reading | Hearing::Over => return false,
        }
        true
    }

    /// The peer's key is sound.
    fn met(&mut self, key: PublicKey) {
        self.hearing = Hearing::First { skipped: 0 };
        match &self.side {
            RawSide::Listener(_) => {}
            RawSide::Dialler(own) => self.outputs.push_back(Output::Transmit(pem_of(own))),
            RawSide::OneWay => self.hearing = Hearing::Answers,
        }
        self.peer = Some(key.clone());
        self.join(Some(key));
    }

    fn join(&mut self, key: Option<PublicKey>) {
        self.presence = match self.presence {
            Presence::Unknown => Presence::Joined,
            Presence::Ended { joined: false } => Presence::Ended { joined: true },
            Presence::Joined | Presence::Ended { .. } => return,
        };
        self.outputs.push_back(event(RawEvent::Joined(key)));
    }

    fn opened(&mut self, text: Option<Zeroizing<Vec<u8>>>) {
        self.hearing = Hearing::Blocks;
        let Some(text) = text else {
            self.unread += 1;
            self.outputs.push_back(event(RawEvent::Unread { in_a_row: self.unread }));
            if self.unread >= limits::RAW_UNREAD {
                self.over(raw(RawEnding::OutOfStep));
            }
            return;
        };
        self.unread = 0;
        self.heard += 1;
        self.join(None);
        if text.as_slice() == EXIT.as_bytes() {
            self.over(Ending::Bye(ByeReason::Leaving));
        } else {
            self.outputs.push_back(event(RawEvent::Heard(text.to_vec())));
        }
    }

    fn answer(&mut self) {
        self.answered += 1;
        if self.answered == 1 {
            self.outputs.push_back(event(RawEvent::Answered));
        }
        self.outbox.answered();
        self.pump();
    }

    fn sealed(&mut self, block: Vec<u8>) {
        self.outputs.push_back(Output::Transmit(block));
        if let Some(upto) = self.outbox.sealed(self.now_ms) {
            self.outputs.push_back(event(RawEvent::Sent { upto }));
        }
        if self.outbox.has_closed() {
            self.over(Ending::WeLeft);
        }
        self.pump();
    }

    /// Has the next part sealed, if one may go.
    fn pump(&mut self) {
        if self.hearing == Hearing::Over {
            return;
        }
        if let Some(job) = self.peer.as_ref().and_then(|key| self.outbox.next(key, self.now_ms)) {
            self.outputs.push_back(Output::Need(Job::Raw(job)));
        }
    }

    fn need(&mut self, job: RawJob, hearing: Hearing) {
        self.hearing = hearing;
        self.outputs.push_back(Output::Need(Job::Raw(job)));
    }

    /// Bytes of every block that comes: those of the key that it is sealed to.
    fn block_bytes(&self) -> usize {
        match (&self.side, &self.peer) {
            (RawSide::Listener(own) | RawSide::Dialler(own), _) => own.block_bytes(),
            (RawSide::OneWay, Some(peer)) => peer.block_bytes(),
            (RawSide::OneWay, None) => usize::MAX,
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.presence, Presence::Ended { .. })
    }

    fn is_unheard(&self) -> bool {
        matches!(self.side, RawSide::Dialler(_)) && self.heard == 0
    }

    fn cut_ending(&self) -> Ending {
        match self.presence {
            _ if self.outbox.is_closing() => Ending::WeLeft,
            Presence::Ended { joined: true } if self.is_unheard() => raw(RawEnding::Unheard),
            Presence::Joined | Presence::Ended { joined: true } => {
                Ending::Cut { midway: !self.stream.waiting().is_empty() }
            }
            _ if matches!(self.side, RawSide::Listener(_)) => raw(RawEnding::Gone),
            _ => raw(RawEnding::NoKey),
        }
    }

    fn over(&mut self, ending: Ending) {
        if self.hearing != Hearing::Over {
            self.hearing = Hearing::Over;
            self.stream = RawStream::default();
            self.outbox.clear();
            self.outputs.push_back(Output::Event(Event::Closed(ending)));
        }
    }
}

fn event(event: RawEvent) -> Output {
    Output::Event(Event::Raw(event))
}

fn raw(ending: RawEnding) -> Ending {
    Ending::Raw(ending)
}

/// As the tutorial sends it: without a newline at its end.
fn pem_of(key: &PublicKey) -> Vec<u8> {
    key.to_spki_pem().trim_ascii_end().into()
}
