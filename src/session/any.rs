//! Either kind of conversation, for a caller to whom it is all the same. The two share no code: what the raw wire
//! cannot do (receipts, judging a key, a reason for leaving) does nothing there.

use super::pipe::Pipe;
use super::{OaepSession, Output, SendError, Session};
use crate::crypto::JobResult;
use crate::wire::ByeReason;

/// A conversation on one of the two wires.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub enum AnySession {
    /// On our own wire.
    Native(Box<Session>),
    /// On the raw wire of the tutorial.
    Raw(Box<OaepSession>),
}

impl AnySession {
    /// The next output, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        match self {
            Self::Native(session) => session.poll_output(),
            Self::Raw(session) => session.poll_output(),
        }
    }

    /// Takes what has arrived on the socket.
    pub fn handle_bytes(&mut self, now_ms: u64, bytes: &[u8]) {
        match self {
            Self::Native(session) => session.handle_bytes(now_ms, bytes),
            Self::Raw(session) => session.handle_bytes(now_ms, bytes),
        }
    }

    /// Takes the result of a job that was asked for.
    pub fn handle_job(&mut self, now_ms: u64, result: JobResult) {
        match self {
            Self::Native(session) => session.handle_job(now_ms, result),
            Self::Raw(session) => session.handle_job(now_ms, result),
        }
    }

    /// The peer's key is acceptable. On the raw wire no key is ever judged.
    pub fn accept_key(&mut self) {
        if let Self::Native(session) = self {
            session.accept_key();
        }
    }

    /// The peer is not acceptable: the end.
    pub fn reject_key(&mut self) {
        match self {
            Self::Native(session) => session.reject_key(),
            Self::Raw(session) => session.close(),
        }
    }

    /// Whether bytes can be used now; otherwise do not read.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match self {
            Self::Native(session) => session.wants_read(),
            Self::Raw(session) => session.wants_read(),
        }
    }

    /// Sends a message typed at `time_ms` (since 1970) and returns its number.
    ///
    /// # Errors
    /// [`SendError`], in words.
    pub fn send(&mut self, text: &str, time_ms: u64) -> Result<u64, SendError> {
        match self {
            Self::Native(session) => session.send(text, time_ms),
            Self::Raw(session) => session.send(text),
        }
    }

    /// Everything of the peer's up to `upto` has been shown. The raw wire has no receipts.
    pub fn ack(&mut self, upto: u64) {
        if let Self::Native(session) = self {
            session.ack(upto);
        }
    }

    /// Ends the conversation well.
    pub fn close(&mut self, reason: ByeReason) {
        match self {
            Self::Native(session) => session.close(reason),
            Self::Raw(session) => session.close(),
        }
    }

    /// The kernel takes no more for now. On our own wire receipts bound what is on the way.
    pub fn clogged(&mut self) {
        if let Self::Raw(session) = self {
            session.clogged();
        }
    }

    /// The kernel has taken everything that was sent.
    pub fn drained(&mut self) {
        if let Self::Raw(session) = self {
            session.drained();
        }
    }

    /// Whether both sides have confirmed; on the raw wire nobody does.
    #[must_use]
    pub fn is_established(&self) -> bool {
        matches!(self, Self::Native(session) if session.is_established())
    }

    /// The two halves of a pipe that stands.
    #[must_use]
    pub fn into_pipe(self) -> Option<Pipe> {
        match self {
            Self::Native(session) => session.into_pipe(),
            Self::Raw(_) => None,
        }
    }

    /// The owner has not been reading, since it cannot use more. On the raw wire nobody asks for signs of life.
    pub fn reading_paused(&mut self, now_ms: u64) {
        if let Self::Native(session) = self {
            session.reading_paused(now_ms);
        }
    }

    /// The peer's stream has ended.
    pub fn handle_eof(&mut self) {
        match self {
            Self::Native(session) => session.handle_eof(),
            Self::Raw(session) => session.handle_eof(),
        }
    }

    /// The machine could not keep up.
    pub fn overloaded(&mut self) {
        match self {
            Self::Native(session) => session.overloaded(),
            Self::Raw(session) => session.overloaded(),
        }
    }

    /// When [`AnySession::handle_timeout`] is next due, in monotonic milliseconds.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        match self {
            Self::Native(session) => session.poll_timeout(),
            Self::Raw(session) => session.poll_timeout(),
        }
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        match self {
            Self::Native(session) => session.handle_timeout(now_ms),
            Self::Raw(session) => session.handle_timeout(now_ms),
        }
    }
}
