//! One encrypted conversation with one peer: it introduces `wire` and `crypto` to each other. It knows no
//! socket, no clock and no second peer; bytes and milliseconds come in, [`Output`]s come out.
//!
//! Laws:
//! - **Drain**: after every call, [`Session::poll`] until `None` before the next call.
//! - **Poison**: after a failure the session says [`Event::Closed`] once and ignores everything after.
//! - **Trust pause**: once the peer's key is known ([`Event::Met`]) nothing is sealed to it and nothing it
//!   sends is opened until [`Session::accept`].
//! - **A pipe is two halves**: once it stands, a session of that purpose takes nothing more and is made into
//!   a [`Pipe`].
//! - **A cut is not a close**: only a `Bye` record ends a session well; a bare end of stream is
//!   [`Ending::Cut`].

mod any;
mod close_reason;
mod handshake;
mod keepalive;
pub mod oaep;
pub mod pipe;
#[cfg(test)]
mod tests;
mod transport;

use std::collections::VecDeque;

use crate::crypto::{Job, JobResult, PublicKey, Seed};
use crate::limits;
use crate::wire::{ByeReason, Frames, Purpose};
pub use any::Conversation;
pub use close_reason::Ending;
use handshake::{Shake, Turn};
use keepalive::Idle;
pub use oaep::{EXIT, RawEnding, RawEvent, RawSession, RawSide};
use pipe::Pipe;
pub use transport::SayFault;
use transport::Standing;

/// What one side of a session is, the same for all its sessions of one purpose.
#[derive(Clone, Debug)]
pub struct Own {
    /// Our public key.
    pub key: PublicKey,
    /// The display name we claim, UTF-8, at most 128 bytes.
    pub name: String,
    /// What the connection is for.
    pub purpose: Purpose,
}

/// Who began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The side that dialled.
    Initiator,
    /// The side that listened.
    Responder,
}

/// What a session wants done or known.
#[expect(missing_debug_implementations, reason = "a job may hold coins")]
pub enum Output {
    /// Bytes for the socket, in order.
    Transmit(Vec<u8>),
    /// Work off the event loop; its result comes back through [`Session::done`].
    Need(Job),
    /// Something happened.
    Event(Event),
}

/// What happened in a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The peer's key is known and sound; judge it, then [`Session::accept`] or [`Session::refuse`].
    Met(PublicKey),
    /// Both sides have confirmed; the peer claims this name (UTF-8 as the peer says, unchecked).
    Stands {
        /// Claimed display name.
        name: Vec<u8>,
    },
    /// A message. Its receipt is owed once it has been shown: [`Session::shown`].
    Said {
        /// Number in the peer's direction, from 1 without gaps.
        seq: u64,
        /// When the peer typed it, by its clock, in milliseconds since 1970.
        time_ms: u64,
        /// The text, unchecked bytes.
        text: Vec<u8>,
    },
    /// The peer has shown everything of ours up to and including this number.
    Receipt {
        /// Highest number shown.
        upto: u64,
    },
    /// On the raw wire only.
    Raw(RawEvent),
    /// The session is over. What was transmitted before still goes out, then the socket closes.
    Closed(Ending),
}

/// One encrypted conversation with one peer.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct Session {
    phase: Phase,
    frames: Frames,
    outputs: VecDeque<Output>,
    started_ms: u64,
    heard_ms: u64,
    pinged_ms: u64,
}

enum Phase {
    Shaking(Box<Shake>),
    Standing(Box<Standing>),
    Over,
}

impl Session {
    /// Begins as `role`. `seed` is this connection's only randomness; `now_ms` is monotonic.
    #[must_use]
    pub fn new(role: Role, own: Own, seed: Seed, now_ms: u64) -> Self {
        let mut outputs = VecDeque::new();
        let shake = Shake::new(role, own, seed, &mut outputs);
        Self {
            phase: Phase::Shaking(Box::new(shake)),
            frames: Frames::default(),
            outputs,
            started_ms: now_ms,
            heard_ms: now_ms,
            pinged_ms: now_ms,
        }
    }

    /// The next output, until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        if self.outputs.is_empty() && matches!(&self.phase, Phase::Standing(s) if s.exhausted()) {
            self.over(Ending::Exhausted);
        }
        self.outputs.pop_front()
    }

    /// Takes what has arrived on the socket, in whatever pieces.
    pub fn feed(&mut self, now_ms: u64, bytes: &[u8]) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        self.heard_ms = now_ms;
        self.frames.push(bytes);
        self.advance(now_ms);
    }

    /// Takes the result of the job that was asked for.
    pub fn done(&mut self, now_ms: u64, result: JobResult) {
        if let Phase::Shaking(shake) = &mut self.phase {
            let turn = shake.done(result, &mut self.outputs);
            self.turn(turn, now_ms);
            self.advance(now_ms);
        }
    }

    /// The peer's key is acceptable: go on.
    pub fn accept(&mut self) {
        if let Phase::Shaking(shake) = &mut self.phase {
            shake.accept(&mut self.outputs);
        }
    }

    /// The peer's key is not acceptable: the one alert, and the end.
    pub fn refuse(&mut self) {
        self.over(Ending::WeRefused);
    }

    /// Whether bytes can be used now. While a job or a judgement is pending they cannot: do not read.
    #[must_use]
    pub fn wants_bytes(&self) -> bool {
        match &self.phase {
            Phase::Shaking(shake) => shake.wants_frame(),
            Phase::Standing(standing) => !standing.is_pipe(),
            Phase::Over => false,
        }
    }

    /// Whether both sides have confirmed.
    #[must_use]
    pub fn stands(&self) -> bool {
        matches!(&self.phase, Phase::Standing(standing) if standing.confirmed())
    }

    /// The two halves of a pipe that stands; `None` if this is anything else, and the session is over.
    #[must_use]
    pub fn into_pipe(self) -> Option<Pipe> {
        match self.phase {
            Phase::Standing(standing) if standing.is_pipe() => {
                let split = standing.into_split();
                Some(Pipe::new(split.seal, split.open, self.frames.waiting().to_vec()))
            }
            _ => None,
        }
    }

    /// Sends a message typed at `time_ms` (since 1970) and returns its number.
    ///
    /// # Errors
    /// [`SayFault`] when the session does not stand or the text exceeds [`limits::MESSAGE_BYTES`].
    pub fn say(&mut self, text: &str, time_ms: u64) -> Result<u64, SayFault> {
        match &mut self.phase {
            Phase::Standing(standing) => standing.say(text, time_ms, &mut self.outputs),
            Phase::Shaking(_) | Phase::Over => Err(SayFault::NotStanding),
        }
    }

    /// Everything of the peer's up to `upto` has been shown, or written and flushed: says so.
    pub fn shown(&mut self, upto: u64) {
        if let Phase::Standing(standing) = &mut self.phase {
            standing.shown(upto, &mut self.outputs);
        }
    }

    /// The owner has not been reading, since it cannot use more: silence is not the peer's. The peer is pinged
    /// as ever.
    pub fn left_unread(&mut self, now_ms: u64) {
        self.heard_ms = self.heard_ms.max(now_ms.saturating_sub(limits::PING_AFTER_MS));
    }

    /// Ends the session well, with the reason for the peer.
    pub fn close(&mut self, reason: ByeReason) {
        if let Phase::Standing(standing) = &mut self.phase {
            standing.bye(reason, &mut self.outputs);
        }
        self.over(Ending::WeLeft);
    }

    /// The peer's stream has ended, by an orderly end or an error: both are a cut by now.
    pub fn cut(&mut self) {
        self.over(match &self.phase {
            Phase::Standing(standing) if standing.confirmed() => Ending::Cut { midway: self.midway() },
            _ => Ending::CutEarly,
        });
    }

    /// The machine could not keep up: ends a handshake for which no work was done.
    pub fn overloaded(&mut self) {
        self.over(Ending::Overloaded);
    }

    /// When [`Session::tick`] is next due, in the monotonic milliseconds of `now_ms`.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Over => None,
            Phase::Standing(standing) if standing.confirmed() => {
                let ping = self.heard_ms.max(self.pinged_ms) + limits::PING_AFTER_MS;
                Some(ping.min(self.heard_ms + limits::DEAD_AFTER_MS))
            }
            _ => Some(self.started_ms + limits::HANDSHAKE_TIMEOUT_MS),
        }
    }

    /// Lets time pass: gives up a late handshake, asks a silent peer for a sign of life, gives it up.
    pub fn tick(&mut self, now_ms: u64) {
        if self.deadline_ms().is_none_or(|due| now_ms < due) {
            return;
        }
        match &mut self.phase {
            Phase::Standing(standing) if standing.confirmed() => {
                if now_ms >= self.heard_ms + limits::DEAD_AFTER_MS {
                    self.over(Ending::Silent);
                } else {
                    self.pinged_ms = now_ms;
                    standing.ping(now_ms, &mut self.outputs);
                }
            }
            Phase::Shaking(shake) if !shake.greeted() && self.frames.waiting().is_empty() => {
                self.over(Ending::Mute);
            }
            _ => self.over(Ending::HandshakeTimeout),
        }
    }

    /// Takes frames while there are whole ones and the phase can use them.
    fn advance(&mut self, now_ms: u64) {
        loop {
            let turn = match &mut self.phase {
                Phase::Over => return,
                Phase::Shaking(shake) => {
                    if !shake.wants_frame() {
                        return;
                    }
                    shake.take(&mut self.frames, &mut self.outputs)
                }
                Phase::Standing(standing) if standing.is_pipe() => return,
                Phase::Standing(standing) => standing.take(now_ms, &mut self.frames, &mut self.outputs),
            };
            if matches!(turn, Turn::Wait) {
                return;
            }
            self.turn(turn, now_ms);
        }
    }

    fn turn(&mut self, turn: Turn, now_ms: u64) {
        match turn {
            Turn::Wait | Turn::Again => {}
            Turn::Stand(standing) => {
                self.pinged_ms = now_ms;
                self.phase = Phase::Standing(standing);
            }
            Turn::End(ending) => self.over(ending),
        }
    }

    /// Whether the peer stopped inside a record.
    fn midway(&self) -> bool {
        !self.frames.waiting().is_empty()
    }

    fn over(&mut self, ending: Ending) {
        match &self.phase {
            Phase::Over => return,
            Phase::Shaking(shake) => {
                if ending.deserves_alert() && shake.greeted() {
                    self.outputs.push_back(Output::Transmit(vec![0, 0]));
                }
            }
            Phase::Standing(_) => {}
        }
        self.phase = Phase::Over;
        self.frames = Frames::default();
        self.outputs.push_back(Output::Event(Event::Closed(ending)));
    }
}
