//! One encrypted conversation with one peer: it introduces `wire` and `crypto` to each other. It knows no
//! socket, no clock and no second peer; bytes and milliseconds come in, [`Output`]s come out.
//!
//! Laws:
//! - **Drain**: after every call, [`Session::poll_output`] until `None` before the next call.
//! - **Poison**: after a failure the session says [`Event::Closed`] once and ignores everything after.
//! - **Trust pause**: once the peer's key is known ([`Event::PeerKey`]) nothing is sealed to it and nothing it
//!   sends is opened until [`Session::accept_key`].
//! - **A pipe is two halves**: once it stands, a session of that purpose takes nothing more and is made into
//!   a [`Pipe`].
//! - **A cut is not a close**: only a `Bye` record ends a session well; a bare end of stream is
//!   [`CloseReason::ConnectionLost`].

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

use crate::crypto::{JobResult, PublicKey, RsaJob, Seed};
use crate::limits;
use crate::wire::{ByeReason, Frames, Purpose};
pub use any::AnySession;
pub use close_reason::CloseReason;
use handshake::{Handshake, Step};
use keepalive::IdleBudget;
pub use oaep::{EXIT, OaepCloseReason, OaepEvent, OaepRole, OaepSession};
use pipe::Pipe;
pub use transport::SendError;
use transport::Transport;

/// What one side of a session is, the same for all its sessions of one purpose.
#[derive(Clone, Debug)]
pub struct SessionConfig {
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
    /// Work off the event loop; its result comes back through [`Session::handle_job`].
    Job(RsaJob),
    /// Something happened.
    Event(Event),
}

/// What happened in a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The peer's key is known and sound; judge it, then [`Session::accept_key`] or [`Session::reject_key`].
    PeerKey(PublicKey),
    /// Both sides have confirmed; the peer claims this name (UTF-8 as the peer says, unchecked).
    Established {
        /// Claimed display name.
        name: Vec<u8>,
    },
    /// A message. Its receipt is owed once it has been shown: [`Session::ack`].
    Message {
        /// Number in the peer's direction, from 1 without gaps.
        seq: u64,
        /// When the peer typed it, by its clock, in milliseconds since 1970.
        time_ms: u64,
        /// The text, unchecked bytes.
        text: Vec<u8>,
    },
    /// The peer has shown everything of ours up to and including this number.
    Acked {
        /// Highest number shown.
        upto: u64,
    },
    /// On the raw wire only.
    Oaep(OaepEvent),
    /// The session is over. What was transmitted before still goes out, then the socket closes.
    Closed(CloseReason),
}

/// One encrypted conversation with one peer.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct Session {
    phase: State,
    frames: Frames,
    outputs: VecDeque<Output>,
    started_ms: u64,
    heard_ms: u64,
    pinged_ms: u64,
}

enum State {
    Shaking(Box<Handshake>),
    Transport(Box<Transport>),
    Over,
}

impl Session {
    /// Begins as `role`. `seed` is this connection's only randomness; `now_ms` is monotonic.
    #[must_use]
    pub fn new(role: Role, own: SessionConfig, seed: Seed, now_ms: u64) -> Self {
        let mut outputs = VecDeque::new();
        let shake = Handshake::new(role, own, seed, &mut outputs);
        Self {
            phase: State::Shaking(Box::new(shake)),
            frames: Frames::default(),
            outputs,
            started_ms: now_ms,
            heard_ms: now_ms,
            pinged_ms: now_ms,
        }
    }

    /// The next output, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.outputs.is_empty() && matches!(&self.phase, State::Transport(s) if s.exhausted()) {
            self.over(CloseReason::NonceExhausted);
        }
        self.outputs.pop_front()
    }

    /// Takes what has arrived on the socket, in whatever pieces.
    pub fn handle_bytes(&mut self, now_ms: u64, bytes: &[u8]) {
        if matches!(self.phase, State::Over) {
            return;
        }
        self.heard_ms = now_ms;
        self.frames.push(bytes);
        self.advance(now_ms);
    }

    /// Takes the result of the job that was asked for.
    pub fn handle_job(&mut self, now_ms: u64, result: JobResult) {
        if let State::Shaking(shake) = &mut self.phase {
            let turn = shake.handle_job(result, &mut self.outputs);
            self.turn(turn, now_ms);
            self.advance(now_ms);
        }
    }

    /// The peer's key is acceptable: go on.
    pub fn accept_key(&mut self) {
        if let State::Shaking(shake) = &mut self.phase {
            shake.accept_key(&mut self.outputs);
        }
    }

    /// The peer's key is not acceptable: the one alert, and the end.
    pub fn reject_key(&mut self) {
        self.over(CloseReason::LocalReject);
    }

    /// Whether bytes can be used now. While a job or a judgement is pending they cannot: do not read.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match &self.phase {
            State::Shaking(shake) => shake.wants_frame(),
            State::Transport(standing) => !standing.is_pipe(),
            State::Over => false,
        }
    }

    /// Whether both sides have confirmed.
    #[must_use]
    pub fn is_established(&self) -> bool {
        matches!(&self.phase, State::Transport(standing) if standing.confirmed())
    }

    /// The two halves of a pipe that stands; `None` if this is anything else, and the session is over.
    #[must_use]
    pub fn into_pipe(self) -> Option<Pipe> {
        match self.phase {
            State::Transport(standing) if standing.is_pipe() => {
                let split = standing.into_split();
                Some(Pipe::new(split.seal, split.open, self.frames.buffered().to_vec()))
            }
            _ => None,
        }
    }

    /// Sends a message typed at `time_ms` (since 1970) and returns its number.
    ///
    /// # Errors
    /// [`SendError`] when the session does not stand or the text exceeds [`limits::MESSAGE_BYTES`].
    pub fn send(&mut self, text: &str, time_ms: u64) -> Result<u64, SendError> {
        match &mut self.phase {
            State::Transport(standing) => standing.send(text, time_ms, &mut self.outputs),
            State::Shaking(_) | State::Over => Err(SendError::NotStanding),
        }
    }

    /// Everything of the peer's up to `upto` has been shown, or written and flushed: says so.
    pub fn ack(&mut self, upto: u64) {
        if let State::Transport(standing) = &mut self.phase {
            standing.ack(upto, &mut self.outputs);
        }
    }

    /// The owner has not been reading, since it cannot use more: silence is not the peer's. The peer is pinged
    /// as ever.
    pub fn reading_paused(&mut self, now_ms: u64) {
        self.heard_ms = self.heard_ms.max(now_ms.saturating_sub(limits::PING_AFTER_MS));
    }

    /// Ends the session well, with the reason for the peer.
    pub fn close(&mut self, reason: ByeReason) {
        if let State::Transport(standing) = &mut self.phase {
            standing.bye(reason, &mut self.outputs);
        }
        self.over(CloseReason::LocalClose);
    }

    /// The peer's stream has ended, by an orderly end or an error: both are a cut by now.
    pub fn handle_eof(&mut self) {
        self.over(match &self.phase {
            State::Transport(standing) if standing.confirmed() => {
                CloseReason::ConnectionLost { mid_record: self.mid_record() }
            }
            _ => CloseReason::LostInHandshake,
        });
    }

    /// The machine could not keep up: ends a handshake for which no work was done.
    pub fn overloaded(&mut self) {
        self.over(CloseReason::Overloaded);
    }

    /// When [`Session::handle_timeout`] is next due, in the monotonic milliseconds of `now_ms`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        match &self.phase {
            State::Over => None,
            State::Transport(standing) if standing.confirmed() => {
                let ping = self.heard_ms.max(self.pinged_ms) + limits::PING_AFTER_MS;
                Some(ping.min(self.heard_ms + limits::DEAD_AFTER_MS))
            }
            _ => Some(self.started_ms + limits::HANDSHAKE_TIMEOUT_MS),
        }
    }

    /// Lets time pass: gives up a late handshake, asks a silent peer for a sign of life, gives it up.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        if self.poll_timeout().is_none_or(|due| now_ms < due) {
            return;
        }
        match &mut self.phase {
            State::Transport(standing) if standing.confirmed() => {
                if now_ms >= self.heard_ms + limits::DEAD_AFTER_MS {
                    self.over(CloseReason::IdleTimeout);
                } else {
                    self.pinged_ms = now_ms;
                    standing.ping(now_ms, &mut self.outputs);
                }
            }
            State::Shaking(shake) if !shake.has_preface() && self.frames.buffered().is_empty() => {
                self.over(CloseReason::NoData);
            }
            _ => self.over(CloseReason::HandshakeTimeout),
        }
    }

    /// Takes frames while there are whole ones and the phase can use them.
    fn advance(&mut self, now_ms: u64) {
        loop {
            let turn = match &mut self.phase {
                State::Over => return,
                State::Shaking(shake) => {
                    if !shake.wants_frame() {
                        return;
                    }
                    shake.take(&mut self.frames, &mut self.outputs)
                }
                State::Transport(standing) if standing.is_pipe() => return,
                State::Transport(standing) => standing.take(now_ms, &mut self.frames, &mut self.outputs),
            };
            if matches!(turn, Step::Wait) {
                return;
            }
            self.turn(turn, now_ms);
        }
    }

    fn turn(&mut self, turn: Step, now_ms: u64) {
        match turn {
            Step::Wait | Step::Again => {}
            Step::Stand(standing) => {
                self.pinged_ms = now_ms;
                self.phase = State::Transport(standing);
            }
            Step::End(ending) => self.over(ending),
        }
    }

    /// Whether the peer stopped inside a record.
    fn mid_record(&self) -> bool {
        !self.frames.buffered().is_empty()
    }

    fn over(&mut self, ending: CloseReason) {
        match &self.phase {
            State::Over => return,
            State::Shaking(shake) => {
                if ending.sends_alert() && shake.has_preface() {
                    self.outputs.push_back(Output::Transmit(vec![0, 0]));
                }
            }
            State::Transport(_) => {}
        }
        self.phase = State::Over;
        self.frames = Frames::default();
        self.outputs.push_back(Output::Event(Event::Closed(ending)));
    }
}
