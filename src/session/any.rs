//! Either kind of conversation, for a caller to whom it is all the same. The two share no code: what the raw wire
//! cannot do (receipts, judging a key, a reason for leaving) does nothing there.

use super::pipe::Pipe;
use super::{Output, RawSession, SayFault, Session};
use crate::crypto::JobResult;
use crate::wire::ByeReason;

/// A conversation on one of the two wires.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub enum Conversation {
    /// On our own wire.
    Native(Box<Session>),
    /// On the raw wire of the tutorial.
    Raw(Box<RawSession>),
}

impl Conversation {
    /// The next output, until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        match self {
            Self::Native(session) => session.poll(),
            Self::Raw(session) => session.poll(),
        }
    }

    /// Takes what has arrived on the socket.
    pub fn feed(&mut self, now_ms: u64, bytes: &[u8]) {
        match self {
            Self::Native(session) => session.feed(now_ms, bytes),
            Self::Raw(session) => session.feed(now_ms, bytes),
        }
    }

    /// Takes the result of a job that was asked for.
    pub fn done(&mut self, now_ms: u64, result: JobResult) {
        match self {
            Self::Native(session) => session.done(now_ms, result),
            Self::Raw(session) => session.done(now_ms, result),
        }
    }

    /// The peer's key is acceptable. On the raw wire no key is ever judged.
    pub fn accept(&mut self) {
        if let Self::Native(session) = self {
            session.accept();
        }
    }

    /// The peer is not acceptable: the end.
    pub fn refuse(&mut self) {
        match self {
            Self::Native(session) => session.refuse(),
            Self::Raw(session) => session.close(),
        }
    }

    /// Whether bytes can be used now; otherwise do not read.
    #[must_use]
    pub fn wants_bytes(&self) -> bool {
        match self {
            Self::Native(session) => session.wants_bytes(),
            Self::Raw(session) => session.wants_bytes(),
        }
    }

    /// Sends a message typed at `time_ms` (since 1970) and returns its number.
    ///
    /// # Errors
    /// [`SayFault`], in words.
    pub fn say(&mut self, text: &str, time_ms: u64) -> Result<u64, SayFault> {
        match self {
            Self::Native(session) => session.say(text, time_ms),
            Self::Raw(session) => session.say(text),
        }
    }

    /// Everything of the peer's up to `upto` has been shown. The raw wire has no receipts.
    pub fn shown(&mut self, upto: u64) {
        if let Self::Native(session) = self {
            session.shown(upto);
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
    pub fn stands(&self) -> bool {
        matches!(self, Self::Native(session) if session.stands())
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
    pub fn left_unread(&mut self, now_ms: u64) {
        if let Self::Native(session) = self {
            session.left_unread(now_ms);
        }
    }

    /// The peer's stream has ended.
    pub fn cut(&mut self) {
        match self {
            Self::Native(session) => session.cut(),
            Self::Raw(session) => session.cut(),
        }
    }

    /// The machine could not keep up.
    pub fn overloaded(&mut self) {
        match self {
            Self::Native(session) => session.overloaded(),
            Self::Raw(session) => session.overloaded(),
        }
    }

    /// When [`Conversation::tick`] is next due, in monotonic milliseconds.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        match self {
            Self::Native(session) => session.deadline_ms(),
            Self::Raw(session) => session.deadline_ms(),
        }
    }

    /// Lets time pass.
    pub fn tick(&mut self, now_ms: u64) {
        match self {
            Self::Native(session) => session.tick(now_ms),
            Self::Raw(session) => session.tick(now_ms),
        }
    }
}
